import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createProject, findProject } from '../../../src/administration/projects.ts'
import { codeOf } from '../../../src/db/errors.ts'
import { openAdminApi, type TestAdminApi } from '../../support/admin-api.ts'
import { administrationOn } from '../../support/administration.ts'
import { openGateway } from '../../support/gateway.ts'

interface Entry {
  id: string
  at: string
  actor: string
  action: string
  place: { kind: string; tenantId?: string }
  target: { id: string; name: string }
  before: Record<string, unknown> | null
  after: Record<string, unknown> | null
  address: string | null
  requestId: string | null
}
interface Page {
  items: Entry[]
  next: string | null
}

let api: TestAdminApi
beforeAll(async () => {
  api = await openAdminApi()
})
afterAll(() => api.close())

const log = async (place = '', query = '', key?: string) =>
  (await api.send<Page>('GET', `${place}/audit-log${query}`, undefined, key)).body
const newest = async (): Promise<Entry | undefined> => (await log('', '?limit=1')).items[0]

const E = '/projects/acme/environments/prod'
const T = `${E}/tenants/globex`
const TEMPLATE = '/projects/{project}/environments/{environment}/tenants/{tenant}'
const KEYS: readonly (readonly [template: string, path: string])[] = [
  ['', ''],
  ['/projects/{project}', '/projects/acme'],
  ['/projects/{project}/environments/{environment}', E],
  [TEMPLATE, T],
]
const extension = (description: string) => ({
  schema: {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
    id: 'urn:example:Badge',
    name: 'Badge',
    description,
    attributes: [{ name: 'number', type: 'string', multiValued: false }],
  },
  resourceType: 'User',
})
const trust = {
  ...{ issuer: 'https://idp.example', jwksUri: 'https://idp.example/keys', subject: 'workload' },
  ...{ audiences: ['api://rollcall'], algorithms: ['RS256'] },
}
const resourceType = {
  resourceType: { name: 'Device', endpoint: '/Devices', description: 'x', schema: 'urn:example:Device' },
  schemas: [
    {
      id: 'urn:example:Device',
      name: 'Device',
      description: 'x',
      attributes: [{ name: 'serial', type: 'string', multiValued: false, required: true }],
    },
  ],
}

/** The example of RFC 7517, appendix A.1. */
const jwk = {
  kty: 'EC',
  crv: 'P-256',
  x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
  y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
}

const SESSION = '019a2f43-f5b8-76db-94fc-a708d6cfbc0c'

