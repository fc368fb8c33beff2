import type { Database } from '../../db/database.ts'
import { EVERY_GROUP, type NamedGroup, type RoleRule, rolesByRules } from '../../tenancy/role-rules.ts'
import { membershipsOf } from '../memberships/memberships.ts'
import { onlyMember } from '../memberships/one-member-sql.ts'
import type { ChangedResource, Created, NewResource, Removal } from '../resources/resource-changes.ts'
import { resourcesOf } from '../resources/resources.ts'
import type { SharedRole, WriteResult } from '../resources/write-result.ts'
import type { RepositoryScope } from '../scope.ts'
import { isOurId } from '../sql/ids.ts'
import { lockRoles, type NewBinding, type RuledGroup, roleBindingsOf } from './role-bindings.ts'
import { heldBy, logMoves, movesBetween } from './role-holders.ts'

/**
 * How a role is given.
 *
 * 1. The setting `roleRules` says which groups give which roles; `rolesByRules` reads it for one group.
 * 2. When a rule matches a group, `bind` writes a row of `role_bindings`: from then on the group gives the role, also under
 *    another name.
 * 3. A user has a role while memberships lead from the user to such a group, directly or through groups in groups. No row
 *    says so: `heldBy` follows the memberships for the events, and `rolesOf` for readers.
 * 4. So five writes may give or take a role: to create, change or delete a group, to change its members, and to delete a user.
 * 5. In a tenant with rules `resourcesFollowingRoles` and `membershipsFollowingRoles`, below, do these writes.
 * 6. Nearly always one user joins or leaves a group, or is deleted. One statement does that and follows roles by itself
 *    (`sql/followed-roles`). It shares the lock of the tenant's roles with others of its kind, and locks the user alone.
 * 7. Where more is at stake it does nothing. That, and each other write, is one transaction that first locks the tenant's roles
 *    (`lockRoles`), so that no other such write comes in between.
 * 8. `followed` then asks which of the roles concerned the users concerned have, lets the plain repository write, and adds the
 *    new bindings.
 * 9. It asks again, and `logMoves` appends what differs as `role.assigned` and `role.unassigned`.
 * 10. In a tenant without rules a write is one statement, in which `hasRulesSql` looks whether another instance has set rules
 *    meanwhile. If so, the write changes nothing and says `roles-apply`, and the caller repeats it with
 *    `Repositories.withRoles`.
 * 11. A change of the rules themselves is worked off behind the requests, some groups at a time: `administration/roles/role-work`.
 */

type Memberships = ReturnType<typeof membershipsOf>
type Resources = ReturnType<typeof resourcesOf>

/** `membershipsOf` where groups give roles. */
export const membershipsFollowingRoles = (db: Database, scope: RepositoryScope): Memberships => ({
  ...membershipsOf(db, scope),
  async change(changes) {
    const [first, ...more] = changes
    const isOne = first !== undefined && more.length === 0 && onlyMember(first) !== undefined && !scope.defersReferences
    if (isOne && mayFollowAlone(db, scope)) {
      const written = await membershipsOf(db, scope).change(changes)
      if (written.outcome !== 'roles-apply') return written
    }
    return locked(db, scope, async (tx, scope) => {
      const named = changes.flatMap(({ add, remove }) => [...add, ...remove])
      const cleared = changes.flatMap(({ clear, groupId }) => (clear ? [groupId] : []))
      const concerned = { groups: changes.map(({ groupId }) => groupId), moving: [...named, ...cleared] }
      return followed(tx, scope, concerned, () => membershipsOf(tx, scope).change(changes))
    })
  },
})

/** `resourcesOf` where groups give roles. */
export const resourcesFollowingRoles = (db: Database, scope: RepositoryScope): Resources => {
  const resources = resourcesOf(db, scope)
  return {
    ...resources,
    create: (created) =>
      created.some(isGroup)
        ? locked(db, scope, (tx, scope) => createGroups(tx, scope, created))
        : resources.create(created),
    update: (changed) =>
      changed.some(isGroup)
        ? locked(db, scope, (tx, scope) => {
            const groups = changed.filter(isGroup)
            const concerned = { groups: groups.map(({ id }) => id), moving: [], renamed: names(groups) }
            return followed(tx, scope, concerned, () => resourcesOf(tx, scope).update(changed))
          })
        : resources.update(changed),
    async remove(removal) {
      const isUser = removal.type.name === 'User'
      return isUser || removal.type.name === 'Group' ? removeFollowing(db, scope, removal) : resources.remove(removal)
    },
  }
}

/** `resourcesOf` where groups give no roles, but values of users do: with users go the roles that they have. */
export const removalsFollowingRoles = (db: Database, scope: RepositoryScope): Resources => {
  const resources = resourcesOf(db, scope)
  return {
    ...resources,
    remove: (removal) =>
      removal.type.name === 'User' ? removeFollowing(db, scope, removal) : resources.remove(removal),
  }
}

async function removeFollowing(
  db: Database,
  scope: RepositoryScope,
  removal: Removal,
): ReturnType<Resources['remove']> {
  if (removal.type.name === 'User' && removal.targets.length === 1 && mayFollowAlone(db, scope)) {
    const written = await resourcesOf(db, scope).remove(removal)
    if (written.outcome !== 'roles-apply') return written
  }
  return locked(db, scope, (tx, scope) => {
    const concerned = { groups: [], moving: removal.targets.map(({ id }) => id) }
    return followed(tx, scope, concerned, () => resourcesOf(tx, scope).remove(removal))
  })
}

