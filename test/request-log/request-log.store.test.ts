import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import type { EnvironmentId } from '../../src/place-ids.ts'
import { tenantsOf } from '../../src/repositories/control/tenants.ts'
import { adminSender } from '../support/admin-sender.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  bulkBody,
  groupBody,
  type Instance,
  idIn,
  openInstance,
  patchBody,
  userBody,
} from '../support/instances.ts'
import { placeId } from '../support/place-ids.ts'
import { placeOf } from '../support/readers.ts'

const ADMIN = 'an-admin-key-for-the-provisioning-log'

let database: Database
let instance: Instance
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database, { ADMIN_KEY: ADMIN })
})
afterAll(async () => {
  await instance.close()
  expect(instance.errors).toEqual([])
  await database.close()
})

type Item = Readonly<Record<string, unknown>> & {
  readonly id: string
  readonly operation: string
  readonly status: number
  readonly path: string
  readonly key: { readonly id: string; readonly name: string } | null
  readonly detail: string | null
}
type Details = Item & {
  readonly request: { readonly text: string | null; readonly length: number; readonly cut: boolean } | null
  readonly response: { readonly text: string | null } | null
  readonly deviations: string[]
  readonly events: { readonly type: string; readonly state: string; readonly deliveries: object[] }[]
}
type List = { readonly items: Item[]; readonly next: string | null }

const admin = <Body>(method: string, path: string, body?: object) =>
  adminSender(() => instance, ADMIN)<Body>(method, path, body)

/** The log of a tenant once all is written. */
async function logged(tenant: TestTenant, query = ''): Promise<Item[]> {
  await instance.requestLog.flush()
  const answer = await admin<List>('GET', `${placeOf(tenant)}/requests${query}`)
  expect(answer.status).toBe(200)
  return answer.body.items
}
const one = async (tenant: TestTenant, id: string, query = '') =>
  (await admin<Details>('GET', `${placeOf(tenant)}/requests/${id}${query}`)).body

/** What stands in the tables of the log, whatever the tenant. */
async function stored(): Promise<string> {
  await instance.requestLog.flush()
  const rows = await database.run<{ text: string }>(
    `select r::text as text from request_log r union all select t::text from request_terms t`,
    [],
  )
  return rows.map(({ text }) => text).join('\n')
}

