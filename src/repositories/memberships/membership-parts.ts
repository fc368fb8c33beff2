import type { EventType } from '../../events/types.ts'
import { appendEvents } from '../sql/append-events.ts'
import { NOW } from '../sql/now.ts'
import type { Place } from '../sql/parameters.ts'

// What the statements that change members have in common.

/** A change of a group with up to this many members is answered with the whole group. */
export const SMALL_GROUP = 20

/** The values that all of them have. */
export type Common = 'tenant' | 'requestId' | 'actor'

/** The part that gives groups a new version. `which` is what their ids are. */
export const newVersion = (tenant: string, which: string) => `new_version as (
      update resources r set version = r.version + 1, modified_at = greatest(${NOW}, r.modified_at + interval '1 millisecond')
      where r.tenant_id = ${tenant} and r.id ${which}
      returning r.id, r.version, r.modified_at
    )`

/** The part that appends events of the group `b`, which is in `from`. */
export const logged = (
  place: Place<Common>,
  event: { readonly type: EventType | { readonly sql: string }; readonly changes: string; readonly from: string },
) => `logged as (
      ${appendEvents({
        tenant: place('tenant', 'uuid'),
        resourceType: `'Group'`,
        resourceId: 'b.id',
        version: 'b.version',
        requestId: place('requestId', 'text'),
        actor: place('actor', 'text'),
        occurredAt: 'b.modified_at',
        ...event,
      })}
    )`

/** The resource with this id, if it may be a member. */
export const memberSql = (tenant: string, id: string) => `select o.id from resources o
        where o.tenant_id = ${tenant} and o.id = ${id} and (o.resource_type in ('User', 'Group')) is true`
