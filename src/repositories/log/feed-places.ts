import type { Database } from '../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { arrayText } from '../sql/parameters.ts'
import { closeFeed } from './feed-closing.ts'
import { makeLogs, takeLogs } from './locked-logs.ts'

// Whoever gives places locks the rows of `environment_feeds` first, and holds them until its commit. The look for stretches is a
// separate statement: its snapshot is younger than the lock, so it sees what the last holder has placed.

/** Stretches placed in one transaction; and environments. */
const PLACED_AT_ONCE = 1_000
const FEEDS_AT_ONCE = 200
/** Tenants whose stretches are placed in one transaction on Citus, where each is a statement. */
const TENANTS_AT_ONCE = 50
/** Logs that are taken in one transaction while a feed is opened. */
const LOGS_AT_ONCE = 200
/** Stretches deleted in one transaction. */
export const STRETCHES_TRIMMED_AT_ONCE = 1_000

/**
 * Gives waiting stretches their places in the feeds of their environments, and leaves out feeds that another transaction has locked.
 * Within a tenant the order is that of positions.
 *
 * @param only the one environment that matters; then it waits for the other transaction
 */
export async function placeStretches(db: Database, only?: EnvironmentId): Promise<void> {
  for (let placed = PLACED_AT_ONCE; placed >= PLACED_AT_ONCE; ) {
    const environments = only === undefined ? await unplacedEnvironments(db) : [only]
    if (environments.length === 0) return
    const wait = only !== undefined
    if (db.distributed) placed = await placeOnCitus(db, environments, wait)
    else
      placed = await db.transaction(async (tx) => {
        const feeds = await tx.run<{ id: EnvironmentId }>(
          `select f.environment_id::text as id from unnest($1::text::uuid[]) x(id) cross join lateral (
             select f.environment_id from environment_feeds f where f.environment_id = x.id for update of f ${wait ? '' : 'skip locked'}
           ) f`,
          [arrayText(environments, 'uuid')],
          { name: 'feed-place' },
        )
        if (feeds.length === 0) return 0
        const ids = feeds.map(({ id }) => id)
        const [done] = await tx.run<{ count: number }>(PLACE, [arrayText(ids, 'uuid')], { name: 'feed-place' })
        return done?.count ?? 0
      })
  }
}

/** By places where rows lie, as in numbering: it is prepared when the tables may be empty, and reads no other feed. */
const PLACE = `with waiting as materialized (
    select w.ctid as at, w.tenant_id, w.position, w.size, t.environment_id from waiting_stretches w
    cross join lateral (select t.environment_id from tenants t where t.id = w.tenant_id offset 0) t
    where t.environment_id = any($1::text::uuid[]) order by w.tenant_id, w.position limit ${PLACED_AT_ONCE}
  ),
  gone as (
    delete from waiting_stretches w where w.ctid = any(array(select at from waiting))
  ),
  runs as materialized (
    select w.environment_id, w.tenant_id, max(w.position) as position, sum(w.size) as size from waiting w group by 1, 2
  ),
  feeds as materialized (
    select x.id, f.at, f.head from unnest($1::text::uuid[]) x(id) cross join lateral (
      select f.ctid as at, f.head from environment_feeds f where f.environment_id = x.id limit 1
    ) f
  ),
  placed as (
    insert into feed_stretches (environment_id, place, tenant_id, position, size)
    select f.id, f.head + sum(r.size) over (partition by f.id order by r.tenant_id), r.tenant_id, r.position, r.size
    from runs r join feeds f on f.id = r.environment_id
  ),
  moved as (
    update environment_feeds f set head = f.head + m.size
    from (select o.at, sum(r.size) as size from runs r join feeds o on o.id = r.environment_id group by 1) m
    where (f.environment_id = any($1::text::uuid[])) is true and f.ctid = m.at
  )
  select count(*)::int as count from waiting`

/** The same on Citus, environment by environment, since a statement changes rows of one machine. Gives how many were placed. */
async function placeOnCitus(db: Database, environments: readonly EnvironmentId[], wait: boolean): Promise<number> {
  let placed = 0
  for (const environmentId of environments)
    await db.transaction(async (tx) => {
      const [feed] = await tx.run<{ head: number }>(
        `select f.head::float8 as head from environment_feeds f where f.environment_id = $1::uuid for update of f ${wait ? '' : 'skip locked'}`,
        [environmentId],
        { name: 'feed-place' },
      )
      if (feed === undefined) return
      const tenants = await tx.run<{ id: TenantId }>(
        `select distinct w.tenant_id::text as id from waiting_stretches w join tenants t on t.id = w.tenant_id
         where t.environment_id = $1::uuid order by 1 limit ${TENANTS_AT_ONCE}`,
        [environmentId],
        { name: 'feed-place' },
      )
      let { head } = feed
      const runs: (readonly [place: number, tenant: TenantId, position: number, size: number])[] = []
      for (const { id } of tenants) {
        const gone = await tx.run<{ position: number; size: number }>(
          `delete from waiting_stretches w where w.tenant_id = $1::uuid
           returning w.position::float8 as position, w.size::float8 as size`,
          [id],
          { name: 'feed-place' },
        )
        if (gone.length === 0) continue
        const size = gone.reduce((sum, stretch) => sum + stretch.size, 0)
        head += size
        runs.push([head, id, Math.max(...gone.map(({ position }) => position)), size])
      }
      const column = (n: 0 | 1 | 2 | 3) => `{${runs.map((run) => run[n]).join(',')}}`
      await tx.run(
        `insert into feed_stretches (environment_id, place, tenant_id, position, size)
         select $1::uuid, r.* from unnest($2::text::bigint[], $3::text::uuid[], $4::text::bigint[], $5::text::bigint[]) r`,
        [environmentId, column(0), column(1), column(2), column(3)],
        { name: 'feed-place' },
      )
      await tx.run(
        'update environment_feeds f set head = $2::bigint where f.environment_id = $1::uuid',
        [environmentId, head],
        { name: 'feed-place' },
      )
      // A full page of tenants may have others behind it.
      placed = Math.max(placed, tenants.length === TENANTS_AT_ONCE ? PLACED_AT_ONCE : tenants.length)
    })
  return placed
}

