import type { Bindable } from '../../db/database.ts'
import type { EventType } from '../../events/types.ts'
import { appendEvents } from '../sql/append-events.ts'
import type { Place } from '../sql/parameters.ts'
import { withoutRoleRules } from '../sql/role-rules.ts'

// What the statements that change members have in common.

/** Groups of up to this many members are answered whole after a change. */
export const SMALL_GROUP = 20

/** A statement to be run. */
export interface Statement {
  readonly text: string
  readonly values: Bindable[]
}

/** The values that all of them have. */
export type Common = 'tenant' | 'requestId' | 'actor'

const now = `date_trunc('milliseconds', now())`

/** The part that gives groups a new version. `which` is what their ids are. */
export const bumped = (tenant: string, which: string) => `bumped as (
      update resources r set version = r.version + 1, modified_at = greatest(${now}, r.modified_at + interval '1 millisecond')
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

/** Whether groups give roles, which only those who do not know of any have to ask. */
export const ruledSql = (tenant: string, hasRoles: boolean) => (hasRoles ? 'false' : `not ${withoutRoleRules(tenant)}`)
