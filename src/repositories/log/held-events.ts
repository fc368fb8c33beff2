import type { Database } from '../../db/database.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'
import { type Hold, type HoldRow, holdColumns, holdIn } from './leaver-brake.ts'

/** A user or group that an event is about, by name as far as it is known; deleted ones by what they were called. */
export interface Named {
  readonly type: string
  readonly id: string
  readonly userName: string | null
  readonly displayName: string | null
}

/** What is held of one event: all of it, or of an event about members what it says of one of them. */
export interface HeldItem {
  /** Its place in the list. */
  readonly id: string
  readonly eventId: string
  readonly type: string
  /** Milliseconds since 1970. */
  readonly occurredAt: number
  readonly actor: string
  readonly requestId: string
  readonly who: Named
  /** For members the group. */
  readonly group: { readonly id: string; readonly displayName: string | null } | null
  /** For who got or lost a role its key. */
  readonly role: string | null
}

interface Row {
  readonly seq: number
  readonly n: number
  readonly eventId: string
  readonly type: string
  readonly occurredAt: number
  readonly actor: string
  readonly requestId: string
  readonly resourceType: string
  readonly resourceId: string
  readonly member: string | null
  readonly whoType: string | null
  readonly userName: string | null
  readonly displayName: string | null
  readonly groupName: string | null
  readonly role: string | null
}

/** What the leaver brake holds back of one tenant. */
export function heldEventsOf(database: Database, tenantId: TenantId) {
  const db = database.asTenant(tenantId)
  return {
    async hold(): Promise<Hold | null> {
      const [row] = await db.run<HoldRow>(
        `select ${holdColumns} from event_logs l where l.tenant_id = $1::uuid and l.hold_id is not null`,
        [tenantId],
      )
      return row === undefined ? null : holdIn(row)
    },

    /** The same, and nobody else decides about the tenant's events until the end of the transaction. */
    async lockHold(): Promise<Hold | null> {
      const [row] = await db.run<HoldRow>(
        `select ${holdColumns} from event_logs l where l.tenant_id = $1::uuid for update of l`,
        [tenantId],
      )
      return row === undefined ? null : holdIn(row)
    },

    async count(): Promise<number> {
      const [row] = await db.run<{ n: number }>(
        'select count(*)::int as n from events e where e.tenant_id = $1::uuid and e.held',
        [tenantId],
      )
      return row?.n ?? 0
    },

    /** Up to `limit` items in the order of writing, after the one with the id `after`. */
    async list(after: string | undefined, limit: number): Promise<HeldItem[]> {
      const [seq = 0, n = 0] = after === undefined ? [] : after.split('.').map(Number)
      const rows = await db.run<Row>(
        `select p.seq::float8 as seq, p.n::int as n, p.event_id::text as "eventId", p.type, p.actor,
           p.request_id as "requestId", (extract(epoch from p.occurred_at) * 1000)::float8 as "occurredAt",
           p.resource_type as "resourceType", p.resource_id::text as "resourceId", p.member,
           coalesce(r.resource_type, d.resource_type) as "whoType",
           coalesce(r.document->>'userName', d.before->>'userName', k.unique_key) as "userName",
           coalesce(r.document->>'displayName', d.before->>'displayName') as "displayName",
           case when p.member is not null then coalesce(g.document->>'displayName', gd.before->>'displayName') end
             as "groupName",
           case when p.member is not null and p.resource_type = 'Role' then p.changes::json->>'role' end as role
         from (
           select e.*, m.member, coalesce(m.n, 0) as n, case when m.member is null then e.resource_id
             when m.member ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then m.member::uuid end as who
           from (
             select e.seq, e.id as event_id, e.type, e.actor, e.request_id, e.occurred_at, e.resource_type, e.resource_id,
               e.changes from events e where e.tenant_id = $1::uuid and e.held and e.seq >= $2::bigint
             order by e.seq limit ${Math.trunc(limit) + 1}
           ) e left join lateral json_array_elements_text(
             case when e.type in ('group.member_added', 'group.member_removed') then e.changes::json->'members'
               when e.type in ('role.assigned', 'role.unassigned') then e.changes::json->'users' end
           ) with ordinality m(member, n) on true
           where (e.seq, coalesce(m.n, 0)) > ($2::bigint, $3::bigint)
           order by e.seq, n limit ${Math.trunc(limit)}
         ) p
         left join lateral (${named('p.who')}) r on true
         left join lateral (${deleted('p.who')}) d on true
         left join lateral (
           select k.unique_key from kept_users k where k.tenant_id = $1::uuid and k.id = p.who limit 1
         ) k on true
         left join lateral (${named('p.resource_id')}) g on p.member is not null
         left join lateral (${deleted('p.resource_id')}) gd on p.member is not null
         order by p.seq, p.n`,
        [tenantId, seq, n],
        { prepare: false },
      )
      return rows.map(itemOf)
    },
  }
}

/** A tenant whose leaver brake holds events. */
export interface HoldingTenant {
  readonly id: TenantId
  readonly name: string
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  /** Milliseconds since 1970. */
  readonly since: number
  readonly until: number
}

/** The tenants of some environments, or the one with the id `only`, whose brake holds events that nobody has let go. */
export function holdingTenants(
  db: Database,
  environmentIds: readonly EnvironmentId[],
  only: TenantId | undefined,
  limit: number,
): Promise<HoldingTenant[]> {
  const parameters = new Parameters()
  const environments = parameters.array(environmentIds, 'uuid')
  const tenant = only === undefined ? '' : `and l.tenant_id = ${parameters.bind(only, 'uuid')}`
  // From the few holds there are to their tenants, and never the other way round.
  return db.run<HoldingTenant>(
    `select l.tenant_id::text as id, t.name, t.environment_id::text as "environmentId", t."projectId",
       (extract(epoch from l.held_since) * 1000)::float8 as since, (extract(epoch from l.held_until) * 1000)::float8 as until
     from event_logs l cross join lateral (
       select t.name, t.environment_id,
         (select e.project_id::text from environments e where e.id = t.environment_id) as "projectId"
       from tenants t where t.id = l.tenant_id and t.environment_id = any(${environments}) offset 0
     ) t
     where l.hold_id is not null and l.released_at is null ${tenant}
     order by l.tenant_id limit ${Math.trunc(limit)}`,
    parameters.values,
    { prepare: false },
  )
}

const named = (id: string): string => `select r.resource_type, r.document::json as document from resources r
  where r.tenant_id = $1::uuid and r.id = ${id} limit 1`

/** Who is gone by an event that is held, as it says. */
const deleted = (id: string): string => `select e.resource_type, e.changes::json->'before' as before from events e
  where e.tenant_id = $1::uuid and e.held and e.resource_id = ${id} and e.type in ('user.deleted', 'group.deleted') limit 1`

function itemOf({ seq, n, member, resourceType, resourceId, whoType, groupName, ...row }: Row): HeldItem {
  const { userName, displayName, eventId, type, occurredAt, actor, requestId, role } = row
  return {
    ...{ id: `${seq}.${n}`, eventId, type, occurredAt, actor, requestId },
    role,
    // Where nothing is known of a member any more, it was most likely a user.
    who: {
      type: member === null ? resourceType : (whoType ?? 'User'),
      id: member ?? resourceId,
      userName,
      displayName,
    },
    group: member === null || resourceType !== 'Group' ? null : { id: resourceId, displayName: groupName },
  }
}
