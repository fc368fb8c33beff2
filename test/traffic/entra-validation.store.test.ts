import { randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminClient, type Schemas } from '../../src/client/index.ts'
import { ENTERPRISE_USER_SCHEMA, GROUP_SCHEMA, USER_SCHEMA } from '../../src/scim/urn.ts'
import type { BaseForm } from '../../src/tenancy/scim-path.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { groupBody, patchBody, userBody } from '../support/instances.ts'
import { askToken, basic, idOf } from '../support/oauth.ts'
import {
  ASSERTION_TYPE,
  askFederated,
  openWorkloadIssuer,
  type WorkloadIssuer,
  workloadKeys,
} from '../support/workloads.ts'

/**
 * The conversation of Entra ID's validation of a provisioning application, as its public templates have it: credentials, then
 * each test that goes to SCIM itself.
 */

type Json = Readonly<Record<string, unknown>>
interface Attribute {
  readonly name: string
  readonly subAttributes?: readonly Attribute[]
}

/** What its default mappings write, by schema. */
const MAPPED: Readonly<Record<string, readonly string[]>> = {
  [USER_SCHEMA]: [
    ...['userName', 'active', 'displayName', 'title', 'preferredLanguage', 'externalId', 'emails.value', 'emails.type'],
    ...['name.givenName', 'name.familyName', 'name.formatted', 'phoneNumbers.value', 'phoneNumbers.type'],
    ...['addresses.formatted', 'addresses.streetAddress', 'addresses.locality', 'addresses.region'],
    ...['addresses.postalCode', 'addresses.country', 'addresses.type'],
  ],
  [ENTERPRISE_USER_SCHEMA]: ['employeeNumber', 'department', 'manager'],
  [GROUP_SCHEMA]: ['displayName', 'externalId', 'members'],
}
const MANAGER = `${ENTERPRISE_USER_SCHEMA}:manager`
const GRANT = { grant_type: 'client_credentials', scope: 'scim' }
const KEY = '/projects/{project}/environments/{environment}/api-keys/{apiKey}'
const FORMS: readonly BaseForm[] = ['legacy', 'default', 'tenant']
const WAYS = ['client_secret_post', 'client_secret_basic', 'private_key_jwt', 'Federated_Identity'] as const

let gateway: Gateway
let entra: WorkloadIssuer
/** With which the client signs for itself. */
let own: Awaited<ReturnType<typeof workloadKeys>>
beforeAll(async () => {
  entra = await openWorkloadIssuer()
  gateway = await openGateway({ DELIVERY_NETWORKS: '127.0.0.1/32' })
  own = await workloadKeys('own', 'ES256')
  const client = adminClient({ origin: gateway.origin, key: gateway.adminKey })
  const path = { project: gateway.project, environment: gateway.environment, apiKey: idOf(gateway.key) }
  const trust = entra.trust() as Schemas['NewTrust']
  const { use, ...jwk } = own.jwk
  const made = [
    await client.POST(`${KEY}/trusts`, { params: { path }, body: trust }),
    await client.POST(`${KEY}/public-keys`, { params: { path }, body: { jwk: { ...jwk } } }),
  ]
  expect(made.map(({ response }) => response.status)).toEqual([201, 201])
})
afterAll(async () => {
  await gateway.close()
  await entra.close()
})

