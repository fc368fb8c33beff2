import type { Database } from '../../db/database.ts'
import { ScimError } from '../../scim/errors.ts'
import { EVERY_GROUP, type NamedGroup, type RoleRule, rolesByRules } from '../../tenancy/role-rules.ts'
import { membershipsOf } from '../memberships/memberships.ts'
import type { ChangedResource, Created, NewResource } from '../resources/resource-changes.ts'
import { resourcesOf } from '../resources/resources.ts'
import type { RepositoryScope } from '../scope.ts'
import { isOurId } from '../sql/ids.ts'
import { lockRoles, type NewBinding, type RuledGroup, roleBindingsOf, type SharedKey } from './role-bindings.ts'
import { heldBy, logMoves, movesBetween } from './role-holders.ts'

// In a tenant whose groups give roles, what may change who has one is done in a transaction that holds `lockRoles`: it looks
// who has which of the roles concerned, does what the plain repository does, looks again, and appends the difference as events.

type Memberships = ReturnType<typeof membershipsOf>
type Resources = ReturnType<typeof resourcesOf>

/** `membershipsOf` where groups give roles. */
export const membershipsWithRoles = (db: Database, scope: RepositoryScope): Memberships => ({
  ...membershipsOf(db, scope),
  change: (changes) =>
    locked(db, scope, async (tx) => {
      const named = changes.flatMap(({ add, remove }) => [...add, ...remove])
      const cleared = changes.flatMap(({ clear, groupId }) => (clear ? [groupId] : []))
      const concerned = { groups: changes.map(({ groupId }) => groupId), moving: [...named, ...cleared] }
      return following(tx, scope, concerned, () => membershipsOf(tx, scope).change(changes))
    }),
})

/** `resourcesOf` where groups give roles. */
export const resourcesWithRoles = (db: Database, scope: RepositoryScope): Resources => {
  const resources = resourcesOf(db, scope)
  return {
    ...resources,
    create: (made) =>
      made.some(isGroup) ? locked(db, scope, (tx) => createGroups(tx, scope, made)) : resources.create(made),
    update: (changed) =>
      changed.some(isGroup)
        ? locked(db, scope, (tx) => {
            const groups = changed.filter(isGroup)
            const concerned = { groups: groups.map(({ id }) => id), moving: [], renamed: names(groups) }
            return following(tx, scope, concerned, () => resourcesOf(tx, scope).update(changed))
          })
        : resources.update(changed),
    remove: (type, targets, ...rest) =>
      type.name === 'User' || type.name === 'Group'
        ? locked(db, scope, (tx) => {
            const concerned = { groups: [], moving: targets.map(({ id }) => id) }
            return following(tx, scope, concerned, () => resourcesOf(tx, scope).remove(type, targets, ...rest))
          })
        : resources.remove(type, targets, ...rest),
  }
}

const isGroup = ({ type }: Pick<NewResource | ChangedResource, 'type'>): boolean => type.name === 'Group'

const names = (groups: readonly Pick<ChangedResource, 'id' | 'stored'>[]): Map<string, NamedGroup> =>
  new Map(groups.map(({ id, stored }) => [id, stored]))

async function locked<T>(db: Database, { tenantId }: RepositoryScope, work: (tx: Database) => Promise<T>): Promise<T> {
  const inside = async (tx: Database) => {
    await lockRoles(tx, tenantId)
    return work(tx)
  }
  return db.inTransaction ? inside(db) : db.transaction(inside)
}

/** What a change is about. Ids may be anybody's. */
interface Concerned {
  /** Groups that stay, with other members or another name; where a rule fits one that gives no role by it yet, it will. */
  readonly groups: readonly string[]
  /** Who comes or goes: users, and groups with all below them. */
  readonly moving: readonly string[]
  /** What groups will be called. */
  readonly renamed?: ReadonlyMap<string, NamedGroup>
}

