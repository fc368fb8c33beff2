import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Administration } from '../../src/administration/change.ts'
import { createEnvironment, deleteEnvironment } from '../../src/administration/environments.ts'
import { createProject } from '../../src/administration/projects.ts'
import { putDefinition } from '../../src/administration/schema-definitions.ts'
import { createTenant, deleteTenant } from '../../src/administration/tenants.ts'
import { USER_SCHEMA } from '../../src/scim/urn.ts'
import {
  type Admin,
  adminOf,
  BADGE,
  type Body,
  badgeSchema,
  DEVICE,
  deviceType,
  endpointAppType,
  json,
} from '../provisioning/registered.ts'
import { administrationOn } from '../support/administration.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'
import { send } from '../support/http-client.ts'

let gateway: Gateway
let admin: Admin
let tenant: TestTenant

beforeAll(async () => {
  gateway = await openGateway()
  admin = adminOf(gateway)
  tenant = await gateway.newTenant()
})
afterAll(() => gateway.close())

const extension = (id: string, more: Body = {}): Body => ({
  schema: { id, attributes: [{ name: 'code' }] },
  resourceType: 'User',
  ...more,
})
const type = (name: string, more: Body = {}): Body => {
  const id = `urn:example:scim:${name}`
  return {
    resourceType: { name, endpoint: `/${name}s`, schema: id, ...more },
    schemas: [{ id, attributes: [{ name: 'code' }] }],
  }
}
const typeNames = async (of: TestTenant) =>
  (json(await of.scim('GET', '/ResourceTypes')).Resources as Body[]).map(({ name }) => name)
const refusal = async (sent: ReturnType<Admin>) => {
  const { status, body } = await sent
  return `${status} ${(body as Body).detail}`
}

