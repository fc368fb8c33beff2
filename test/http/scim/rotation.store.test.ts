import { afterAll, beforeAll, expect, test } from 'vitest'
import { adminClient } from '../../../src/client/index.ts'
import { type Gateway, openGateway } from '../../support/gateway.ts'

const ROTATION = '/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys/{apiKey}/rotation'
let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

test('SEC-07 a key is rotated while provisioning runs, without one refused request, and the old secret ends', async () => {
  const client = adminClient({ origin: gateway.origin, key: gateway.adminKey })
  const tenant = await gateway.newTenant()
  const k = tenant.key.slice(4, 16)
  const path = { project: gateway.project, environment: gateway.environment, tenant: tenant.name, apiKey: k }
  const users = async (secret: string) => {
    const headers = { Authorization: `Bearer ${secret}` }
    return (await fetch(`${tenant.base}/Users`, { headers })).status
  }

  let secret = tenant.key
  let running = true
  const seen: number[] = []
  const traffic = Promise.all(
    [1, 2, 3, 4].map(async () => {
      while (running) seen.push(await users(secret))
    }),
  )
  await expect.poll(() => seen.length).toBeGreaterThan(20)
  const { data: rotated } = await client.POST(ROTATION, { params: { path }, body: {} })
  const during = seen.length
  await expect.poll(() => seen.length).toBeGreaterThan(during + 20)
  secret = rotated?.key ?? ''
  const after = seen.length
  await expect.poll(() => seen.length).toBeGreaterThan(after + 20)
  running = false
  await traffic
  expect(seen.filter((status) => status !== 200)).toEqual([])

  await client.DELETE(`${ROTATION}/old`, { params: { path } })
  expect([await users(tenant.key), await users(secret)]).toEqual([401, 200])
})

test('SEC-03 a secret that was good a moment ago is refused when its time is over', async () => {
  const client = adminClient({ origin: gateway.origin, key: gateway.adminKey })
  const tenant = await gateway.newTenant()
  const path = {
    project: gateway.project,
    environment: gateway.environment,
    tenant: tenant.name,
    apiKey: tenant.key.slice(4, 16),
  }
  await client.POST(ROTATION, { params: { path }, body: { keepOldForSeconds: 1 } })
  const status = async () => (await tenant.scim('GET', '/Users')).status
  // Admitted from memory all the while.
  await expect.poll(status, { interval: 20 }).toBe(401)
  expect((await tenant.scim('GET', '/Users')).body).toMatchObject({ detail: expect.stringContaining('rotated') })
})

test('who used which secret last is told for requests that are admitted from memory', async () => {
  const tenant = await gateway.newTenant()
  for (const client of ['first', 'second', 'third']) {
    const headers = { Authorization: `Bearer ${tenant.key}`, 'User-Agent': client }
    expect((await fetch(`${tenant.base}/Users`, { headers })).status).toBe(200)
  }
  await gateway.flushKeyUse()
  const client = adminClient({ origin: gateway.origin, key: gateway.adminKey })
  const path = {
    project: gateway.project,
    environment: gateway.environment,
    tenant: tenant.name,
    apiKey: tenant.key.slice(4, 16),
  }
  const { data } = await client.GET(
    '/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys/{apiKey}',
    { params: { path } },
  )
  expect(data?.secrets).toMatchObject([{ lastUsedBy: 'third' }])
})
