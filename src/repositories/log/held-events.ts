import { and, asc, count, eq, gte, isNotNull, isNull, type SQLWrapper, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { environments, eventLogs, events, heldEvents, keptUsers, resources, tenants } from '../../db/schema.ts'
import type { LoggedEvent } from '../../events/event.ts'
import type { EventType, LoggedEventType } from '../../events/types.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'
import { typesSql } from '../sql/append-events.ts'
import { isAnyOf, literal, milliseconds, uuids } from '../sql/fragments.ts'
import { type Hold, type HoldRow, holdColumns, holdIn } from './leaver-brake.ts'

/** A user or group that an event is about, with its names where they are known; a deleted one with its last names. */
export interface Named {
  readonly type: string
  readonly id: string
  readonly userName: string | null
  readonly displayName: string | null
}

/** What is held of one event: the whole event, or for an event about members the part about one of them. */
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
  /** The group, in an item about a member. */
  readonly group: { readonly id: string; readonly displayName: string | null } | null
  /** For a user who got or lost a role, the role's key. */
  readonly role: string | null
}

/** An event that is held, without a position yet. */
export type HeldEvent = Pick<LoggedEvent, 'type' | 'resourceType' | 'resourceId' | 'actor' | 'occurredAt' | 'changes'>

/** Held events of one resource that are read. */
const MOST_OF_ONE = 100

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

/** Whether an event has one of these types. Raw, since types are constants that the plan may know; the compiler checks them. */
const isOneOf = (type: SQLWrapper, ...types: readonly EventType[]) => sql`${type} in ${sql.raw(typesSql(...types))}`

