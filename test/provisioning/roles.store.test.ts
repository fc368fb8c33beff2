import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { changeEnvironment } from '../../src/administration/environments.ts'
import type { RoleRule } from '../../src/tenancy/role-rules.ts'
import { administrationOn } from '../support/administration.ts'
import { openTestDatabase } from '../support/engines.ts'
import type { Scim, TestTenant } from '../support/gateway.ts'
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
import { roleEvents, rolesByLog, rolesByRows, setRules } from '../support/roles.ts'

let instance: Instance
let place: Place
let tenant: TestTenant
let scim: Scim

beforeAll(async () => {
  instance = await openInstance(await openTestDatabase())
})
beforeEach(async () => {
  place = await instance.newPlace()
  await begin([
    { group: { displayName: 'Sales' }, role: 'seller' },
    { group: { externalId: 'ext-ops' }, role: 'operator' },
    { group: { pattern: 'App-*-Admins' }, role: 'admin' },
  ])
})
afterAll(() => instance.close())

async function begin(roleRules: RoleRule[], settings: object = {}): Promise<void> {
  tenant = await instance.newTenant({ place, settings: { ...settings, roleRules } })
  scim = tenant.scim
}
const user = async (name: string, rest: object = {}) => idIn(await scim('POST', '/Users', userBody(name, rest)))
const group = async (name: string, members: string[] = [], rest: object = {}) =>
  idIn(await scim('POST', '/Groups', { ...groupBody(name, members), ...rest }))
const patch = async (id: string, body: object) =>
  expect((await scim('PATCH', `/Groups/${id}`, body)).status).toBeLessThan(300)
const rename = (id: string, displayName: string) =>
  patch(id, patchBody({ op: 'replace', path: 'displayName', value: displayName }))
const ask = async <Body = { items: { key: string; id: string }[] }>(path: string): Promise<Body> => {
  const response = await reader(instance, tenant).ask(path)
  expect(response.status).toBe(200)
  return (await response.json()) as Body
}
const rolesOf = async (id: string) => (await ask(`/users/${id}/roles`)).items.map(({ key }) => key)
const having = async (role: string, query = '') =>
  (await ask(`/users?role=${role}${query}`)).items.map(({ id }) => id).sort()
/** The log tells the same as the rows. */
const whole = async () => {
  expect(await rolesByLog(instance.database, tenant.id)).toEqual(await rolesByRows(instance.database, tenant.id))
  expect(await inconsistencies(instance.database, tenant.id)).toEqual([])
  expect(instance.errors).toEqual([])
}
const events = () => roleEvents(instance.database, tenant.id)

