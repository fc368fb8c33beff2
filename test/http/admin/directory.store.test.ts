import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Permission } from '../../../src/auth/principal.ts'
import { PERMISSIONS } from '../../../src/auth/principal.ts'
import { adminClient, type Schemas } from '../../../src/client/index.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'

let gateway: Gateway
let tenant: TestTenant
let other: TestTenant
const ids = new Map<string, string>()
const idOf = (name: string) => ids.get(name) as string

beforeAll(async () => {
  gateway = await openGateway()
  tenant = await gateway.newTenant()
  other = await gateway.newTenant()
  const make = async (at: TestTenant, endpoint: string, name: string, body: object) => {
    const answer = await at.scim('POST', endpoint, body)
    expect(answer.status).toBe(201)
    ids.set(name, (answer.body as { id: string }).id)
  }
  for (const name of ['ada', 'bob', 'cy', 'dot']) {
    await make(tenant, '/Users', name, {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName: `${name}@example.com`,
      externalId: `ext-${name}`,
      displayName: name,
      password: 'S3cret-of-a-user',
      emails: [{ value: `${name}@work.test`, type: 'work' }, ...(name < 'c' ? [{ value: 'team@work.test' }] : [])],
    })
  }
  const member = (...names: string[]) => names.map((name) => ({ value: idOf(name) }))
  const group = (displayName: string, members: object[]) => ({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'],
    ...{ displayName, externalId: `ext-${displayName}`, members },
  })
  await make(tenant, '/Groups', 'inner', group('inner', member('ada', 'bob', 'cy')))
  await make(tenant, '/Groups', 'outer', group('outer', member('inner', 'dot')))
  const stranger = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'ada@example.com' }
  await make(other, '/Users', 'stranger', { ...stranger, externalId: 'ext-ada' })
})
afterAll(() => gateway.close())

const keyWith = (permissions: Permission[], only?: TestTenant) =>
  gateway.mintKey({ permissions, ...(only && { tenant: only }) })
const reader = async (key?: string) =>
  adminClient({ origin: gateway.origin, key: key ?? (await keyWith(['directory:read'])) })
const at = (of: TestTenant = tenant) => ({
  project: gateway.project,
  environment: gateway.environment,
  tenant: of.name,
})
const url = (path: string, of?: TestTenant) => {
  const { project, environment, tenant } = at(of)
  return `${gateway.origin}/api/v1/projects/${project}/environments/${environment}/tenants/${tenant}${path}`
}
const get = async (path: string, key: string, of?: TestTenant) => {
  const answer = await fetch(url(path, of), { headers: { Authorization: `Bearer ${key}` } })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}
const USERS = '/projects/{project}/environments/{environment}/tenants/{tenant}/users'
const GROUPS = '/projects/{project}/environments/{environment}/tenants/{tenant}/groups'
const MEMBERSHIPS = '/projects/{project}/environments/{environment}/tenants/{tenant}/memberships'

