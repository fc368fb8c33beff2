import type { Database } from '../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { arrayText } from '../sql/parameters.ts'

/** What a history is at: see `histories.phase`. */
export type Phase = 'ending' | 'picture' | 'catching' | 'following'

/** A time of which a history does not tell, in milliseconds since 1970. `until` is null while it lasts. */
export interface Gap {
  readonly from: number
  readonly until: number | null
}

/** How far a tenant's history is. */
export interface History {
  readonly phase: Phase
  /** Events up to here are in it. */
  readonly position: number
  readonly numbers: number
  readonly part: string | null
  readonly after: string | null
  readonly begunAt: number
  readonly target: number | null
  /** It tells of all times from then on; null while the starting picture is taken. */
  readonly startedAt: number | null
  /** Since when it is switched off; null while it is on. */
  readonly endedAt: number | null
  readonly gaps: readonly Gap[]
}

const ms = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`
const COLUMNS = `h.phase, h.position::float8 as position, h.numbers, h.part, h.after, ${ms('h.begun_at')} as "begunAt",
  h.target::float8 as target, ${ms('h.started_at')} as "startedAt", ${ms('h.ended_at')} as "endedAt", h.gaps::text as gaps`
type Row = Omit<History, 'gaps'> & { readonly gaps: string }
const read = ({ gaps, ...row }: Row): History => ({ ...row, gaps: JSON.parse(gaps) as Gap[] })

/** The history of a tenant; undefined where it was never switched on. */
export async function historyOf(db: Database, tenantId: TenantId): Promise<History | undefined> {
  const [row] = await db
    .asTenant(tenantId)
    .run<Row>(`select ${COLUMNS} from histories h where h.tenant_id = $1::uuid`, [tenantId], { name: 'history-read' })
  return row && read(row)
}

/** Holds a history until the end of the transaction. Undefined where there is none; and where another holds it, without `wait`. */
export async function takeHistory(tx: Database, tenantId: TenantId, wait = false): Promise<History | undefined> {
  const [row] = await tx.run<Row>(
    `select ${COLUMNS} from histories h where h.tenant_id = $1::uuid for update of h ${wait ? '' : 'skip locked'}`,
    [tenantId],
    { name: 'history-write' },
  )
  return row && read(row)
}

/** What a step changes; what it does not name stays. */
export interface HistoryStep {
  readonly phase?: Phase
  readonly position?: number
  readonly numbers?: number
  readonly part?: string | null
  readonly after?: string | null
  readonly target?: number
  /** When the first span ended that this step has ended, in milliseconds since 1970. */
  readonly ended?: number | undefined
}

/** Notes a step of a history that the transaction holds. */
export async function noteHistoryStep(
  tx: Database,
  tenantId: TenantId,
  now: History,
  step: HistoryStep,
): Promise<void> {
  const next = { ...now, ...step }
  const ended = step.ended === undefined ? null : new Date(step.ended).toISOString()
  await tx.run(
    `update histories h set phase = $2::text, position = $3::bigint, numbers = $4::int, part = $5::text, after = $6::text,
       target = $7::bigint, oldest_end = least(h.oldest_end, $8::text::timestamptz)
     where h.tenant_id = $1::uuid`,
    [tenantId, next.phase, next.position, next.numbers, next.part, next.after, next.target, ended],
    { name: 'history-write' },
  )
  if (step.position !== undefined) await forgetGrowth(tx, tenantId, step.position)
}

/** That the log has grown is known; up to a position, or altogether. */
export async function forgetGrowth(tx: Database, tenantId: TenantId, position: number | null = null): Promise<void> {
  await tx.run(
    'delete from waiting_histories w where w.tenant_id = $1::uuid and w.position <= coalesce($2::bigint, w.position)',
    [tenantId, position],
    { name: 'history-write' },
  )
}

/** The history has all that happened since its picture began: from now on it tells of everything. A gap is over. */
export async function startHistory(tx: Database, tenantId: TenantId, { gaps, startedAt }: History): Promise<void> {
  const now = Date.now()
  const closed = gaps.map((gap) => ({ ...gap, until: gap.until ?? now }))
  await tx.run(
    `update histories h set phase = 'following', started_at = $2::text::timestamptz, gaps = $3::text::jsonb
     where h.tenant_id = $1::uuid`,
    [tenantId, new Date(startedAt ?? now).toISOString(), JSON.stringify(closed)],
  )
}

/** Has a history wait for a while, after a failure. */
export async function postponeHistory(db: Database, tenantId: TenantId, seconds: number): Promise<void> {
  await db.run('update histories set due_at = now() + make_interval(secs => $2::int) where tenant_id = $1::uuid', [
    tenantId,
    seconds,
  ])
}

/**
 * Tenants with something to do for their history: up to `limit` in the order of their ids, after the one with the id `after`. It reads
 * two indexes that are empty where nothing is to be done.
 */
export async function dueHistories(db: Database, after: TenantId | undefined, limit: number): Promise<TenantId[]> {
  const most = Math.trunc(limit)
  // One index look-up for each tenant, however much its log has grown. Citus has each machine list its tenants.
  const waiting = `with recursive waiting(id) as (
      (select w.tenant_id from waiting_histories w where w.tenant_id > $1::uuid order by w.tenant_id limit 1)
      union all
      select (select w.tenant_id from waiting_histories w where w.tenant_id > x.id order by w.tenant_id limit 1)
      from waiting x where x.id is not null
    )`
  const listed = `with waiting(id) as (
      select distinct w.tenant_id from waiting_histories w where w.tenant_id > $1::uuid order by w.tenant_id limit ${most}
    )`
  const rows = await db.run<{ id: TenantId }>(
    `${db.distributed ? listed : waiting} select x.id::text as id from (
       (select id from waiting where id is not null limit ${most})
       union
       (select h.tenant_id from histories h where h.tenant_id > $1::uuid and h.phase <> 'following' and h.ended_at is null
        order by h.tenant_id limit ${most})
     ) x order by x.id limit ${most}`,
    [after ?? FIRST_ID],
    { name: 'history-due' },
  )
  return rows.map(({ id }) => id)
}

/** Those of some tenants whose history may go on now: not after a failure a moment ago, and not without one. */
export async function readyHistories(db: Database, tenants: readonly TenantId[]): Promise<TenantId[]> {
  if (tenants.length === 0) return []
  const rows = await db.run<{ id: TenantId }>(
    `select h.tenant_id::text as id from histories h where h.tenant_id = any($1::text::uuid[]) and h.due_at <= now()`,
    [arrayText(tenants, 'uuid')],
    { name: 'history-due' },
  )
  return rows.map(({ id }) => id)
}

/** Tenants of an environment with spans that ended more than `days` ago, up to `limit`, those with the oldest first. */
export async function historiesWithOldSpans(
  db: Database,
  environmentId: EnvironmentId,
  days: number,
  limit: number,
): Promise<TenantId[]> {
  const rows = await db.run<{ id: TenantId }>(
    `select h.tenant_id::text as id from histories h
     where h.environment_id = $1::uuid and h.oldest_end < now() - make_interval(days => $2::int)
     order by h.oldest_end, h.tenant_id limit ${Math.trunc(limit)}`,
    [environmentId, days],
  )
  return rows.map(({ id }) => id)
}
