import type { FeedEvent } from './gateway.ts'
import { type GroupRow, groupRow, type MemberRow, type Ref, type RoleRow, type UserRow, userRow } from './rows.ts'

/** How far a mirror knows a tenant's log. */
export interface KnownTenant {
  readonly id: string
  /** Of the newest event that it has; null where it read a snapshot since. */
  readonly position: number | null
  readonly isGone: boolean
}

/** What events say of a tenant. */
export interface TenantFacts {
  readonly id: string
  readonly position: number
  readonly key?: string | undefined
  readonly name?: string | undefined
  /** True where its snapshot has to be read: events are missing, or its mapping has changed. */
  readonly toRead: boolean
  readonly hasMapping: boolean
}

/** What a row-by-row copy has to change for some events. */
export interface Effects {
  readonly tenants: readonly TenantFacts[]
  readonly users: readonly UserRow[]
  readonly usersGone: readonly Ref[]
  readonly groups: readonly GroupRow[]
  readonly groupsGone: readonly Ref[]
  readonly joined: readonly MemberRow[]
  readonly left: readonly MemberRow[]
  readonly given: readonly RoleRow[]
  readonly taken: readonly RoleRow[]
  readonly accounts: readonly (Ref & { readonly account: string | null })[]
  /** How many events these are, and when the oldest and the newest happened. */
  readonly events: number
  readonly oldest: string | undefined
  readonly newest: string | undefined
}

/**
 * What some events of a feed come to. Events that the mirror has already are passed over; of each thing, the last one counts. Positions
 * of a tenant are dense, so a gap says that events are missing: the tenant was elsewhere meanwhile.
 */
export function effectsOf(events: readonly FeedEvent[], known: ReadonlyMap<string, KnownTenant>): Effects {
  const tenants = new Map<string, TenantFacts>()
  const users = new Map<string, UserRow | Ref>()
  const groups = new Map<string, GroupRow | Ref>()
  const members = new Map<string, MemberRow & { readonly isIn: boolean }>()
  const roles = new Map<string, RoleRow & { readonly isIn: boolean }>()
  const accounts = new Map<string, Ref & { readonly account: string | null }>()
  const fresh = events.filter((event) => {
    const facts = factsAfter(event, tenants.get(event.tenant), known.get(event.tenant))
    if (facts !== undefined) tenants.set(event.tenant, facts)
    return facts !== undefined
  })
  for (const { type, tenant, resource, erased, changes, snapshot, account, mapped } of fresh) {
    const { id } = resource
    const key = `${tenant} ${id}`
    if (resource.type === 'User')
      users.set(key, snapshot ? userRow(tenant, id, snapshot, { account, mapped }) : { tenant_id: tenant, id })
    else if (resource.type === 'Group') {
      groups.set(key, snapshot ? groupRow(tenant, id, snapshot) : { tenant_id: tenant, id })
      if (type === 'group.member_added' || type === 'group.member_removed')
        for (const member of idsIn(changes.members))
          members.set(`${key} ${member}`, {
            tenant_id: tenant,
            group_id: id,
            member,
            isIn: type === 'group.member_added',
          })
    } else if (type === 'role.assigned' || type === 'role.unassigned') {
      const { role } = changes as { readonly role: string }
      for (const user of idsIn(changes.users))
        roles.set(`${tenant} ${user} ${role}`, {
          tenant_id: tenant,
          role,
          user_id: user,
          isIn: type === 'role.assigned',
        })
    } else if ((type === 'account.linked' || type === 'account.unlinked') && !erased) {
      const { user, account } = changes as { readonly user: string; readonly account: string }
      accounts.set(`${tenant} ${user}`, {
        tenant_id: tenant,
        id: user,
        account: type === 'account.linked' ? account : null,
      })
    }
  }
  const isRow = <Row extends Ref>(one: Row | Ref): one is Row => 'attributes' in one
  const gone = (all: Map<string, Ref>) =>
    [...all.values()].filter((one) => !isRow(one)).map(({ tenant_id, id }) => ({ tenant_id, id }))
  const moved = <Row extends { readonly isIn: boolean }>(all: Map<string, Row>, wanted: boolean) =>
    [...all.values()].filter(({ isIn }) => isIn === wanted)
  const times = fresh.map(({ time }) => time).sort()
  return {
    tenants: [...tenants.values()],
    users: [...users.values()].filter(isRow<UserRow>),
    usersGone: gone(users),
    groups: [...groups.values()].filter(isRow<GroupRow>),
    groupsGone: gone(groups),
    joined: moved(members, true),
    left: moved(members, false),
    given: moved(roles, true),
    taken: moved(roles, false),
    // A user's own event has the account as it is now.
    accounts: [...accounts].flatMap(([key, one]) => (users.has(key) ? [] : [one])),
    ...{ events: fresh.length, oldest: times[0], newest: times.at(-1) },
  }
}

