import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { arrayText } from '../sql/parameters.ts'
import { type HoldRow, holdColumns, holdIn, type LogState } from './leaver-brake.ts'

/** A log that the transaction has locked. */
export type LockedLog = LogState & { readonly tenantId: TenantId }

/**
 * Locks the logs of some tenants until the end of the transaction, and makes those that are missing. Leaves out tenants that do
 * not exist, and logs that another transaction has locked; with `wait` it waits for that one. Who waits for several has made the
 * missing ones before, by `makeLogs`.
 */
export async function takeLogs(tx: Database, tenantIds: readonly TenantId[], wait: boolean): Promise<LockedLog[]> {
  if (tx.distributed && tenantIds.length > 1) throw new Error('on Citus the logs of one tenant at a time are locked')
  const ids = tx.distributed ? (tenantIds[0] ?? FIRST_ID) : arrayText(tenantIds, 'uuid')
  const { locks, makes } = tx.distributed ? ONE_LOG : LOGS
  const lock = async () => {
    const rows = await tx.run<HoldRow & Pick<LockedLog, 'tenantId' | 'brake'>>(locks[wait ? 'wait' : 'skip'], [ids], {
      name: 'events-lock',
    })
    return rows.map(({ tenantId, brake, ...row }): LockedLog => ({ tenantId, brake, hold: holdIn(row) }))
  }
  const found = await lock()
  if (found.length === tenantIds.length) return found
  const made = await tx.run(makes, [ids])
  return made.length > 0 || wait ? lock() : found
}

/**
 * Makes the logs that are missing, in a transaction of its own. A transaction that then takes several logs only locks rows, in order. One
 * that also made logs could hold one log and wait for another, which is being made by a transaction that waits for the first.
 *
 * @param tenantIds in order
 */
export async function makeLogs(db: Database, tenantIds: readonly TenantId[]): Promise<void> {
  if (db.inTransaction) throw new Error('logs are made in a transaction of their own')
  if (db.distributed) for (const id of tenantIds) await db.run(ONE_LOG.makes, [id])
  else await db.run(LOGS.makes, [arrayText(tenantIds, 'uuid')])
}

const lockLogs = (how: string): string =>
  `select l.tenant_id::text as "tenantId", ${holdColumns},
     coalesce(t.settings->'leaverBrake', s.settings->'leaverBrake') as brake
   from unnest($1::text::uuid[]) x(id) cross join lateral (
     select l.* from event_logs l where l.tenant_id = x.id for update of l ${how}
   ) l join lateral (select t.* from tenants t where t.id = l.tenant_id offset 0) t on true
   join lateral (select s.* from environments s where s.id = t.environment_id offset 0) s on true`
// Logs are made only where there is no row: `on conflict` waits for a transaction that has changed the row. A tenant that is being
// deleted is left out, rather than that all others wait for the end of it.
const LOGS = {
  locks: { wait: lockLogs(''), skip: lockLogs('skip locked') },
  makes: `insert into event_logs (tenant_id) select t.id from tenants t where t.id = any($1::text::uuid[])
       and not exists (select 1 from event_logs l where l.tenant_id = t.id) order by t.id for key share of t skip locked
     on conflict do nothing returning 1`,
}

/** The same for one tenant, on Citus: a statement that locks rows is about one machine. */
const lockLog = (how: string): string =>
  `select l.tenant_id::text as "tenantId", ${holdColumns},
     coalesce(t.settings->'leaverBrake', s.settings->'leaverBrake') as brake
   from event_logs l join tenants t on t.id = l.tenant_id join environments s on s.id = t.environment_id
   where l.tenant_id = $1::uuid for update of l ${how}`
const ONE_LOG = {
  locks: { wait: lockLog(''), skip: lockLog('skip locked') },
  makes: `insert into event_logs (tenant_id, environment_id) select t.id, t.environment_id from tenants t where t.id = $1::uuid
     on conflict do nothing returning 1`,
}
