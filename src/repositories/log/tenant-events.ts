import type { Database } from '../../db/database.ts'
import type { ChangeEvent } from '../../events/changes.ts'
import type { TenantId } from '../../place-ids.ts'

/** Who did it, by which request; null where the gateway did it by itself. */
interface Doer {
  readonly actor: string
  readonly requestId: string | null
}

/** The request of what the gateway does by itself. */
const OWN_REQUEST = 'rollcall'

/**
 * Appends events about a tenant itself to its log. A row counts their versions and stays locked until the commit, so that the
 * order in the log is theirs; so nothing that takes long may come after it.
 */
export async function appendTenantEvents(
  db: Database,
  tenantId: TenantId,
  { actor, requestId }: Doer,
  events: readonly ChangeEvent[],
): Promise<void> {
  const rows = events.map(({ type, changes }) => ({ type, changes: JSON.stringify(changes) }))
  await db.asTenant(tenantId).run(
    `with ${counted('select $1::uuid')}
     ${append('jsonb_to_recordset($4::text::jsonb) as e(type text, changes text)')}`,
    [tenantId, requestId ?? OWN_REQUEST, actor, JSON.stringify(rows)],
  )
}

/** The same of a tenant that has no seat left for an active user: once, until there are free ones again. */
export async function appendSeatsRanOut(db: Database, tenantId: TenantId, doer: Doer, maximum: number): Promise<void> {
  await db.asTenant(tenantId).run(
    `with told as (
       update tenants t set seats_ran_out = true where t.id = $1::uuid and not t.seats_ran_out returning t.id
     ),
     ${counted('select id from told')}
     ${append(`(values ('tenant.seats_exhausted', json_build_object('maxActiveUsers', $4::int)::text)) as e(type, changes)`)}`,
    [tenantId, doer.requestId ?? OWN_REQUEST, doer.actor, maximum],
  )
}

const counted = (tenant: string): string => `counted as (
       insert into tenant_versions as v (tenant_id, version) select id, 1 from (${tenant}) as t(id)
       on conflict (tenant_id) do update set version = v.version + 1 returning v.version
     )`

const append = (events: string): string => `insert into events
     (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
     select $1::uuid, e.type, 'Tenant', $1::uuid, c.version, $2::text, $3::text, date_trunc('milliseconds', now()), e.changes
     from counted c cross join ${events}`