const isGroup = ({ type }: Pick<NewResource | ChangedResource, 'type'>): boolean => type.name === 'Group'

const names = (groups: readonly Pick<ChangedResource, 'id' | 'stored'>[]): Map<string, NamedGroup> =>
  new Map(groups.map(({ id, stored }) => [id, stored]))

/** Whether a statement may follow roles by itself. In a transaction, its locks would stay while others are waited for. */
const mayFollowAlone = (db: Database, { roleRules }: RepositoryScope): boolean =>
  roleRules !== undefined && !db.inTransaction

/** Does work under the lock of the tenant's roles, with a scope by which no statement follows roles by itself. */
async function locked<T>(
  db: Database,
  scope: RepositoryScope,
  work: (tx: Database, scope: RepositoryScope) => Promise<T>,
): Promise<T> {
  const inside = async (tx: Database) => {
    await lockRoles(tx, scope.tenantId)
    return work(tx, { ...scope, roleRules: undefined })
  }
  return db.inTransaction ? inside(db) : db.transaction(inside)
}

/** What a write is about. Ids come from the client, so they may name nothing in this tenant. */
interface Concerned {
  /** Groups that stay, with other members or another name. A group that a rule matches will give its role. */
  readonly groups: readonly string[]
  /** What becomes a member or ceases to be one: users, and groups with all below them. */
  readonly moving: readonly string[]
  /** The new names of groups. */
  readonly renamed?: ReadonlyMap<string, NamedGroup>
}

/** Does a write that is about `concerned`, and appends the events of the roles that it gives and takes. */
async function followed<T>(
  tx: Database,
  scope: RepositoryScope,
  { groups, moving, renamed }: Concerned,
  write: () => Promise<WriteResult<T>>,
): Promise<WriteResult<T>> {
  const bindings = roleBindingsOf(tx, scope.tenantId)
  const around = await bindings.around([...new Set([...groups, ...moving])].filter(isOurId))
  const staying = around.groups.filter(({ id }) => groups.includes(id))
  const { fresh, shared } = await newBindings(bindings, around.rules, staying, renamed)
  if (shared !== undefined) return { outcome: 'shared-role', shared }
  const roleIds = await bindings.roleIds(fresh.map(({ role }) => role))
  const roles = new Set([...around.roles, ...roleIds.values()])
  if (roles.size === 0) return write()
  const below = [...new Set([...moving.filter(isOurId), ...fresh.map(({ groupId }) => groupId)])]
  const before = await heldBy(tx, scope.tenantId, { below }, roles)
  const written = await write()
  await bindings.bind(fresh, roleIds)
  if (before.users.length === 0) return written
  const after = await heldBy(tx, scope.tenantId, { users: before.users }, roles)
  await logMoves(tx, scope, movesBetween(before.holders, after.holders))
  return written
}

/** The roles that rules give to these groups and that they do not give yet; `shared` where another group gives one of them. */
async function newBindings(
  bindings: ReturnType<typeof roleBindingsOf>,
  rules: readonly RoleRule[],
  groups: readonly RuledGroup[],
  renamed: ReadonlyMap<string, NamedGroup> = new Map(),
): Promise<{ readonly fresh: readonly NewBinding[]; readonly shared?: SharedRole | undefined }> {
  if (rules.length === 0) return { fresh: [] }
  const rolesOf = rolesByRules(rules)
  const wanted = groups.flatMap((group) => {
    const named = renamed.get(group.id) ?? group
    const isNew = named.displayKey !== group.displayKey
    return rolesOf(named).map((match) => {
      return { ...match, groupId: group.id, label: group.label, bound: group.bound.includes(match.rule), isNew }
    })
  })
  // A group with a new name keeps the role that it gives. But the new name must not make another group's role.
  const [shared] = await bindings.sharedRoles(
    wanted.filter(({ rule, bound, isNew }) => rule === EVERY_GROUP && (!bound || isNew)),
  )
  return { fresh: wanted.filter(({ bound }) => !bound), shared }
}

/** Creates resources, with the roles that the groups among them give. The groups are empty, so no user gets a role yet. */
async function createGroups(tx: Database, scope: RepositoryScope, all: readonly NewResource[]): Promise<Created[]> {
  const bindings = roleBindingsOf(tx, scope.tenantId)
  const { rules } = await bindings.around([])
  const rolesOf = rolesByRules(rules)
  const wanted = all.filter(isGroup).flatMap(({ id, stored }) => {
    return rolesOf(stored).map((match) => ({ ...match, groupId: id, label: stored.label }))
  })
  const shared = await bindings.sharedRoles(wanted.filter(({ rule }) => rule === EVERY_GROUP))
  const refused = new Map(shared.map((each) => [each.group.groupId, each]))
  const allowed = all.filter(({ id }) => !refused.has(id))
  const created = allowed.length === 0 ? [] : await resourcesOf(tx, scope).create(allowed)
  const outcomes = new Map(allowed.map(({ id }, i) => [id, created[i] as Created]))
  const bound = wanted.filter(({ groupId }) => outcomes.get(groupId)?.outcome === 'created')
  await bindings.bind(bound, await bindings.roleIds(bound.map(({ role }) => role)))
  return all.map(({ id }): Created => {
    const each = refused.get(id)
    return each ? { outcome: 'shared-role', shared: each } : (outcomes.get(id) as Created)
  })
}
