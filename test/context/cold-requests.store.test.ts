import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { changeEnvironment, createEnvironment } from '../../src/administration/environments.ts'
import { createApiKey, revokeApiKey } from '../../src/administration/keys/api-keys.ts'
import { createProject } from '../../src/administration/projects.ts'
import { putDefinition } from '../../src/administration/schema-definitions.ts'
import { changeTenant, createTenant, deleteTenant } from '../../src/administration/tenants.ts'
import { createWebhook } from '../../src/administration/webhooks.ts'
import { mintApiKey, parseApiKey } from '../../src/auth/api-key.ts'
import { ExternalIssuers } from '../../src/auth/external-issuers.ts'
import { CONFIGURED_ADMIN, type EnvironmentPlace, type Scope } from '../../src/auth/principal.ts'
import { loadConfig } from '../../src/config.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import type { Answer, PlaceNames } from '../../src/context/control-store.ts'
import type { Database } from '../../src/db/database.ts'
import { type Admission, admissions } from '../../src/http/scim/admission.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { THE_GATEWAY } from '../../src/repositories/control/audit.ts'
import { changeControl } from '../../src/repositories/control/control-revision.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import { secretBox } from '../../src/signing/secret-box.ts'
import { locate } from '../../src/tenancy/scim-path.ts'
import { administrationOn, tenantWithKey } from '../support/administration.ts'
import { openTestDatabase } from '../support/engines.ts'
import { type Recorder, recordStatements } from '../support/statements.ts'

const ORIGIN = 'http://scim.test'
const ADMIN_KEY = 'the-admin-key-of-cold-requests'

let database: Database
let place: EnvironmentPlace
/** Base of the environment, without `/v2`. */
let base: string
let names: { readonly project: string; readonly environment: string }

/** Changes what other instances see, and tells none of them. */
const elsewhere = () => administrationOn(database)
const text = () => randomBytes(5).toString('hex')

async function newEnvironment(projectId?: EnvironmentPlace['projectId']) {
  const project = projectId ?? (await createProject(elsewhere(), { key: `p-${text()}` })).id
  const { id, key } = await createEnvironment(elsewhere(), project, { key: `e-${text()}` })
  return { place: { projectId: project, environmentId: id }, key }
}

interface Made {
  readonly id: TenantId
  readonly name: string
  readonly key: string
}

const newTenant = async (): Promise<Made> => {
  const name = `t-${text()}`
  return { ...(await tenantWithKey(elsewhere(), place, name, {})), name }
}

beforeAll(async () => {
  database = await openTestDatabase()
  const made = await newEnvironment()
  place = made.place
  names = { project: place.projectId, environment: made.key }
  base = `/scim/v2/${place.projectId}/${made.key}`
})

/** An instance that has nothing in memory, on a clock of its own. */
function freshInstance() {
  const recorder: Recorder = recordStatements(database)
  let now = 0
  const store = { ...controlStore(recorder.database), shared: true }
  const control = new ControlPlane(store, { clock: () => now, adminKey: ADMIN_KEY })
  const admit = admissions(control, new ExternalIssuers([]), loadConfig({ PUBLIC_URL: ORIGIN }))
  const ask = async (key: string, path: string): Promise<Admission> => {
    const headers: Record<string, string> = { authorization: `Bearer ${key}`, host: 'scim.test' }
    return admit(locate(path), (header) => headers[header], undefined)
  }
  const askTenant = ({ key, name }: Pick<Made, 'key' | 'name'>) => ask(key, `${base}/v2/${name}/Users`)
  /** How many statements `work` costs. */
  const cost = async (work: () => Promise<unknown>) => (await recorder.during(work)).statements.length
  const pass = (ms: number) => {
    now += ms
  }
  return { control, ask, askTenant, cost, pass }
}

