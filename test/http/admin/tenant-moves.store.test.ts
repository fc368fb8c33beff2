import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { moveTenant } from '../../../src/administration/tenant-moves.ts'
import type { Database } from '../../../src/db/database.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../../src/place-ids.ts'
import { replayEvents } from '../../../src/repositories/delivery/webhook-backlog.ts'
import { administrationOn } from '../../support/administration.ts'
import { engineName, openDatabases } from '../../support/engines.ts'
import { holdOpen, untilWaiting } from '../../support/held.ts'
import { bulkBody, groupBody, type Instance, idIn, ORIGIN, openInstance, userBody } from '../../support/instances.ts'
import { basic, idOf } from '../../support/oauth.ts'

const ADMIN_KEY = 'test-admin-key-with-some-length'
const TOKEN = { ADMIN_KEY, PUBLIC_URL: ORIGIN }

let databases: readonly [Database, ...Database[]]
let one: Instance
/** Another instance on the same store; on the embedded engine the same. */
let other: Instance
let number = 0
beforeAll(async () => {
  databases = await openDatabases()
  one = await openInstance(databases[0], TOKEN)
  other = databases[1] === undefined ? one : await openInstance(databases[1], TOKEN)
})
afterAll(async () => {
  await one.close()
  if (other !== one) await other.close()
  for (const database of databases) await database.close()
})

type Body = Record<string, unknown>
interface Answer<B = Body> {
  readonly status: number
  readonly body: B
}

async function api<B = Body>(
  method: string,
  path: string,
  body?: unknown,
  key = ADMIN_KEY,
  more: Readonly<Record<string, string>> = {},
): Promise<Answer<B>> {
  const headers = {
    ...{ Authorization: `Bearer ${key}`, ...more },
    ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
  }
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
  const response = await one.send(new Request(`${ORIGIN}/api/v1${path}`, init))
  return { status: response.status, body: JSON.parse((await response.text()) || 'null') }
}

async function scim(url: string, key: string, method = 'GET', body?: unknown, at = one) {
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/scim+json' }
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
  const response = await at.send(new Request(url, init))
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text || 'null') as Body }
}

async function created(path: string, body: object): Promise<Body> {
  const { status, body: made } = await api('POST', path, body)
  expect([status, made]).toEqual([201, expect.anything()])
  return made
}

const keyAt = async (path: string, permissions = ['scim:read', 'scim:write', 'directory:read', 'admin']) =>
  String((await created(`${path}/api-keys`, { name: 'k', permissions })).key)

/** Two environments of one project, or of two, and a tenant in the first, with a key for each. */
async function places(more: { apart?: boolean; here?: object; there?: object } = {}) {
  const n = ++number
  const [p, q] = [`p${n}`, more.apart ? `q${n}` : `p${n}`]
  for (const key of new Set([p, q])) await created('/projects', { key })
  const [here, there] = [`/projects/${p}/environments/here`, `/projects/${q}/environments/there`]
  await created(`/projects/${p}/environments`, { key: 'here', settings: more.here })
  await created(`/projects/${q}/environments`, { key: 'there', settings: more.there })
  const { id } = await created(`${here}/tenants`, { key: 'acme', settings: { allowNotProvisioned: true } })
  return {
    ...{ here, there, id: String(id), tenant: `${here}/tenants/acme`, moved: `${there}/tenants/acme` },
    ...{ to: { project: q, environment: 'there' }, project: p },
    ...{ oldUrl: `${ORIGIN}/scim/v2/${p}/here/v2/acme`, newUrl: `${ORIGIN}/scim/v2/${q}/there/v2/acme` },
    keys: { own: await keyAt(`${here}/tenants/acme`), here: await keyAt(here), there: await keyAt(there) },
  }
}

const move = (at: { tenant: string; to: object }, more: object = {}) =>
  api<{ tenant: Body; formerBaseUrl: Body | null; differences: Body[]; droppedDeliveries: number }>(
    'POST',
    `${at.tenant}/move`,
    { ...at.to, ...more },
  )