describe('the application reads users', () => {
  test.each<[string, Record<string, string>, string[]]>([
    ['all', {}, ['ada', 'bob', 'cy', 'dot']],
    ['by externalId', { externalId: 'ext-bob' }, ['bob']],
    ['by externalId, where letter case counts', { externalId: 'EXT-bob' }, []],
    ['by userName, where it does not', { userName: 'ADA@example.com' }, ['ada']],
    ['by email, any of them', { email: 'Team@Work.test' }, ['ada', 'bob']],
    ['by two at once', { email: 'team@work.test', externalId: 'ext-ada' }, ['ada']],
    ['by two that do not meet', { email: 'team@work.test', externalId: 'ext-cy' }, []],
    ['by the number that could be an id of ours', { externalId: '1' }, []],
    ['by text that would end a filter', { userName: '" or userName pr or userName eq "' }, []],
    ["by text that would end SQL's", { userName: "' or 1=1 --" }, []],
  ])('%s', async (_, query, names) => {
    const { data } = await (await reader()).GET(USERS, { params: { path: at(), query } })
    expect(data?.items.map(({ id }) => id)).toEqual(names.map(idOf))
    expect(data?.next).toBeNull()
  })

  test('one by id, with its groups and all that SCIM has of it but secrets', async () => {
    const { data } = await (await reader()).GET(`${USERS}/{id}`, { params: { path: { ...at(), id: idOf('ada') } } })
    expect(data).toMatchObject({
      id: idOf('ada'),
      externalId: 'ext-ada',
      userName: 'ada@example.com',
      active: true,
      groups: [
        { value: idOf('inner'), type: 'direct' },
        { value: idOf('outer'), type: 'indirect' },
      ],
      meta: { resourceType: 'User', location: `${tenant.base}/Users/${idOf('ada')}` },
    })
    expect(JSON.stringify(data)).not.toMatch(/password|S3cret/i)
  })

  test('page by page, without one twice or left out', async () => {
    const client = await reader()
    const read: string[] = []
    for (let after: string | null | undefined; after !== null; ) {
      const query = { limit: 3, ...(after === undefined ? {} : { after }) }
      const page: { data?: { items: Schemas['DirectoryUser'][]; next: string | null } } = await client.GET(USERS, {
        params: { path: at(), query },
      })
      read.push(...(page.data?.items.map(({ id }) => id) ?? []))
      after = page.data?.next ?? null
    }
    expect(read).toEqual(['ada', 'bob', 'cy', 'dot'].map(idOf))
  })

  test('A-16 without what a schema of the tenant says is never returned', async () => {
    const mine = await gateway.newTenant()
    const urn = 'urn:example:params:Badge'
    const attributes = [
      { name: 'number', type: 'string', multiValued: false },
      { name: 'pin', type: 'string', multiValued: false, returned: 'never' },
    ]
    const put = await fetch(url(`/schema-extensions/${urn}`, mine), {
      method: 'PUT',
      headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ schema: { id: urn, name: 'Badge', description: 'b', attributes }, resourceType: 'User' }),
    })
    expect(put.status).toBe(201)
    const made = await mine.scim('POST', '/Users', {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', urn],
      userName: 'eve',
      [urn]: { number: '7', pin: '4711' },
    })
    expect(made.status).toBe(201)
    const { data } = await (await reader()).GET(USERS, { params: { path: at(mine) } })
    expect(data?.items).toMatchObject([{ userName: 'eve', [urn]: { number: '7' } }])
    expect(JSON.stringify(data)).not.toContain('4711')
  })
})

describe('the application reads groups and memberships', () => {
  test.each<[string, Record<string, string>, string[]]>([
    ['all', {}, ['inner', 'outer']],
    ['by externalId', { externalId: 'ext-outer' }, ['outer']],
    ['by displayName', { displayName: 'INNER' }, ['inner']],
  ])('groups %s, without their members', async (_, query, names) => {
    const { data } = await (await reader()).GET(GROUPS, { params: { path: at(), query } })
    expect(data?.items.map(({ id }) => id)).toEqual(names.map(idOf))
    expect(data?.items.some((group) => 'members' in group)).toBe(false)
  })

  test('one group by id; a user is none', async () => {
    const client = await reader()
    const one = (id: string) => client.GET(`${GROUPS}/{id}`, { params: { path: { ...at(), id } } })
    expect((await one(idOf('inner'))).data).toMatchObject({ displayName: 'inner' })
    for (const id of [idOf('ada'), 'x', '00000000-0000-7000-8000-000000000000'])
      expect((await one(id)).response.status).toBe(404)
  })

  const pairs = (names: [string, string][]) =>
    names.map(([group, member]) => {
      const memberType = member === 'inner' ? 'Group' : 'User'
      return { groupId: idOf(group), memberId: idOf(member), memberType }
    })
  const ALL: [string, string][] = [
    ['inner', 'ada'],
    ['inner', 'bob'],
    ['inner', 'cy'],
    ['outer', 'dot'],
    ['outer', 'inner'],
  ]
  test.each<[string, () => Record<string, string>, [string, string][]]>([
    ['all', () => ({}), ALL],
    ['of a group', () => ({ group: idOf('outer') }), ALL.slice(3)],
    ['of a user', () => ({ member: idOf('bob') }), [['inner', 'bob']]],
    ['of a group in a group', () => ({ member: idOf('inner') }), [['outer', 'inner']]],
    ['of one in one', () => ({ group: idOf('inner'), member: idOf('dot') }), []],
  ])('memberships %s', async (_, query, expected) => {
    const client = await reader()
    const { data } = await client.GET(MEMBERSHIPS, { params: { path: at(), query: query() } })
    expect(data?.items).toEqual(pairs(expected))
  })

  test('memberships page by page', async () => {
    const client = await reader()
    const read: Schemas['Membership'][] = []
    for (let after: string | null | undefined; after !== null; ) {
      const query = { limit: 2, ...(after === undefined ? {} : { after }) }
      const page: { data?: { items: Schemas['Membership'][]; next: string | null } } = await client.GET(MEMBERSHIPS, {
        params: { path: at(), query },
      })
      read.push(...(page.data?.items ?? []))
      after = page.data?.next ?? null
    }
    expect(read).toEqual(pairs(ALL))
  })
})