describe('a request of a tenant that is not in memory costs one statement for the control plane', () => {
  test('the first of an instance, the first of another tenant, and none when it is known', async () => {
    const [a, b] = [await newTenant(), await newTenant()]
    const { askTenant, cost } = freshInstance()
    expect(await cost(() => askTenant(a))).toBe(1)
    expect(await cost(() => askTenant(b))).toBe(1)
    for (const known of [a, b]) expect(await cost(() => askTenant(known))).toBe(0)
  })

  test('the same after a quiet while', async () => {
    const [a, b] = [await newTenant(), await newTenant()]
    const { askTenant, cost, pass } = freshInstance()
    await askTenant(a)
    pass(500)
    expect(await cost(() => askTenant(b))).toBe(1)
  })

  test('one for as many requests as come at once', async () => {
    const tenant = await newTenant()
    const { askTenant, cost } = freshInstance()
    expect(await cost(() => Promise.all(Array.from({ length: 32 }, () => askTenant(tenant))))).toBe(1)
  })

  test('by the key of the configuration, the key of the environment, and without a tenant in the URL', async () => {
    const { key } = await createApiKey(elsewhere(), { kind: 'environment', ...place }, { name: 'k' }, CONFIGURED_ADMIN)
    const { name } = await newTenant()
    for (const asking of [ADMIN_KEY, key]) {
      for (const path of [`${base}/v2/${name}/Users`, `${base}/Users`]) {
        const { ask, cost } = freshInstance()
        expect(await cost(() => ask(asking, path))).toBe(1)
      }
    }
  })

  test('by an access token', async () => {
    const { id, key, name } = await newTenant()
    const { control, ask, cost } = freshInstance()
    const scope: Scope = { kind: 'tenant', ...place, tenantId: id }
    const content = { keyId: parseApiKey(key) ?? '', credential: 1, scope, permissions: ['scim:read'] as const }
    const { token } = await control.tokens.issue(content, ORIGIN)
    expect(await cost(() => ask(token, `${base}/v2/${name}/Users`))).toBe(1)
  })
})

describe('a change has what it changed forgotten, on every instance, and nothing else', () => {
  test('what happens to other tenants leaves a tenant alone', async () => {
    const [a, b] = [await newTenant(), await newTenant()]
    const { askTenant, cost, pass } = freshInstance()
    const before = await askTenant(a)
    await askTenant(b)
    const other = await createTenant(elsewhere(), place, { key: `t-${text()}` })
    const scope: Scope = { kind: 'tenant', ...place, tenantId: other.id }
    const { id } = await createApiKey(elsewhere(), scope, { name: 'k' }, CONFIGURED_ADMIN)
    await revokeApiKey(elsewhere(), scope, id, new Date())
    await changeTenant(elsewhere(), place, b.id, { settings: { mode: 'strict' } })
    await deleteTenant(elsewhere(), place, other.id)
    await newEnvironment(place.projectId)
    await createApiKey(elsewhere(), { kind: 'instance' }, { name: 'k' }, CONFIGURED_ADMIN)
    pass(500)
    // That nothing of its own has changed.
    expect(await cost(() => askTenant(a))).toBe(1)
    const after = await askTenant(a)
    expect(after.tenant).toBe(before.tenant)
    expect((await askTenant(b)).tenant.settings.mode).toBe('strict')
  })

  test('a tenant, key, webhook or setting that one instance makes leaves the others’ tenants in the memory of both', async () => {
    const known = await Promise.all([1, 2, 3].map(newTenant))
    const [here, there] = [freshInstance(), freshInstance()]
    for (const { askTenant } of [here, there]) for (const tenant of known) await askTenant(tenant)
    const administration = administrationOn(database, here.control)
    const made = await tenantWithKey(administration, place, `t-${text()}`, {})
    const scope = { kind: 'tenant', ...place, tenantId: made.id } as const
    await createApiKey(administration, scope, { name: 'k' }, CONFIGURED_ADMIN)
    await changeTenant(administration, place, made.id, { settings: { mode: 'strict' } })
    const tools = { box: secretBox(async () => 'a secret of the instance'), networks: [], endpointsPerPlace: 5 }
    const hook = { url: 'https://hooks.example.com/', description: '', events: [], snapshot: false }
    await createWebhook(administration, tools, scope, hook)
    await changeControl(database, THE_GATEWAY, async (_, record) =>
      record({
        ...{ action: 'audit_log.trimmed', place: { kind: 'instance' }, target: { id: 'audit-log', name: 'audit log' } },
        ...{ before: { entries: 2 }, after: { entries: 0 } },
      }),
    )
    here.control.changed()
    for (const { askTenant, cost, pass } of [here, there]) {
      pass(500)
      // One question for all of them, whether anything has changed.
      expect(
        await cost(async () => {
          for (const tenant of known) await askTenant(tenant)
        }),
      ).toBe(1)
    }
  })

  test('a change of the environment is felt by all of its tenants, and costs one statement in all', async () => {
    const made = [await newTenant(), await newTenant(), await newTenant()]
    const { askTenant, cost, pass } = freshInstance()
    for (const tenant of made) await askTenant(tenant)
    for (const userSync of [false, true]) {
      await changeEnvironment(elsewhere(), place.projectId, place.environmentId, { settings: { userSync } })
      pass(500)
      // What has changed, and then the environment.
      expect(
        await cost(async () => {
          for (const tenant of made) expect((await askTenant(tenant)).tenant.settings.userSync).toBe(userSync)
        }),
      ).toBe(2)
    }
  })

  test('SEC-03 a key that is revoked elsewhere is refused half a second later', async () => {
    const [a, b] = [await newTenant(), await newTenant()]
    const { askTenant, pass } = freshInstance()
    for (const tenant of [a, b]) await askTenant(tenant)
    await revokeApiKey(elsewhere(), { kind: 'instance' }, parseApiKey(a.key) ?? '', new Date())
    pass(500)
    await expect(askTenant(a)).rejects.toMatchObject({ status: 401 })
    await askTenant(b)
  })

  test('what this instance changes is felt by its next request', async () => {
    const tenant = await newTenant()
    const { control, askTenant } = freshInstance()
    expect((await askTenant(tenant)).tenant.settings.mode).toBe('lenient')
    await changeTenant(administrationOn(database, control), place, tenant.id, { settings: { mode: 'strict' } })
    expect((await askTenant(tenant)).tenant.settings.mode).toBe('strict')
    await revokeApiKey(
      administrationOn(database, control),
      { kind: 'instance' },
      parseApiKey(tenant.key) ?? '',
      new Date(),
    )
    await expect(askTenant(tenant)).rejects.toMatchObject({ status: 401 })
  })
})