describe.each([
  ['another environment of the project', false],
  ['an environment of another project', true],
])('a tenant that moves to %s', (_, apart) => {
  test('keeps its ids, its events with their positions, its keys, endpoints, schemas and settings', async () => {
    const at = await places({ apart })
    const user = idIn(await asAnswer(scim(`${at.oldUrl}/Users`, at.keys.own, 'POST', userBody('ann'))))
    const group = idIn(await asAnswer(scim(`${at.oldUrl}/Groups`, at.keys.own, 'POST', groupBody('g', [user]))))
    const hook = await created(`${at.tenant}/webhooks`, { url: 'https://app.example/hook' })
    const events = async (path: string) => (await api<{ items: Body[] }>('GET', `${path}/events`)).body.items
    const before = await events(at.tenant)
    expect(before.map(({ type }) => type)).toContain('user.created')

    const { status, body } = await move(at)
    expect([status, body.tenant.id, body.tenant.key]).toEqual([200, at.id, 'acme'])
    expect(body.tenant.scimBaseUrl).toBe(at.newUrl)
    expect(body.formerBaseUrl).toMatchObject({ scimBaseUrl: at.oldUrl })
    expect(body.tenant.settings).toEqual({ allowNotProvisioned: true })

    const found = await scim(`${at.newUrl}/Users/${user}`, at.keys.own)
    expect(found.body.meta).toMatchObject({ location: `${at.newUrl}/Users/${user}` })
    expect((await scim(`${at.newUrl}/Groups/${group}`, at.keys.own)).body.members).toMatchObject([{ value: user }])
    expect((await events(at.moved)).slice(0, before.length)).toEqual(before)
    const last = (await events(at.moved)).at(-1)
    expect(last).toMatchObject({ type: 'tenant.updated', changes: { changed: [{ path: 'environmentId' }] } })
    const hooks = await api<{ items: Body[] }>('GET', `${at.moved}/webhooks`)
    expect(hooks.body.items.map(({ id }) => id)).toEqual([hook.id])
    expect((await api('GET', at.tenant)).status).toBe(404)
  })

  test('TEN-01 answers at its old base URL to its own keys alone, by links of that URL, until the time is over', async () => {
    const at = await places({ apart })
    const user = idIn(await asAnswer(scim(`${at.oldUrl}/Users`, at.keys.own, 'POST', userBody('ann'))))
    await asAnswer(scim(`${at.oldUrl}/Users`, at.keys.own, 'POST', userBody('bob')))
    const page = async (url: string, cursor: unknown) =>
      (await scim(`${url}/Users?count=1&cursor=${cursor}`, at.keys.own)).body as Body & { Resources: Body[] }
    const first = await page(at.oldUrl, '')
    expect(first.nextCursor).toEqual(expect.any(String))
    expect((await move(at)).status).toBe(200)
    for (const url of [at.oldUrl, at.newUrl]) {
      const { Resources } = await page(url, first.nextCursor)
      expect(Resources).toEqual([expect.objectContaining({ userName: 'bob' })])
    }

    const old = await scim(`${at.oldUrl}/Users/${user}`, at.keys.own)
    expect([old.status, old.body.meta]).toMatchObject([200, { location: `${at.oldUrl}/Users/${user}` }])
    expect((await scim(`${at.oldUrl.replace('/acme', `/${at.id}`)}/Users/${user}`, at.keys.own)).status).toBe(200)
    const made = await scim(`${at.oldUrl}/Users`, at.keys.own, 'POST', userBody('cem'))
    expect([made.status, made.headers.get('location')]).toEqual([201, `${at.oldUrl}/Users/${made.body.id}`])
    expect((await scim(`${at.newUrl}/Users/${made.body.id}`, at.keys.own)).status).toBe(200)
    expect((await api('GET', `${at.tenant}/events`, undefined, at.keys.own)).status).toBe(200)

    // To all other keys it is as if nothing had ever been there.
    for (const [key, there] of [
      [at.keys.here, 404],
      [at.keys.there, 403],
      [ADMIN_KEY, 404],
    ] as const) {
      const asked = await scim(`${at.oldUrl}/Users/${user}`, key)
      const nothing = await scim(`${at.oldUrl.replace('acme', 'nobody')}/Users/${user}`, key)
      expect([asked.status, asked.text.replaceAll('acme', 'nobody')]).toEqual([there, nothing.text])
    }

    const ended = await api('DELETE', `${at.moved}/former-base-urls`)
    expect(ended.status).toBe(204)
    expect((await scim(`${at.oldUrl}/Users/${user}`, at.keys.own)).status).toBe(403)
    expect((await scim(`${at.newUrl}/Users/${user}`, at.keys.own)).status).toBe(200)
  })

  test('SEC-13 ends access tokens of its keys, and gives new ones, which are good at either base URL', async () => {
    const at = await places({ apart })
    const before = await tokenOf(at.keys.own)
    const answers = async (token: string, url: string) => (await scim(`${url}/Users`, token)).status
    expect(await answers(before, at.oldUrl)).toBe(200)
    await move(at)
    expect([await answers(before, at.oldUrl), await answers(before, at.newUrl)]).toEqual([401, 401])
    const after = await tokenOf(at.keys.own)
    expect([await answers(after, at.oldUrl), await answers(after, at.newUrl)]).toEqual([200, 200])
  })

  test('SEC-13 is lost to keys of the old environment, and gained by those of the new one', async () => {
    const at = await places({ apart })
    expect((await scim(`${at.oldUrl}/Users`, at.keys.here)).status).toBe(200)
    expect((await scim(`${at.newUrl}/Users`, at.keys.there)).status).toBe(404)
    await move(at)
    expect((await scim(`${at.newUrl}/Users`, at.keys.there)).status).toBe(200)
    expect((await scim(`${at.newUrl}/Users`, at.keys.here)).status).toBe(403)
    expect((await api('GET', at.moved, undefined, at.keys.there)).status).toBe(200)
    expect((await api('GET', at.moved, undefined, at.keys.here)).status).toBe(403)
  })
})