/** The events of one tenant that the leaver brake holds back. */
export function heldEventsOf(database: Database, tenantId: TenantId) {
  const db = database.asTenant(tenantId)
  const { orm } = db
  return {
    async hold(): Promise<Hold | null> {
      const [row] = await db.run<HoldRow>(
        `select ${holdColumns} from event_logs l where l.tenant_id = $1::uuid and l.hold_id is not null`,
        [tenantId],
      )
      return row === undefined ? null : holdIn(row)
    },

    /** The same, and no other transaction decides about the tenant's events until the end of this one. */
    async lockHold(): Promise<Hold | null> {
      const [row] = await db.run<HoldRow>(
        `select ${holdColumns} from event_logs l where l.tenant_id = $1::uuid for update of l`,
        [tenantId],
      )
      return row === undefined ? null : holdIn(row)
    },

    /** The events of one resource that are held, in the order of writing: few, since a leaver leaves once. */
    async ofResource(resourceId: string): Promise<HeldEvent[]> {
      const { type, actor, changes, resourceType, occurredAt } = events
      const h = orm
        .select({ seq: heldEvents.seq })
        .from(heldEvents)
        .where(and(eq(heldEvents.tenantId, tenantId), sql`${heldEvents.resourceId} = ${resourceId}::uuid`))
        .orderBy(asc(heldEvents.seq))
        .limit(literal(MOST_OF_ONE))
        .as('h')
      const e = orm
        .select({ type, actor, changes, resourceType, occurredAt: milliseconds(occurredAt).as('occurred_at_ms') })
        .from(events)
        .where(and(eq(events.tenantId, tenantId), eq(events.seq, h.seq)))
        .limit(literal(1))
        .as('e')
      const rows = await orm
        .select({
          ...{ type: e.type, actor: e.actor, changes: e.changes, resourceType: e.resourceType },
          occurredAt: e.occurredAt,
        })
        .from(h)
        .crossJoinLateral(e)
        .orderBy(asc(h.seq))
      return rows.map((row) => ({ ...row, type: row.type as LoggedEventType, resourceId }))
    },

    async count(): Promise<number> {
      const [row] = await orm.select({ n: count() }).from(heldEvents).where(eq(heldEvents.tenantId, tenantId))
      return row?.n ?? 0
    },

    /** Up to `limit` items in the order of writing, after the one with the id `after`. */
    async list(after: string | undefined, limit: number): Promise<HeldItem[]> {
      const [seq = 0, n = 0] = after === undefined ? [] : after.split('.').map(Number)
      const h = orm
        .select({ seq: heldEvents.seq })
        .from(heldEvents)
        .where(and(eq(heldEvents.tenantId, tenantId), gte(heldEvents.seq, seq)))
        .orderBy(asc(heldEvents.seq))
        .limit(literal(limit + 1))
        .as('h')
      const { id: eventId, type, actor, requestId, occurredAt, resourceType, resourceId, changes } = events
      const e = orm
        .select({ seq: events.seq, eventId, type, actor, requestId, occurredAt, resourceType, resourceId, changes })
        .from(events)
        .where(and(eq(events.tenantId, tenantId), eq(events.seq, h.seq)))
        .limit(literal(1))
        .as('e')
      // An item for each member that an event is about, or one for the event.
      const members = sql`json_array_elements_text(case
        when ${isOneOf(e.type, 'group.member_added', 'group.member_removed')} then ${e.changes}::json->'members'
        when ${isOneOf(e.type, 'role.assigned', 'role.unassigned')} then ${e.changes}::json->'users' end
      ) with ordinality as m(member, n)`
      const p = orm
        .select({
          ...{ seq: e.seq, eventId: e.eventId, type: e.type, actor: e.actor, requestId: e.requestId },
          ...{ occurredAt: e.occurredAt, resourceType: e.resourceType, resourceId: e.resourceId, changes: e.changes },
          member: sql<string | null>`m.member`.as('member'),
          n: sql<number>`coalesce(m.n, 0)::int`.as('n'),
          who: sql<string | null>`case when m.member is null then ${e.resourceId}
            when m.member ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then m.member::uuid end`.as('who'),
        })
        .from(h)
        .crossJoinLateral(e)
        .leftJoinLateral(members, sql`true`)
        .where(sql`(${e.seq}, coalesce(m.n, 0)) > (${seq}::bigint, ${n}::bigint)`)
        .orderBy(asc(e.seq), sql`n`)
        .limit(literal(limit))
        .as('p')
      const isOfMember = isNotNull(p.member)
      const [who, gone] = [stored(p.who, 'r'), deleted(p.who, 'd')]
      const [group, goneGroup] = [stored(p.resourceId, 'g'), deleted(p.resourceId, 'gd')]
      const kept = orm
        .select({ uniqueKey: keptUsers.uniqueKey })
        .from(keptUsers)
        .where(and(eq(keptUsers.tenantId, tenantId), eq(keptUsers.id, p.who)))
        .limit(literal(1))
        .as('k')
      const rows = await orm
        .select({
          ...{ seq: p.seq, n: p.n, eventId: p.eventId, type: p.type, actor: p.actor, requestId: p.requestId },
          ...{ resourceType: p.resourceType, resourceId: p.resourceId, member: p.member },
          occurredAt: milliseconds(p.occurredAt),
          whoType: sql<string | null>`coalesce(${who.resourceType}, ${gone.resourceType})`,
          userName: sql<string | null>`coalesce(r.document->>'userName', d.before->>'userName', ${kept.uniqueKey})`,
          displayName: sql<string | null>`coalesce(r.document->>'displayName', d.before->>'displayName')`,
          groupName: sql<string | null>`case when ${isOfMember}
            then coalesce(g.document->>'displayName', gd.before->>'displayName') end`,
          role: sql<string | null>`case when ${isOfMember} and ${p.resourceType} = 'Role'
            then ${p.changes}::json->>'role' end`,
        })
        .from(p)
        .leftJoinLateral(who, sql`true`)
        .leftJoinLateral(gone, sql`true`)
        .leftJoinLateral(kept, sql`true`)
        .leftJoinLateral(group, isOfMember)
        .leftJoinLateral(goneGroup, isOfMember)
        .orderBy(asc(p.seq), asc(p.n))
      return rows.map(itemOf)
    },
  }

  /** A subquery for the resource with an id, as it is stored. */
  function stored<Alias extends string>(id: SQLWrapper, alias: Alias) {
    return orm
      .select({
        resourceType: resources.resourceType,
        document: sql<unknown>`${resources.document}::json`.as('document'),
      })
      .from(resources)
      .where(and(eq(resources.tenantId, tenantId), sql`${resources.id} = ${id}`))
      .limit(literal(1))
      .as(alias)
  }

  /** A subquery for a resource that is deleted by an event that is held, as the event shows it. */
  function deleted<Alias extends string>(id: SQLWrapper, alias: Alias) {
    const e = orm
      .select({ resourceType: events.resourceType, type: events.type, changes: events.changes })
      .from(events)
      .where(and(eq(events.tenantId, tenantId), eq(events.seq, heldEvents.seq)))
      .limit(literal(1))
      .as(`${alias}e`)
    return orm
      .select({ resourceType: e.resourceType, before: sql<unknown>`${e.changes}::json->'before'`.as('before') })
      .from(heldEvents)
      .crossJoinLateral(e)
      .where(
        and(
          ...[eq(heldEvents.tenantId, tenantId), sql`${heldEvents.resourceId} = ${id}`],
          isOneOf(e.type, 'user.deleted', 'group.deleted'),
        ),
      )
      .limit(literal(1))
      .as(alias)
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

/** The tenants of some environments, or the one with the id `only`, whose brake holds events that are not released yet. */
export function holdingTenants(
  { orm, distributed }: Database,
  environmentIds: readonly EnvironmentId[],
  only: TenantId | undefined,
  limit: number,
): Promise<HoldingTenant[]> {
  const span = { since: milliseconds(eventLogs.heldSince), until: milliseconds(eventLogs.heldUntil) }
  const isHolding = and(
    ...[isNotNull(eventLogs.holdId), isNull(eventLogs.releasedAt)],
    only === undefined ? undefined : eq(eventLogs.tenantId, only),
  )
  if (distributed)
    return orm
      .select({
        ...{ id: eventLogs.tenantId, name: tenants.name, environmentId: tenants.environmentId },
        ...{ projectId: environments.projectId, ...span },
      })
      .from(eventLogs)
      .innerJoin(tenants, eq(tenants.id, eventLogs.tenantId))
      .innerJoin(environments, eq(environments.id, tenants.environmentId))
      .where(and(isHolding, isAnyOf(tenants.environmentId, uuids(environmentIds))))
      .orderBy(asc(eventLogs.tenantId))
      .limit(literal(limit))
  const project = orm
    .select({ projectId: environments.projectId })
    .from(environments)
    .where(eq(environments.id, tenants.environmentId))
  // From the few holds there are to their tenants, and never the other way round.
  const t = orm
    .select({
      ...{ name: tenants.name, environmentId: tenants.environmentId },
      projectId: sql<ProjectId>`${project}`.as('project_id'),
    })
    .from(tenants)
    .where(and(eq(tenants.id, eventLogs.tenantId), isAnyOf(tenants.environmentId, uuids(environmentIds))))
    .offset(literal(0))
    .as('t')
  return orm
    .select({
      ...{ id: eventLogs.tenantId, name: t.name, environmentId: t.environmentId, projectId: t.projectId },
      ...span,
    })
    .from(eventLogs)
    .crossJoinLateral(t)
    .where(isHolding)
    .orderBy(asc(eventLogs.tenantId))
    .limit(literal(limit))
}

function itemOf({ seq, n, member, resourceType, resourceId, whoType, groupName, ...row }: Row): HeldItem {
  const { userName, displayName, eventId, type, occurredAt, actor, requestId, role } = row
  return {
    ...{ id: `${seq}.${n}`, eventId, type, occurredAt, actor, requestId },
    role,
    // A member that is not stored any more was most likely a user.
    who: {
      type: member === null ? resourceType : (whoType ?? 'User'),
      id: member ?? resourceId,
      userName,
      displayName,
    },
    group: member === null || resourceType !== 'Group' ? null : { id: resourceId, displayName: groupName },
  }
}