describe('SEC-03 a place is looked up for a good key alone, and as far as that reaches', () => {
  const levels = ({ project, environment, tenant }: Answer) =>
    [project, environment, tenant].map((part) => part !== undefined)
  const ask = (key: string, at: PlaceNames) => {
    const [id = '', credential] = [parseApiKey(key), hashOf(key)]
    return controlStore(database).ask({ key: { id, credential }, place: at })
  }
  const hashOf = (key: string) => hashes.get(key) ?? mintApiKey().hash
  const hashes = new Map<string, string>()
  const keyFor = async (scope: Scope, expiresAt?: Date) => {
    const { id, key } = await createApiKey(elsewhere(), scope, { name: 'k', expiresAt }, CONFIGURED_ADMIN)
    const { key: stored } = await controlStore(database).ask({ key: { id } })
    hashes.set(key, stored?.value?.secrets[0]?.hash ?? '')
    return { id, key }
  }

  test('nothing for one that is wrong, revoked or expired', async () => {
    const { name } = await newTenant()
    const at = { ...names, tenant: name }
    const { id, key } = await keyFor({ kind: 'environment', ...place })
    expect(levels(await ask(key, at))).toEqual([true, true, true])
    expect(levels(await ask(mintApiKey(id).key, at))).toEqual([false, false, false])
    expect(levels(await ask(mintApiKey().key, at))).toEqual([false, false, false])
    await revokeApiKey(elsewhere(), { kind: 'instance' }, id, new Date())
    expect(levels(await ask(key, at))).toEqual([false, false, false])
    const soon = new Date(Date.now() + 300)
    const expiring = await keyFor({ kind: 'environment', ...place }, soon)
    await expect.poll(() => Date.now()).toBeGreaterThan(soon.getTime())
    expect(levels(await ask(expiring.key, at))).toEqual([false, false, false])
  })

  test('no more than the project for one of another project, and the environment for one of another environment', async () => {
    const { name } = await newTenant()
    const at = { ...names, tenant: name }
    const beside = await newEnvironment(place.projectId)
    const away = await newEnvironment()
    expect(levels(await ask((await keyFor({ kind: 'environment', ...away.place })).key, at))).toEqual([
      true,
      false,
      false,
    ])
    expect(levels(await ask((await keyFor({ kind: 'environment', ...beside.place })).key, at))).toEqual([
      true,
      true,
      false,
    ])
    expect(levels(await ask((await keyFor({ kind: 'instance' })).key, { ...at, tenant: 'none' }))).toEqual([
      true,
      true,
      true,
    ])
  })
})

test('tenants with the same schemas share what is made of them', async () => {
  const made = [await newTenant(), await newTenant(), await newTenant(), await newTenant()]
  const urn = `urn:test:${text()}`
  const extension = {
    resourceType: 'User',
    schema: { id: urn, name: 'E', attributes: [{ name: 'shoe', type: 'string', multiValued: false }] },
  }
  for (const { id } of made.slice(2))
    await putDefinition(elsewhere(), { ...place, tenantId: id }, 'extension', urn, extension)
  const { askTenant } = freshInstance()
  const [a, b, c, d] = await Promise.all(made.map(async (tenant) => (await askTenant(tenant)).tenant.registry))
  expect(a).toBe(b)
  expect(c).toBe(d)
  expect(c).not.toBe(a)
})