/** An access token that a key has asked for. */
async function tokenOf(key: string): Promise<string> {
  const headers = { Authorization: basic(idOf(key), key), 'Content-Type': 'application/x-www-form-urlencoded' }
  const body = 'grant_type=client_credentials'
  const response = await one.send(new Request(`${ORIGIN}/oauth/token`, { method: 'POST', headers, body }))
  return ((await response.json()) as { access_token: string }).access_token
}

const asAnswer = async (answer: ReturnType<typeof scim>) => {
  const { status, headers, text, body } = await answer
  return { status, headers, text, body }
}

test('who moves a tenant reaches both environments; what is beyond the key is not told', async () => {
  const at = await places({ apart: true })
  for (const key of [at.keys.own, at.keys.here, at.keys.there]) {
    for (const path of ['/move', '/move/preview']) {
      const refused = await api('POST', at.tenant + path, at.to, key)
      const nowhere = await api('POST', at.tenant + path, { ...at.to, environment: 'nowhere' }, key)
      expect(refused.status).toBe(403)
      expect({ ...refused, body: { ...refused.body, requestId: '' } }).toEqual({
        ...nowhere,
        body: { ...nowhere.body, requestId: '' },
      })
    }
  }
  // Within the environment its own key is enough; the tenant's is not.
  expect((await api('POST', `${at.tenant}/move`, { key: 'other' }, at.keys.own)).status).toBe(403)
  expect((await api('POST', `${at.tenant}/move`, { key: 'other' }, at.keys.here)).status).toBe(200)
  expect((await api('GET', `${at.here}/tenants/other`, undefined, at.keys.own)).body.id).toBe(at.id)
})