describe('a rule matches a group', () => {
  test('by displayName in any case, by externalId as it is, by pattern', async () => {
    const ids = [await user('a'), await user('b'), await user('c'), await user('d')]
    const [a, b, c, d] = ids as [string, string, string, string]
    await group('SALES', [a])
    await group('Whatever', [b], { externalId: 'ext-ops' })
    await group('app-shop-admins', [c])
    await group('Sales East', [d], { externalId: 'EXT-OPS' })
    expect(await Promise.all(ids.map(rolesOf))).toEqual([['seller'], ['operator'], ['admin'], []])
    expect((await ask('/roles')).items.map(({ key }) => key)).toEqual(['admin', 'operator', 'seller'])
    await whole()
  })

  test('a rename moves no user’s access, and another group of the old name gives the role too', async () => {
    const [a, b] = [await user('a'), await user('b')]
    const sales = await group('Sales', [a])
    const before = await events()
    await rename(sales, 'Verkauf')
    expect(await rolesOf(a)).toEqual(['seller'])
    expect(await events()).toEqual(before)
    await patch(sales, addMembers(b))
    expect(await having('seller')).toEqual([a, b].sort())
    await group('Sales', [await user('c')])
    expect(await having('seller')).toHaveLength(3)
    const { items } = await ask<{ items: { displayName: string }[] }>('/roles/seller/groups')
    expect(items.map(({ displayName }) => displayName)).toEqual(['Verkauf', 'Sales'])
    await whole()
  })

  test('a group that is renamed, replaced or gets its externalId into a match gives the role from then on', async () => {
    const [a, b, c] = [await user('a'), await user('b'), await user('c')]
    const [first, second, third] = [await group('One', [a]), await group('Two', [b]), await group('Three', [c])]
    expect(await events()).toEqual([])
    await rename(first, 'Sales')
    await patch(second, patchBody({ op: 'add', value: { externalId: 'ext-ops' } }))
    const replaced = await scim('PUT', `/Groups/${third}`, groupBody('App-x-Admins', [c, a]))
    expect(replaced.status).toBe(200)
    expect(await events()).toEqual([
      'role.assigned seller 1',
      'role.assigned operator 1',
      'role.assigned admin 1',
      'role.assigned admin 1',
    ])
    expect(await rolesOf(a)).toEqual(['admin', 'seller'])
    await whole()
  })

  test('the role goes with the group, and so it does when the group is deleted from the inside', async () => {
    const a = await user('a')
    const inner = await group('inner', [a])
    const sales = await group('Sales', [inner])
    expect(await rolesOf(a)).toEqual(['seller'])
    expect((await scim('DELETE', `/Groups/${inner}`)).status).toBe(204)
    expect(await rolesOf(a)).toEqual([])
    await patch(sales, addMembers(a))
    expect((await scim('DELETE', `/Groups/${sales}`)).status).toBe(204)
    expect(await events()).toEqual([
      'role.assigned seller 1',
      'role.unassigned seller 1',
      'role.assigned seller 1',
      'role.unassigned seller 1',
    ])
    expect((await ask('/roles')).items).toEqual([])
    await whole()
  })
})

