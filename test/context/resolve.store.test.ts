import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Administration } from '../../src/administration/change.ts'
import { changeEnvironment, createEnvironment } from '../../src/administration/environments.ts'
import { createApiKey } from '../../src/administration/keys/api-keys.ts'
import { changeProject, createProject } from '../../src/administration/projects.ts'
import { changeTenant, createTenant, deleteTenant, findTenant } from '../../src/administration/tenants.ts'
import type { EnvironmentPlace } from '../../src/auth/principal.ts'
import { CONFIGURED_ADMIN, type Principal, type Scope } from '../../src/auth/principal.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import { resolveForDiscovery, resolveTenant } from '../../src/context/resolve.ts'
import type { Database } from '../../src/db/database.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../src/place-ids.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import type { ScimError } from '../../src/scim/errors.ts'
import { locate, type ScimPath } from '../../src/tenancy/scim-path.ts'
import { administrationOn } from '../support/administration.ts'
import { openTestDatabase } from '../support/engines.ts'

let database: Database
let control: ControlPlane
let administration: Administration
const projects = new Map<string, ProjectId>()
const environments = new Map<string, EnvironmentId>()
const tenants = new Map<string, TenantId>()
/** A place that `beforeAll` has made. */
const made = <Id>(of: ReadonlyMap<string, Id>, name: string): Id => {
  const id = of.get(name)
  if (id === undefined) throw new Error(`${name} was not made`)
  return id
}
const environmentAt = (p: string, e: string): EnvironmentPlace => ({
  projectId: made(projects, p),
  environmentId: made(environments, `${p}/${e}`),
})
const principals = new Map<string, Principal>()

beforeAll(async () => {
  database = await openTestDatabase()
  control = new ControlPlane(controlStore(database))
  administration = administrationOn(database, control)

  const keyFor = async (name: string, scope: Scope) => {
    const { key } = await createApiKey(administration, scope, { name }, CONFIGURED_ADMIN)
    const result = await control.authenticate(`Bearer ${key}`)
    if ('challenge' in result) throw new Error(result.challenge.detail)
    principals.set(name, result.principal)
  }
  await keyFor('instance', { kind: 'instance' })
  for (const [p, e] of [
    ['r-acme', 'prod'],
    ['r-acme', 'dev'],
    ['r-other', 'prod'],
  ] as const) {
    const projectId = projects.get(p) ?? (await createProject(administration, { key: p })).id
    projects.set(p, projectId)
    const environmentId = (await createEnvironment(administration, projectId, { key: e })).id
    const place = { projectId, environmentId }
    for (const t of ['globex', 'initech'])
      tenants.set(`${p}/${e}/${t}`, (await createTenant(administration, place, { key: t })).id)
    environments.set(`${p}/${e}`, environmentId)
    const found = await findTenant(database, environmentId, 'default')
    if (found !== undefined) tenants.set(`${p}/${e}/default`, found.id)
  }
  const { projectId, environmentId } = environmentAt('r-acme', 'prod')
  const tenantId = made(tenants, 'r-acme/prod/globex')
  await keyFor('project', { kind: 'project', projectId })
  await keyFor('environment', { kind: 'environment', projectId, environmentId })
  await keyFor('tenant', { kind: 'tenant', projectId, environmentId, tenantId })
})
afterAll(() => control.stop())

function pathOf(text: string): ScimPath {
  const path = locate(`/scim/v2/${text}`)
  if ('refused' in path) throw new Error(path.detail)
  return path
}
const resolve = (text: string, who: string) =>
  resolveTenant(pathOf(text), principals.get(who) as Principal, control, (basePath) => `https://host${basePath}`)
const refusal = async (text: string, who: string) => {
  const error = await resolve(text, who).then(
    () => undefined,
    (reason: ScimError) => reason,
  )
  return error?.toBody()
}