test('a new key within the environment leaves the old base URL to the tenant, and to nobody else', async () => {
  const at = await places({ here: { createUnknownTenants: true } })
  const renamed = await move({ tenant: at.tenant, to: {} }, { key: 'Acme-2' })
  expect([renamed.status, renamed.body.differences]).toEqual([200, []])
  expect((await scim(`${at.oldUrl}/Users`, at.keys.own)).status).toBe(200)
  expect((await scim(`${at.oldUrl.replace('acme', 'acme-2')}/Users`, at.keys.own)).status).toBe(200)
  // Neither on first use, nor on purpose, nor by another move.
  expect((await scim(`${at.oldUrl}/Users`, at.keys.here)).status).toBe(404)
  const taken = await api('POST', `${at.here}/tenants`, { key: 'ACME' })
  expect([taken.status, taken.body.detail]).toEqual([
    409,
    expect.stringContaining('still leads to a tenant that has moved'),
  ])
  await created(`${at.here}/tenants`, { key: 'second' })
  expect((await move({ tenant: `${at.here}/tenants/second`, to: {} }, { key: 'acme' })).status).toBe(409)
  // It may come back itself, and then the other name leads to it.
  expect((await move({ tenant: `${at.here}/tenants/acme-2`, to: {} }, { key: 'acme' })).status).toBe(200)
  const former = await api<{ items: Body[] }>('GET', `${at.tenant}/former-base-urls`)
  expect(former.body.items).toMatchObject([{ scimBaseUrl: at.oldUrl.replace('acme', 'Acme-2') }])
  await api('DELETE', `${at.tenant}/former-base-urls`)
  await created(`${at.here}/tenants`, { key: 'acme-2' })
})

test('an old base URL that is not kept, or whose time is over, leads nowhere and is free', async () => {
  const at = await places()
  const { body } = await move(at, { keepFormerUrlDays: 0 })
  expect(body.formerBaseUrl).toBeNull()
  expect((await scim(`${at.oldUrl}/Users`, at.keys.own)).status).toBe(403)
  await created(`${at.here}/tenants`, { key: 'acme' })

  const later = await places()
  await move(later)
  expect((await scim(`${later.oldUrl}/Users`, later.keys.own)).status).toBe(200)
  await databases[0].run(`update former_addresses set ends_at = now() where tenant_id = $1::uuid`, [later.id])
  // An instance that has not remembered it yet; on the others the time ends by their clocks.
  const fresh = await openInstance(databases[0], TOKEN)
  expect((await scim(`${later.oldUrl}/Users`, later.keys.own, 'GET', undefined, fresh)).status).toBe(403)
  await fresh.close()
  await created(`${later.here}/tenants`, { key: 'acme' })
  // Who has the name now may leave an old base URL of its own there.
  const second = await move({ tenant: later.tenant, to: {} }, { key: 'second' })
  expect([second.status, second.body.formerBaseUrl]).toMatchObject([200, { scimBaseUrl: later.oldUrl }])
})

test('what is inherited and would be another is kept, or named; a preview says so and changes nothing', async () => {
  const at = await places({
    here: { onDelete: 'deactivate', eventRetentionDays: 20, roleRules: [{ group: { pattern: 'R*' }, role: 'r' }] },
    there: { onDelete: 'remove', mode: 'strict' },
  })
  const preview = await api<{ differences: Body[]; tenant: Body }>('POST', `${at.tenant}/move/preview`, at.to)
  expect(preview.status).toBe(200)
  const before = (await api('GET', at.tenant)).body
  const audit = async () => (await api<{ items: Body[] }>('GET', `${at.there}/audit-log`)).body.items
  expect((await audit()).map(({ action }) => action)).not.toContain('tenant.moved')

  const { body } = await move(at)
  expect({ ...body, formerBaseUrl: null }).toEqual({ ...preview.body, formerBaseUrl: null })
  expect(body.differences).toEqual([
    { setting: 'mode', here: 'lenient', there: 'strict', kept: true },
    { setting: 'onDelete', here: 'deactivate', there: 'remove', kept: true },
    { setting: 'roleRules', here: [{ group: { pattern: 'R*' }, role: 'r' }], there: [], kept: true },
    { setting: 'eventRetentionDays', here: 20, there: 90, kept: false },
  ])
  const after = (await api('GET', at.moved)).body
  expect(after.effectiveSettings).toEqual({ ...(before.effectiveSettings as object), eventRetentionDays: 90 })
})

