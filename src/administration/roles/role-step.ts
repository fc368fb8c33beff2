import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { boundedInTurn } from '../../repositories/control/control-revision.ts'
import {
  countBelow,
  lastEvent,
  PEOPLE_AT_ONCE,
  usersByThisAlone,
  usersOfEvents,
} from '../../repositories/roles/large-group.ts'
import { type Binding, type NewBinding, roleBindingsOf } from '../../repositories/roles/role-bindings.ts'
import { heldBy, logMoves, movesBetween } from '../../repositories/roles/role-holders.ts'
import { noteRoleStep, type RoleWork, takeRoleWork } from '../../repositories/roles/role-rule-work.ts'
import { retryOnConflict } from '../../repositories/sql/retry-on-conflict.ts'
import { EVERY_GROUP, rolesByRules, ruleNames } from '../../tenancy/role-rules.ts'
import { sharedName } from '../role-rules.ts'
import { StepSize } from '../step-size.ts'

/** The most bindings that one transaction adds or removes, and the most groups that it checks. */
const BINDINGS_AT_ONCE = 500
const GROUPS_AT_ONCE = 200
const ATTEMPTS = 5
/** So often the users of a large group are looked at anew where groups below it change meanwhile. */
const LOOKS = 3

/** How much steps do from here on. */
export const newStepSize = () => new StepSize(BINDINGS_AT_ONCE)

/** One binding of a group with more people than a statement may be about, and how far the work is. */
interface LargeStep {
  readonly work: RoleWork
  readonly binding: Binding & NewBinding
  readonly gives: boolean
  /** The last event before its users are looked at. */
  readonly since: number
}

export interface StepOptions {
  /** Learns from how long the step took. */
  readonly size?: StepSize
  /** Asked while the users of a large group are looked at. */
  readonly goesOn?: () => boolean
  /** Whether a large group is left to others. */
  readonly leavesLarge?: boolean
}

/**
 * Does the next step of a tenant's work. False where there is no work now, where another instance does it, or where `goesOn` says no;
 * `left` for a large group that is left to others.
 *
 * On the embedded engine all tenants wait for a transaction. There a step is about few people: it has fewer bindings, or looks at the
 * users of one large group before its transaction, page by page.
 */
export async function roleStep(
  db: Database,
  tenantId: TenantId,
  { size = newStepSize(), goesOn = () => true, leavesLarge = false }: StepOptions = {},
): Promise<boolean | 'left'> {
  for (let look = 1; ; look++) {
    const done = await retryOnConflict(
      () => db.transaction((tx) => stepIn(tx, tenantId, size, look)),
      undefined,
      ATTEMPTS,
    )
    if (typeof done === 'boolean') return done
    if (leavesLarge) return 'left'
    const users = await usersByThisAlone(db, tenantId, done.binding, goesOn)
    if (users === undefined) return false
    const end = () => db.transaction((tx) => endLarge(tx, tenantId, done, users))
    if ((await retryOnConflict(end, undefined, ATTEMPTS)) !== 'spoilt') return true
  }
}

async function stepIn(tx: Database, tenantId: TenantId, size: StepSize, look: number): Promise<boolean | LargeStep> {
  const begun = performance.now()
  const work = await takeRoleWork(await boundedInTurn(tx), tenantId)
  if (work === undefined) return false
  const isWhole = tx.engine !== 'pglite' || look > LOOKS
  const large = await workOn(tx, tenantId, work, size.size, isWhole)
  if (large !== undefined) return large
  size.took(performance.now() - begun)
  return true
}

