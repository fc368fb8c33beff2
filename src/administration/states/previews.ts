import { isDeepStrictEqual } from 'node:util'
import type { Database, Reader } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import type { EnvironmentRow } from '../../repositories/control/environments.ts'
import type { TenantRow } from '../../repositories/control/tenants.ts'
import { type RoleCount, type RoleGroups, rolePreviewOf } from '../../repositories/roles/role-preview.ts'
import { type RoleRule, rolesByRules, ruleNames } from '../../tenancy/role-rules.ts'
import {
  changeSettings,
  type EnvironmentSettingsChange,
  effectiveSettings,
  type TenantSettingsChange,
} from '../../tenancy/settings.ts'
import type { Administration } from '../change.ts'
import { refuseBadMapping, registryAt } from '../mapping/in-force.ts'
import { inheritingTenants, refuseSharedNames } from '../role-rules.ts'
import { environmentState, refuseChanged, type State, tenantState } from './state-tags.ts'

// What a change of settings would do, before it is made. It reads and writes nothing, and each part of it has a bound.

/**
 * The most memberships that one statement reads. More would take longer than a request may. On the embedded engine all other
 * statements wait for it.
 */
const MOST_MEMBERSHIPS = { postgres: 1_000_000, pglite: 100_000 } as const
/** The most groups that are looked at for a tenant. */
const MOST_GROUPS = 50_000
const GROUPS_AT_ONCE = 1_000
/** For so long tenants of an environment are looked at for one page. */
const TENANTS_FOR_MS = 5_000
/** How many users one statement looks at for a page of names, and how often it is sent. */
const USERS_AT_ONCE = 1_000
const MOST_LOOKS = 20