const asksFor = {
  client_secret_post: () => askToken(gateway, { ...GRANT, client_id: idOf(gateway.key), client_secret: gateway.key }),
  client_secret_basic: () => askToken(gateway, GRANT, { Authorization: basic(idOf(gateway.key), gateway.key) }),
  private_key_jwt: async () => {
    const id = idOf(gateway.key)
    const assertion = await new SignJWT({ iss: id, sub: id, aud: `${gateway.origin}/oauth/token`, jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256' })
      .setExpirationTime('1 minute')
      .sign(own.privateKey)
    return askToken(gateway, { ...GRANT, client_assertion_type: ASSERTION_TYPE, client_assertion: assertion })
  },
  Federated_Identity: async () => askFederated(gateway, idOf(gateway.key), await entra.sign()),
} as const

const talks = FORMS.flatMap((form) => WAYS.map((way) => ({ form, way })))
describe.each(talks)('Entra ID validates, at the base URL of form $form, by $way', ({ form, way }) => {
  const unique = (name: string) => `${name}-${form}-${way}`
  let token = ''

  const scim = async (method: string, path: string, body?: object): Promise<{ status: number; body: Json }> => {
    const answer = await fetch(gateway.bases[form] + path, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, body: text === '' ? {} : JSON.parse(text) }
  }
  const created = async (endpoint: string, body: object): Promise<string> => {
    const answer = await scim('POST', endpoint, body)
    expect(answer).toMatchObject({ status: 201, body: { id: expect.any(String) } })
    return String(answer.body.id)
  }
  const patched = async (path: string, ...operations: readonly object[]): Promise<Json> => {
    expect([200, 204]).toContain((await scim('PATCH', path, patchBody(...operations))).status)
    return (await scim('GET', path)).body
  }

  // Validate_Credentials, Federated_Identity
  beforeAll(async () => {
    const { status, body } = await asksFor[way]()
    expect([status, body.token_type, body.scope]).toEqual([200, 'Bearer', 'scim'])
    expect(body.expires_in).toBeGreaterThanOrEqual(60 * 60)
    expect(body.expires_in).toBeLessThanOrEqual(360 * 60)
    token = body.access_token
  })

  test('Test Connection: queries that find nothing are 200 with an empty list', async () => {
    for (const query of ['/Users?filter=userName eq "nobody"', '/Groups?filter=displayName eq "none"']) {
      const answer = await scim('GET', encodeURI(query))
      expect(answer).toMatchObject({ status: 200, body: { totalResults: 0 } })
    }
    expect((await scim('GET', '/Groups')).status).toBe(200)
  })

  test('Schema_Discoverability: each mapped attribute is found, letter case aside', async () => {
    const { Resources } = (await scim('GET', '/Schemas')).body as {
      Resources: readonly { readonly id: string; readonly attributes: readonly Attribute[] }[]
    }
    for (const [urn, names] of Object.entries(MAPPED)) {
      const known = new Set(Resources.filter(({ id }) => id === urn).flatMap(({ attributes }) => pathsOf(attributes)))
      expect(names.filter((name) => !known.has(name.toLowerCase()))).toEqual([])
    }
  })

  test('SCIM_Null_Update: what is set to the empty text, and then to null, has no value', async () => {
    const id = await created('/Users', userBody(unique('null'), { title: 'T', displayName: 'D', nickName: 'N' }))
    for (const value of ['', null]) {
      const operations = ['title', 'displayName', 'nickName'].map((path) => ({ op: 'Replace', path, value }))
      const shown = await patched(`/Users/${id}`, ...operations)
      for (const { path } of operations) expect([undefined, null, '']).toContain(shown[path])
    }
  })

  test('SCIM_User_Create and SCIM_User_Update: each value is shown as it was sent', async () => {
    const userName = unique('user')
    const id = await created('/Users', userBody(userName))
    const sent = { displayName: 'Zoë', title: 'Guide', externalId: unique('e'), active: false, locale: 'de-DE' }
    const operations = Object.entries(sent).map(([path, value]) => ({ op: 'Replace', path, value }))
    const number = { op: 'Replace', path: `${ENTERPRISE_USER_SCHEMA}:employeeNumber`, value: '7' }
    expect(await patched(`/Users/${id}`, ...operations, number)).toMatchObject({
      ...{ ...sent, userName },
      [ENTERPRISE_USER_SCHEMA]: { employeeNumber: '7' },
    })
  })

  test('SCIM_Group_Create and SCIM_Group_Update: several members come in one PATCH', async () => {
    const members = [await created('/Users', userBody(unique('m1'))), await created('/Users', userBody(unique('m2')))]
    const id = await created('/Groups', groupBody(unique('group')))
    const shown = await patched(
      `/Groups/${id}`,
      { op: 'Replace', path: 'displayName', value: unique('renamed') },
      { op: 'Add', path: 'members', value: members.map((value) => ({ value })) },
    )
    expect(shown.displayName).toBe(unique('renamed'))
    expect((shown.members as readonly { value: string }[]).map(({ value }) => value).sort()).toEqual(members.sort())
  })

  test.each([
    ['SCIM_User_Pagination', '/Users', userBody],
    ['SCIM_Group_Pagination', '/Groups', groupBody],
  ])('%s: startIndex is the one that was asked for, and each resource comes once', async (_, endpoint, bodyOf) => {
    for (let i = 0; i < 11; i++) await created(endpoint, bodyOf(unique(`page-${i}`)))
    const seen: string[] = []
    let total = Number.POSITIVE_INFINITY
    for (let page = 0; page * 5 < total; page++) {
      const { body } = await scim('GET', `${endpoint}?startIndex=${page * 5 + 1}&count=5`)
      expect(body.startIndex).toBe(page * 5 + 1)
      total = Number(body.totalResults)
      seen.push(...(body.Resources as readonly { id: string }[]).map(({ id }) => id))
    }
    expect(total).toBeGreaterThanOrEqual(11)
    expect([seen.length, new Set(seen).size]).toEqual([total, total])
  })

  test('SCIM_Update_Manager: is set, changed, and removed with an empty value', async () => {
    const [first, second] = [
      await created('/Users', userBody(unique('b1'))),
      await created('/Users', userBody(unique('b2'))),
    ]
    const path = `/Users/${await created('/Users', userBody(unique('report')))}`
    const managerIn = (user: Json) => (user[ENTERPRISE_USER_SCHEMA] as { manager?: Json } | undefined)?.manager?.value
    expect(managerIn(await patched(path, { op: 'Add', path: MANAGER, value: first }))).toBe(first)
    expect(managerIn(await patched(path, { op: 'Replace', path: MANAGER, value: second }))).toBe(second)
    expect(managerIn(await patched(path, { op: 'Replace', path: MANAGER, value: '' }))).toBeUndefined()
  })

  test('Restore: who is unassigned is not found, and who is assigned again is there', async () => {
    const userName = unique('back')
    const found = async () =>
      (await scim('GET', encodeURI(`/Users?filter=userName eq "${userName}"`))).body.totalResults
    const id = await created('/Users', userBody(userName))
    expect(await patched(`/Users/${id}`, { op: 'Replace', path: 'active', value: 'False' })).toMatchObject({
      active: false,
    })
    expect(await patched(`/Users/${id}`, { op: 'Replace', path: 'active', value: 'True' })).toMatchObject({
      active: true,
    })
    expect((await scim('DELETE', `/Users/${id}`)).status).toBe(204)
    expect([(await scim('GET', `/Users/${id}`)).status, await found()]).toEqual([404, 0])
    await created('/Users', userBody(userName))
    expect(await found()).toBe(1)
  })
})

test('nothing of it was an error of ours', () => expect(gateway.errors).toEqual([]))

const pathsOf = (attributes: readonly Attribute[], above = ''): string[] =>
  attributes.flatMap(({ name, subAttributes = [] }) => {
    const path = above + name.toLowerCase()
    return [path, ...pathsOf(subAttributes, `${path}.`)]
  })