describe('who may read', () => {
  const paths = () => [
    ...['/users', `/users/${idOf('ada')}`, `/users/${idOf('ada')}/roles`, '/groups', `/groups/${idOf('inner')}`],
    ...['/memberships', '/roles'],
  ]

  test.each(PERMISSIONS)('SEC-04 SEC-13 of the permissions, %s', async (permission) => {
    const key = await keyWith([permission])
    for (const path of paths()) {
      const answer = await get(path, key)
      expect(answer.status, path).toBe(permission === 'directory:read' ? 200 : 403)
      if (answer.status === 403)
        expect(answer.headers.get('WWW-Authenticate')).toContain('error="insufficient_scope", scope="directory:read"')
    }
    const admin = await get('', key)
    expect(admin.status).toBe(permission === 'admin' ? 200 : 403)
  })

  test('a key reaches its own tenant, and nothing tells of others', async () => {
    const key = await keyWith(['directory:read'], tenant)
    expect((await get('/users', key)).status).toBe(200)
    const [elsewhere, nowhere] = [await get('/users', key, other), await get('/users', key, { ...other, name: 'none' })]
    expect([elsewhere.status, nowhere.status]).toEqual([403, 403])
    const said = (text: string) => (JSON.parse(text) as { detail: string }).detail
    expect(said(elsewhere.text)).toBe(said(nowhere.text))
    const outside = await gateway.keyOfAnotherProject()
    for (const path of paths()) expect((await get(path, outside)).status).toBe(403)
    expect((await fetch(url('/users'))).status).toBe(401)
  })

  test('TEN-01 what is of another tenant is not there', async () => {
    const key = await keyWith(['directory:read'])
    expect((await get(`/users/${idOf('stranger')}`, key)).status).toBe(404)
    expect((await get(`/users/${idOf('ada')}`, key, other)).status).toBe(404)
    const found = await get('/users?externalId=ext-ada&userName=ada@example.com', key)
    expect((JSON.parse(found.text) as { items: unknown[] }).items).toMatchObject([{ id: idOf('ada') }])
    for (const query of [`group=${idOf('inner')}`, `member=${idOf('ada')}`])
      expect(JSON.parse((await get(`/memberships?${query}`, key, other)).text)).toEqual({ items: [], next: null })
  })

  test('a paused tenant can still be read', async () => {
    const paused = await gateway.newTenant()
    await fetch(url('', paused), {
      method: 'PATCH',
      headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' },
      body: '{"paused":true}',
    })
    expect((await paused.scim('GET', '/Users')).status).toBe(403)
    expect((await get('/users', await keyWith(['directory:read']), paused)).status).toBe(200)
  })

  test.each([
    ['/users?after=x', 'after'],
    ['/users?externalId=%00', 'externalId'],
    ['/users?userName=', 'userName'],
    ['/users?limit=0', 'limit'],
    ['/memberships?group=x', 'group'],
    ['/memberships?after=x.y', 'after'],
  ])('%s is refused', async (path, wrong) => {
    const answer = await get(path, await keyWith(['directory:read']))
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([400, { errors: [{ path: wrong }] }])
  })

  test('nothing is written there', async () => {
    const key = await keyWith(['directory:read', 'admin'])
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await fetch(url('/users'), { method, headers: { Authorization: `Bearer ${key}` } })
      expect([answer.status, answer.headers.get('Allow')]).toEqual([405, 'GET, HEAD'])
    }
  })
})
