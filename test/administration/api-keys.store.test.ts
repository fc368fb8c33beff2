import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import type { Administration } from '../../src/administration/change.ts'
import { createEnvironment } from '../../src/administration/environments.ts'
import { createApiKey, findApiKey, revokeApiKey } from '../../src/administration/keys/api-keys.ts'
import { createProject } from '../../src/administration/projects.ts'
import { createTenant, deleteTenant } from '../../src/administration/tenants.ts'
import { CONFIGURED_ADMIN, type Principal, type Scope } from '../../src/auth/principal.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import type { Database } from '../../src/db/database.ts'
import { apiKeysWithin } from '../../src/repositories/control/api-keys.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import { administrationOn } from '../support/administration.ts'
import { openTestDatabase } from '../support/engines.ts'

let database: Database
let administration: Administration
let project: Extract<Scope, { kind: 'project' }>
let environment: Extract<Scope, { kind: 'environment' }>
let tenant: Extract<Scope, { kind: 'tenant' }>
const all = { after: undefined, limit: 100 }

beforeAll(async () => {
  database = await openTestDatabase()
  administration = administrationOn(database)
  const { id: projectId } = await createProject(administration, { key: 'k-acme' })
  const { id: environmentId } = await createEnvironment(administration, projectId, { key: 'prod' })
  const { id: tenantId } = await createTenant(administration, { projectId, environmentId }, { key: 'globex' })
  project = { kind: 'project', projectId }
  environment = { kind: 'environment', projectId, environmentId }
  tenant = { ...environment, kind: 'tenant', tenantId }
})

const mint = (
  scope: Scope,
  input: { expiresAt?: Date; permissions?: ('scim:read' | 'admin')[] } = {},
  by = CONFIGURED_ADMIN,
) => createApiKey(administration, scope, { name: 'k', ...input }, by)

test('SEC-07 the store has the hash of a key and nothing of its secret', async () => {
  const { id, key, secrets } = await mint(tenant)
  const [row] = await database.run<{ row: string }>(
    'select concat(k::text, s::text) as row from api_keys k join api_key_secrets s on s.key_id = k.id where id = $1',
    [id],
  )
  expect(row?.row).toContain(secrets[0]?.hash)
  expect(row?.row).not.toContain(key.slice(17, 40))
})

test('SEC-13 a key carries its scope, and the least permissions where none are named', async () => {
  const control = new ControlPlane(controlStore(database))
  for (const scope of [project, tenant, { kind: 'instance' } as const]) {
    const { key } = await mint(scope)
    expect(await control.authenticate(`Bearer ${key}`)).toMatchObject({
      principal: { scope, permissions: new Set(['scim:read', 'scim:write']) },
    })
  }
})

test('SEC-03 a key that has run out is refused, also from memory', async () => {
  const control = new ControlPlane(controlStore(database))
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const { key } = await mint(tenant, { expiresAt: new Date(Date.now() + 1_000) })
  expect(await control.authenticate(`Bearer ${key}`)).toHaveProperty('principal')
  vi.setSystemTime(Date.now() + 1_000)
  expect(await control.authenticate(`Bearer ${key}`)).toMatchObject({
    challenge: { detail: 'The API key has expired.' },
  })
})

test('SEC-03 a revocation is felt within a second by an instance that was not told', async () => {
  // What a second process would be: it has its own memory and only the store in common.
  let clock = 0
  const elsewhere = new ControlPlane({ ...controlStore(database), shared: true }, { clock: () => clock })
  const { id, key } = await mint(environment)
  expect(await elsewhere.authenticate(`Bearer ${key}`)).toHaveProperty('principal')
  await revokeApiKey(administration, environment, id, new Date())
  clock += 1_000
  expect(await elsewhere.authenticate(`Bearer ${key}`)).toMatchObject({
    challenge: { status: 401, detail: 'The API key was revoked.' },
  })
})

test('a key that was unknown a moment ago is known within a second of its making', async () => {
  let clock = 0
  const elsewhere = new ControlPlane({ ...controlStore(database), shared: true }, { clock: () => clock })
  const named = async (project: string) => (await elsewhere.place({ project }, { kind: 'instance' })).project
  expect(await named('k-late')).toBeUndefined()
  await createProject(administration, { key: 'k-late' })
  clock += 1_000
  expect(await named('K-Late')).toBeDefined()
})

test('last use is written down, with the client', async () => {
  const control = new ControlPlane(controlStore(database))
  const { id, key } = await mint(tenant)
  const secret = async () => (await findApiKey(database, tenant, id))?.secrets[0]
  expect(await secret()).toMatchObject({ lastUsedAt: null, lastUsedBy: null })
  const before = Date.now()
  await control.authenticate(`Bearer ${key}`, 'okta/1.0')
  await control.stop()
  const { lastUsedAt, lastUsedBy } = (await secret()) ?? {}
  const used = lastUsedAt?.getTime() ?? 0
  expect(lastUsedBy).toBe('okta/1.0')
  expect(used).toBeGreaterThanOrEqual(before)
  expect(used).toBeLessThanOrEqual(Date.now())
})

test('a key is found and revoked from its own place and from those around it, not from others', async () => {
  const { id } = await mint(environment)
  expect(await findApiKey(database, tenant, id)).toBeUndefined()
  await expect(revokeApiKey(administration, tenant, id, new Date())).rejects.toMatchObject({ status: 404 })
  for (const place of [environment, project]) {
    expect((await apiKeysWithin(database, place).list(all)).map((row) => row.id)).toContain(id)
  }
  for (const place of [environment, project, { kind: 'instance' } as const]) {
    expect(await findApiKey(database, place, id)).toMatchObject({ id })
    await revokeApiKey(administration, place, id, new Date())
  }
  await expect(revokeApiKey(administration, project, "' or 1=1", new Date())).rejects.toMatchObject({ status: 404 })
})

test('a second revocation leaves the time of the first', async () => {
  const { id } = await mint(environment)
  await revokeApiKey(administration, environment, id, new Date(1000))
  await revokeApiKey(administration, environment, id, new Date(2000))
  expect((await findApiKey(database, environment, id))?.revokedAt).toEqual(new Date(1000))
})

test('no key makes a key wider than itself', async () => {
  const by: Principal = { ...CONFIGURED_ADMIN, scope: environment, permissions: new Set(['admin', 'scim:read']) }
  await expect(mint(project, { permissions: ['scim:read'] }, by)).rejects.toMatchObject({ status: 403 })
  await expect(mint(environment, {}, by)).rejects.toMatchObject({
    status: 403,
    message: expect.stringContaining('scim:write'),
  })
  expect(await mint(tenant, { permissions: ['scim:read', 'admin'] }, by)).toHaveProperty('key')
})

test('TEN-11 keys of a deleted tenant are unknown', async () => {
  const { projectId, environmentId } = environment
  const { id: tenantId } = await createTenant(administration, environment, { key: 'short-lived' })
  const { key } = await mint({ kind: 'tenant', projectId, environmentId, tenantId })
  await deleteTenant(administration, { projectId, environmentId }, tenantId)
  const control = new ControlPlane(controlStore(database))
  expect(await control.authenticate(`Bearer ${key}`)).toMatchObject({ challenge: { status: 401 } })
  await expect(mint({ kind: 'tenant', projectId, environmentId, tenantId })).rejects.toMatchObject({ status: 404 })
})
