import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { catalogueWorkStep } from '../../src/administration/catalogue/catalogue-work.ts'
import type { Mode } from '../../src/scim/deviations/mode.ts'
import type { GivenEntry } from '../../src/tenancy/catalogue.ts'
import type { RoleRule } from '../../src/tenancy/role-rules.ts'
import { type AdminSender, adminSender, environmentPath } from '../support/admin-sender.ts'
import { openTestDatabase } from '../support/engines.ts'
import type { Answer, Scim, TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  bulkBody,
  eventsOf,
  groupBody,
  type Instance,
  idIn,
  inconsistencies,
  json,
  openInstance,
  type Place,
  patchBody,
  removeMember,
  userBody,
} from '../support/instances.ts'
import { reader } from '../support/readers.ts'
import { rolesByLog, rolesByRows } from '../support/roles.ts'

// Roles and entitlements that the identity provider writes, where the application publishes what there is.

let instance: Instance
let place: Place
let tenant: TestTenant
let scim: Scim
let admin: AdminSender

beforeAll(async () => {
  const ADMIN_KEY = `admin-${randomUUID()}`
  instance = await openInstance(await openTestDatabase(), { ADMIN_KEY })
  admin = adminSender(() => instance, ADMIN_KEY)
})
afterAll(() => instance.close())
beforeEach(() => begin())

const entry = (kind: string, value: string, rest: Partial<GivenEntry> = {}): GivenEntry => ({
  ...{ kind, value, displayName: value, description: '', supported: true, contains: [] },
  ...rest,
})
const ENTRIES = [entry('Role', 'Admin'), entry('Role', 'viewer'), entry('License', 'seat.full')]
const KINDS = [{ name: 'License', endpoint: '/Licenses', attribute: 'entitlements', description: '' }] as const

async function begin(roleRules: RoleRule[] = [], settings: object = {}, entries = ENTRIES): Promise<void> {
  place = await instance.newPlace()
  tenant = await instance.newTenant({ place, settings: { ...settings, roleRules } })
  scim = tenant.scim
  await publish(entries)
}
const catalogue = () => `${environmentPath(place)}/tenants/${tenant.name}/catalogue`
const publish = async (entries: readonly GivenEntry[], kinds: readonly object[] = KINDS) =>
  expect((await admin('PUT', catalogue(), { kinds, entries })).status).toBeLessThan(300)
const withdraw = async () => expect((await admin('DELETE', catalogue())).status).toBe(204)

const roles = (...values: string[]) => ({ roles: values.map((value) => ({ value })) })
const create = (name: string, rest: object = {}) => scim('POST', '/Users', userBody(name, rest))
const user = async (name: string, rest: object = {}) => idIn(await create(name, rest))
const patch = (id: string, ...operations: object[]) => scim('PATCH', `/Users/${id}`, patchBody(...operations))
const group = async (name: string, members: string[] = []) =>
  idIn(await scim('POST', '/Groups', groupBody(name, members)))
const ask = async (path: string) => {
  const response = await reader(instance, tenant).ask(path)
  expect(response.status).toBe(200)
  return ((await response.json()) as { items: Record<string, unknown>[] }).items
}
const rolesOf = async (id: string) =>
  (await ask(`/users/${id}/roles`)).map(({ key, sources }) => `${key} by ${(sources as string[]).join('+')}`)
const refusal = ({ status, body }: Answer) => {
  const { scimType, detail } = body as { scimType?: string; detail?: string }
  return `${status} ${scimType}: ${detail}`
}
const moves = async () =>
  (await eventsOf(instance.database, tenant.id)).flatMap(({ type, resource_type, changes }) => {
    if (resource_type !== 'Role') return []
    const { role, users, attribute } = JSON.parse(changes) as { role: string; users: string[]; attribute?: string }
    return [`${type.slice(5)} ${role} by ${attribute ?? 'groups'}: ${users.length}`]
  })
/** The log tells the same as the rows. */
const whole = async () => {
  expect(await rolesByLog(instance.database, tenant.id)).toEqual(await rolesByRows(instance.database, tenant.id))
  expect(await inconsistencies(instance.database, tenant.id)).toEqual([])
  expect(instance.errors).toEqual([])
}