describe('TEN-01 the three base URLs lead to one frozen context', () => {
  test.each([
    ['r-acme/prod/Users', 'https://host/scim/v2/r-acme/prod'],
    ['r-acme/prod/v2/Users', 'https://host/scim/v2/r-acme/prod/v2'],
    ['r-acme/prod/v2/default/Users', 'https://host/scim/v2/r-acme/prod/v2/default'],
    ['R-Acme/PROD/v2/Default/Users', 'https://host/scim/v2/R-Acme/PROD/v2/Default'],
  ])('%s', async (text, baseUrl) => {
    const { tenant, path } = await resolve(text, 'environment')
    expect(tenant).toMatchObject({ id: made(tenants, 'r-acme/prod/default'), key: 'default', baseUrl })
    expect(path.rest).toEqual(['Users'])
    expect(Object.isFrozen(tenant)).toBe(true)
  })

  test('TEN-08 ids do as well as keys', async () => {
    const text = `${made(projects, 'r-acme')}/${made(environments, 'r-acme/prod').toUpperCase()}/v2/${made(tenants, 'r-acme/prod/globex')}/Users`
    const { tenant } = await resolve(text, 'tenant')
    expect(tenant).toMatchObject({ key: 'globex', baseUrl: `https://host/scim/v2/${text.slice(0, -6)}` })
  })

  test("an id of another parent's is unknown", async () => {
    expect(await refusal(`r-acme/${made(environments, 'r-other/prod')}/Users`, 'instance')).toMatchObject({
      status: '404',
    })
    expect(await refusal(`r-acme/prod/v2/${made(tenants, 'r-acme/dev/globex')}/Users`, 'instance')).toMatchObject({
      status: '404',
    })
  })
})

describe('TEN-02 each scope at each place', () => {
  const places = [
    'r-acme/prod',
    'r-acme/prod/v2/globex',
    'r-acme/prod/v2/initech',
    'r-acme/prod/v2/none',
    'r-acme/dev',
    'r-acme/none',
    'r-other/prod',
    'r-other/none',
    'r-none/prod',
  ]
  const expected: Record<string, (200 | 403 | 404)[]> = {
    instance: [200, 200, 200, 404, 200, 404, 200, 404, 404],
    project: [200, 200, 200, 404, 200, 404, 403, 403, 403],
    environment: [200, 200, 200, 404, 403, 403, 403, 403, 403],
    tenant: [403, 200, 403, 403, 403, 403, 403, 403, 403],
  }
  const cases = Object.entries(expected).flatMap(([who, row]) =>
    row.map((status, i) => [who, places[i] ?? '', status] as const),
  )
  test.each(cases)('a key for one %s at %s: %i', async (who, place, status) => {
    const body = await refusal(`${place}/Users`, who)
    expect(body?.status ?? '200').toBe(String(status))
  })

  test('outside its scope a key gets one answer, whatever exists', async () => {
    const outside = cases.filter(([, , status]) => status === 403)
    const bodies = await Promise.all(outside.map(([who, place]) => refusal(`${place}/Users`, who)))
    expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1)
  })
})

test('TEN-10 a paused tenant answers 403, a deleted one 404', async () => {
  const dev = environmentAt('r-acme', 'dev')
  const id = made(tenants, 'r-acme/dev/initech')
  await resolve('r-acme/dev/v2/initech', 'project')
  await changeTenant(administration, dev, id, { paused: true })
  expect(await refusal('r-acme/dev/v2/initech', 'project')).toMatchObject({
    status: '403',
    detail: expect.stringContaining('paused'),
  })
  await changeTenant(administration, dev, id, { paused: false })
  expect(await refusal('r-acme/dev/v2/initech', 'project')).toBeUndefined()
  await deleteTenant(administration, dev, id)
  expect(await refusal('r-acme/dev/v2/initech', 'project')).toMatchObject({ status: '404' })
})

