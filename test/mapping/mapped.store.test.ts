import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { adminSender, environmentPath } from '../support/admin-sender.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { addMembers, groupBody, type Instance, idIn, openInstance, type Place, userBody } from '../support/instances.ts'
import { placeOf, reader } from '../support/readers.ts'
import { openReceiver, type Receiver } from '../support/receiver.ts'

// What applications read as `mapped`, wherever they read users.

const ADMIN = 'an-admin-key-for-mapping-in-tests'
const ENV = { ADMIN_KEY: ADMIN, DELIVERY_NETWORKS: '127.0.0.0/8', PUBLIC_URL: 'http://scim.test' }
const RETRIES = {
  ...{ firstMs: 20, growth: 2, longestMs: 100, giveUpAfterMs: 60_000, disableAfterMs: 60_000 },
  restMs: { first: 20, longest: 100 },
}
const MAPPING = {
  email: 'emails[type eq "work"].value',
  teams: { groups: 'team-*', keep: 'star' },
  plan: { constant: 'gold' },
}
const EMAILS = { emails: [{ type: 'work', value: 'ada@acme.example' }] }

let database: Database
let instance: Instance
let place: Place
let receiver: Receiver
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database, ENV, RETRIES)
  place = await instance.newPlace()
  receiver = await openReceiver()
})
afterAll(async () => {
  await instance.close()
  await receiver.close()
  expect(instance.errors).toEqual([])
  await database.close()
})

interface Mapping {
  readonly mapped?: Record<string, unknown>
}
interface Changes {
  readonly items: readonly { id: string; type: string; tenant?: string; resource: (Mapping & { id: string }) | null }[]
  readonly next: number
  readonly more: boolean
  readonly mappingChanged?: unknown
}

const admin = adminSender(() => instance, ADMIN)
const put = async (at: string, mapping: object | null) => {
  const answer =
    mapping === null ? await admin('DELETE', `${at}/mapping`) : await admin('PUT', `${at}/mapping`, { mapping })
  expect([200, 204]).toContain(answer.status)
}
const newTenant = () => instance.newTenant({ place })
async function read<Body>(tenant: TestTenant, path: string, init: RequestInit = {}): Promise<Body> {
  const response = await reader(instance, tenant).ask(path, init)
  const text = await response.text()
  expect([response.status, text.slice(0, 300)]).toEqual([200, expect.anything()])
  return JSON.parse(text) as Body
}
const changesOf = (tenant: TestTenant, after: number, limit = 500) =>
  read<Changes>(tenant, `/changes?after=${after}&limit=${limit}`)
const headOf = async (tenant: TestTenant) => (await changesOf(tenant, 0)).next
const snapshotLines = async (tenant: TestTenant) => {
  const text = await (await reader(instance, tenant).ask('/snapshot')).text()
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Mapping & { kind: string; resource?: { id: string } })
}
const newUser = async (tenant: TestTenant, userName = 'ada', rest: object = EMAILS) =>
  idIn(await tenant.scim('POST', '/Users', userBody(userName, rest)))
const newGroup = async (tenant: TestTenant, name: string, members: readonly string[] = []) =>
  idIn(await tenant.scim('POST', '/Groups', groupBody(name, members)))

/** A tenant with the mapping, and Ada in the team payments. */
async function mappedTenant() {
  const tenant = await newTenant()
  const ada = await newUser(tenant)
  const team = await newGroup(tenant, 'Team-Payments', [ada])
  await put(placeOf(tenant), MAPPING)
  return { tenant, ada, team }
}
const ADA = { email: 'ada@acme.example', teams: ['Payments'], plan: 'gold' }