/** Does `work`, which is what `concerned` says, with the events of the roles that it gives and takes. */
async function following<T>(
  tx: Database,
  scope: RepositoryScope,
  { groups, moving, renamed }: Concerned,
  work: () => Promise<T>,
): Promise<T> {
  const bindings = roleBindingsOf(tx, scope.tenantId)
  const around = await bindings.around([...new Set([...groups, ...moving])].filter(isOurId))
  const staying = around.groups.filter(({ id }) => groups.includes(id))
  const fresh = await newBindings(bindings, around.rules, staying, renamed)
  const roleIds = await bindings.roleIds(fresh.map(({ role }) => role))
  const roles = new Set([...around.roles, ...roleIds.values()])
  if (roles.size === 0) return work()
  const below = [...new Set([...moving.filter(isOurId), ...fresh.map(({ groupId }) => groupId)])]
  const before = await heldBy(tx, scope.tenantId, { below }, roles)
  const done = await work()
  await bindings.bind(fresh, roleIds)
  if (before.people.length === 0) return done
  const after = await heldBy(tx, scope.tenantId, { users: before.people }, roles)
  await logMoves(tx, scope, movesBetween(before.holders, after.holders))
  return done
}

/** The roles that rules give to these groups and that they do not give yet. @throws {ScimError} 409 uniqueness */
async function newBindings(
  bindings: ReturnType<typeof roleBindingsOf>,
  rules: readonly RoleRule[],
  groups: readonly RuledGroup[],
  renamed: ReadonlyMap<string, NamedGroup> = new Map(),
): Promise<NewBinding[]> {
  if (rules.length === 0) return []
  const rolesOf = rolesByRules(rules)
  const wanted = groups.flatMap((group) => {
    const named = renamed.get(group.id) ?? group
    const isNew = named.displayKey !== group.displayKey
    return rolesOf(named).map((match) => {
      return { ...match, groupId: group.id, label: group.label, bound: group.bound.includes(match.rule), isNew }
    })
  })
  // What a group gives it goes on to give whatever it is called; but it does not take another's name either.
  const [shared] = await bindings.sharedKeys(
    wanted.filter(({ rule, bound, isNew }) => rule === EVERY_GROUP && (!bound || isNew)),
  )
  if (shared) throw keyTaken(shared)
  return wanted.filter(({ bound }) => !bound)
}

/** Makes resources, with the roles that the groups among them give. Nobody is in these groups yet, so nobody gets a role. */
async function createGroups(tx: Database, scope: RepositoryScope, made: readonly NewResource[]): Promise<Created[]> {
  const bindings = roleBindingsOf(tx, scope.tenantId)
  const { rules } = await bindings.around([])
  const rolesOf = rolesByRules(rules)
  const wanted = made.filter(isGroup).flatMap(({ id, stored }) => {
    return rolesOf(stored).map((match) => ({ ...match, groupId: id, label: stored.label }))
  })
  const shared = await bindings.sharedKeys(wanted.filter(({ rule }) => rule === EVERY_GROUP))
  const refused = new Map(shared.map((each) => [each.group.groupId, keyTaken(each)]))
  const going = made.filter(({ id }) => !refused.has(id))
  const created = going.length === 0 ? [] : await resourcesOf(tx, scope).create(going)
  const done = new Map(going.map(({ id }, i) => [id, created[i] as Created]))
  const bound = wanted.filter(({ groupId }) => done.get(groupId)?.outcome === 'created')
  await bindings.bind(bound, await bindings.roleIds(bound.map(({ role }) => role)))
  return made.map(({ id }): Created => {
    const error = refused.get(id)
    return error ? { outcome: 'refused', error } : (done.get(id) as Created)
  })
}

/** 409 for the second of two groups whose names make the same key, in words for the identity provider's log. */
const keyTaken = ({ role, group, holder }: SharedKey): ScimError =>
  ScimError.uniqueness(
    `Every group is a role here, and the name of the group "${group.label ?? ''}" makes the role "${role}", which the group "${holder}" gives already; give it a name that differs in more than case, spaces and punctuation.`,
  )
