import type { Database } from '../../db/database.ts'
import type { ChangeEvent } from '../../events/changes.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import type { TenantSettings } from '../../tenancy/settings.ts'
import { appendEvents, typeSql } from '../sql/append-events.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { arrayText } from '../sql/parameters.ts'

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

/** Tenants that one statement tells. */
const TENANTS_AT_ONCE = 500

/**
 * Appends an event about itself to each tenant of an environment that has no setting of its own by this name, since it has the one of
 * the environment. Nothing that takes long may follow here either.
 */
export async function tellInheriting(
  tx: Database,
  environmentId: EnvironmentId,
  setting: keyof TenantSettings,
  { actor, requestId }: Doer,
  { type, changes }: ChangeEvent,
): Promise<void> {
  for (let after = FIRST_ID; ; ) {
    // Held, so that none of them is deleted or moves away before it is told.
    const tenants = await tx.run<{ id: TenantId }>(
      `select t.id::text as id from tenants t
       where t.environment_id = $1::uuid and t.id > $2::uuid and t.settings->$3::text is null
       order by t.id limit ${TENANTS_AT_ONCE} for key share`,
      [environmentId, after, setting],
      { name: 'events-append' },
    )
    // On Citus a statement that changes rows is about one machine.
    if (tx.distributed)
      for (const { id } of tenants) await appendTenantEvents(tx, id, { actor, requestId }, [{ type, changes }])
    else if (tenants.length > 0)
      await tx.run(
        `with ${counted('select x.id from unnest($1::text::uuid[]) x(id) order by x.id')},
         ${appendEvents({
           ...{ tenant: 'c.tenant_id', resourceId: 'c.tenant_id', resourceType: `'Tenant'`, version: 'c.version' },
           ...{ type: { sql: '$2::text' }, requestId: '$3::text', actor: '$4::text', changes: '$5::text' },
           from: 'counted c',
         })}
         select 1`,
        [
          arrayText(
            tenants.map(({ id }) => id),
            'uuid',
          ),
          ...[type, requestId ?? OWN_REQUEST, actor, JSON.stringify(changes)],
        ],
        { name: 'events-append' },
      )
    if (tenants.length < TENANTS_AT_ONCE) return
    after = tenants.at(-1)?.id ?? after
  }
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
       on conflict (tenant_id) do update set version = v.version + 1 returning v.tenant_id, v.version
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