describe('a user is read with what is mapped', () => {
  test('in lists, one by one, among tenants, and when the person signs in; no group is', async () => {
    const { tenant, ada, team } = await mappedTenant()
    const list = await read<{ items: Mapping[] }>(tenant, '/users')
    expect(list.items.map(({ mapped }) => mapped)).toEqual([ADA])
    expect((await read<Mapping>(tenant, `/users/${ada}`)).mapped).toEqual(ADA)
    const all = await admin<{ items: { tenant: { id: string }; user: Mapping }[] }>(
      'GET',
      `${environmentPath(place)}/users?userName=ada`,
    )
    expect(all.body.items.find((one) => one.tenant.id === tenant.id)?.user.mapped).toEqual(ADA)
    const check = await read<{ allowed: boolean; user: Mapping }>(tenant, '/sign-in-checks', {
      ...{ method: 'POST', body: JSON.stringify({ identity: 'ada' }) },
      headers: { 'Content-Type': 'application/json' },
    })
    expect([check.allowed, check.user.mapped]).toEqual([true, ADA])
    expect(await read<Mapping>(tenant, `/groups/${team}`)).not.toHaveProperty('mapped')
    const scim = await tenant.scim('GET', `/Users/${ada}`)
    expect(scim.body).not.toHaveProperty('mapped')
  })

  test('in snapshots, of a tenant and of the environment', async () => {
    const { tenant, ada } = await mappedTenant()
    const lines = await snapshotLines(tenant)
    expect(lines.find(({ resource }) => resource?.id === ada)?.mapped).toEqual(ADA)
    expect(lines.filter((line) => 'mapped' in line)).toHaveLength(1)
    const url = `http://scim.test/api/v1${environmentPath(place)}/snapshot?tenants=${tenant.name}`
    const whole = await instance.send(new Request(url, { headers: { Authorization: `Bearer ${ADMIN}` } }))
    const all = (await whole.text()).trimEnd().split('\n')
    expect(all.flatMap((line) => (JSON.parse(line) as Mapping).mapped ?? [])).toEqual([ADA])
  })

  test('in events, pulled and streamed, of a tenant and of the environment', async () => {
    const { tenant, ada } = await mappedTenant()
    const events = await reader(instance, tenant).events()
    const mapped = (one: object) => (one as Mapping).mapped
    const of = (type: string) => events.items.filter((event) => event.type === type).map(mapped)
    expect(of('user.created')).toEqual([ADA])
    expect([...of('group.created'), ...of('group.member_added'), ...of('mapping.changed')]).toEqual([
      ...[undefined, undefined, undefined],
    ])
    const beside = await reader(instance, tenant).events('?snapshot=true&types=user.created')
    expect(beside.items.map((one) => [mapped(one), one.snapshot])).toEqual([
      [ADA, { version: 1, active: true, attributes: expect.objectContaining({ userName: 'ada' }) }],
    ])
    const feed = await admin<{ items: (Mapping & { type: string })[] }>(
      'GET',
      `${environmentPath(place)}/events?tenants=${tenant.name}`,
    )
    expect(feed.body.items.filter((event) => event.type === 'user.created').map(mapped)).toEqual([ADA])
    const ended = new AbortController()
    const stream = await reader(instance, tenant).ask('/events/stream?types=user.created', { signal: ended.signal })
    const bytes = stream.body?.getReader()
    let text = ''
    while (!text.includes('"mapped"')) {
      const { value, done } = (await bytes?.read()) ?? { done: true, value: undefined }
      if (done) break
      text += new TextDecoder().decode(value)
    }
    ended.abort()
    await bytes?.cancel().catch(() => {})
    const [data = ''] = text.split('\n').filter((line) => line.startsWith('data: '))
    expect((JSON.parse(data.slice('data: '.length)) as Mapping).mapped).toEqual(ADA)
    await tenant.scim('DELETE', `/Users/${ada}`)
    const gone = await reader(instance, tenant).events('?types=user.deleted')
    expect(gone.items.map(mapped)).toEqual([undefined])
  })

  test('in webhooks, with and without the resource', async () => {
    const tenant = await newTenant()
    await put(placeOf(tenant), MAPPING)
    for (const snapshot of [true, false]) {
      const url = `${receiver.origin}/${tenant.name}-${snapshot}`
      const events = ['user.created', 'group.created']
      expect((await admin('POST', `${placeOf(tenant)}/webhooks`, { url, events, snapshot })).status).toBe(201)
    }
    await newUser(tenant)
    await newGroup(tenant, 'Team-Risk')
    for (const snapshot of [true, false]) {
      const came = () => receiver.taken(`/${tenant.name}-${snapshot}`)
      await expect.poll(() => came().length).toBe(2)
      const data = came().map(({ text }) => JSON.parse(text).data as Mapping & { type: string; snapshot?: unknown })
      const [user, group] = ['user.created', 'group.created'].map((type) => data.find((one) => one.type === type))
      expect(user?.mapped).toEqual({ ...ADA, teams: null })
      expect(user?.snapshot !== undefined).toBe(snapshot)
      expect(group).not.toHaveProperty('mapped')
    }
  })

  test('in changes, where users whose groups changed come too', async () => {
    const { tenant, ada, team } = await mappedTenant()
    const bob = await newUser(tenant, 'bob', {})
    const before = await headOf(tenant)
    await tenant.scim('PATCH', `/Groups/${team}`, addMembers(bob))
    const joined = await changesOf(tenant, before)
    expect(joined.mappingChanged).toBeUndefined()
    expect(joined.items.map(({ type, id, resource }) => [type, id, resource?.mapped])).toEqual([
      ['Group', team, undefined],
      ['User', bob, { email: null, teams: ['Payments'], plan: 'gold' }],
    ])
    await tenant.scim('PATCH', `/Groups/${team}`, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'remove', path: `members[value eq "${ada}"]` }],
    })
    const left = await changesOf(tenant, joined.next)
    expect(left.items.map(({ id, resource }) => [id, resource?.mapped])).toEqual([
      [team, undefined],
      [ada, { ...ADA, teams: null }],
    ])
  })
})

