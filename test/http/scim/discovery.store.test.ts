import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MODES } from '../../../src/scim/deviations/mode.ts'
import { GROUP_SCHEMA, SERVICE_PROVIDER_CONFIG_SCHEMA, USER_SCHEMA } from '../../../src/scim/urn.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'

interface SchemaDocument {
  readonly id: string
  readonly attributes: readonly { readonly name: string }[]
}

interface Config {
  readonly schemas: string[]
  readonly documentationUri: string
  readonly bulk: { supported: boolean; maxOperations: number; maxPayloadSize: number }
  readonly filter: { supported: boolean; maxResults: number }
  readonly pagination: { cursor: boolean; index: boolean; maxPageSize: number }
  readonly [feature: string]: unknown
}

describe('discovery (RFC 7644 §4)', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await openGateway()
  })
  afterAll(() => gateway.close())

  test('D-01 D-02 says that everything is supported', async () => {
    const config = (await gateway.scim('GET', '/ServiceProviderConfig')).body as Config
    expect(config.schemas).toContain(SERVICE_PROVIDER_CONFIG_SCHEMA)
    for (const feature of ['patch', 'bulk', 'filter', 'changePassword', 'sort', 'etag']) {
      expect(config[feature], feature).toMatchObject({ supported: true })
    }
    expect(config.pagination).toMatchObject({ cursor: true, index: true })
  })

  test('D-05 the limits that it shows are those that hold', async () => {
    const { bulk, filter } = (await gateway.scim('GET', '/ServiceProviderConfig')).body as Config
    const operations = Array.from({ length: bulk.maxOperations + 1 }, () => ({ method: 'DELETE', path: '/Users/x' }))
    const tooMany = await gateway.scim('POST', '/Bulk', {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
      Operations: operations,
    })
    expect({ status: tooMany.status, text: tooMany.text }).toMatchObject({
      status: 413,
      text: expect.stringContaining(`maxOperations (${bulk.maxOperations})`),
    })
    const tooLarge = await gateway.scim('POST', '/Bulk', { filler: 'x'.repeat(bulk.maxPayloadSize) })
    expect({ status: tooLarge.status, text: tooLarge.text }).toMatchObject({
      status: 413,
      text: expect.stringContaining(`maxPayloadSize (${bulk.maxPayloadSize})`),
    })
    const page = (await gateway.scim('GET', `/Users?count=${filter.maxResults + 1}`)).body as { itemsPerPage: number }
    expect(page.itemsPerPage).toBeLessThanOrEqual(filter.maxResults)
  })

  test.each(['/ServiceProviderConfig', '/ResourceTypes', '/ResourceTypes/User', '/Schemas'])(
    'D-16 %s refuses a filter with 403 and ignores paging',
    async (path) => {
      expect((await gateway.scim('GET', `${path}?filter=id%20pr`)).status).toBe(403)
      expect((await gateway.scim('GET', `${path}?FILTER=id%20pr`)).status).toBe(403)
      const [all, one] = [await gateway.scim('GET', path), await gateway.scim('GET', `${path}?count=1&startIndex=2`)]
      expect(one.body).toEqual(all.body)
    },
  )

  test('D-04 discovery answers without a key only where the tenant says so; nothing else ever does', async () => {
    const tenant = await gateway.newTenant()
    const anonymously = (path: string) => tenant.scim('GET', path, undefined, { authorization: '' })
    const paths = ['/ServiceProviderConfig', '/ResourceTypes', '/Schemas']
    for (const path of paths) expect((await anonymously(path)).status).toBe(401)
    await gateway.setSettings(tenant, { anonymousDiscovery: true })
    for (const path of paths) expect((await fetchWithoutKey(tenant, path)).status).toBe(200)
    for (const path of ['/Users', '/', '/Me', '/Bulk']) expect((await fetchWithoutKey(tenant, path)).status).toBe(401)
    expect((await anonymously('/ServiceProviderConfig')).status).toBe(401)
  })

  test.each(MODES)('D-10 %s: User and Group show externalId where the mode is lenient, each once', async (mode) => {
    const tenant = await gateway.newTenant({ settings: { mode } })
    const { Resources } = (await tenant.scim('GET', '/Schemas')).body as { Resources: SchemaDocument[] }
    const showing = Resources.filter(({ attributes }) => attributes.some(({ name }) => name === 'externalId'))
    const expected = mode === 'lenient' ? [USER_SCHEMA, GROUP_SCHEMA] : []
    expect(showing.map(({ id }) => id).sort()).toEqual(expected.sort())
    for (const urn of [USER_SCHEMA, GROUP_SCHEMA]) {
      const { attributes } = (await tenant.scim('GET', `/Schemas/${urn}`)).body as SchemaDocument
      const shown = attributes.filter(({ name }) => name === 'externalId')
      const is = { type: 'string', multiValued: false, required: false, mutability: 'readWrite', caseExact: true }
      expect(shown).toMatchObject(mode === 'lenient' ? [is] : [])
    }
  })

  test('TEN-09 the tenant shows its own mode, and what it does without a password', async () => {
    const tenant = await gateway.newTenant({ settings: { mode: 'strict', password: 'refuse' } })
    const config = (await tenant.scim('GET', '/ServiceProviderConfig')).body as Config
    expect(config.documentationUri).toMatch(/\/docs\/modes#strict$/)
    expect(config.changePassword).toEqual({ supported: false })
    expect((await tenant.scim('GET', '/Schemas')).text).not.toContain('"password"')
    const page = await (await fetch(config.documentationUri)).text()
    expect(page).toContain('id="strict"')
  })

  test('Q-23 the query at the root can be switched off', async () => {
    const tenant = await gateway.newTenant()
    expect((await tenant.scim('GET', '/')).status).toBe(200)
    await gateway.setSettings(tenant, { rootQueries: false })
    expect((await tenant.scim('GET', '/')).status).toBe(403)
    expect((await tenant.scim('POST', '/.search', {})).status).toBe(403)
    expect((await tenant.scim('GET', '/Users')).status).toBe(200)
  })

  test('SEC-06 a key in the query, in a cookie or in the body is no key', async () => {
    const { key, origin, bases } = gateway
    expect(origin).toBe(new URL(bases.legacy).origin)
    const tries = [
      fetch(`${bases.legacy}/Users?access_token=${key}`),
      fetch(`${bases.legacy}/Users`, { headers: { cookie: `access_token=${key}` } }),
      fetch(`${bases.legacy}/Users`, { method: 'POST', body: JSON.stringify({ access_token: key }) }),
    ]
    for (const answer of await Promise.all(tries)) expect(answer.status).toBe(401)
  })
})

const fetchWithoutKey = (tenant: TestTenant, path: string): Promise<Response> => fetch(`${tenant.base}${path}`)
