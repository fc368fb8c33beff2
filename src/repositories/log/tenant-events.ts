import type { Database } from '../../db/database.ts'
import type { ChangeEvent } from '../../events/changes.ts'
import type { TenantId } from '../../place-ids.ts'
import { appendEvents, typeSql } from '../sql/append-events.ts'

/** The author of a change and the request; the request is null where the gateway acts by itself. */
interface Doer {
  readonly actor: string
  readonly requestId: string | null
}

/** The request id of what the gateway does by itself. */
const OWN_REQUEST = 'rollcall'

/**
 * Appends events about a tenant itself to its log. The row that counts their versions stays locked until the commit, so the
 * log has them in the order of their versions. For that reason nothing that takes long may follow in the transaction.
 */
export async function appendTenantEvents(
  db: Database,
  tenantId: TenantId,
  { actor, requestId }: Doer,
  events: readonly ChangeEvent[],
): Promise<void> {
  const rows = events.map(({ type, changes }) => ({ type, changes: JSON.stringify(changes) }))
  await db.asTenant(tenantId).run(
    `with ${counted('select $1::uuid')},
     ${append('jsonb_to_recordset($4::text::jsonb) as e(type text, changes text)')}
     select 1`,
    [tenantId, requestId ?? OWN_REQUEST, actor, JSON.stringify(rows)],
    { name: 'events-append' },
  )
}

/** Appends that a tenant has no seat left for an active user; once, until `seatsAreFree` was called. */
export async function appendSeatsRanOut(db: Database, tenantId: TenantId, doer: Doer, maximum: number): Promise<void> {
  await db.asTenant(tenantId).run(
    `with told as (
       update tenants t set seats_ran_out = true where t.id = $1::uuid and not t.seats_ran_out returning t.id
     ),
     ${counted('select id from told')},
     ${append(`(values (${typeSql('tenant.seats_exhausted')}, json_build_object('maxActiveUsers', $4::int)::text)) as e(type, changes)`)}
     select 1`,
    [tenantId, doer.requestId ?? OWN_REQUEST, doer.actor, maximum],
    { name: 'events-append' },
  )
}

const counted = (tenant: string): string => `counted as (
       insert into tenant_versions as v (tenant_id, version) select id, 1 from (${tenant}) as t(id)
       on conflict (tenant_id) do update set version = v.version + 1 returning v.version
     )`

/** Appends `events e`, which have a type and changes. */
const append = (events: string): string =>
  appendEvents({
    tenant: '$1::uuid',
    type: { sql: 'e.type' },
    resourceType: `'Tenant'`,
    resourceId: '$1::uuid',
    version: 'c.version',
    requestId: '$2::text',
    actor: '$3::text',
    changes: 'e.changes',
    from: `counted c cross join ${events}`,
  })