describe('values are checked against the catalogue', () => {
  test.each<Mode>(['lenient', 'standard', 'strict', 'interop'])(
    'an unknown one is 400 that names it, in mode %s',
    async (mode) => {
      await begin([], { mode })
      const unknown =
        '400 invalidValue: roles: the application has no role "boss". /ResourceTypes names the endpoints that list what it has.'
      expect(refusal(await create('a', roles('admin', 'boss')))).toBe(unknown)
      const id = await user('a', roles('ADMIN'))
      expect(json(await scim('GET', `/Users/${id}`)).roles).toEqual([{ value: 'ADMIN' }])
      expect(refusal(await scim('PUT', `/Users/${id}`, userBody('a', roles('boss'))))).toBe(unknown)
      expect(refusal(await patch(id, { op: 'add', path: 'roles', value: [{ value: 'boss' }] }))).toBe(unknown)
      const entitlements = [{ value: 'seat.none', type: 'License' }]
      expect(refusal(await patch(id, { op: 'add', path: 'entitlements', value: entitlements }))).toMatch(
        /^400 invalidValue: entitlements: the application has no entitlement "seat.none"\./,
      )
      // A role is no entitlement.
      expect((await patch(id, { op: 'add', path: 'entitlements', value: [{ value: 'Admin' }] })).status).toBe(400)
      expect(await rolesOf(id)).toEqual(['Admin by roles'])
      await whole()
    },
  )

  test('in bulk, each operation by itself', async () => {
    const known = await user('known')
    const post = (userName: string, value: string) => ({
      ...{ method: 'POST', path: '/Users', bulkId: userName },
      data: userBody(userName, roles(value)),
    })
    const replace = (value: string) => ({
      ...{ method: 'PATCH', path: `/Users/${known}` },
      data: patchBody({ op: 'add', path: 'roles', value: [{ value }] }),
    })
    const answer = await scim(
      'POST',
      '/Bulk',
      bulkBody([post('a', 'admin'), post('b', 'boss'), post('c', 'viewer'), replace('viewer'), replace('king')]),
    )
    const { Operations } = json(answer) as { Operations: { status: string }[] }
    expect(Operations.map(({ status }) => status)).toEqual(['201', '400', '201', '200', '400'])
    expect((await moves()).sort()).toEqual([
      'assigned Admin by roles: 1',
      'assigned viewer by roles: 1',
      'assigned viewer by roles: 1',
    ])
    await whole()
  })

  test('what a user has is not checked again, so that the rest can be written', async () => {
    const id = await user('a', roles('admin', 'viewer'))
    await publish([entry('Role', 'viewer', { supported: false })])
    expect((await patch(id, { op: 'replace', path: 'title', value: 'Boss' })).status).toBe(200)
    expect(
      (await scim('PUT', `/Users/${id}`, userBody('a', { ...roles('admin', 'VIEWER'), title: 'Chief' }))).status,
    ).toBe(200)
    // Neither the one that went nor the one that nobody gets any more is given anew.
    expect(refusal(await create('b', roles('admin')))).toMatch(/has no role "admin"/)
    expect(refusal(await create('b', roles('viewer')))).toMatch(/gives nobody the role "viewer" any more/)
    expect(await rolesOf(id)).toEqual(['Admin by roles', 'viewer by roles'])
    expect((await scim('PUT', `/Users/${id}`, userBody('a'))).status).toBe(200)
    expect(await rolesOf(id)).toEqual([])
    await whole()
  })

  test('an attribute of which the catalogue has no kind takes any value, and gives no role', async () => {
    await publish([entry('Role', 'admin')], [])
    const id = await user('a', { entitlements: [{ value: 'whatever' }] })
    expect(await rolesOf(id)).toEqual([])
    await withdraw()
    expect((await create('b', roles('boss'))).status).toBe(201)
  })
})