describe('registering', () => {
  test('TEN-09 an extension is made, shown with every default, listed, changed and deleted', async () => {
    const path = `/schema-extensions/${BADGE}`
    const made = await admin('PUT', path, { schema: badgeSchema, resourceType: 'User' }, tenant)
    expect(made).toMatchObject({ status: 201, body: { resourceType: 'User', required: false, version: 1 } })
    expect((json(made).schema as Body).attributes).toHaveLength(badgeSchema.attributes.length)
    expect((json(made).schema as { attributes: Body[] }).attributes[0]).toEqual({
      ...{ name: 'badgeNumber', type: 'integer', multiValued: false, required: false },
      ...{ mutability: 'readWrite', returned: 'default', uniqueness: 'none' },
    })
    expect(
      (await admin('GET', path.toUpperCase().replace('/SCHEMA-EXTENSIONS', '/schema-extensions'), undefined, tenant))
        .body,
    ).toEqual(made.body)
    expect((await admin('GET', '/schema-extensions', undefined, tenant)).body).toEqual({
      items: [made.body],
      next: null,
    })

    const { id, version, createdAt, updatedAt, ...same } = json(made)
    expect((await admin('PUT', path, same, tenant)).body).toEqual(made.body)
    const attributes = [...badgeSchema.attributes, { name: 'added' }]
    const changed = await admin('PUT', path, { ...same, schema: { ...badgeSchema, attributes } }, tenant)
    expect(changed).toMatchObject({ status: 200, body: { id, version: 2, createdAt } })
    expect((await tenant.scim('GET', `/Schemas/${BADGE}`)).text).toContain('"added"')

    expect((await admin('DELETE', path, undefined, tenant)).status).toBe(204)
    expect((await admin('GET', path, undefined, tenant)).status).toBe(404)
    expect((await admin('DELETE', path, undefined, tenant)).status).toBe(404)
    expect((await tenant.scim('GET', `/Schemas/${BADGE}`)).status).toBe(404)
  })

  test('D-08 D-14 what all tenants of an environment have and what one has of its own add up there, and nowhere else', async () => {
    const other = await gateway.newTenant()
    expect((await admin('PUT', '/resource-types/EndpointApp', endpointAppType)).status).toBe(201)
    expect((await admin('PUT', '/resource-types/Device', deviceType, tenant)).status).toBe(201)
    expect(await typeNames(tenant)).toEqual(['User', 'Group', 'EndpointApp', 'Device'])
    expect(await typeNames(other)).toEqual(['User', 'Group', 'EndpointApp'])
    expect(await typeNames(await gateway.newTenant())).toEqual(['User', 'Group', 'EndpointApp'])
    expect((await other.scim('GET', `/Schemas/${DEVICE}`)).status).toBe(404)
    expect((await other.scim('GET', '/Devices')).status).toBe(404)
    // Neither place lists what the other has.
    expect((json(await admin('GET', '/resource-types')).items as Body[]).length).toBe(1)
    expect((json(await admin('GET', '/resource-types', undefined, other)).items as Body[]).length).toBe(0)
    const elsewhere = await openGateway()
    expect(await typeNames(elsewhere.tenant)).toEqual(['User', 'Group'])
    await elsewhere.close()
  })

  test('TEN-09 the default tenant has its endpoints under each of its base URLs, beside tenants', async () => {
    const answers = Object.values(gateway.bases).map(async (base) => {
      const response = await fetch(`${base}/EndpointApps`, { headers: { Authorization: `Bearer ${gateway.key}` } })
      return response.status
    })
    expect(await Promise.all(answers)).toEqual([200, 200, 200])
  })

  test.each<[string, string, Body, string]>([
    ['another name than the URL', '/resource-types/Thing', type('Other'), '400 The resourceType.name is "Other"'],
    [
      'another URN than the URL',
      '/schema-extensions/urn:example:a',
      extension('urn:example:b'),
      '400 The schema.id is',
    ],
    [
      'a schema that is none',
      '/schema-extensions/urn:example:a',
      extension('urn:example:a', { schema: { id: 'urn:example:a' } }),
      '400 schema.attributes: must',
    ],
    [
      'an attribute of an unknown type',
      '/schema-extensions/urn:example:a',
      extension('urn:example:a', { schema: { id: 'urn:example:a', attributes: [{ name: 'a', type: 'text' }] } }),
      '400 schema.attributes[0].type: must',
    ],
    [
      'text that cannot be stored',
      '/schema-extensions/urn:example:a',
      extension('urn:example:a', { schema: { id: 'urn:example:a', description: '\0', attributes: [{ name: 'a' }] } }),
      '400 schema.description: has',
    ],
    [
      'an unknown resource type',
      '/schema-extensions/urn:example:a',
      extension('urn:example:a', { resourceType: 'Robot' }),
      '409 The schemas and resource types would not fit together: "urn:example:a" extends "Robot"',
    ],
    ["SCIM's own resource type", '/resource-types/User', type('User'), '400 resourceType.name: '],
    [
      "SCIM's own endpoint",
      '/resource-types/Thing',
      type('Thing', { endpoint: '/Groups' }),
      '400 resourceType.endpoint: ',
    ],
    [
      'a name that is taken',
      '/resource-types/ENDPOINTAPP',
      type('ENDPOINTAPP'),
      '409 The resource type cannot change like this: resourceType.name: changes',
    ],
    [
      'an endpoint that is taken',
      '/resource-types/Thing',
      type('Thing', { endpoint: '/endpointApps' }),
      '409 The schemas and resource types would not fit together: endpoint',
    ],
    [
      'a URN that is taken',
      '/schema-extensions/urn:example:scim:schemas:core:2.0:EndpointApp',
      extension('urn:example:scim:schemas:core:2.0:EndpointApp'),
      '409 The schemas and resource types would not fit together: schema',
    ],
    [
      'a member that is not known',
      '/schema-extensions/urn:example:a',
      extension('urn:example:a', { colour: 1 }),
      '400 The request has members',
    ],
  ])('D-14 %s is refused', async (_, path, body, detail) => {
    expect(await refusal(admin('PUT', path, body))).toContain(detail)
    expect((await admin('GET', '/schema-extensions')).body).toMatchObject({ items: [] })
  })

  test.each(['Tenant', 'role', 'Brake', 'API_KEY'])(
    'the name %s is refused: its events would be called like those of the gateway',
    async (name) => {
      expect(await refusal(admin('PUT', `/resource-types/${name}`, type(name)))).toContain(
        `409 The name "${name}" is taken: the log has events of this name`,
      )
      expect(await refusal(admin('PUT', `/resource-types/${name}`, type(name), tenant))).toContain('409 The name')
    },
  )

  test('a body that is no JSON, has another media type or is too large', async () => {
    const target = `/api/v1/projects/${gateway.project}/environments/${gateway.environment}/schema-extensions/urn:example:a`
    const put = async (body: string, type = 'application/json') => {
      const headers = { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': type }
      const request = { method: 'PUT', origin: gateway.origin, target, headers, body: Buffer.from(body) }
      return (await send(request)).status
    }
    expect(await put('{')).toBe(400)
    expect(await put('[]')).toBe(400)
    expect(await put('{}', 'text/plain')).toBe(415)
    expect(await put(JSON.stringify(extension('urn:example:a', { x: 'x'.repeat(1_100_000) })))).toBe(413)
  })

  test('an environment and its tenants cannot have the same twice', async () => {
    const other = await gateway.newTenant()
    expect((await admin('PUT', '/resource-types/Robot', type('Robot'), other)).status).toBe(201)
    expect(await refusal(admin('PUT', '/resource-types/Robot', type('Robot')))).toContain(
      `409 The schemas and resource types would not fit together in the tenant "${other.name}"`,
    )
    expect(await refusal(admin('PUT', '/resource-types/EndpointApp', endpointAppType, other))).toContain(
      '409 The schemas',
    )
    const of = { resourceType: 'Robot' }
    expect(
      (await admin('PUT', '/schema-extensions/urn:example:arm', extension('urn:example:arm', of), other)).status,
    ).toBe(201)
    expect(await refusal(admin('DELETE', '/resource-types/Robot', undefined, other))).toContain('409 The schemas')
    expect(
      await refusal(admin('PUT', '/schema-extensions/urn:example:leg', extension('urn:example:leg', of))),
    ).toContain('409 The schemas')
  })

  test('a place has room for fifty', async () => {
    const other = await gateway.newTenant()
    const put = (n: number) =>
      admin('PUT', `/schema-extensions/urn:example:n${n}`, extension(`urn:example:n${n}`), other)
    for (let n = 0; n < 50; n++) expect((await put(n)).status).toBe(201)
    expect(await refusal(put(50))).toContain('409 There are 50')
    const { items, next } = json(await admin('GET', '/schema-extensions?limit=30', undefined, other)) as {
      items: Body[]
      next: string
    }
    expect(items).toHaveLength(30)
    const rest = json(await admin('GET', `/schema-extensions?limit=30&after=${next}`, undefined, other))
    expect([(rest.items as Body[]).length, rest.next]).toEqual([20, null])
    expect((await other.scim('GET', '/Users')).status).toBe(200)
  })
})

describe('who may register', () => {
  test('TEN-04 a key registers where it reaches, and only with the permission', async () => {
    const other = await gateway.newTenant()
    const own = adminOf(gateway, await gateway.mintKey({ permissions: ['admin'], tenant: other }))
    const path = '/schema-extensions/urn:example:mine'
    expect((await own('PUT', path, extension('urn:example:mine'), other)).status).toBe(201)
    expect((await own('PUT', path, extension('urn:example:mine'), tenant)).status).toBe(403)
    expect((await own('PUT', path, extension('urn:example:mine'))).status).toBe(403)
    const provisioning = adminOf(gateway, await gateway.mintKey({ permissions: ['scim:write'], tenant: other }))
    expect((await provisioning('GET', path, undefined, other)).status).toBe(403)
  })
})

describe('changing and deleting', () => {
  test('D-12 a change that takes something away is refused with every reason', async () => {
    const other = await gateway.newTenant()
    const path = '/schema-extensions/urn:example:visit'
    const attributes = [{ name: 'from', type: 'dateTime' }, { name: 'host' }]
    await admin('PUT', path, extension('urn:example:visit', { schema: { id: 'urn:example:visit', attributes } }), other)
    const narrower = [{ name: 'from' }, { name: 'badge', required: true }]
    const refused = await admin(
      'PUT',
      path,
      { schema: { id: 'urn:example:visit', attributes: narrower }, resourceType: 'Group', required: true },
      other,
    )
    expect(refused).toMatchObject({
      status: 409,
      body: {
        detail: expect.stringContaining('schema: host is removed'),
        errors: [
          { path: 'resourceType', message: 'changes from "User" to "Group"' },
          { path: 'required', message: 'the extension becomes required' },
          { path: 'schema', message: 'from changes type from dateTime to string' },
          { path: 'schema', message: 'host is removed or spelled otherwise' },
          { path: 'schema', message: 'badge is new and required' },
        ],
      },
    })
    expect((await admin('GET', path, undefined, other)).body).toMatchObject({ version: 1, schema: { attributes } })
  })

  test('what has data is not deleted, be it of the environment or of a tenant', async () => {
    const other = await gateway.newTenant()
    const urn = 'urn:example:parking'
    await admin('PUT', `/schema-extensions/${urn}`, extension(urn))
    const body = { schemas: [USER_SCHEMA, urn], userName: 'parked', [urn]: { code: 'A1' } }
    const { id } = json(await other.scim('POST', '/Users', body))
    await admin('PUT', '/resource-types/Room', type('Room'), other)
    const room = json(await other.scim('POST', '/Rooms', { schemas: ['urn:example:scim:Room'], code: '1' }))
    expect(await refusal(admin('DELETE', `/schema-extensions/${urn}`))).toContain(
      '409 There are still resources with data',
    )
    expect(await refusal(admin('DELETE', '/resource-types/Room', undefined, other))).toContain(
      '409 There are still resources of the type',
    )
    // A user without the data is no reason.
    await other.scim('PUT', `/Users/${id}`, { schemas: [USER_SCHEMA], userName: 'parked' })
    await other.scim('DELETE', `/Rooms/${room.id}`)
    expect((await admin('DELETE', `/schema-extensions/${urn}`)).status).toBe(204)
    expect((await admin('DELETE', '/resource-types/Room', undefined, other)).status).toBe(204)
    expect((await other.scim('GET', '/Rooms')).status).toBe(404)
  })

  test('TEN-11 definitions go with their tenant, and with their environment', async () => {
    const administration: Administration = administrationOn(gateway.database)
    const { id: projectId } = await createProject(administration, { key: `d-${tenant.name}` })
    const { id: environmentId } = await createEnvironment(administration, projectId, { key: 'prod' })
    const made = await createTenant(administration, { projectId, environmentId }, { key: 'acme' })
    const places = [made.id, null].map((tenantId) => ({ projectId, environmentId, tenantId }))
    for (const [i, place] of places.entries())
      await putDefinition(
        administration,
        place,
        'extension',
        `urn:example:t${i}`,
        extension(`urn:example:t${i}`) as never,
      )
    const left = async () =>
      (
        await gateway.database.run<{ n: number }>(
          'select count(*)::int as n from schema_definitions where environment_id = $1::uuid',
          [environmentId],
        )
      )[0]?.n
    expect(await left()).toBe(2)
    await deleteTenant(administration, { projectId, environmentId }, made.id)
    expect(await left()).toBe(1)
    await deleteEnvironment(administration, projectId, environmentId)
    expect(await left()).toBe(0)
  })
})

describe('tenant keys and endpoints', () => {
  const createIn = async (key: string) => (await admin('POST', '/tenants', { key })).status

  test('TEN-02 no endpoint is the key of a tenant, in any case', async () => {
    expect(await createIn('Sensors')).toBe(201)
    expect(await refusal(admin('PUT', '/resource-types/Sensor', type('Sensor', { endpoint: '/sensors' })))).toContain(
      '409 The endpoint "/sensors" is taken',
    )
    expect(
      await refusal(admin('PUT', '/resource-types/Sensor', type('Sensor', { endpoint: '/DEFAULT' }), tenant)),
    ).toContain('409 The endpoint "/DEFAULT" is taken')
  })

  test('TEN-02 no tenant takes the key of an endpoint, registered for all or for one, nor is one made on first use', async () => {
    await admin('PUT', '/resource-types/Meter', type('Meter'), tenant)
    expect(await createIn('meters')).toBe(409)
    expect(await createIn('ENDPOINTAPPS')).toBe(409)
    await admin('PATCH', '', { settings: { createUnknownTenants: true } })
    const get = async (name: string) => {
      const response = await fetch(`${gateway.bases.default}/${name}/Users`, {
        headers: { Authorization: `Bearer ${gateway.key}` },
      })
      return response.status
    }
    expect(await get('meters')).toBe(404)
    expect(await get('endpointapps')).toBe(404)
    expect(await get('brandnew')).toBe(200)
    await admin('PATCH', '', { settings: { createUnknownTenants: null } })
  })
})