test('TEN-10 a paused project or environment pauses all that is in it', async () => {
  const { projectId, environmentId } = environmentAt('r-other', 'prod')
  await changeEnvironment(administration, projectId, environmentId, {
    settings: { anonymousDiscovery: true, createUnknownTenants: true },
  })
  const anonymous = () => resolveForDiscovery(pathOf('r-other/prod/v2/globex'), control, (basePath) => basePath)
  const pause: readonly [string, (paused: boolean) => Promise<unknown>][] = [
    ['project "r-other"', (paused) => changeProject(administration, projectId, { paused })],
    ['environment "prod"', (paused) => changeEnvironment(administration, projectId, environmentId, { paused })],
  ]
  for (const [what, set] of pause) {
    expect(await anonymous()).toBeDefined()
    await set(true)
    // A tenant that is not there yet is not made either.
    for (const tenant of ['globex', 'default', 'not-made-yet']) {
      expect(await refusal(`r-other/prod/v2/${tenant}`, 'instance')).toMatchObject({
        status: '403',
        detail: `The ${what} is paused: nothing is read or written until it is resumed.`,
      })
    }
    expect(await refusal('r-other/prod/v2/globex', 'tenant')).toMatchObject({
      detail: expect.not.stringContaining('paused'),
    })
    expect(await anonymous()).toBeUndefined()
    await set(false)
    expect(await refusal('r-other/prod/v2/globex', 'instance')).toBeUndefined()
  }
  expect(await findTenant(database, environmentId, 'not-made-yet')).toBeUndefined()
  await changeEnvironment(administration, projectId, environmentId, {
    settings: { anonymousDiscovery: null, createUnknownTenants: null },
  })
})

test('TEN-09 settings show in the context', async () => {
  const { projectId, environmentId } = environmentAt('r-other', 'prod')
  await changeEnvironment(administration, projectId, environmentId, { settings: { mode: 'strict', password: 'drop' } })
  await changeTenant(administration, { projectId, environmentId }, made(tenants, 'r-other/prod/globex'), {
    settings: { mode: 'standard' },
  })
  const { tenant } = await resolve('r-other/prod/v2/globex', 'instance')
  expect(tenant.settings).toMatchObject({ mode: 'standard', password: 'drop' })
  expect(tenant.deviations.has('single-object-list')).toBe(true)
  expect(tenant.registry.byEndpoint.get('Users')?.core.has('password')).toBe(false)
  expect((await resolve('r-other/prod/v2/initech', 'instance')).tenant.deviations.size).toBe(0)
})

describe('tenants made on first use', () => {
  beforeAll(async () => {
    const { projectId, environmentId } = environmentAt('r-acme', 'prod')
    await changeEnvironment(administration, projectId, environmentId, { settings: { createUnknownTenants: true } })
  })

  test('once, by however many requests at a time', async () => {
    const texts = Array.from({ length: 8 }, (_, i) => `r-acme/prod/v2/${i % 2 ? 'Hooli' : 'hooli'}/Users`)
    const resolved = await Promise.all(texts.map((text) => resolve(text, 'environment')))
    expect(new Set(resolved.map(({ tenant }) => tenant.id)).size).toBe(1)
  })

  test.each([
    ['a key for another tenant', 'v2/none', 'tenant', '403'],
    ['a name that is no key', 'v2/-none', 'environment', '404'],
    ['a name that looks like an id', 'v2/01890a5d-ac96-774b-bcce-b302099a8057', 'environment', '404'],
  ])('not for %s', async (_, text, who, status) => {
    expect(await refusal(`r-acme/prod/${text}/Users`, who)).toMatchObject({ status })
  })

  test('not for a key that may only read', async () => {
    const reader: Principal = { ...(principals.get('environment') as Principal), permissions: new Set(['scim:read']) }
    await expect(resolveTenant(pathOf('r-acme/prod/v2/none/Users'), reader, control, String)).rejects.toMatchObject({
      status: 404,
    })
  })
})

test('without a key only a tenant that allows it is found, for discovery', async () => {
  const discover = (text: string) => resolveForDiscovery(pathOf(text), control, String)
  expect(await discover('r-acme/dev/v2/globex/Schemas')).toBeUndefined()
  const dev = environmentAt('r-acme', 'dev')
  await changeTenant(administration, dev, made(tenants, 'r-acme/dev/globex'), {
    settings: { anonymousDiscovery: true },
  })
  expect(await discover('r-acme/dev/v2/globex/Schemas')).toMatchObject({ tenant: { key: 'globex' } })
  for (const text of ['r-acme/dev/Schemas', 'r-acme/dev/v2/none/Schemas', 'r-acme/none/Schemas', 'none/dev/Schemas'])
    expect(await discover(text)).toBeUndefined()
})