describe('readers of changes are told that any user may have other values', () => {
  const rename = (tenant: TestTenant, id: string, name: string) =>
    tenant.scim('PATCH', `/Groups/${id}`, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', path: 'displayName', value: name }],
    })

  test('when a group that counts is renamed or deleted, and for no other', async () => {
    const { tenant, ada, team } = await mappedTenant()
    const other = await newGroup(tenant, 'Everyone')
    const told = async (change: () => Promise<unknown>) => {
      const before = await headOf(tenant)
      await change()
      return (await changesOf(tenant, before)).mappingChanged
    }
    expect(await told(() => rename(tenant, other, 'All'))).toBeUndefined()
    expect(await told(() => tenant.scim('DELETE', `/Groups/${other}`))).toBeUndefined()
    expect(await told(() => rename(tenant, team, 'Team-Risk'))).toBe(true)
    expect((await read<Mapping>(tenant, `/users/${ada}`)).mapped?.teams).toEqual(['Risk'])
    expect(await told(() => rename(tenant, team, 'Risk'))).toBe(true)
    await rename(tenant, team, 'Team-Risk')
    expect(await told(() => tenant.scim('DELETE', `/Groups/${team}`))).toBe(true)
    expect((await read<Mapping>(tenant, `/users/${ada}`)).mapped?.teams).toBeNull()
  })

  test('when a group joins a group, whose name its users get', async () => {
    const { tenant } = await mappedTenant()
    const bob = await newUser(tenant, 'bob', {})
    const inner = await newGroup(tenant, 'Cashiers', [bob])
    const outer = await newGroup(tenant, 'Team-Shops')
    const before = await headOf(tenant)
    await tenant.scim('PATCH', `/Groups/${outer}`, addMembers(inner))
    expect((await changesOf(tenant, before)).mappingChanged).toBe(true)
    expect((await read<Mapping>(tenant, `/users/${bob}`)).mapped?.teams).toEqual(['Shops'])
  })

  test('when the mapping changes, the own one and that of the environment, and only those who have it', async () => {
    const shared = await instance.newEnvironment(place)
    const [inherits, has] = [
      await instance.newTenant({ place: shared }),
      await instance.newTenant({ place: shared, settings: { mapping: { own: 'userName' } } }),
    ]
    for (const tenant of [inherits, has]) await newUser(tenant)
    const types = async (tenant: TestTenant) =>
      (await reader(instance, tenant).events('?types=mapping.*')).items.map((event) => event.type)
    const first = await admin<Changes>('GET', `${environmentPath(shared)}/changes`)
    expect(first.body.mappingChanged).toBeUndefined()
    await put(environmentPath(shared), { email: 'emails.value' })
    expect([await types(inherits), await types(has)]).toEqual([['mapping.changed'], []])
    const told = await admin<Changes>('GET', `${environmentPath(shared)}/changes?after=${first.body.next}`)
    expect(told.body.items).toEqual([])
    // The tenant "default" has it too.
    expect(told.body.mappingChanged).toHaveLength(2)
    expect(told.body.mappingChanged).toContain(inherits.id)
    expect((await read<{ items: Mapping[] }>(inherits, '/users')).items[0]?.mapped).toEqual({
      email: 'ada@acme.example',
    })
    expect((await read<{ items: Mapping[] }>(has, '/users')).items[0]?.mapped).toEqual({ own: 'ada' })
    // The same again changes nothing.
    await put(environmentPath(shared), { email: 'emails.value' })
    expect(await types(inherits)).toHaveLength(1)
    await put(placeOf(has), null)
    expect(await types(has)).toHaveLength(1)
    await put(placeOf(has), {})
    expect((await read<{ items: Mapping[] }>(has, '/users')).items[0]).not.toHaveProperty('mapped')
    const before = await headOf(has)
    await put(environmentPath(shared), null)
    expect([await types(inherits), await types(has)].map(({ length }) => length)).toEqual([2, 2])
    expect((await changesOf(has, before)).mappingChanged).toBeUndefined()
    expect((await read<{ items: Mapping[] }>(inherits, '/users')).items[0]).not.toHaveProperty('mapped')
  })

  test('page by page where many join at once: nobody is left out, and no page shows more than 1,000', async () => {
    const { tenant } = await mappedTenant()
    const ids: string[] = []
    for (let n = 0; n < 1_080; n += 40) {
      const made = await Promise.all(Array.from({ length: 40 }, (_, k) => newUser(tenant, `u${n + k}`, {})))
      ids.push(...made)
    }
    const before = await headOf(tenant)
    for (const [n, part] of [ids.slice(0, 600), ids.slice(600)].entries()) await newGroup(tenant, `Team-${n}`, part)
    const seen = new Map<string, unknown>()
    let pages = 0
    for (let after = before; ; ) {
      const page = await changesOf(tenant, after)
      const users = page.items.filter(({ type }) => type === 'User')
      expect(users.length).toBeLessThanOrEqual(1_000)
      for (const { id, resource } of users) seen.set(id, resource?.mapped?.teams)
      pages++
      if (!page.more) break
      expect(page.next).toBeGreaterThan(after)
      after = page.next
    }
    expect(pages).toBeGreaterThan(1)
    expect(seen).toEqual(new Map(ids.map((id, n) => [id, [n < 600 ? '0' : '1']])))
  })
})