describe('who has a role', () => {
  test('through groups in groups, cycles included', async () => {
    const [a, b] = [await user('a'), await user('b')]
    const sales = await group('Sales')
    const middle = await group('middle', [b])
    const inner = await group('inner', [a])
    await patch(sales, addMembers(middle))
    await patch(middle, addMembers(inner))
    await patch(inner, addMembers(sales))
    expect(await having('seller')).toEqual([a, b].sort())
    expect(await rolesOf(a)).toEqual(['seller'])
    await patch(sales, removeMember(middle))
    expect(await having('seller')).toEqual([])
    await whole()
  })

  test('two groups that give one role: leaving one of them takes nothing', async () => {
    const a = await user('a')
    const [first, second] = [await group('App-1-Admins', [a]), await group('App-2-Admins', [a])]
    await patch(first, removeMember(a))
    expect(await rolesOf(a)).toEqual(['admin'])
    expect(await events()).toEqual(['role.assigned admin 1'])
    await patch(second, removeMember(a))
    expect(await events()).toEqual(['role.assigned admin 1', 'role.unassigned admin 1'])
    await whole()
  })

  test('a user who is deleted loses all; a kept one comes back without, and a deactivated one keeps all', async () => {
    await begin([{ group: { displayName: 'Sales' }, role: 'seller' }], { onDelete: 'deactivate' })
    const [a, b] = [await user('a'), await user('b')]
    const sales = await group('Sales', [a, b])
    await scim('PATCH', `/Users/${b}`, patchBody({ op: 'replace', path: 'active', value: false }))
    expect(await rolesOf(b)).toEqual(['seller'])
    expect((await scim('DELETE', `/Users/${a}`)).status).toBe(204)
    expect(await user('a')).toBe(a)
    expect(await rolesOf(a)).toEqual([])
    await patch(sales, addMembers(a))
    expect(await events()).toEqual(['role.assigned seller 2', 'role.unassigned seller 1', 'role.assigned seller 1'])
    await whole()
  })

  test('bulk: groups, members and deletions give and take roles', async () => {
    const a = await user('a')
    const post = (bulkId: string, path: string, data: object) => ({ method: 'POST', path, bulkId, data })
    const made = await scim(
      'POST',
      '/Bulk',
      bulkBody([
        post('u', '/Users', userBody('u')),
        post('g', '/Groups', groupBody('Sales', ['bulkId:u', a])),
        post('h', '/Groups', groupBody('App-1-Admins', ['bulkId:g'])),
      ]),
    )
    expect(json(made).Operations).toHaveLength(3)
    expect(await rolesOf(a)).toEqual(['admin', 'seller'])
    const at = (n: number) => String((json(made).Operations as { location: string }[])[n]?.location.split('/').at(-1))
    await scim(
      'POST',
      '/Bulk',
      bulkBody([
        { method: 'PATCH', path: `/Groups/${at(2)}`, data: removeMember(at(1)) },
        { method: 'PATCH', path: `/Groups/${at(1)}`, data: removeMember(a) },
        { method: 'DELETE', path: `/Users/${at(0)}` },
      ]),
    )
    expect(await rolesByRows(instance.database, tenant.id)).toEqual([])
    await whole()
  })

  test('SCIM does not show these roles: `roles` is the client’s', async () => {
    const a = await user('a', { roles: [{ value: 'theirs' }] })
    await group('Sales', [a])
    expect(json(await scim('GET', `/Users/${a}`)).roles).toEqual([{ value: 'theirs' }])
  })

  test('the list of a role goes page by page, and meets what else is asked for', async () => {
    const ids: string[] = []
    for (let i = 0; i < 7; i++) ids.push(await user(`u${i}`, { externalId: i < 5 ? 'same' : `ext-${i}` }))
    const inner = await group('inner', ids.slice(3, 6))
    await group('Sales', [...ids.slice(0, 4), inner])
    const walk = async (query: string) => {
      const found: string[] = []
      for (let after = ''; ; ) {
        const page = await ask<{ items: { id: string }[]; next: string | null }>(
          `/users?role=seller&limit=2${query}${after}`,
        )
        found.push(...page.items.map(({ id }) => id))
        if (page.next === null) return found
        after = `&after=${page.next}`
      }
    }
    expect(await walk('')).toEqual(ids.slice(0, 6))
    expect(await walk('&externalId=same')).toEqual(ids.slice(0, 5))
    expect(await having('seller', '&userName=u6')).toEqual([])
    expect(await having('nothing')).toEqual([])
  })

  test('a sign-in check tells the roles', async () => {
    const a = await user('a')
    await group('App-1-Admins', [await group('Sales', [a])])
    const response = await reader(instance, tenant).ask('/sign-in-checks', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ identity: 'a' }),
    })
    expect(await response.json()).toMatchObject({ allowed: true, roles: ['admin', 'seller'] })
  })

  test('a snapshot has who has which role, by which its events can be followed', async () => {
    const [a, b] = [await user('a'), await user('b')]
    const sales = await group('Sales', [a, b])
    await patch(sales, removeMember(b))
    await group('App-1-Admins')
    const lines = (await (await reader(instance, tenant).ask('/snapshot')).text()).trimEnd().split('\n')
    const roles = lines.map((text) => JSON.parse(text)).filter(({ kind }) => kind === 'role')
    const last = (await eventsOf(instance.database, tenant.id)).findLast(
      ({ resource_type }) => resource_type === 'Role',
    )
    expect(roles).toEqual([
      {
        kind: 'role',
        resource: { type: 'Role', id: last?.resource_id, version: last?.version },
        role: 'seller',
        users: [a],
      },
    ])
  })

  test('another tenant’s roles are not there', async () => {
    const a = await user('a')
    await group('Sales', [a])
    const mine = tenant
    await begin([{ group: { displayName: 'Sales' }, role: 'seller' }])
    const ask = reader(instance, tenant).ask
    expect((await ask(`/users/${a}/roles`)).status).toBe(404)
    expect((await ask('/roles/seller/groups')).status).toBe(404)
    expect(await having('seller')).toEqual([])
    expect((await reader(instance, mine, tenant.key).ask('/roles')).status).toBe(403)
  })
})

