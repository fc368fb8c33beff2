import type { EventType } from '../../events/types.ts'
import { appendEvents, type EventColumns } from '../sql/append-events.ts'
import { nowAfter } from '../sql/now.ts'
import type { Place } from '../sql/parameters.ts'

// What the statements that change members have in common.

/** A change of a group with up to this many members is answered with the whole group. */
export const SMALL_GROUP = 20

/** The values that all of them have. */
export type Common = 'tenant' | 'requestId' | 'actor'

/** The part that gives groups a new version. `which` is what their ids are. */
export const newVersion = (tenant: string, which: string) => `new_version as (
      update resources r set version = r.version + 1, modified_at = ${nowAfter('r.modified_at')}
      where r.tenant_id = ${tenant} and r.id ${which}
      returning r.id, r.version, r.modified_at
    )`

/** The parts that append events of the group `b`, which is in `from`, and other events of the same change. */
export const logged = (
  place: Place<Common>,
  event: { readonly type: EventType | { readonly sql: string }; readonly changes: string; readonly from: string },
  ...others: Omit<EventColumns, 'tenant' | 'requestId' | 'actor'>[]
) => {
  const tenant = place('tenant', 'uuid')
  const [requestId, actor] = [place('requestId', 'text'), place('actor', 'text')]
  const ofGroup = { resourceType: `'Group'`, resourceId: 'b.id', version: 'b.version', occurredAt: 'b.modified_at' }
  const all = [{ ...ofGroup, ...event }, ...others]
  return appendEvents(...all.map((columns) => ({ tenant, requestId, actor, ...columns })))
}

/** The resource with this id, if it may be a member. */
export const memberSql = (tenant: string, id: string) => `select o.id from resources o
        where o.tenant_id = ${tenant} and o.id = ${id} and (o.resource_type in ('User', 'Group')) is true`