test('schemas that the destination lacks are named, and nothing moves; the same ones there make way', async () => {
  const at = await places()
  const schema = (description: string) => ({
    schema: {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
      ...{ id: 'urn:example:Badge', name: 'Badge', description },
      attributes: [{ name: 'number', type: 'string', multiValued: false }],
    },
    resourceType: 'User',
  })
  const register = async (path: string, body: ReturnType<typeof schema>) =>
    expect((await api('PUT', `${path}/schema-extensions/${body.schema.id}`, body)).status).toBe(201)
  await register(at.here, schema('a badge'))
  const own = schema('its own')
  await register(at.tenant, { ...own, schema: { ...own.schema, id: 'urn:example:Own' } })
  const refused = await move(at)
  expect([refused.status, refused.body]).toMatchObject([
    409,
    { errors: [{ message: expect.stringContaining('urn:example:Badge') }] },
  ])
  await register(at.there, schema('a badge'))
  expect((await move(at)).status).toBe(200)
  const badge = {
    schemas: [...userBody('x').schemas, 'urn:example:Own'],
    userName: 'x',
    'urn:example:Own': { number: '7' },
  }
  expect((await scim(`${at.newUrl}/Users`, at.keys.own, 'POST', badge)).status).toBe(201)
})

test('a key in use at the destination, an endpoint, and the tenant "default" are refused in words', async () => {
  const at = await places()
  await created(`${at.there}/tenants`, { key: 'acme' })
  const taken = await move(at)
  expect([taken.status, taken.body]).toMatchObject([409, { detail: expect.stringContaining('"acme"') }])
  expect((await move(at, { key: 'users' })).status).toBe(400)
  const fixed = await move({ ...at, tenant: `${at.here}/tenants/default` }, { key: 'd' })
  expect([fixed.status, fixed.body]).toMatchObject([
    409,
    { detail: expect.stringContaining('every environment has one') },
  ])
  // Where nothing would change, nothing is done.
  expect((await move({ ...at, to: {} })).body).toMatchObject({ formerBaseUrl: null, differences: [] })
})

test('the audit trail of either environment tells of it, and the old one not where it went', async () => {
  const at = await places({ apart: true })
  await move(at)
  const newest = async (place: string) =>
    (await api<{ items: Body[] }>('GET', `${place}/audit-log?limit=1`)).body.items[0]
  expect(await newest(at.there)).toMatchObject({
    action: 'tenant.moved',
    target: { id: at.id },
    place: { tenantId: at.id },
  })
  const away = await newest(at.here)
  expect(away).toMatchObject({ action: 'tenant.moved_away', target: { id: at.id, name: 'acme' }, after: null })
  expect(JSON.stringify(away)).not.toContain('there')
  await api('DELETE', `${at.moved}/former-base-urls`)
  expect(await newest(at.there)).toMatchObject({ action: 'tenant.former_urls_ended', before: { formerKeys: ['acme'] } })
})

test('endpoints of the old environment get nothing more, those of the new one do, and its own go on', async () => {
  const at = await places()
  const queued = (id: unknown) =>
    databases[0].run<{ n: number }>('select count(*)::int as n from webhook_deliveries where endpoint_id = $1::uuid', [
      String(id),
    ])
  const hook = (path: string) => created(`${path}/webhooks`, { url: 'https://app.example/hook' })
  const [old, fresh, own] = [await hook(at.here), await hook(at.there), await hook(at.tenant)]
  await scim(`${at.oldUrl}/Users`, at.keys.own, 'POST', userBody('ann'))
  await api('GET', `${at.tenant}/events`)
  const [before] = await queued(own.id)
  expect((await queued(old.id))[0]?.n).toBeGreaterThan(0)
  const { body } = await move(at)
  expect(body.droppedDeliveries).toBeGreaterThan(0)
  await scim(`${at.newUrl}/Users`, at.keys.own, 'POST', userBody('bob'))
  await api('GET', `${at.moved}/events`)
  expect(await queued(old.id)).toEqual([{ n: 0 }])
  expect((await queued(fresh.id))[0]?.n).toBeGreaterThan(0)
  expect((await queued(own.id))[0]?.n).toBeGreaterThan(before?.n ?? 0)
})

