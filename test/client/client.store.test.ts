import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AdminClient, adminClient, type Schemas } from '../../src/client/index.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'

let gateway: Gateway
let client: AdminClient
beforeAll(async () => {
  gateway = await openGateway()
  client = adminClient({ origin: `${gateway.origin}/`, key: gateway.adminKey })
})
afterAll(() => gateway.close())

/** The answer, which must not be a refusal. */
async function given<T>(answer: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await answer
  expect(error).toBeUndefined()
  return data as T
}

describe('a customer from the first day to the last, by the typed client', () => {
  const path = { project: `client-${Date.now()}`, environment: 'prod' }
  let tenant: Schemas['Tenant']
  let key: Schemas['CreatedApiKey']

  test('has a place', async () => {
    const project = await given(client.POST('/projects', { body: { key: path.project, name: 'Acme' } }))
    expect(project).toMatchObject({ key: path.project, name: 'Acme', paused: false })
    await given(client.POST('/projects/{project}/environments', { params: { path }, body: { key: path.environment } }))
    const environment = await given(
      client.PATCH('/projects/{project}/environments/{environment}', {
        params: { path },
        body: { settings: { mode: 'standard' } },
      }),
    )
    expect(environment.effectiveSettings.mode).toBe('standard')
    const create = () =>
      client.POST('/projects/{project}/environments/{environment}/tenants', {
        params: { path, header: { 'Idempotency-Key': 'globex' } },
        body: { key: 'globex' },
      })
    tenant = await given(create())
    expect(await given(create())).toEqual(tenant)
  })

  test('has a key that works, and rotates it', async () => {
    key = await given(
      client.POST('/projects/{project}/environments/{environment}/api-keys', {
        params: { path },
        body: { name: 'Okta', tenant: 'globex', permissions: ['scim:read'] },
      }),
    )
    const users = (secret: string) =>
      fetch(`${tenant.scimBaseUrl}/Users`, { headers: { Authorization: `Bearer ${secret}` } }).then(
        ({ status }) => status,
      )
    const of = { params: { path: { ...path, tenant: 'globex', apiKey: key.id } } }
    const rotated = await given(
      client.POST('/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys/{apiKey}/rotation', {
        ...of,
        body: {},
      }),
    )
    expect([await users(key.key), await users(rotated.key)]).toEqual([200, 200])
    await given(
      client.DELETE(
        '/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys/{apiKey}/rotation/old',
        of,
      ),
    )
    expect([await users(key.key), await users(rotated.key)]).toEqual([401, 200])
  })

  test('is listed page by page', async () => {
    const names: string[] = []
    for (let after: string | undefined; ; ) {
      const query = { limit: 1, ...(after === undefined ? {} : { after }) }
      const page: { items: Schemas['Tenant'][]; next: string | null } = await given(
        client.GET('/projects/{project}/environments/{environment}/tenants', { params: { path, query } }),
      )
      names.push(...page.items.map((item) => item.key))
      if (page.next === null) break
      after = page.next
    }
    expect(names).toEqual(['default', 'globex'])
  })

  test('goes, and the audit log tells of it', async () => {
    const deleted = await client.DELETE('/projects/{project}/environments/{environment}/tenants/{tenant}', {
      params: { path: { ...path, tenant: 'globex' } },
    })
    expect(deleted.response.status).toBe(204)
    const entries = await given(
      client.GET('/projects/{project}/environments/{environment}/audit-log', { params: { path } }),
    )
    expect(entries.items.map(({ action }) => action)).toEqual([
      'tenant.deleted',
      'tenant.changed',
      'api_key.rotation_ended',
      'api_key.rotated',
      'api_key.created',
      'tenant.created',
      'environment.changed',
      'tenant.created',
      'environment.created',
    ])
  })
})

test('a refusal is a problem, with what was wrong and where', async () => {
  const { data, error, response } = await client.POST('/projects', { body: { key: 'Users' } })
  expect([data, response.status]).toEqual([undefined, 400])
  expect(error?.errors).toEqual([{ path: 'key', message: expect.any(String) }])
})

test('another key reaches what it reaches', async () => {
  const other = adminClient({ origin: gateway.origin, key: gateway.key })
  expect((await other.GET('/projects')).response.status).toBe(403)
})