/** Every route that changes something, the request, and what it leaves; `{apiKey}` is the key made last. */
type Step = readonly [method: string, template: string, path: string, body: unknown, action: string]
const STEPS: readonly Step[] = [
  ['POST', '/projects', '/projects', { key: 'acme' }, 'project.created'],
  ['PATCH', '/projects/{project}', '/projects/acme', { name: 'Acme' }, 'project.changed'],
  ['POST', '/projects/{project}/environments', '/projects/acme/environments', { key: 'prod' }, 'tenant.created'],
  [
    'PATCH',
    '/projects/{project}/environments/{environment}',
    E,
    { settings: { mode: 'strict' } },
    'environment.changed',
  ],
  [
    'POST',
    '/projects/{project}/environments/{environment}/tenants',
    `${E}/tenants`,
    { key: 'globex' },
    'tenant.created',
  ],
  ['PATCH', '/projects/{project}/environments/{environment}/tenants/{tenant}', T, { paused: true }, 'tenant.changed'],
  ['POST', `${TEMPLATE}/move`, `${T}/move`, { key: 'globex-2' }, 'tenant.moved'],
  ['POST', `${TEMPLATE}/move`, `${T}-2/move`, { key: 'globex' }, 'tenant.moved'],
  ['DELETE', `${TEMPLATE}/former-base-urls`, `${T}/former-base-urls`, undefined, 'tenant.former_urls_ended'],
  ...KEYS.flatMap(([template, path]): Step[] => [
    [
      'POST',
      `${template}/api-keys`,
      `${path}/api-keys`,
      { name: 'k', permissions: ['scim:read', 'scim:write', 'admin'] },
      'api_key.created',
    ],
    [
      'PATCH',
      `${template}/api-keys/{apiKey}`,
      `${path}/api-keys/{apiKey}`,
      { tokensMayMintAdminKeys: true },
      'api_key.changed',
    ],
    ['POST', `${template}/api-keys/{apiKey}/rotation`, `${path}/api-keys/{apiKey}/rotation`, {}, 'api_key.rotated'],
    [
      'DELETE',
      `${template}/api-keys/{apiKey}/rotation`,
      `${path}/api-keys/{apiKey}/rotation`,
      undefined,
      'api_key.rotation_undone',
    ],
    ['POST', `${template}/api-keys/{apiKey}/rotation`, `${path}/api-keys/{apiKey}/rotation`, {}, 'api_key.rotated'],
    [
      'DELETE',
      `${template}/api-keys/{apiKey}/rotation/old`,
      `${path}/api-keys/{apiKey}/rotation/old`,
      undefined,
      'api_key.rotation_ended',
    ],
    [
      'POST',
      `${template}/api-keys/{apiKey}/public-keys`,
      `${path}/api-keys/{apiKey}/public-keys`,
      { jwk },
      'api_key.public_key_added',
    ],
    [
      'DELETE',
      `${template}/api-keys/{apiKey}/public-keys/{thumbprint}`,
      `${path}/api-keys/{apiKey}/public-keys/cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s`,
      undefined,
      'api_key.public_key_removed',
    ],
    ['POST', `${template}/api-keys/{apiKey}/trusts`, `${path}/api-keys/{apiKey}/trusts`, trust, 'api_key.trust_added'],
    [
      'DELETE',
      `${template}/api-keys/{apiKey}/trusts/{trust}`,
      `${path}/api-keys/{apiKey}/trusts/{trust}`,
      undefined,
      'api_key.trust_removed',
    ],
    ['DELETE', `${template}/api-keys/{apiKey}`, `${path}/api-keys/{apiKey}`, undefined, 'api_key.revoked'],
  ]),
  ...KEYS.slice(2).flatMap(([template, path], i): Step[] => {
    const [one, x] = [`${template}/schema-extensions/{urn}`, `${path}/schema-extensions/urn:example:Badge`]
    const [two, y] = [`${template}/resource-types/{name}`, `${path}/resource-types/Device`]
    return [
      ['PUT', one, x, extension(`${i}`), 'schema_extension.created'],
      ['PUT', one, x, extension('new'), 'schema_extension.changed'],
      ['DELETE', one, x, undefined, 'schema_extension.deleted'],
      ['PUT', two, y, resourceType, 'resource_type.created'],
      ['DELETE', two, y, undefined, 'resource_type.deleted'],
    ]
  }),
  ...KEYS.slice(2).flatMap(([template, path], i): Step[] => {
    const [whole, at] = [`${template}/mapping`, `${path}/mapping`]
    const action = i === 0 ? 'environment.changed' : 'tenant.changed'
    return [
      ['PUT', whole, at, { mapping: { login: 'userName' } }, action],
      ['DELETE', whole, at, undefined, action],
    ]
  }),
  ...KEYS.slice(2).flatMap(([template, path]): Step[] => {
    const [whole, at] = [`${template}/catalogue`, `${path}/catalogue`]
    const [one, x] = [`${whole}/entries/{value}`, `${at}/entries/admin`]
    return [
      ['PUT', whole, at, { entries: [{ kind: 'Role', value: 'kept', displayName: 'Kept' }] }, 'catalogue.created'],
      ['PUT', one, x, { kind: 'Role', displayName: 'Administrator' }, 'catalogue.changed'],
      ['DELETE', one, x, undefined, 'catalogue.changed'],
      ['DELETE', whole, at, undefined, 'catalogue.changed'],
    ]
  }),
  ...KEYS.slice(2).flatMap(([template, path]): Step[] => {
    const [hook, at] = [`${template}/webhooks/{webhook}`, `${path}/webhooks/{apiKey}`]
    return [
      ['POST', `${template}/webhooks`, `${path}/webhooks`, { url: 'https://hooks.invalid/' }, 'webhook.created'],
      ['PATCH', hook, at, { enabled: false }, 'webhook.changed'],
      ['POST', `${hook}/rotate-secret`, `${at}/rotate-secret`, {}, 'webhook.secret_rotated'],
      ['POST', `${hook}/test`, `${at}/test`, {}, 'webhook.tested'],
      ['POST', `${hook}/replay`, `${at}/replay`, { dead: true }, 'webhook.replayed'],
      ['DELETE', hook, at, undefined, 'webhook.deleted'],
    ]
  }),
  ...KEYS.slice(2).flatMap(([template, path]): Step[] => {
    const [stream, at] = [`${template}/streams/{stream}`, `${path}/streams/{apiKey}`]
    const push = { method: 'push', url: 'https://sets.invalid/', audience: 'https://sets.invalid/' }
    return [
      ['POST', `${template}/streams`, `${path}/streams`, push, 'stream.created'],
      ['PATCH', stream, at, { enabled: false }, 'stream.changed'],
      ['POST', `${stream}/test`, `${at}/test`, {}, 'stream.tested'],
      ['POST', `${stream}/replay`, `${at}/replay`, { dead: true }, 'stream.replayed'],
      ['DELETE', stream, at, undefined, 'stream.deleted'],
    ]
  }),
  [
    'POST',
    '/projects/{project}/environments/{environment}/tenants/{tenant}/setup-links',
    `${T}/setup-links`,
    { name: 'IT of Globex' },
    'setup_link.created',
  ],
  [
    'DELETE',
    '/projects/{project}/environments/{environment}/tenants/{tenant}/setup-links/{setupLink}',
    `${T}/setup-links/{apiKey}`,
    undefined,
    'setup_link.revoked',
  ],
  ['POST', `${TEMPLATE}/accounts`, `${T}/accounts?run=r1`, { accounts: [{ id: 'acc_1' }] }, 'accounts.begun'],
  ['POST', `${TEMPLATE}/account-runs/{run}/finish`, `${T}/account-runs/r1/finish`, undefined, 'accounts.run_finished'],
  ['POST', `${TEMPLATE}/domains`, `${T}/domains`, { domain: 'acme.example' }, 'domain.created'],
  ['PUT', `${TEMPLATE}/domains/{domain}`, `${T}/domains/acme.example`, {}, 'domain.verified'],
  ['DELETE', `${TEMPLATE}/domains/{domain}`, `${T}/domains/acme.example`, undefined, 'domain.deleted'],
  ['POST', `${TEMPLATE}/erasures`, `${T}/erasures`, { names: ['nobody@acme.example'] }, 'erasure.begun'],
  [
    'POST',
    '/projects/{project}/environments/{environment}/tenants/{tenant}/brake/release',
    `${T}/brake/release`,
    {},
    'brake.released',
  ],
  ['DELETE', '/console-sessions/{session}', `/console-sessions/${SESSION}`, undefined, 'console_session.deleted'],
  ['DELETE', '/projects/{project}/environments/{environment}/tenants/{tenant}', T, undefined, 'tenant.deleted'],
  ['DELETE', '/projects/{project}/environments/{environment}', E, undefined, 'environment.deleted'],
  ['DELETE', '/projects/{project}', '/projects/acme', undefined, 'project.deleted'],
]