describe('where no mapping is set', () => {
  test('no statement more is sent, and no answer has a byte more', async () => {
    const tenant = await newTenant()
    const ada = await newUser(tenant)
    await newGroup(tenant, 'Team-Payments', [ada])
    const asked = ['/users', `/users/${ada}`, '/events', '/changes', '/snapshot']
    const ask = async () => {
      const answers: { path: string; names: (string | undefined)[]; text: string }[] = []
      for (const path of asked) {
        const { result, statements } = await instance.recorder.during(async () =>
          (await reader(instance, tenant).ask(path)).text(),
        )
        answers.push({ path, names: statements.map(({ options }) => options.name), text: result })
      }
      return answers
    }
    await ask()
    const without = await ask()
    for (const { text } of without) expect(text).not.toMatch(/mapp(?:ed|ing)/)
    await put(placeOf(tenant), { name: 'userName' })
    await ask()
    const attributes = await ask()
    await put(placeOf(tenant), MAPPING)
    await ask()
    const groups = await ask()
    // A mapping of attributes alone is made of what is read anyway; only events look up their users.
    expect(
      attributes.filter(({ names }, n) => names.length > (without[n]?.names.length ?? 0)).map(({ path }) => path),
    ).toEqual(['/events'])
    const more = groups.map(({ names }, n) => names.length - (attributes[n]?.names.length ?? 0))
    expect(more).toEqual([1, 1, 1, 1, 1])
    for (const { names } of groups) expect(names.filter((name) => name === 'group-names')).toHaveLength(1)
  })
})
