import type { Database } from '../db/database.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import { Parameters } from './parameters.ts'
import { type ResourceRow, resourceColumns, type Wanted } from './rows.ts'
import { isOurId } from './stored-form.ts'
import type { RepositoryScope } from './tenant-scope.ts'

/** Letting a user in and shutting one out, without reading the user first: the one change that has to be quick. */
export function activationOf(db: Database, scope: RepositoryScope) {
  return {
    /**
     * Sets `active` in one statement, with its event, and gives the user as it then is; undefined where there is none. A user
     * who is there already keeps version and time (C-10).
     */
    async setActive(user: ResourceType, id: string, active: boolean, wanted: Wanted): Promise<ResourceRow | undefined> {
      if (!isOurId(id)) return undefined
      const parameters = new Parameters()
      const tenant = parameters.bind(scope.tenantId, 'uuid')
      const next = parameters.bind(active, 'boolean')
      const rows = await db.run<ResourceRow>(
        `with before as materialized (
           select r.* from resources r where r.tenant_id = ${tenant} and r.id = ${parameters.bind(id, 'uuid')}
             and r.resource_type = ${parameters.bind(user.name, 'text')} for no key update
         ),
         updated as (
           update resources r set active = ${next}, version = r.version + 1,
             modified_at = greatest(date_trunc('milliseconds', now()), r.modified_at + interval '1 millisecond')
           from before b where r.tenant_id = ${tenant} and r.id = b.id and b.active is distinct from ${next}
           returning r.version, r.modified_at
         ),
         counted as (
           insert into resource_counts (tenant_id, resource_type, delta, active_delta)
           select ${tenant}, b.resource_type, 0, case when ${next} then 1 else -1 end
           from before b, updated u where (b.active is distinct from false) <> ${next}
         ),
         logged as (
           insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
           select ${tenant},
             case when not ${next} then 'user.deactivated' when b.active is null then 'user.updated' else 'user.activated' end,
             b.resource_type, b.id, u.version, ${parameters.bind(scope.requestId, 'text')},
             ${parameters.bind(scope.actor, 'text')}, u.modified_at,
             json_build_object('changed', json_build_array(
               json_build_object('path', 'active', 'before', b.active, 'after', ${next})))::text
           from before b, updated u
         )
         select ${resourceColumns(user, wanted, tenant, scope, parameters)} from (
           select b.tenant_id, b.id, b.resource_type, coalesce(u.version, b.version) as version, b.document, ${next} as active,
             b.password_hash, b.manager_id, b.created_at, coalesce(u.modified_at, b.modified_at) as modified_at
           from before b left join updated u on true
         ) r`,
        parameters.values,
      )
      return rows[0]
    },
  }
}