/** Has the leaver brake hold something of the tenant. */
const hold = () =>
  api.database.run(
    `insert into event_logs (tenant_id, hold_id, held_since, held_until)
     select t.id, t.id, now(), now() + interval '1 day' from tenants t where t.key = 'globex'
     on conflict (tenant_id) do update set hold_id = excluded.hold_id, held_since = excluded.held_since, held_until = excluded.held_until`,
    [],
  )

/** Somebody who is signed in to the console. */
const signIn = () =>
  api.database.run(
    "insert into console_sessions (id, key_id, hash, ends_at) values ($1::uuid, 'admin', 'x', now() + interval '1 hour')",
    [SESSION],
  )

describe('SEC-14 the audit log', () => {
  const key = { id: '', trust: '', secrets: [] as string[] }

  test.each(STEPS)('%s %s', async (method, _, path, body, action) => {
    if (action === 'brake.released') await hold()
    if (action === 'console_session.deleted') await signIn()
    const before = Date.now()
    const url = path.replace('{apiKey}', key.id).replace('{trust}', key.trust)
    const answer = await api.send<{ id?: string; key?: string }>(method, url, body)
    expect(answer.status).toBeLessThan(300)
    if (/\/(?:api-keys|webhooks|streams|setup-links)$/.test(path)) key.id = answer.body.id ?? ''
    if (/\/trusts$/.test(path)) key.trust = answer.body.id ?? ''
    if (answer.body?.key?.startsWith('rck_')) key.secrets.push(answer.body.key)
    const entry = await newest()
    expect(entry).toMatchObject({ action, actor: 'admin', requestId: 'request-1' })
    expect([entry?.before === null, entry?.after === null]).toEqual([
      action.endsWith('.created'),
      action.endsWith('.deleted'),
    ])
    const at = Date.parse(entry?.at ?? '')
    expect(at).toBeGreaterThanOrEqual(before)
    // The database rounds to the next millisecond.
    expect(at).toBeLessThanOrEqual(Date.now() + 1)
  })

  test('has an entry for every route that changes something', async () => {
    const { body } = await api.send<{ paths: Record<string, object> }>('GET', '/openapi.json')
    const routes = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods)
        // A sign-in check and a preview change nothing, a receiver's poll nothing of the control plane; what an import changes
        // stands in the tenant's own log of events. A self-test needs a socket: test/self-test has its entries. test/accounts has those of decisions about
        // accounts, of repairs, and of what DNS says.
        .filter(
          (method) =>
            method !== 'get' &&
            !/\/(?:sign-in-checks|import|poll|preview|self-tests|account-reviews|by-rule|verify|repairs)$/.test(path),
        )
        .map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect([...new Set(STEPS.map(([method, template]) => `${method} ${template}`))].sort()).toEqual(routes.sort())
  })

  test('holds no secret', async () => {
    expect(key.secrets.length).toBeGreaterThan(8)
    const text = JSON.stringify(await api.database.run('select t::text as row from audit_entries t', []))
    for (const secret of key.secrets) expect(text).not.toContain(secret.slice(17))
    expect(text).not.toMatch(/hash/i)
  })

  test('shows of a change what differs, before and after', async () => {
    await api.send('POST', '/projects', { key: 'diff', name: 'A' })
    await api.send('PATCH', '/projects/diff', { name: 'B', paused: false })
    expect(await newest()).toMatchObject({ action: 'project.changed', before: { name: 'A' }, after: { name: 'B' } })
    expect(Object.keys((await newest())?.after ?? {})).toEqual(['name'])
  })

  test('has nothing for what changed nothing or was refused', async () => {
    const { id } = (await api.send<{ id: string }>('POST', '/api-keys', { name: 'k' })).body
    await api.send('DELETE', `/api-keys/${id}`)
    const before = await newest()
    await api.send('DELETE', `/api-keys/${id}`)
    await api.send('PATCH', '/projects/diff', { name: 'B' })
    await api.send('POST', '/projects', { key: 'diff' })
    expect((await api.send('DELETE', '/projects/none')).status).toBe(404)
    expect(await newest()).toEqual(before)
  })

  test('is written in the transaction of the change: without the entry there is none', async () => {
    const administration = administrationOn(api.database)
    const author = { ...administration.author, requestId: '\0' }
    await expect(createProject({ ...administration, author }, { key: 'unrecorded' })).rejects.toThrow()
    expect(await findProject(api.database, 'unrecorded')).toBeUndefined()
  })

  test('has one entry for a request and its repeats', async () => {
    const create = () => api.send('POST', '/projects', { key: 'once' }, undefined, { 'Idempotency-Key': 'audit' })
    for (let i = 0; i < 2; i++) expect((await create()).status).toBe(201)
    const { items } = await log()
    expect(items.filter(({ target }) => target.name === 'once')).toHaveLength(1)
  })

  test('says which key asked', async () => {
    const body = { name: 'k', permissions: ['admin'] }
    const made = (await api.send<{ id: string; key: string }>('POST', '/api-keys', body)).body
    await api.send('POST', '/projects', { key: 'by-key' }, made.key)
    expect(await newest()).toMatchObject({ actor: made.id, target: { name: 'by-key' } })
  })

  test.each(['update audit_entries set actor = $1', 'delete from audit_entries where actor <> $1'])(
    'is only appended to, whichever role asks the database: %s',
    async (statement) => {
      const count = 'select count(*)::int as n from audit_entries'
      const before = await api.database.run(count, [])
      const refused = await api.database.run(statement, ['nobody']).catch(codeOf)
      expect(refused).toBe('23001')
      expect(await api.database.run(count, [])).toEqual(before)
    },
  )
})