describe('values become roles', () => {
  test('each write appends what it moved, exactly once, with the attribute', async () => {
    const id = await user('a', { ...roles('admin', 'Admin'), entitlements: [{ value: 'SEAT.full', type: 'License' }] })
    expect((await moves()).sort()).toEqual(['assigned Admin by roles: 1', 'assigned seat.full by entitlements: 1'])
    expect(await rolesOf(id)).toEqual(['Admin by roles', 'seat.full by entitlements'])
    await patch(id, { op: 'replace', path: 'roles', value: [{ value: 'viewer' }] })
    expect((await moves()).slice(2).sort()).toEqual(['assigned viewer by roles: 1', 'unassigned Admin by roles: 1'])
    // Only the letters change, or nothing.
    await patch(id, { op: 'replace', path: 'roles', value: [{ value: 'VIEWER' }] })
    await patch(id, { op: 'replace', path: 'displayName', value: 'A' })
    expect(await moves()).toHaveLength(4)
    expect((await ask('/users?role=viewer')).map((each) => each.id)).toEqual([id])
    expect((await ask('/roles')).map(({ key }) => key)).toEqual(['seat.full', 'viewer'])
    await whole()
  })

  test('they count in sign-in checks; deactivating takes none, deleting takes all, and coming back gives them anew', async () => {
    await begin([], { onDelete: 'deactivate' })
    const id = await user('a', roles('admin'))
    const check = async () => {
      const init = {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ identity: 'a' }),
      }
      const { allowed, roles } = (await (await reader(instance, tenant).ask('/sign-in-checks', init)).json()) as {
        allowed: boolean
        roles: string[]
      }
      return { allowed, roles }
    }
    expect(await check()).toEqual({ allowed: true, roles: ['Admin'] })
    await patch(id, { op: 'replace', path: 'active', value: false })
    expect(await check()).toEqual({ allowed: false, roles: ['Admin'] })
    expect((await scim('DELETE', `/Users/${id}`)).status).toBe(204)
    expect(await check()).toEqual({ allowed: false, roles: [] })
    expect(await user('a', roles('admin', 'viewer'))).toBe(id)
    expect(await check()).toEqual({ allowed: true, roles: ['Admin', 'viewer'] })
    expect((await moves()).sort()).toEqual([
      ...['assigned Admin by roles: 1', 'assigned Admin by roles: 1', 'assigned viewer by roles: 1'],
      'unassigned Admin by groups: 1',
    ])
    await whole()
  })

  test('several users deleted at once', async () => {
    const ids = [await user('a', roles('admin')), await user('b', roles('admin', 'viewer')), await user('c')]
    const answer = await scim('POST', '/Bulk', bulkBody(ids.map((id) => ({ method: 'DELETE', path: `/Users/${id}` }))))
    expect((json(answer) as { Operations: { status: string }[] }).Operations.map(({ status }) => status)).toEqual([
      '204',
      '204',
      '204',
    ])
    expect(await ask('/roles')).toEqual([])
    await whole()
  })

  test('a role by group and by value ends only when both are gone', async () => {
    await begin([{ group: { displayName: 'Admins' }, role: 'Admin' }])
    const id = await user('a', roles('admin'))
    const admins = await group('Admins', [id])
    const told = ['assigned Admin by roles: 1']
    expect(await moves()).toEqual(told)
    expect(await rolesOf(id)).toEqual(['Admin by groups+roles'])
    await patch(id, { op: 'remove', path: 'roles' })
    expect(await rolesOf(id)).toEqual(['Admin by groups'])
    await patch(id, { op: 'add', path: 'roles', value: [{ value: 'admin' }] })
    expect((await scim('PATCH', `/Groups/${admins}`, removeMember(id))).status).toBeLessThan(300)
    expect(await moves()).toEqual(told)
    expect(await rolesOf(id)).toEqual(['Admin by roles'])
    expect((await scim('PATCH', `/Groups/${admins}`, addMembers(id))).status).toBeLessThan(300)
    await patch(id, { op: 'remove', path: 'roles' })
    expect(await moves()).toEqual(told)
    expect((await scim('DELETE', `/Groups/${admins}`)).status).toBe(204)
    expect(await moves()).toEqual([...told, 'unassigned Admin by groups: 1'])
    await whole()
  })

  test('a preview of rules counts nobody who has the role by a value', async () => {
    const [both, group1] = [await user('a', roles('admin')), await user('b')]
    await group('Admins', [both, group1])
    const path = catalogue().replace(/catalogue$/, 'preview')
    const { body } = await admin<{ roles: { roles: object[] } }>('POST', path, {
      settings: { roleRules: [{ group: { displayName: 'Admins' }, role: 'Admin' }] },
    })
    expect(JSON.stringify(body)).toContain('"gains":1')
    expect(JSON.stringify(body)).not.toContain(both)
  })

  test('a create is one statement and a change two, as without a catalogue', async () => {
    await user('first', roles('admin'))
    const create = await instance.recorder.during(() => user('a', roles('admin', 'viewer')))
    expect([create.statements.length, create.transactions]).toEqual([1, 0])
    const change = () => patch(create.result, { op: 'replace', path: 'roles', value: [{ value: 'viewer' }] })
    const { statements, transactions } = await instance.recorder.during(change)
    expect([statements.length, transactions]).toEqual([2, 0])
    await whole()
  })

  test('a write that is refused or undone moves nothing', async () => {
    const id = await user('a', roles('viewer'))
    expect((await create('A', roles('admin'))).status).toBe(409)
    const stale = await scim('PUT', `/Users/${id}`, userBody('a', roles('admin')), { 'If-Match': 'W/"99"' })
    expect(stale.status).toBe(412)
    expect(await moves()).toEqual(['assigned viewer by roles: 1'])
    await whole()
  })
})

describe('a catalogue that comes after the values', () => {
  const due = () =>
    instance.database.run('update catalogue_work set due_at = now() where tenant_id = $1::uuid', [tenant.id])
  test('gives users what they have already, behind the request and once', async () => {
    await withdraw()
    const ids = [
      await user('a', roles('ADMIN', 'boss')),
      await user('b', { entitlements: [{ value: 'seat.full' }] }),
      await user('c'),
    ]
    expect(await moves()).toEqual([])
    await publish(ENTRIES)
    await due()
    expect(await catalogueWorkStep(instance.database, tenant.id)).toBe(true)
    expect(await catalogueWorkStep(instance.database, tenant.id)).toBe(false)
    expect(await Promise.all(ids.map(rolesOf))).toEqual([['Admin by roles'], ['seat.full by entitlements'], []])
    expect((await moves()).sort()).toEqual(['assigned Admin by roles: 1', 'assigned seat.full by entitlements: 1'])
    // The same catalogue again begins nothing; neither does one with less in it.
    await publish(ENTRIES)
    await publish(ENTRIES.slice(1))
    await due()
    expect(await catalogueWorkStep(instance.database, tenant.id)).toBe(false)
    await whole()
  })
})
