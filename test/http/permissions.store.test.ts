import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PERMISSIONS, type Permission } from '../../src/auth/principal.ts'
import { adminClient } from '../../src/client/index.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'

let gateway: Gateway
let tenant: TestTenant
beforeAll(async () => {
  gateway = await openGateway()
  tenant = await gateway.newTenant()
})
afterAll(() => gateway.close())

/** Mints a key below a path of the admin API. */
async function keyFor(path: string, permission: Permission): Promise<string> {
  const answer = await fetch(`${gateway.origin}/api/v1${path}/api-keys`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'k', permissions: [permission] }),
  })
  expect(answer.status).toBe(201)
  return ((await answer.json()) as { key: string }).key
}

/** What each permission opens, where the scope reaches. */
const OPENS: Record<
  Permission,
  Record<'read' | 'write' | 'discover' | 'directory' | 'signIn' | 'administer', number>
> = {
  'scim:read': { read: 200, write: 403, discover: 200, directory: 403, signIn: 403, administer: 403 },
  'scim:write': { read: 403, write: 201, discover: 403, directory: 403, signIn: 403, administer: 403 },
  'directory:read': { read: 403, write: 403, discover: 403, directory: 200, signIn: 200, administer: 403 },
  admin: { read: 403, write: 403, discover: 403, directory: 403, signIn: 403, administer: 200 },
  'people:erase': { read: 403, write: 403, discover: 403, directory: 403, signIn: 403, administer: 403 },
  'accounts:write': { read: 403, write: 403, discover: 403, directory: 403, signIn: 403, administer: 403 },
  'requests:reveal': { read: 403, write: 403, discover: 403, directory: 403, signIn: 403, administer: 403 },
  'ssf.read': { read: 403, write: 403, discover: 403, directory: 403, signIn: 403, administer: 403 },
  'ssf.manage': { read: 403, write: 403, discover: 403, directory: 403, signIn: 403, administer: 403 },
}
const NOTHING = { read: 403, write: 403, discover: 403, directory: 403, signIn: 403, administer: 403 }

/** Where a key may be for, and whether that reaches the tenant. */
const SCOPES: readonly [name: string, path: () => Promise<string>, reaches: boolean][] = [
  ['the instance', async () => '', true],
  ['its project', async () => `/projects/${gateway.project}`, true],
  ['its environment', async () => `/projects/${gateway.project}/environments/${gateway.environment}`, true],
  ['itself', async () => pathOf(tenant), true],
  ['another tenant', async () => pathOf(await gateway.newTenant()), false],
  ['another environment', async () => (await elsewhere()).environment, false],
  ['another project', async () => (await elsewhere()).project, false],
]
const pathOf = ({ name }: TestTenant) =>
  `/projects/${gateway.project}/environments/${gateway.environment}/tenants/${name}`

let made = 0
async function elsewhere() {
  const client = adminClient({ origin: gateway.origin, key: gateway.adminKey })
  const [p, e] = [`x-${gateway.project}-${++made}`, `e-${made}`]
  await client.POST('/projects', { body: { key: p } })
  await client.POST('/projects/{project}/environments', {
    params: { path: { project: gateway.project } },
    body: { key: e },
  })
  return { project: `/projects/${p}`, environment: `/projects/${gateway.project}/environments/${e}` }
}

describe.each(SCOPES)('SEC-04 SEC-13 what a key for %s opens of a tenant', (_, path, reaches) => {
  test.each(PERMISSIONS)('with %s', async (permission) => {
    const key = await keyFor(await path(), permission)
    const api = `${gateway.origin}/api/v1${pathOf(tenant)}`
    const status = async (method: string, url: string, body?: object) => {
      const type = url.startsWith(api) ? 'application/json' : 'application/scim+json'
      const headers = { Authorization: `Bearer ${key}`, 'Content-Type': type }
      const init = { method, headers, ...(body && { body: JSON.stringify(body) }) }
      return (await fetch(url, init)).status
    }
    const user = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: `u-${key}` }
    expect({
      read: await status('GET', `${tenant.base}/Users`),
      write: await status('POST', `${tenant.base}/Users`, user),
      discover: await status('GET', `${tenant.base}/Schemas`),
      directory: await status('GET', `${api}/users`),
      signIn: await status('POST', `${api}/sign-in-checks`, { identity: 'ada' }),
      administer: await status('GET', api),
    }).toEqual(reaches ? OPENS[permission] : NOTHING)
  })
})