describe('reading it', () => {
  const places = [
    '',
    '/projects/r-acme',
    '/projects/r-acme/environments/prod',
    '/projects/r-acme/environments/prod/tenants/globex',
  ]
  beforeAll(async () => {
    for (const p of ['r-acme', 'r-other']) {
      await api.send('POST', '/projects', { key: p })
      for (const e of ['prod', 'dev']) {
        await api.send('POST', `/projects/${p}/environments`, { key: e })
        for (const t of ['globex', 'initech'])
          await api.send('POST', `/projects/${p}/environments/${e}/tenants`, { key: t })
      }
    }
  })
  const actions = async (place: string) =>
    (await log(place, '?limit=200')).items.map(({ action, target }) => `${action} ${target.name}`)

  test('shows what was done at a place and below, the newest first', async () => {
    expect(await actions(places[3] as string)).toEqual(['tenant.created globex'])
    expect(await actions(places[2] as string)).toEqual([
      'tenant.created initech',
      'tenant.created globex',
      'tenant.created default',
      'environment.created prod',
    ])
    expect(await actions(places[1] as string)).toHaveLength(9)
    expect((await actions('')).length).toBeGreaterThanOrEqual(18)
  })

  test('goes on where it stopped', async () => {
    const all = (await log(places[1], '?limit=200')).items
    const read: Entry[] = []
    for (let next: string | null = ''; next !== null; ) {
      const page: Page = await log(places[1], `?limit=2${next && `&after=${next}`}`)
      read.push(...page.items)
      next = page.next
    }
    expect(read).toEqual(all)
    expect((await api.send('GET', '/audit-log?after=x')).status).toBe(400)
  })

  test('takes a key that reaches the place', async () => {
    const statuses = async (key: string) => {
      const answers = await Promise.all(places.map((place) => api.send('GET', `${place}/audit-log`, undefined, key)))
      return answers.map(({ status }) => status)
    }
    for (const [i, place] of places.entries()) {
      const expected = places.map((_, j) => (j < i ? 403 : 200))
      expect(await statuses(await api.keyFor(place, ['admin']))).toEqual(expected)
      expect(await statuses(await api.keyFor(place, ['directory:read']))).toEqual([403, 403, 403, 403])
    }
  })

  test('still tells of a tenant that is gone', async () => {
    const { id } = (await api.send<{ id: string }>('POST', `${places[2]}/tenants`, { key: 'gone' })).body
    await api.send('DELETE', `${places[2]}/tenants/gone`)
    const own = (await log(places[2])).items.filter(({ place }) => place.tenantId === id)
    expect(own.map(({ action }) => action)).toEqual(['tenant.deleted', 'tenant.changed', 'tenant.created'])
  })
})