describe('every group is a role', () => {
  beforeEach(() => begin([{ everyGroup: true }], { uniqueGroupNames: false }))

  test('under a key made of its name', async () => {
    const a = await user('a')
    await group('  Über-Admins (EU) & Co. ', [a])
    await group('***', [a])
    expect(await rolesOf(a)).toEqual(['über-admins-eu-co'])
  })

  test('the second of two names that fall together is refused, and not merged', async () => {
    const a = await user('a')
    await group('Sales EU', [a])
    const refused = await scim('POST', '/Groups', groupBody('sales_eu', [a]))
    expect(refused.status).toBe(409)
    expect(json(refused)).toMatchObject({ scimType: 'uniqueness' })
    expect(json(refused).detail).toContain('makes the role "sales-eu", which the group "Sales EU" gives already')
    const other = await group('Other', [a])
    const renamed = await scim(
      'PATCH',
      `/Groups/${other}`,
      patchBody({ op: 'replace', path: 'displayName', value: 'SALES-EU!' }),
    )
    expect(renamed.status).toBe(409)
    expect(json(renamed).detail).toContain('"sales-eu"')
    const bulk = await scim(
      'POST',
      '/Bulk',
      bulkBody([
        { method: 'POST', path: '/Groups', bulkId: 'x', data: groupBody('Fine') },
        { method: 'POST', path: '/Groups', bulkId: 'y', data: groupBody('fine!') },
        { method: 'POST', path: '/Groups', bulkId: 'z', data: groupBody('Sales - EU') },
      ]),
    )
    expect((json(bulk).Operations as { status: string }[]).map(({ status }) => status)).toEqual(['201', '409', '409'])
    expect(await rolesOf(a)).toEqual(['other', 'sales-eu'])
    await whole()
  })

  test('a renamed group keeps its role, and the name it had stays taken', async () => {
    const a = await user('a')
    const sales = await group('Sales', [a])
    await rename(sales, 'Verkauf')
    expect(await rolesOf(a)).toEqual(['sales'])
    expect((await scim('POST', '/Groups', groupBody('Sales'))).status).toBe(409)
    await patch(sales, removeMember(a))
    await whole()
  })

  test('cannot be switched on while names fall together', async () => {
    await begin([], { uniqueGroupNames: false })
    await group('Sales EU', [await user('a')])
    const second = await group('sales-eu')
    await expect(setRules(instance.database, place, tenant, [{ everyGroup: true }])).rejects.toMatchObject({
      status: 409,
      mistakes: [
        {
          path: 'settings.roleRules',
          message: 'the groups "Sales EU" and "sales-eu" would both be the role "sales-eu"',
        },
      ],
    })
    expect((await ask('/roles')).items).toEqual([])
    await scim('DELETE', `/Groups/${second}`)
    await setRules(instance.database, place, tenant, [{ everyGroup: true }])
    expect(await events()).toEqual(['role.assigned sales-eu 1'])
    await whole()
  })
})