/** Environments with stretches that wait, up to as many as one transaction takes. */
async function unplacedEnvironments(db: Database): Promise<EnvironmentId[]> {
  // By key, tenant by tenant. Citus has a copy of the tenants on each machine.
  const tenants = db.distributed
    ? 'join tenants t on t.id = w.tenant_id'
    : 'cross join lateral (select t.environment_id from tenants t where t.id = w.tenant_id offset 0) t'
  const rows = await db.run<{ id: EnvironmentId }>(
    `select distinct t.environment_id::text as id from waiting_stretches w ${tenants} order by 1 limit ${FEEDS_AT_ONCE}`,
    [],
    { name: 'feed-place' },
  )
  return rows.map(({ id }) => id)
}

/**
 * Opens the feed of an environment, with all events that its tenants' logs still have. From the first commit on, whoever numbers
 * events leaves their stretches, once it sees the feed. Who did not see it holds its log. So each log is taken once after that commit,
 * and has then no event that is neither in a stretch nor left to the next one who numbers. Safe to repeat, and for several at a time.
 */
export async function openFeed(db: Database, environmentId: EnvironmentId): Promise<void> {
  await closeFeed(db, environmentId)
  await db.run(
    `insert into environment_feeds (environment_id) select e.id from environments e where e.id = $1::uuid on conflict do nothing`,
    [environmentId],
  )
  const atOnce = db.distributed ? 1 : LOGS_AT_ONCE
  for (let after: string = FIRST_ID; ; ) {
    const tenants = await db.run<{ id: TenantId }>(
      `select t.id::text as id from tenants t where t.environment_id = $1::uuid and t.id > $2::uuid
       order by t.environment_id, t.id limit ${atOnce}`,
      [environmentId, after],
    )
    if (tenants.length === 0) break
    const ids = tenants.map(({ id }) => id)
    await makeLogs(db, ids)
    await db.transaction(async (tx) => {
      await takeLogs(tx, ids, true)
      for (const some of tx.distributed ? ids.map((id) => [id]) : [ids])
        await tx.run(tx.distributed ? FEED_ONE : FEED, [
          tx.distributed ? (some[0] ?? FIRST_ID) : arrayText(some, 'uuid'),
        ])
    })
    after = ids.at(-1) ?? FIRST_ID
  }
  await db.run('update environment_feeds f set complete = true where f.environment_id = $1::uuid', [environmentId])
  await placeStretches(db, environmentId)
}

/** What is in locked logs and in no stretch becomes one stretch of each. */
const feedLogs = (which: string): string => `with logs as materialized (
    select l.tenant_id, l.head, greatest(l.fed, l.trimmed) as fed from event_logs l
    where l.tenant_id ${which} and l.head > greatest(l.fed, l.trimmed)
  ),
  stretches as (
    insert into waiting_stretches (tenant_id, position, size) select l.tenant_id, l.head, l.head - l.fed from logs l
  )
  update event_logs l set fed = l.head where l.tenant_id ${which} and l.head > greatest(l.fed, l.trimmed)`
const FEED = feedLogs('= any($1::text::uuid[])')
const FEED_ONE = feedLogs('= $1::uuid')

/** Deletes stretches that are older than `days`: their events are older still. Gives whether there may be more. */
export async function trimFeed(db: Database, environmentId: EnvironmentId, days: number): Promise<boolean> {
  return db.transaction(async (tx) => {
    const [gone] = await tx.run<{ count: number; place: number | null }>(
      `with oldest as materialized (
         select s.place, s.placed_at from feed_stretches s where s.environment_id = $1::uuid
         order by s.environment_id, s.place limit ${STRETCHES_TRIMMED_AT_ONCE}
       ),
       gone as (
         delete from feed_stretches s where s.environment_id = $1::uuid and s.place <= (
           select max(o.place) from oldest o where o.placed_at < now() - make_interval(days => $2::int)
         ) returning s.place
       )
       select count(*)::int as count, max(g.place)::float8 as place from gone g`,
      [environmentId, days],
      { name: 'events-trim', prepare: false },
    )
    if (gone === undefined || gone.place === null) return false
    await tx.run(
      'update environment_feeds f set trimmed = greatest(f.trimmed, $2::bigint) where f.environment_id = $1::uuid',
      [environmentId, gone.place],
      { name: 'events-trim' },
    )
    return gone.count === STRETCHES_TRIMMED_AT_ONCE
  })
}