/** Endpoints of the old environment and of the tenant, and the ids by which the store knows the places. */
async function queues() {
  const at = await places()
  // What has happened so far has its positions before there is an endpoint.
  await api('GET', `${at.tenant}/events`)
  const id = async (path: string) => String((await api('GET', path)).body.id)
  const hook = async (path: string) =>
    String((await created(`${path}/webhooks`, { url: 'https://app.example/hook' })).id)
  const environment = async (path: string) => ({
    projectId: (await id(path.replace(/\/environments.*/, ''))) as ProjectId,
    environmentId: (await id(path)) as EnvironmentId,
  })
  return {
    ...{ at, tenantId: at.id as TenantId, shared: await hook(at.here), own: await hook(at.tenant) },
    ...{ from: await environment(at.here), to: await environment(at.there) },
    /** What the endpoint has in its queue for the tenant. */
    queued: async (endpoint: string) =>
      (
        await databases[0].run<{ position: number }>(
          'select position::float8 as position from webhook_deliveries where endpoint_id = $1::uuid order by position',
          [endpoint],
        )
      ).map(({ position }) => position),
  }
}

test('of many deliveries to endpoints of the old environment none is left, and one transaction does not drop them all', async () => {
  const { at, tenantId, shared, own, queued } = await queues()
  // Dead letters, which nobody sends meanwhile: more than two steps, and one more than a move drops itself.
  const COUNT = 5_001
  await databases[0].run(
    `insert into webhook_deliveries (tenant_id, endpoint_id, position, resource_id, dead)
     select $1::uuid, e::uuid, n, gen_random_uuid(), true from generate_series(100001, 100000 + $2::int) n, unnest($3::text::text[]) e`,
    [tenantId, COUNT, `{${shared},${own}}`],
  )
  const preview = await api('POST', `${at.tenant}/move/preview`, at.to)
  const waiting = (await queued(shared)).length
  expect([waiting >= COUNT, preview.body.droppedDeliveries]).toEqual([true, waiting])
  const once = await api('POST', `${at.tenant}/move`, at.to, ADMIN_KEY, { 'Idempotency-Key': at.id })
  expect([once.status, once.body.detail]).toEqual([409, expect.stringContaining('without Idempotency-Key')])
  expect((await queued(shared)).length).toBeGreaterThanOrEqual(COUNT)
  const { status, body } = await move(at)
  expect([status, body.droppedDeliveries >= COUNT]).toEqual([200, true])
  expect(await queued(shared)).toEqual([])
  expect((await queued(own)).length).toBeGreaterThanOrEqual(COUNT)
})

describe.runIf(engineName() === 'postgres')('a replay and a move at the same moment', () => {
  const ALL = { kind: 'time', since: new Date(0), until: undefined } as const

  test('TEN-04 what a replay has queued for the old environment is dropped', async () => {
    const { at, tenantId, shared, queued } = await queues()
    let replayed = 0
    const held = await holdOpen(databases[0], async (tx) => {
      replayed = (await replayEvents(tx, { tenantId, endpointId: shared }, ALL, 0, 100)).queued
    })
    const moved = move(at)
    await untilWaiting(databases[0])
    await held.release()
    const { status, body } = await moved
    expect([status, body.droppedDeliveries, await queued(shared)]).toEqual([200, replayed, []])
    expect(replayed).toBeGreaterThan(0)
  })

  test('TEN-04 a replay that waited for the move queues nothing for the old environment, and all for the tenant itself', async () => {
    const { tenantId, shared, own, from, to, queued } = await queues()
    const held = await holdOpen(databases[0], (tx) => {
      const inside = { ...administrationOn(tx), record: () => {} }
      return moveTenant(inside, from, tenantId, { to, key: 'acme', keepFormerUrlDays: 0 })
    })
    const replays = [shared, own].map((endpointId) => replayEvents(databases[0], { tenantId, endpointId }, ALL, 0, 100))
    await untilWaiting(databases[0], 2)
    await held.release()
    const [foreign, its] = await Promise.all(replays)
    expect([foreign?.queued, await queued(shared)]).toEqual([0, []])
    expect(its?.queued).toBeGreaterThan(0)
    expect(await queued(own)).toHaveLength(its?.queued ?? 0)
  })
})