describe('rules that change', () => {
  test('give and take at once what differs, and no more', async () => {
    const [a, b] = [await user('a'), await user('b')]
    const sales = await group('Sales', [a])
    await group('Support', [a, b])
    await rename(sales, 'Renamed')
    const seller = { group: { displayName: 'Sales' }, role: 'seller' }
    const before = (await events()).length
    await setRules(instance.database, place, tenant, [seller, { group: { pattern: 'Sup*' }, role: 'helper' }])
    expect((await events()).slice(before)).toEqual(['role.assigned helper 2'])
    expect(await rolesOf(a)).toEqual(['helper', 'seller'])
    await setRules(instance.database, place, tenant, [{ group: { pattern: '*' }, role: 'helper' }])
    expect((await events()).slice(before + 1)).toEqual(['role.unassigned seller 1'])
    await setRules(instance.database, place, tenant, [])
    expect((await events()).slice(before + 2)).toEqual(['role.unassigned helper 2'])
    const log = await eventsOf(instance.database, tenant.id)
    expect(log.filter(({ type }) => type === 'role.unassigned').at(-1)).toMatchObject({
      ...{ resource_type: 'Role', actor: 'test' },
    })
    await whole()
  })

  test('an environment’s rules are its tenants’, but for those that have their own', async () => {
    const own = tenant
    await own.scim('POST', '/Groups', groupBody('Everybody', [idIn(await own.scim('POST', '/Users', userBody('x')))]))
    tenant = await instance.newTenant({ place })
    scim = tenant.scim
    const a = await user('a')
    await group('Everybody', [a])
    const change = (roleRules: RoleRule[] | null) =>
      changeEnvironment(administrationOn(instance.database), place.projectId, place.environmentId, {
        settings: { roleRules },
      })
    await change([{ group: { displayName: 'everybody' }, role: 'member' }])
    expect(await rolesOf(a)).toEqual(['member'])
    expect(await roleEvents(instance.database, own.id)).toEqual([])
    await patch(await group('Everybody else'), addMembers(a))
    await setRules(instance.database, place, own, null)
    expect(await roleEvents(instance.database, own.id)).toEqual(['role.assigned member 1'])
    await change(null)
    expect(await rolesOf(a)).toEqual([])
    expect(await events()).toEqual(['role.assigned member 1', 'role.unassigned member 1'])
    await whole()
  })

  test('what an instance writes that has not heard of the rules yet follows them all the same', async () => {
    await begin([])
    const [a, b] = [await user('a'), await user('b')]
    const sales = await group('Sales', [a])
    await setRules(instance.database, place, tenant, [{ group: { displayName: 'Sales' }, role: 'seller' }])
    // This instance confirms what it knows twice a second.
    await patch(sales, addMembers(b))
    await scim('DELETE', `/Users/${a}`)
    await group('Sales too', [b])
    expect(await events()).toEqual(['role.assigned seller 1', 'role.assigned seller 1', 'role.unassigned seller 1'])
    await whole()
  })
})

test('5,000 members are five events, when they come and when they go', async () => {
  const rows = await instance.database.run<{ id: string }>(
    `insert into resources (tenant_id, id, resource_type, document, created_at, modified_at)
     select $1::uuid, gen_random_uuid(), 'User', '{"schemas":[],"userName":"u' || n || '"}', now(), now()
     from generate_series(1, 5000) n returning id::text`,
    [tenant.id],
  )
  const sales = await group('Sales')
  await patch(sales, addMembers(...rows.map(({ id }) => id)))
  expect(await events()).toEqual(Array.from({ length: 5 }, () => 'role.assigned seller 1000'))
  await scim('DELETE', `/Groups/${sales}`)
  expect((await events()).slice(5)).toEqual(Array.from({ length: 5 }, () => 'role.unassigned seller 1000'))
  expect(await rolesByLog(instance.database, tenant.id)).toEqual([])
})

test('a member who comes or goes and a user who is deleted are one statement each where groups give roles', async () => {
  const [a, b] = [await user('a'), await user('b')]
  const [sales, others] = [await group('Sales', [b]), await group('Others')]
  const { statements, transactions } = await instance.recorder.during(async () => {
    await patch(sales, addMembers(a))
    await patch(others, addMembers(a))
    await patch(sales, removeMember(a))
    await scim('DELETE', `/Users/${b}`)
  })
  // Each answer to PATCH shows the group, which is read after the change.
  expect({ statements: statements.length, transactions }).toEqual({ statements: 7, transactions: 0 })
  expect((await events()).slice(1)).toEqual([
    'role.assigned seller 1',
    'role.unassigned seller 1',
    'role.unassigned seller 1',
  ])
  await whole()
})

test('a tenant without rules asks for nothing more than before', async () => {
  await begin([])
  const a = await user('a')
  const sales = await group('Sales')
  const { statements, transactions } = await instance.recorder.during(async () => {
    await patch(sales, addMembers(a))
    await scim('DELETE', `/Users/${a}`)
  })
  expect({ statements: statements.length, transactions }).toEqual({ statements: 3, transactions: 0 })
})