/** A setting, or another member, that would change: what is in force before and after. */
export interface Difference {
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

/** What differs between two states of the same resource. */
const differences = (before: State, after: State): Difference[] =>
  after.flatMap((part, i): Difference[] => {
    const was = before[i]
    const same = was !== undefined && isDeepStrictEqual([was.now, was.beside], [part.now, part.beside])
    return same ? [] : [{ path: part.path, before: was?.now ?? null, after: part.now ?? null }]
  })

/** Which roles of a tenant would be given and taken. */
export interface RolePreview {
  /** The roles whose groups change, by key, with the groups that give them before and after. */
  readonly roles: readonly RoleGroups[]
  /** How many users gain and lose each of them; undefined where there are too many to count. */
  readonly counts: readonly RoleCount[] | undefined
  /** Why nothing is counted, in plain words. */
  readonly tooMuch: string | undefined
}

/** A user who gains or loses a role. */
export interface RoleMove {
  readonly role: string
  readonly change: 'gains' | 'loses'
  readonly userId: string
  /** What the user is called. */
  readonly name: string | null
}

/** Where a list of moves goes on: behind this one. */
export type MovePosition = Pick<RoleMove, 'role' | 'change' | 'userId'>

/** A change of a place, as `changeTenant` and `changeEnvironment` take it. */
interface PlaceChange<Settings> {
  readonly name?: string | undefined
  readonly paused?: boolean | undefined
  readonly settings?: Settings | undefined
}

const changedPlace = <Row extends TenantRow | EnvironmentRow>(
  row: Row,
  { name, paused, settings }: PlaceChange<EnvironmentSettingsChange>,
): Row => ({
  ...row,
  ...{ name: name ?? row.name, paused: paused ?? row.paused },
  settings: changeSettings(row.settings, settings ?? {}),
})

/**
 * What a change of a tenant would do.
 *
 * @throws {Refusal} 409 as the change would, and 412 where the tenant is not as the caller has read it
 */
export async function previewTenantChange(
  administration: Pick<Administration, 'database' | 'expected'>,
  { tenant, environment }: { readonly tenant: TenantRow; readonly environment: EnvironmentRow },
  input: PlaceChange<TenantSettingsChange>,
  reader: Reader,
): Promise<{ readonly changes: readonly Difference[]; readonly roles: RolePreview }> {
  const before = tenantState(tenant, environment.settings)
  refuseChanged(administration, before)
  const after = changedPlace(tenant, input)
  const { database } = administration
  const place = { environmentId: environment.id, tenantId: tenant.id }
  if (input.settings?.mapping)
    refuseBadMapping(await registryAt(database, place, environment.settings, after.settings), input.settings.mapping)
  const rulesOf = ({ settings }: TenantRow) => effectiveSettings(environment.settings, settings).roleRules
  const rules = { before: rulesOf(tenant), after: rulesOf(after) }
  return {
    changes: differences(before, tenantState(after, environment.settings)),
    roles: await previewRoles(database, tenant, rules, reader),
  }
}

/**
 * The same for an environment, with a page of those tenants that inherit its rules and in which somebody gains or loses a role. The
 * page ends early where looking takes long; `next` is the id of the last tenant that was looked at.
 *
 * @throws {Refusal} as above
 */
export async function previewEnvironmentChange(
  { database, expected }: Pick<Administration, 'database' | 'expected'>,
  environment: EnvironmentRow,
  input: PlaceChange<EnvironmentSettingsChange>,
  { after: from, limit }: { readonly after?: string | undefined; readonly limit: number },
  reader: Reader,
): Promise<{
  readonly changes: readonly Difference[]
  readonly tenants: readonly { readonly tenant: TenantRow; readonly roles: RolePreview }[]
  readonly next: TenantId | undefined
}> {
  const before = environmentState(environment)
  refuseChanged({ expected }, before)
  const after = changedPlace(environment, input)
  const place = { environmentId: environment.id, tenantId: null }
  if (input.settings?.mapping)
    refuseBadMapping(await registryAt(database, place, after.settings), input.settings.mapping)
  const rulesOf = ({ settings }: EnvironmentRow) => effectiveSettings(settings).roleRules
  const rules = { before: rulesOf(environment), after: rulesOf(after) }
  const changes = differences(before, environmentState(after))
  const tenants: { tenant: TenantRow; roles: RolePreview }[] = []
  if (isDeepStrictEqual(rules.before, rules.after)) return { changes, tenants, next: undefined }
  const until = performance.now() + TENANTS_FOR_MS
  for await (const tenant of inheritingTenants(database, environment.id, 'roleRules', from)) {
    const roles = await previewRoles(database, tenant, rules, reader)
    if (roles.roles.length > 0 || roles.tooMuch !== undefined) tenants.push({ tenant, roles })
    if (tenants.length === limit || performance.now() > until) return { changes, tenants, next: tenant.id }
  }
  return { changes, tenants, next: undefined }
}

const NOTHING: RolePreview = { roles: [], counts: [], tooMuch: undefined }

/**
 * Who of a tenant gains and loses roles where its rules become `after`: the same users of whom the events of that change tell.
 * A group keeps what it gives by a rule that stays, as in `administration/roles/role-work`.
 */
async function previewRoles(
  db: Database,
  tenant: { readonly id: TenantId; readonly key: string },
  rules: { readonly before: readonly RoleRule[]; readonly after: readonly RoleRule[] },
  reader: Reader,
): Promise<RolePreview> {
  // Where no rule changes, nothing moves, though groups may still follow an earlier change.
  if (isDeepStrictEqual(rules.before, rules.after)) return NOTHING
  await refuseSharedNames(db, tenant, rules.after)
  const preview = rolePreviewOf(db, tenant.id, reader)
  const roles = await changedRoles(preview, rules.after)
  if (roles === undefined) return tooMuch(`more than ${inWords(MOST_GROUPS)} groups`, [])
  if (roles.length === 0) return NOTHING
  const most = MOST_MEMBERSHIPS[db.engine]
  const counts = await preview.counts(roles, most)
  if (counts === undefined) return tooMuch(`more than ${inWords(most)} memberships`, roles)
  return { roles, counts, tooMuch: undefined }
}

const tooMuch = (what: string, roles: readonly RoleGroups[]): RolePreview => ({
  ...{ roles, counts: undefined },
  tooMuch: `The rules concern ${what}: too many to count while you wait. The change itself is made in steps, behind the answer.`,
})
const inWords = (count: number): string => count.toLocaleString('en')

/** The roles that other groups give once the rules are followed; undefined where the tenant has too many groups. */
async function changedRoles(
  preview: ReturnType<typeof rolePreviewOf>,
  rules: readonly RoleRule[],
): Promise<RoleGroups[] | undefined> {
  const [rolesOf, staying] = [rolesByRules(rules), new Set(ruleNames(rules))]
  const found = new Map<string, { before: Set<string>; after: Set<string> }>()
  const groupsOf = (role: string) => {
    const known = found.get(role) ?? { before: new Set(), after: new Set() }
    found.set(role, known)
    return known
  }
  let looked = 0
  for (let after: string | null = null; ; ) {
    const groups = await preview.groups(after, GROUPS_AT_ONCE)
    for (const { id, bound, ...named } of groups) {
      for (const { role } of bound) groupsOf(role).before.add(id)
      for (const { rule, role } of bound) if (staying.has(rule)) groupsOf(role).after.add(id)
      for (const { rule, role } of rolesOf(named))
        if (!bound.some((one) => one.rule === rule)) groupsOf(role).after.add(id)
    }
    looked += groups.length
    if (looked > MOST_GROUPS) return undefined
    if (groups.length < GROUPS_AT_ONCE) break
    after = groups.at(-1)?.id ?? null
  }
  return [...found]
    .filter(([, { before, after }]) => !isDeepStrictEqual(before, after))
    .map(([role, { before, after }]) => ({ role, before: [...before], after: [...after] }))
    .sort((a, b) => (a.role < b.role ? -1 : 1))
}

/**
 * A page of those who gain and lose roles: by role, who gains before who loses, by the users' creation. A page may be shorter than
 * `limit`, also where more follow: only so many users are looked at.
 */
export async function movesOf(
  db: Database,
  tenantId: TenantId,
  roles: readonly RoleGroups[],
  { after, limit }: { readonly after: MovePosition | undefined; readonly limit: number },
  reader: Reader,
): Promise<{ readonly moves: readonly RoleMove[]; readonly next: MovePosition | undefined }> {
  const preview = rolePreviewOf(db, tenantId, reader)
  const moves: RoleMove[] = []
  let looks = 0
  for (const { role, change, from, others } of listsFrom(roles, after)) {
    let last = after?.role === role && after.change === change ? after.userId : undefined
    for (;;) {
      if (looks++ === MOST_LOOKS) return { moves, next: { role, change, userId: last ?? NIL } }
      const users = await preview.candidates(role, from, others, last, USERS_AT_ONCE)
      for (const { id: userId, name, stays } of users) {
        last = userId
        if (!stays) moves.push({ role, change, userId, name })
        if (moves.length === limit) return { moves, next: { role, change, userId } }
      }
      if (users.length < USERS_AT_ONCE) break
    }
  }
  return { moves, next: undefined }
}

const NIL = '00000000-0000-0000-0000-000000000000'

/** For each role who gains it and who loses it: users below these groups, and not below the others. */
function listsFrom(roles: readonly RoleGroups[], after: MovePosition | undefined) {
  const lists = roles.flatMap(({ role, before, after }) => {
    const [was, becomes] = [new Set(before), new Set(after)]
    return [
      { role, change: 'gains' as const, from: after.filter((id) => !was.has(id)), others: before },
      { role, change: 'loses' as const, from: before.filter((id) => !becomes.has(id)), others: after },
    ].filter(({ from }) => from.length > 0)
  })
  if (after === undefined) return lists
  // "gains" comes before "loses" in the alphabet too.
  return lists.filter(({ role, change }) => role > after.role || (role === after.role && change >= after.change))
}
