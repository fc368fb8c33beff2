import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { movesOf, previewEnvironmentChange, previewTenantChange } from '../../src/administration/states/previews.ts'
import { type Database, READERS } from '../../src/db/database.ts'
import { environmentsOf } from '../../src/repositories/control/environments.ts'
import { tenantsOf } from '../../src/repositories/control/tenants.ts'
import { rolePreviewOf } from '../../src/repositories/roles/role-preview.ts'
import { roleProgressOf } from '../../src/repositories/roles/role-rule-work.ts'
import type { RoleRule } from '../../src/tenancy/role-rules.ts'
import { adminSender, environmentPath } from '../support/admin-sender.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  eventsOf,
  fillDirectly,
  groupBody,
  type Instance,
  idIn,
  openInstance,
  type Place,
  patchBody,
  userBody,
} from '../support/instances.ts'
import { rolesByRows } from '../support/roles.ts'

const ADMIN_KEY = 'test-admin-key-with-some-length'
let database: Database
let instance: Instance
let place: Place
let tenant: TestTenant
const admin = adminSender(() => instance, ADMIN_KEY)
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database, { ADMIN_KEY })
})
beforeEach(async () => {
  place = await instance.newPlace()
  tenant = await instance.newTenant({ place })
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

const user = async (name: string) => idIn(await tenant.scim('POST', '/Users', userBody(name)))
const group = async (name: string, members: string[] = []) =>
  idIn(await tenant.scim('POST', '/Groups', groupBody(name, members)))
const setRules = (roleRules: RoleRule[] | null) =>
  admin('PATCH', `${environmentPath(place)}/tenants/${tenant.id}`, { settings: { roleRules } })
const named = (displayName: string, role: string): RoleRule => ({ group: { displayName }, role })

const placeNow = async () => {
  const environment = await environmentsOf(database, place.projectId).find(place.environmentId)
  const found = await tenantsOf(database, place.environmentId).find(tenant.id)
  if (environment === undefined || found === undefined) throw new Error('the place is gone')
  return { environment, tenant: found }
}
const previewOf = async (roleRules: RoleRule[] | null) =>
  previewTenantChange({ database }, await placeNow(), { settings: { roleRules } }, READERS)

/** All who gain and lose roles, by pages of so many. */
async function everybody(roleRules: RoleRule[] | null, limit: number): Promise<string[]> {
  const { roles } = await previewOf(roleRules)
  const all: string[] = []
  for (let after: Parameters<typeof movesOf>[3]['after'], pages = 0; ; pages++) {
    if (pages > 1_000) throw new Error('the pages do not end')
    const { moves, next } = await movesOf(database, tenant.id, roles.roles, { after, limit }, READERS)
    expect(moves.length).toBeLessThanOrEqual(limit)
    all.push(...moves.map(({ role, change, userId }) => `${change} ${role} ${userId}`))
    if (next === undefined) return all
    after = next
  }
}

/** Whom a change of the rules moves, by its events. */
async function movesByEvents(roleRules: RoleRule[] | null): Promise<string[]> {
  const roleEvents = async () => (await eventsOf(database, tenant.id)).filter(({ type }) => type.startsWith('role.'))
  const before = (await roleEvents()).length
  expect((await setRules(roleRules)).status).toBe(200)
  expect(await roleProgressOf(database, tenant.id)).toMatchObject({ state: 'done', problem: null })
  const moves = (await roleEvents()).slice(before).flatMap(({ type, changes }) => {
    const { role, users } = JSON.parse(changes) as { role: string; users: string[] }
    return users.map((id) => `${type === 'role.assigned' ? 'gains' : 'loses'} ${role} ${id}`)
  })
  return moves.sort()
}

/** The preview names the same people as the events of the change, counts as many, and writes nothing. */
async function agrees(roleRules: RoleRule[] | null): Promise<string[]> {
  const rowsBefore = await rolesByRows(database, tenant.id)
  const previewed = [...(await everybody(roleRules, 2))].sort()
  const { roles } = await previewOf(roleRules)
  expect(await rolesByRows(database, tenant.id)).toEqual(rowsBefore)
  const counted = roles.counts?.flatMap(({ role, gains, loses }) => [
    `gains ${role} ${gains}`,
    `loses ${role} ${loses}`,
  ])
  const happened = await movesByEvents(roleRules)
  expect(previewed).toEqual(happened)
  expect(new Set(previewed).size).toBe(previewed.length)
  const of = (kind: string, role: string) => happened.filter((move) => move.startsWith(`${kind} ${role} `)).length
  const wanted = roles.roles.flatMap(({ role }) => [
    `gains ${role} ${of('gains', role)}`,
    `loses ${role} ${of('loses', role)}`,
  ])
  expect(counted).toEqual(wanted)
  return happened
}

describe('a preview of role rules names exactly those whom the change then tells of', () => {
  test('groups in groups, cycles, users in several groups, renamed groups, rules that stay, go and come', async () => {
    const [ada, ben, cleo, dan, eve] = await Promise.all(['ada', 'ben', 'cleo', 'dan', 'eve'].map(user))
    const inner = await group('Inner', [ada, ben] as string[])
    const outer = await group('Outer', [inner, cleo] as string[])
    const side = await group('Side', [ben, dan] as string[])
    await tenant.scim('PATCH', `/Groups/${inner}`, addMembers(outer))
    await group('Alone', [eve] as string[])
    const first = [named('Outer', 'reader'), named('Side', 'writer')]
    expect(await agrees(first)).toHaveLength(5)
    // Side has another name now, and keeps what it gives by a rule that stays.
    await tenant.scim('PATCH', `/Groups/${side}`, patchBody({ op: 'replace', path: 'displayName', value: 'Renamed' }))
    expect(await agrees([...first, named('Side', 'reader')])).toEqual([])
    expect(await agrees([named('Side', 'writer'), named('Renamed', 'reader')])).toHaveLength(3)
    expect(await agrees([{ group: { pattern: '*n*' }, role: 'writer' }])).not.toHaveLength(0)
    expect(await agrees([{ everyGroup: true }])).not.toHaveLength(0)
    expect(await agrees([{ everyGroup: true }])).toEqual([])
    expect(await agrees([])).not.toHaveLength(0)
    expect(await agrees(null)).toEqual([])
  })

  test('what a tenant inherits counts, and a role that another group gives as well moves nobody', async () => {
    await admin('PATCH', environmentPath(place), { settings: { roleRules: [named('Staff', 'member')] } })
    const [ada, ben] = (await Promise.all(['ada', 'ben'].map(user))) as [string, string]
    await group('Staff', [ada])
    await group('Guests', [ada, ben])
    expect(await agrees([named('Guests', 'member')])).toEqual([`gains member ${ben}`])
    expect(await agrees(null)).toEqual([`loses member ${ben}`])
  })

  test('3,000 users in 40 groups, page by page', async () => {
    await fillDirectly(database, tenant.id, { users: 3_000, groups: 40 })
    const rules: RoleRule[] = [{ group: { pattern: 'Group 1*' }, role: 'ones' }]
    const people = await everybody(rules, 200)
    expect(new Set(people).size).toBe(people.length)
    const { roles } = await previewOf(rules)
    expect(roles.counts).toEqual([{ role: 'ones', gains: people.length, loses: 0 }])
    expect([...people].sort()).toEqual(await movesByEvents(rules))
  })
})

test('more memberships than may be read are not counted', async () => {
  const [ada, ben] = (await Promise.all(['ada', 'ben'].map(user))) as [string, string]
  const staff = await group('Staff', [ada, ben])
  const preview = rolePreviewOf(database, tenant.id, READERS)
  const roles = [{ role: 'member', before: [], after: [staff] }]
  expect(await preview.counts(roles, 2)).toEqual([{ role: 'member', gains: 2, loses: 0 }])
  expect(await preview.counts(roles, 1)).toBeUndefined()
})

test('two groups that would be one role are refused as the change refuses them', async () => {
  await group('A b')
  await group('a-B')
  const rules: RoleRule[] = [{ everyGroup: true }]
  await expect(previewOf(rules)).rejects.toMatchObject({ status: 409 })
  const answer = await setRules(rules)
  expect(answer.status).toBe(409)
})

test('an environment’s preview names the tenants that inherit, and no others, by pages', async () => {
  const others = await Promise.all([instance.newTenant({ place }), instance.newTenant({ place })])
  for (const each of [tenant, ...others]) {
    const ada = idIn(await each.scim('POST', '/Users', userBody('ada')))
    await each.scim('POST', '/Groups', groupBody('Staff', [ada]))
  }
  await setRules([])
  const { environment } = await placeNow()
  const seen: string[] = []
  for (let after: string | undefined; ; ) {
    const input = { settings: { roleRules: [named('Staff', 'member')] } }
    const found = await previewEnvironmentChange({ database }, environment, input, { after, limit: 1 }, READERS)
    for (const { tenant, roles } of found.tenants) {
      expect(roles.counts).toEqual([{ role: 'member', gains: 1, loses: 0 }])
      seen.push(tenant.id)
    }
    expect(found.changes).toMatchObject([{ path: 'settings.roleRules', before: [] }])
    if (found.next === undefined) break
    after = found.next
  }
  expect(seen.sort()).toEqual(others.map(({ id }) => id as string).sort())
})

test('over the API: what changes, who by name, and for keys without directory:read the counts alone', async () => {
  await group('Staff', [await user('ada')])
  const at = `${environmentPath(place)}/tenants/${tenant.id}`
  const body = { settings: { roleRules: [named('Staff', 'member')], mode: 'strict' } }
  const whole = await admin('POST', `${at}/preview`, body)
  expect(whole.status).toBe(200)
  expect(JSON.parse(whole.text)).toMatchObject({
    changes: expect.arrayContaining([{ path: 'settings.mode', before: 'lenient', after: 'strict' }]),
    roles: { gains: 1, loses: 0, byRole: [{ role: 'member', gains: 1, loses: 0 }], tooMuch: null },
    people: [{ role: 'member', change: 'gains', user: { name: expect.stringContaining('ada') } }],
    next: null,
  })
  const { body: narrow } = await admin<{ key: string }>('POST', `${at}/api-keys`, { name: 'k', permissions: ['admin'] })
  const blind = await adminSender(() => instance, narrow.key)('POST', `${at}/preview`, body)
  expect(blind.body).toMatchObject({ roles: { gains: 1 }, people: null, next: null })
  expect(blind.text).not.toContain('ada')
  const late = await admin('POST', `${at}/preview`, body, { 'If-Match': '"another-state"' })
  expect(late.status).toBe(412)
  expect(await rolesByRows(database, tenant.id)).toEqual([])
})