/** What is known of a tenant after an event; undefined for an event that the mirror has already. */
function factsAfter(
  { type, tenant: id, position, erased, changes, mapped }: FeedEvent,
  before: TenantFacts | undefined,
  known: KnownTenant | undefined,
): TenantFacts | undefined {
  const last = before?.position ?? known?.position ?? undefined
  if (last !== undefined && position <= last) return undefined
  // Of a new tenant the first event is the first; after a snapshot any may follow.
  const isGap = last === undefined ? known === undefined && position > 1 : position > last + 1
  return {
    ...{ ...before, id, position },
    ...namesIn(type, changes),
    toRead:
      before?.toRead === true ||
      isGap ||
      type === 'mapping.changed' ||
      // A group has lost members of whom nothing is told any more.
      (erased === true && type === 'group.member_removed') ||
      (before === undefined && known?.isGone === true),
    hasMapping: before?.hasMapping === true || mapped !== undefined,
  }
}

/** The gateway puts this text where an event had a name that was erased. */
const ERASED_TEXT = '(erased)'

/** Ids and other values in an event, without those that were erased. */
const idsIn = (list: unknown): readonly string[] =>
  Array.isArray(list) ? list.filter((one) => typeof one === 'string' && one !== ERASED_TEXT) : []

/** What an event says of the tenant's key and name. */
function namesIn(type: string, changes: FeedEvent['changes']): { readonly key?: string; readonly name?: string } {
  if (type === 'tenant.created') {
    const { key, name } = changes.after as { readonly key?: string; readonly name?: string }
    return { ...(key !== undefined && { key }), ...(name !== undefined && { name }) }
  }
  if (type !== 'tenant.updated') return {}
  const changed = changes.changed as readonly { readonly path: string; readonly after?: unknown }[]
  return Object.fromEntries(
    changed.flatMap(({ path, after }) =>
      (path === 'key' || path === 'name') && typeof after === 'string' ? [[path, after]] : [],
    ),
  )
}

/** Ids that one transaction takes. */
const MOST_IDS = 20_000

/** Events in the parts that one transaction each takes, by how many people they are about. */
export function portionsOf(events: readonly FeedEvent[]): FeedEvent[][] {
  const portions: FeedEvent[][] = []
  let weight = MOST_IDS
  for (const event of events) {
    const { members, users } = event.changes as {
      readonly members?: readonly string[]
      readonly users?: readonly string[]
    }
    const own = 1 + (members?.length ?? 0) + (users?.length ?? 0)
    if (weight + own > MOST_IDS) {
      portions.push([])
      weight = 0
    }
    weight += own
    portions.at(-1)?.push(event)
  }
  return portions
}

/** Whether events may have changed mapped values of users without an event of theirs: who is in a group, or what it is called. */
export const mayChangeMapped = (
  events: readonly FeedEvent[],
  withMapping: (tenant: string) => boolean,
): FeedEvent | undefined => events.find(({ tenant, resource }) => resource.type === 'Group' && withMapping(tenant))