/** @param isWhole whether the step may be about any number of people */
async function workOn(
  tx: Database,
  tenantId: TenantId,
  work: RoleWork,
  size: number,
  isWhole: boolean,
): Promise<LargeStep | undefined> {
  const { actor, requestId, small } = work
  const bindings = roleBindingsOf(tx, tenantId)
  const { rules } = await bindings.around([])
  const names = ruleNames(rules)
  const rolesOf = rolesByRules(rules)
  const groups = work.ending || rules.length === 0 ? [] : await bindings.groups(work.after, GROUPS_AT_ONCE)
  const wanted = groups.map(({ id: groupId, label, bound, ...named }) => ({
    groupId,
    matches: rolesOf(named).flatMap((match) => (bound.includes(match.rule) ? [] : [{ ...match, groupId, label }])),
  }))
  const everyGroup = wanted.flatMap(({ matches }) => matches.filter(({ rule }) => rule === EVERY_GROUP))
  const shared = await bindings.sharedRoles(everyGroup)
  const refused = new Set(shared.map(({ group }) => group.groupId))
  const problem = shared[0] === undefined ? null : `${sharedName(shared[0])}; give one of them another name`

  /** What is next, in at most so many bindings. */
  const next = async (most: number) => {
    let { ending, after } = work
    let looked = 0
    const fresh: NewBinding[] = []
    for (const { groupId, matches } of wanted) {
      const allowed = matches.filter(({ rule }) => rule !== EVERY_GROUP || !refused.has(groupId))
      const room = most - fresh.length
      fresh.push(...allowed.slice(0, room))
      if (allowed.length > room) break
      after = groupId
      looked++
    }
    if (!ending && looked === groups.length && groups.length < GROUPS_AT_ONCE) {
      ending = true
      after = null
    }
    const ended = ending ? await bindings.beside(names, after, most) : []
    const below = [...new Set([...ended, ...fresh].map(({ groupId }) => groupId))]
    return { ending, after, looked, fresh, ended, below, finished: ending && ended.length < most }
  }

  let step = await next(small ? 1 : size)
  while (!isWhole && step.below.length > 0 && (await countBelow(tx, tenantId, step.below)) > PEOPLE_AT_ONCE) {
    const many = Math.max(step.fresh.length, step.ended.length)
    if (many === 1) return largeStep(tx, tenantId, work, step)
    step = await next(Math.floor(many / 2))
  }
  const { ending, looked, fresh, ended, below, finished } = step
  if (below.length > 0) {
    const roleIds = await bindings.roleIds(fresh.map(({ role }) => role))
    const roles = new Set([...ended.map(({ roleId }) => roleId), ...roleIds.values()])
    const before = await heldBy(tx, tenantId, { below }, roles)
    await bindings.bind(fresh, roleIds)
    await bindings.unbind(ended)
    const now = await heldBy(tx, tenantId, { users: before.users }, roles)
    await logMoves(tx, { tenantId, actor, requestId }, movesBetween(before.holders, now.holders))
  }
  const after = ended.at(-1)?.groupId ?? step.after
  await noteRoleStep(tx, tenantId, { ending, after, groups: looked, problem, finished })
  return undefined
}

/** The role has its row from here on, so that users can be asked about it. */
async function largeStep(
  tx: Database,
  tenantId: TenantId,
  work: RoleWork,
  { fresh, ended }: { readonly fresh: readonly NewBinding[]; readonly ended: readonly Binding[] },
): Promise<LargeStep> {
  const [given] = fresh
  const since = await lastEvent(tx, tenantId)
  if (given === undefined) {
    const binding = { ...(ended[0] as Binding), role: '', label: null }
    return { work, binding, gives: false, since }
  }
  const roleIds = await roleBindingsOf(tx, tenantId).roleIds([given.role])
  return { work, binding: { ...given, roleId: roleIds.get(given.role) as string }, gives: true, since }
}

/**
 * Gives or ends the role of a large group, whose users were looked at before. Those whose roles may have changed since are looked at
 * once more. Gives `spoilt` where too much has changed for that. Gives `other` where newer rules have replaced the work: the next
 * step begins with them.
 */
async function endLarge(
  tx: Database,
  tenantId: TenantId,
  { work, binding, gives, since }: LargeStep,
  users: readonly string[],
): Promise<'done' | 'spoilt' | 'other'> {
  const now = await takeRoleWork(await boundedInTurn(tx), tenantId)
  if (now?.generation !== work.generation || now.ending !== work.ending || now.after !== work.after) return 'other'
  const changed = await usersOfEvents(tx, tenantId, since, binding.groupId)
  if (changed === undefined) return 'spoilt'
  const bindings = roleBindingsOf(tx, tenantId)
  if (gives && binding.rule === EVERY_GROUP && (await bindings.sharedRoles([binding])).length > 0) return 'spoilt'
  const roles = [binding.roleId]
  const before = await heldBy(tx, tenantId, { users: changed }, roles)
  if (gives) await bindings.bind([binding], new Map([[binding.role, binding.roleId]]))
  else await bindings.unbind([binding])
  const after = await heldBy(tx, tenantId, { users: changed }, roles)
  const others = new Set(users)
  for (const user of changed) others.delete(user)
  const [none, all] = [new Map(), new Map([[binding.roleId, others]])]
  const moves = gives ? movesBetween(none, all) : movesBetween(all, none)
  const { actor, requestId, ending, after: from } = work
  await logMoves(tx, { tenantId, actor, requestId }, [...moves, ...movesBetween(before.holders, after.holders)])
  await noteRoleStep(tx, tenantId, { ending, after: from, groups: 0, problem: null, finished: false })
  return 'done'
}
