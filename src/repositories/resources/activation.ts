import type { Database } from '../../db/database.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { RepositoryScope } from '../scope.ts'
import { appendEvents, typeSql } from '../sql/append-events.ts'
import { isOurId } from '../sql/ids.ts'
import { nowAfter } from '../sql/now.ts'
import { ofShape, type Template, template } from '../sql/parameters.ts'
import { resourcesOf } from './resources.ts'
import {
  baseInJson,
  columnShape,
  type PackedRow,
  type ResourceRow,
  resourceColumns,
  unpacked,
  type Wanted,
} from './rows.ts'

/** Activates and deactivates users without reading them first: a leaver must lose access quickly. */
export function activationOf(db: Database, scope: RepositoryScope) {
  const set = async (user: ResourceType, id: string, active: boolean, wanted: Wanted) => {
    const { tenantId, requestId, actor, baseUrl } = scope
    const { text, values } = ofShape(activations, columnShape(user, wanted, false), () => activation(user, wanted))
    const named = { tenant: tenantId, id, type: user.name, next: active, base: baseInJson(baseUrl), requestId, actor }
    const [row] = await db.run<PackedRow>(text, values(named), { name: 'user-activate' })
    return row && unpacked(row)
  }
  return {
    /**
     * Sets `active` in one statement, with its event, and gives the user after the change; undefined for an unknown id. A
     * user who has this value of `active` already keeps version and time (C-10).
     */
    async setActive(user: ResourceType, id: string, active: boolean, wanted: Wanted): Promise<ResourceRow | undefined> {
      if (!isOurId(id)) return undefined
      if (!db.distributed || !wanted.groups) return set(user, id, active, wanted)
      // Citus runs no recursive search, such as that for groups, in a statement that writes.
      const changed = await set(user, id, active, { ...wanted, groups: false })
      return changed && resourcesOf(db, scope).retrieve(user, id, wanted)
    },
  }
}

type Value = 'tenant' | 'id' | 'type' | 'next' | 'base' | 'requestId' | 'actor'

const activations = new Map<string, Template<Value>>()

const activation = (user: ResourceType, wanted: Wanted) =>
  template<Value>((place) => {
    const [tenant, next] = [place('tenant', 'uuid'), place('next', 'boolean')]
    const places = { tenant, base: () => place('base', 'text'), withDeferred: false }
    return `with before as materialized (
         select r.* from resources r where r.tenant_id = ${tenant} and r.id = ${place('id', 'uuid')}
           and r.resource_type = ${place('type', 'text')} for no key update
       ),
       updated as (
         update resources r set active = ${next}, version = r.version + 1,
           modified_at = ${nowAfter('r.modified_at')}
         from before b where r.tenant_id = ${tenant} and r.id = b.id and b.active is distinct from ${next}
         returning r.id, r.resource_type, r.version, r.modified_at, b.active as was
       ),
       ${appendEvents({
         tenant,
         type: {
           sql: `case when not ${next} then ${typeSql('user.deactivated')}
          when u.was is null then ${typeSql('user.updated')} else ${typeSql('user.activated')} end`,
         },
         resourceType: 'u.resource_type',
         resourceId: 'u.id',
         version: 'u.version',
         requestId: place('requestId', 'text'),
         actor: place('actor', 'text'),
         occurredAt: 'u.modified_at',
         changes: `json_build_object('changed', json_build_array(
          json_build_object('path', 'active', 'before', u.was, 'after', ${next})))::text`,
         activeDelta: `${next}::int - (u.was is distinct from false)::int`,
         from: 'updated u',
       })}
       select ${resourceColumns(user, wanted, places)} from (
         select b.tenant_id, b.id, b.resource_type, coalesce(u.version, b.version) as version, b.document, ${next} as active,
           b.password_hash, b.manager_id, b.created_at, coalesce(u.modified_at, b.modified_at) as modified_at
         from before b left join updated u on true
       ) r`
  })