describe('the provisioning log', () => {
  test('has each request of a tenant: when, by which key, what was sent, what came of it', async () => {
    const tenant = await instance.newTenant()
    const headers = { 'User-Agent': 'Okta SCIM Client 1.0.0' }
    const body = userBody('Ada@acme.example', { active: 'True', name: { givenName: 'Ada' } })
    const created = await tenant.scim('POST', '/Users', body, headers)
    const id = idIn(created)
    await tenant.scim('GET', '/Users?filter=userName%20eq%20%22ada%40acme.example%22')
    await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'Replace', path: 'active', value: 'False' }))
    const again = await tenant.scim('POST', '/Users', body, headers)
    expect(again.status).toBe(409)
    await tenant.scim('GET', `/Users/${id}`)
    await tenant.scim('DELETE', `/Users/${id}`)
    await tenant.scim('GET', '/ServiceProviderConfig')

    const items = await logged(tenant)
    expect(items.map(({ operation, status }) => `${operation} ${status}`)).toEqual([
      ...['discovery 200', 'delete 204', 'read 200', 'create 409', 'modify 200', 'list 200', 'create 201'],
    ])
    const [, , , conflict, modified, , first] = items as [Item, Item, Item, Item, Item, Item, Item]
    expect(first).toMatchObject({
      ...{ method: 'POST', path: '/Users', client: 'Okta SCIM Client 1.0.0' },
      ...{ requestId: created.headers.get('x-request-id'), resource: { endpoint: 'Users', id } },
    })
    expect(first.key?.name).toBe('test')
    expect(conflict).toMatchObject({ scimType: 'uniqueness', requestId: again.headers.get('x-request-id') })

    expect(conflict).toMatchObject({
      explanation: {
        problem: expect.stringMatching(/\w/),
        remedy: expect.stringMatching(/Provisioning > Integration/),
      },
    })
    expect(first).toMatchObject({ explanation: null })

    const details = await one(tenant, modified.id)
    expect(details.deviations).toEqual(['string-booleans', 'operations-in-any-case'])
    expect(details.events.map(({ type }) => type)).toEqual(['user.deactivated'])
    expect((await one(tenant, first.id)).deviations).toEqual(['string-booleans'])
  })

  test('masks people until they are revealed, and keeps the shape of what was sent', async () => {
    const tenant = await instance.newTenant()
    const person = {
      name: { givenName: 'Grace' },
      emails: [{ value: 'grace@acme.example', type: 'work', primary: true }],
    }
    await tenant.scim(
      'POST',
      '/Users',
      userBody('grace@acme.example', { ...person, externalId: '00u7', employeeNumber: 7 }),
    )
    await tenant.scim('POST', '/Users', userBody('grace@acme.example', person))
    await tenant.scim('GET', '/Users?filter=userName eq "grace@acme.example"')
    await tenant.scim('GET', '/Users/grace@acme.example')
    const items = await logged(tenant)
    const all = [...items, ...(await Promise.all(items.map(({ id }) => one(tenant, id))))]
    expect(JSON.stringify(all)).not.toMatch(/grace|acme|00u7/i)
    const [byPath, search, refused, created] = items as [Item, Item, Item, Item]
    expect(byPath.path).toBe('/Users/•••••@••••.•••••••')
    expect(search.path).toBe('/Users?filter=userName eq "•••••@••••.•••••••"')
    expect(refused.detail).toContain('"•••••@••••.•••••••"')
    const masked = JSON.parse((await one(tenant, created.id)).request?.text ?? '')
    expect(masked).toMatchObject({
      ...{ userName: '•••••@••••.•••••••', name: { givenName: '•••••' }, externalId: '••••' },
      emails: [{ value: '•••••@••••.•••••••', type: 'work', primary: true }],
    })

    const shown = await one(tenant, created.id, '?reveal=true')
    expect(JSON.parse(shown.request?.text ?? '')).toMatchObject(person)
    expect(shown.response?.text).toContain('grace@acme.example')
    const trail = await admin<{ items: { action: string; target: { id: string }; actor: string }[] }>(
      'GET',
      `${placeOf(tenant)}/audit-log`,
    )
    expect(trail.body.items[0]).toMatchObject({
      action: 'request.revealed',
      target: { id: created.id },
      actor: 'admin',
    })
  })

  test('a key without requests:reveal reveals nothing, and the trail is as before', async () => {
    const tenant = await instance.newTenant()
    await tenant.scim('POST', '/Users', userBody('ada'))
    const [item] = await logged(tenant)
    const made = await admin<{ key: string }>('POST', `${placeOf(tenant)}/api-keys`, {
      name: 'a',
      permissions: ['admin'],
    })
    const by = adminSender(() => instance, made.body.key)
    const path = `${placeOf(tenant)}/requests/${item?.id}`
    expect((await by('GET', `${path}?reveal=true`)).status).toBe(403)
    expect((await by<Details>('GET', path)).body.request?.text).toContain('•••')
    const trail = await admin<{ items: { action: string }[] }>('GET', `${placeOf(tenant)}/audit-log`)
    expect(trail.body.items.map(({ action }) => action)).not.toContain('request.revealed')
  })

  test('has no password, no secret of a schema and no key, wherever a client has put it', async () => {
    const tenant = await instance.newTenant()
    const secret = 'Pl4nted-Secret'
    const scim = (path: string, body: unknown) => tenant.scim('POST', path, body)
    const ada = idIn(await scim('/Users', userBody('ada', { password: secret })))
    const patch = (...operations: object[]) => tenant.scim('PATCH', `/Users/${ada}`, patchBody(...operations))
    await patch({ op: 'replace', path: 'password', value: secret })
    await patch({ op: 'replace', value: { password: secret } })
    await patch({ op: 'replace', value: secret, path: 'urn:ietf:params:scim:schemas:core:2.0:User:password' })
    await scim('/Users', `{"schemas":[],"userName":"b","pass\\u0077ord":"${secret}"}`)
    await scim('/Users', `{"userName":"c","password":"${secret}"`)
    await scim('/Users', userBody('d', { clientSecret: secret, api_key: secret }))
    await scim(
      '/Bulk',
      bulkBody([{ method: 'POST', path: '/Users', bulkId: 'x', data: userBody('e', { password: secret }) }]),
    )
    await scim('/Users/.search', { schemas: [], filter: `password eq "${secret}"` })
    await tenant.scim('GET', `/Users?filter=password%20eq%20%22${secret}%22`)
    await tenant.scim('GET', `/Users?access_token=${secret}`)
    await tenant.scim('GET', `/Users?filter=userName%20eq%20%22${tenant.key}%22`)
    await tenant.scim('GET', `/Users/${tenant.key}`, undefined, { 'User-Agent': `curl ${tenant.key}` })
    await scim('/Users', userBody(`Bearer ${tenant.key}`, { title: tenant.key }))
    await instance.reach({ base: tenant.base, key: `${tenant.key.slice(0, -6)}abcdef` })('GET', '/Users')
    const items = await logged(tenant)
    expect(items.length).toBe(15)
    const text = await stored()
    expect(text).not.toContain(secret)
    expect(text).not.toContain(tenant.key.slice(17, 40))
    // Nor as a term: a hash of a password could be tried out.
    expect(await logged(tenant, `?person=${secret}`)).toEqual([])
    const bodies = await Promise.all(items.map(({ id }) => one(tenant, id, '?reveal=true')))
    expect(bodies.filter(({ request }) => request?.text?.includes('(left out)')).length).toBeGreaterThan(5)
    // What is no JSON may hide a secret, and is left out as a whole.
    expect(bodies.find(({ status, request }) => status === 400 && request?.text === null)).toBeDefined()
  })

  test('finds a person by userName, address, externalId and id, also one who was never made', async () => {
    const tenant = await instance.newTenant({ settings: { groupSync: true } })
    const emails = [{ value: 'Joan@mail.example' }]
    const joan = idIn(await tenant.scim('POST', '/Users', userBody('joan@acme.example', { externalId: 'J-1', emails })))
    await tenant.scim('POST', '/Users', userBody('joan@acme.example'))
    const group = idIn(await tenant.scim('POST', '/Groups', groupBody('Sales')))
    await tenant.scim('PATCH', `/Groups/${group}`, addMembers(joan))
    await tenant.scim('GET', '/Users?filter=userName eq "never@acme.example"')
    await tenant.scim('POST', '/Users', { ...userBody('Never@acme.example'), emails: 'x' })
    const by = async (query: string) =>
      (await logged(tenant, `?${query}`)).map(({ operation, status }) => `${operation} ${status}`)
    expect(await by('person=JOAN@acme.example')).toEqual(['create 409', 'create 201'])
    expect(await by('person=joan@mail.example')).toEqual(['create 201'])
    expect(await by('person=j-1')).toEqual(['create 201'])
    expect(await by(`person=${joan}`)).toEqual(['modify 200', 'create 201'])
    expect(await by(`resource=${group}`)).toEqual(['modify 200', 'create 201'])
    expect(await by('person=never@acme.example')).toEqual(['create 400', 'list 200'])
    expect(await by('person=never@acme.example&status=4xx')).toEqual(['create 400'])
    expect(await by('person=nobody')).toEqual([])
  })

  test('finds requests by status, operation, key, time and request id, page by page', async () => {
    const tenant = await instance.newTenant()
    const made = await admin<{ key: string; id: string }>('POST', `${placeOf(tenant)}/api-keys`, { name: 'second' })
    const other = instance.reach({ base: tenant.base, key: made.body.key })
    for (const n of [1, 2, 3, 4, 5]) {
      await tenant.scim('POST', '/Users', userBody(`u${n}`))
      await other('GET', `/Users?filter=userName eq "u${n}"`)
    }
    const refused = await tenant.scim('POST', '/Users', userBody('u1'))
    const requestId = refused.headers.get('x-request-id') ?? ''
    const by = async (query: string) =>
      (await logged(tenant, `?${query}`)).map(({ operation, status }) => `${operation} ${status}`)
    expect(await by('status=409')).toEqual(['create 409'])
    expect(await by('status=4xx')).toEqual(['create 409'])
    expect(await by('operation=create')).toEqual(['create 409', ...Array(5).fill('create 201')])
    expect(await by('operation=create&status=2xx')).toEqual(Array(5).fill('create 201'))
    expect(await by(`key=${made.body.id}`)).toEqual(Array(5).fill('list 200'))
    expect(await by(`key=${made.body.id}&operation=create`)).toEqual([])
    expect(await by(`requestId=${requestId}`)).toEqual(['create 409'])
    expect(await by(`until=${encodeURIComponent(new Date(Date.now() - 3_600_000).toISOString())}`)).toEqual([])
    expect(await by(`since=${encodeURIComponent(new Date(Date.now() - 3_600_000).toISOString())}&status=409`)).toEqual([
      'create 409',
    ])
    for (const query of ['', '&operation=list', '&status=2xx', `&key=${made.body.id}`]) {
      const all = (await logged(tenant, `?limit=200${query}`)).map(({ id }) => id)
      const paged: string[] = []
      for (let after: string | null | undefined; after !== null; ) {
        const { body } = await admin<List>(
          'GET',
          `${placeOf(tenant)}/requests?limit=2${query}${after === undefined ? '' : `&after=${after}`}`,
        )
        expect(body.items.length).toBeLessThanOrEqual(2)
        paged.push(...body.items.map(({ id }) => id))
        after = body.next
      }
      expect(paged).toEqual(all)
    }
  })

  test('keeps what the settings say: nothing, failures, all; and so many bytes of a body', async () => {
    const off = await instance.newTenant({ settings: { requestLog: 'off' } })
    const failures = await instance.newTenant({ settings: { requestLog: 'failures' } })
    const short = await instance.newTenant({ settings: { requestLogBodyBytes: 100 } })
    for (const tenant of [off, failures, short]) {
      await tenant.scim('POST', '/Users', userBody('ada', { title: 'ü'.repeat(500) }))
      await tenant.scim('POST', '/Users', userBody('ada'))
      await instance.reach({ base: tenant.base, key: 'rck_x' })('GET', '/Users')
    }
    expect(await logged(off)).toEqual([])
    expect((await logged(failures)).map(({ status }) => status)).toEqual([401, 409])
    const [, , created] = await logged(short)
    const { request } = await one(short, created?.id ?? '', '?reveal=true')
    expect(Buffer.byteLength(request?.text ?? '')).toBeLessThanOrEqual(100)
    expect(request).toMatchObject({
      cut: true,
      length: Buffer.byteLength(JSON.stringify(userBody('ada', { title: 'ü'.repeat(500) }))),
    })
    expect((await one(short, created?.id ?? '')).request?.text).not.toContain('ada')
  })

  test('has failed sign-ins: of a key of the tenant by its name, of an unknown key without it, of none at all', async () => {
    const tenant = await instance.newTenant()
    const made = await admin<{ key: string; id: string }>('POST', `${placeOf(tenant)}/api-keys`, {
      name: 'revoked one',
    })
    await admin('DELETE', `${placeOf(tenant)}/api-keys/${made.body.id}`)
    const { base } = tenant
    expect((await instance.reach({ base, key: made.body.key })('GET', '/Users')).status).toBe(401)
    // The id is that of a key of the tenant, the secret is not: anybody could send that.
    const forged = tenant.key.replace(/^(rck_\w{12}_).*/, '$1')
    expect((await instance.reach({ base, key: `${forged}nonsense` })('GET', '/Users')).status).toBe(401)
    expect((await instance.send(new Request(`${base}/Users`))).status).toBe(401)
    const items = await logged(tenant)
    expect(items.map(({ status, key }) => [status, key?.name ?? null])).toEqual([
      ...[
        [401, null],
        [401, null],
        [401, 'revoked one'],
      ],
    ])
    expect(items.every(({ operation }) => operation === 'list')).toBe(true)
  })

  test('a key at the address of another tenant is in the log of its own, and in no other', async () => {
    const [own, foreign] = [await instance.newTenant(), await instance.newTenant()]
    const astray = instance.reach({ base: foreign.base, key: own.key })
    expect((await astray('GET', '/Users?filter=userName eq "ada"')).status).toBe(403)
    expect((await logged(own)).map(({ status }) => status)).toEqual([403])
    expect(await logged(foreign)).toEqual([])
  })

  test('a bulk request is one entry, found by each person in it', async () => {
    const tenant = await instance.newTenant()
    const operations = ['ann', 'ben'].map((name) => ({
      method: 'POST',
      path: '/Users',
      bulkId: name,
      data: userBody(name),
    }))
    await tenant.scim('POST', '/Bulk', bulkBody(operations))
    for (const name of ['ann', 'ben'])
      expect((await logged(tenant, `?person=${name}`)).map(({ operation }) => operation)).toEqual(['bulk'])
    const [item] = await logged(tenant)
    const details = await one(tenant, item?.id ?? '')
    expect(JSON.parse(details.request?.text ?? '').Operations.length).toBe(2)
    expect(details.events.map(({ type }) => type)).toEqual(['user.created', 'user.created'])
  })

  test('is the tenant’s alone: other keys, other environments and cursors of others see nothing of it', async () => {
    const [first, second] = [await instance.newTenant(), await instance.newTenant()]
    for (const n of [1, 2, 3]) await first.scim('POST', '/Users', userBody(`u${n}`))
    await second.scim('POST', '/Users', userBody('other'))
    const [item] = await logged(first)
    const key = async (path: string) =>
      (
        await admin<{ key: string }>('POST', `${path}/api-keys`, {
          name: 'a',
          permissions: ['admin', 'requests:reveal'],
        })
      ).body.key
    const elsewhere = await instance.newPlace()
    const environment = `/projects/${elsewhere.projectId}/environments/${elsewhere.environmentId}`
    for (const foreign of [await key(placeOf(second)), await key(environment)]) {
      const by = adminSender(() => instance, foreign)
      expect((await by('GET', `${placeOf(first)}/requests`)).status).toBe(403)
      expect((await by('GET', `${placeOf(first)}/requests/${item?.id}?reveal=true`)).status).toBe(403)
      expect((await by('GET', `${placeOf(first)}/requests/stream`)).status).toBe(403)
    }
    expect((await admin('GET', `${placeOf(second)}/requests/${item?.id}`)).status).toBe(404)
    expect(await logged(second, `?after=${item?.id}`)).toEqual([])
    expect((await logged(second, '?person=u1')).length).toBe(0)
  })

  test('goes with its tenant, and what waits is not written afterwards', async () => {
    const tenant = await instance.newTenant()
    await tenant.scim('POST', '/Users', userBody('ada'))
    await logged(tenant)
    await tenant.scim('GET', '/Users')
    expect((await admin('DELETE', `${placeOf(tenant)}?deleteResources=true`)).status).toBe(204)
    await instance.requestLog.flush()
    const rows = await database.run('select 1 from request_log r where r.tenant_id = $1::uuid', [tenant.id])
    const terms = await database.run('select 1 from request_terms r where r.tenant_id = $1::uuid', [tenant.id])
    expect([rows.length, terms.length]).toEqual([0, 0])
  })

  test('takes nothing of a tenant whose deletion has begun', async () => {
    const tenant = await instance.newTenant()
    await tenant.scim('POST', '/Users', userBody('before'))
    const before = await logged(tenant)
    const [environment] = await database.run<{ id: EnvironmentId }>(
      'select environment_id::text as id from tenants where id = $1::uuid',
      [tenant.id],
    )
    await tenantsOf(database, environment?.id ?? placeId('')).takesResources(tenant.id, false)
    await tenant.scim('GET', '/Users?filter=userName%20eq%20%22after%22')
    expect([await logged(tenant), await logged(tenant, '?person=after')]).toEqual([before, []])
  })
})