test('where it was asked from, and what the gateway does by itself, stand in it too', async () => {
  const gateway = await openGateway({ TRUST_PROXY: '1' })
  const place = `/projects/${gateway.project}/environments/${gateway.environment}`
  const send = (path: string, body: object, headers = {}) =>
    fetch(`${gateway.origin}/api/v1${place}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  const entry = async (): Promise<Entry | undefined> => {
    const headers = { Authorization: `Bearer ${gateway.adminKey}` }
    const answer = await fetch(`${gateway.origin}/api/v1${place}/audit-log?limit=1`, { headers })
    return ((await answer.json()) as Page).items[0]
  }
  const direct = await send('/tenants', { key: 'direct' })
  // The proxy should have said it: that of the connection is not the client's.
  expect(await entry()).toMatchObject({ address: null, requestId: direct.headers.get('X-Request-Id') })
  await send('/tenants', { key: 'proxied' }, { 'X-Forwarded-For': '192.0.2.1, 2001:db8::7' })
  expect(await entry()).toMatchObject({ address: '2001:db8::7' })
  await send('/tenants', { key: 'forged' }, { 'X-Forwarded-For': '<script>' })
  expect(await entry()).toMatchObject({ address: null })

  await fetch(`${gateway.origin}/api/v1${place}`, {
    method: 'PATCH',
    headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ settings: { createUnknownTenants: true } }),
  })
  const unknown = await fetch(`${gateway.bases.default}/first-use/Users`, {
    headers: { Authorization: `Bearer ${gateway.key}` },
  })
  expect(unknown.status).toBe(200)
  const keyId = gateway.key.slice(4, 16)
  expect(await entry()).toMatchObject({ action: 'tenant.created', actor: keyId, target: { name: 'first-use' } })
  await gateway.close()
})
