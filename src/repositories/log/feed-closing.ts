import type { Database } from '../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { arrayText } from '../sql/parameters.ts'
import { makeLogs, takeLogs } from './locked-logs.ts'

// A feed that nobody reads costs each event something, so it is closed after a while. From the commit that says so on, whoever numbers
// events leaves no stretches. All stretches are then given back to their logs, as if they had never been in the feed: one that is
// opened again begins with all events that the logs still have.

/** Logs in one transaction, and stretches. */
const LOGS_AT_ONCE = 200
const STRETCHES_AT_ONCE = 1_000
const FEEDS_AT_ONCE = 200
/** A feed is noted as read no more often. */
export const READ_NOTED_MS = 3_600_000

/** Notes that the feed of an environment is read, unless that was noted in the last hour. */
export async function noteFeedRead(db: Database, environmentId: EnvironmentId): Promise<void> {
  await db.run(
    `update environment_feeds set read_at = now()
     where environment_id = $1::uuid and read_at < now() - interval '1 hour' and not closing`,
    [environmentId],
    { name: 'feed-noted' },
  )
}

/** Environments whose feed nobody has read for so many days, or whose closing was broken off. */
export async function idleFeeds(db: Database, days: number): Promise<EnvironmentId[]> {
  const rows = await db.run<{ id: EnvironmentId }>(
    `select f.environment_id::text as id from environment_feeds f
     where f.closing or f.read_at < now() - make_interval(days => $1::int) order by f.environment_id limit ${FEEDS_AT_ONCE}`,
    [days],
    { name: 'feed-close' },
  )
  return rows.map(({ id }) => id)
}

/**
 * Closes the feed of an environment in small steps, each a transaction; safe to break off, to repeat, and for several at a time.
 *
 * @param idleDays closes one that nobody has read for so long; without it, only what another has begun is ended
 * @param pause between two steps
 */
export async function closeFeed(
  db: Database,
  environmentId: EnvironmentId,
  idleDays?: number,
  pause: () => Promise<unknown> = async () => {},
  stopped?: AbortSignal,
): Promise<void> {
  const isIdle = idleDays === undefined ? '' : 'or f.read_at < now() - make_interval(days => $2::int)'
  const closing = await db.run(
    `update environment_feeds f set closing = true, complete = false
     where f.environment_id = $1::uuid and (f.closing ${isIdle}) returning 1`,
    idleDays === undefined ? [environmentId] : [environmentId, idleDays],
    { name: 'feed-close' },
  )
  if (closing.length === 0) return
  // Who numbers and has not seen the change holds the log: what it leaves is found once its log is taken.
  const atOnce = db.distributed ? 1 : LOGS_AT_ONCE
  for (let after: string = FIRST_ID; ; await pause()) {
    if (stopped?.aborted) return
    const tenants = await db.run<{ id: TenantId }>(
      `select t.id::text as id from tenants t where t.environment_id = $1::uuid and t.id > $2::uuid
       order by t.environment_id, t.id limit ${atOnce}`,
      [environmentId, after],
      { name: 'feed-close' },
    )
    if (tenants.length === 0) break
    const ids = tenants.map(({ id }) => id)
    await makeLogs(db, ids)
    await ifClosing(db, environmentId, async (tx) => {
      await takeLogs(tx, ids, true)
      for (const some of tx.distributed ? ids.map((id) => [id]) : [ids]) {
        const which = tx.distributed ? (some[0] ?? FIRST_ID) : arrayText(some, 'uuid')
        await tx.run(tx.distributed ? GIVE_BACK_ONE : GIVE_BACK, [which], { name: 'feed-close' })
      }
    })
    after = ids.at(-1) ?? FIRST_ID
  }
  for (;;) {
    if (stopped?.aborted) return
    const left = await ifClosing(db, environmentId, (tx) => giveBackOldest(tx, environmentId))
    if (!left) break
    await pause()
  }
  await ifClosing(db, environmentId, async (tx) => {
    await tx.run('delete from environment_feeds f where f.environment_id = $1::uuid', [environmentId], {
      name: 'feed-close',
    })
  })
}

/** Does a step while the feed is being closed, and holds it meanwhile. Undefined where it is closed, or open again. */
async function ifClosing<T>(
  db: Database,
  environmentId: EnvironmentId,
  step: (tx: Database) => Promise<T>,
): Promise<T | undefined> {
  return db.transaction(async (tx) => {
    const closing = await tx.run(
      'select 1 from environment_feeds f where f.environment_id = $1::uuid and f.closing for update',
      [environmentId],
      { name: 'feed-close' },
    )
    return closing.length === 0 ? undefined : step(tx)
  })
}

/** Stretches that wait for their places go back to their logs, which are locked. */
const giveBack = (which: string): string => `with gone as (
    delete from waiting_stretches w where w.tenant_id ${which} returning w.tenant_id, w.position - w.size as start
  ),
  starts as (select g.tenant_id, min(g.start) as start from gone g group by 1)
  update event_logs l set fed = least(l.fed, s.start) from starts s where l.tenant_id ${which} and l.tenant_id = s.tenant_id`
const GIVE_BACK = giveBack('= any($1::text::uuid[])')
const GIVE_BACK_ONE = giveBack('= $1::uuid')

/** The oldest stretches of a feed go back to their logs. False where there were none. */
async function giveBackOldest(tx: Database, environmentId: EnvironmentId): Promise<boolean> {
  const stretches = await tx.run<{ tenantId: TenantId; place: number; start: number }>(
    `select s.tenant_id::text as "tenantId", s.place::float8 as place, (s.position - s.size)::float8 as start
     from feed_stretches s where s.environment_id = $1::uuid order by s.environment_id, s.place limit ${STRETCHES_AT_ONCE}`,
    [environmentId],
    { name: 'feed-close' },
  )
  const last = stretches.at(-1)
  if (last === undefined) return false
  const starts = new Map<TenantId, number>()
  for (const { tenantId, start } of stretches) starts.set(tenantId, Math.min(start, starts.get(tenantId) ?? start))
  const tenants = [...starts.keys()].sort()
  for (const some of tx.distributed ? tenants.map((id) => [id]) : [tenants]) {
    await takeLogs(tx, some, true)
    // A tenant that has moved away has a log of another environment.
    await tx.run(
      `update event_logs l set fed = least(l.fed, s.start) from unnest($1::text::uuid[], $2::text::bigint[]) s(tenant_id, start)
       where l.tenant_id = s.tenant_id and l.environment_id = $3::uuid`,
      [arrayText(some, 'uuid'), `{${some.map((id) => starts.get(id)).join(',')}}`, environmentId],
      { name: 'feed-close' },
    )
  }
  await tx.run(
    'delete from feed_stretches s where s.environment_id = $1::uuid and s.place <= $2::bigint',
    [environmentId, last.place],
    { name: 'feed-close' },
  )
  return true
}