test('to another project without an environment is to the environment with the same key', async () => {
  const at = await places({ apart: true })
  const to = { project: at.to.project }
  const missing = await move({ ...at, to })
  expect([missing.status, missing.body]).toMatchObject([404, { detail: expect.stringContaining('environment "here"') }])
  await created(`/projects/${to.project}/environments`, { key: 'here' })
  expect((await move({ ...at, to })).body.tenant.scimBaseUrl).toBe(at.newUrl.replace('/there/', '/here/'))
})

test('an environment from which tenants have moved away can be deleted', async () => {
  const at = await places()
  await move(at)
  expect((await api('DELETE', at.here)).status).toBe(204)
  expect((await scim(`${at.oldUrl}/Users`, at.keys.own)).status).toBe(403)
  expect((await scim(`${at.newUrl}/Users`, at.keys.own)).status).toBe(200)
})

test('every other instance sees a move', async () => {
  const at = await places()
  await asAnswer(scim(`${at.oldUrl}/Users`, at.keys.here, 'GET', undefined, other))
  await asAnswer(scim(`${at.oldUrl}/Users`, at.keys.own, 'GET', undefined, other))
  await move(at)
  for (;;) if ((await scim(`${at.oldUrl}/Users`, at.keys.here, 'GET', undefined, other)).status === 404) break
  expect((await scim(`${at.oldUrl}/Users`, at.keys.own, 'GET', undefined, other)).status).toBe(200)
  expect((await scim(`${at.newUrl}/Users`, at.keys.own, 'GET', undefined, other)).status).toBe(200)
  expect((await scim(`${at.newUrl}/Users`, at.keys.there, 'GET', undefined, other)).status).toBe(200)
})

test('writes go on while a tenant moves to and fro, and none is lost or done twice', async () => {
  const at = await places()
  let moving = true
  const made: string[] = []
  const writers = [one, other].map(async (instance, w) => {
    for (let n = 0; moving || n < 10; n++) {
      const url = n % 2 === 0 ? at.oldUrl : at.newUrl
      const names = Array.from({ length: 3 }, (_, k) => `u${w}-${n}-${k}`)
      const operations = names.map((name, k) => ({
        method: 'POST',
        path: '/Users',
        bulkId: `b${k}`,
        data: userBody(name),
      }))
      const answer = await scim(`${url}/Bulk`, at.keys.own, 'POST', bulkBody(operations), instance)
      if (answer.status !== 200) expect(answer.status).toBe(403)
      else made.push(...names)
    }
  })
  const [there, back] = [
    { tenant: at.tenant, to: at.to },
    { tenant: at.moved, to: { project: at.project, environment: 'here' } },
  ]
  for (let n = 0; n < 6; n++) expect((await move(n % 2 === 0 ? there : back)).status).toBe(200)
  moving = false
  await Promise.all(writers)
  expect(made.length).toBeGreaterThan(30)
  const pages: string[] = []
  for (let from = 1; ; from += 200) {
    const page = await scim(`${at.oldUrl}/Users?startIndex=${from}&count=200`, at.keys.own)
    pages.push(...(page.body.Resources as { userName: string }[]).map(({ userName }) => userName))
    if (pages.length >= Number(page.body.totalResults)) break
  }
  expect(pages.sort()).toEqual(made.sort())
  const events: Body[] = []
  for (let after = 0; ; ) {
    const page = await api<{ items: (Body & { position: number })[] }>(
      'GET',
      `${at.tenant}/events?after=${after}&limit=200`,
    )
    if (page.body.items.length === 0) break
    events.push(...page.body.items)
    after = Number(page.body.items.at(-1)?.position)
  }
  expect(events.map(({ position }) => Number(position))).toEqual(events.map((_, n) => n + 1))
  expect(events.filter(({ type }) => type === 'user.created')).toHaveLength(made.length)
})
