import { randomBytes } from 'node:crypto'
import type { Administration } from '../../src/administration/change.ts'
import { createEnvironment } from '../../src/administration/environments.ts'
import { createApiKey, revokeApiKey } from '../../src/administration/keys/api-keys.ts'
import { createProject } from '../../src/administration/projects.ts'
import { changeTenant, findTenant } from '../../src/administration/tenants.ts'
import { createApp } from '../../src/app.ts'
import { parseApiKey } from '../../src/auth/api-key.ts'
import { CONFIGURED_ADMIN, type Permission, type Scope } from '../../src/auth/principal.ts'
import { type Config, loadConfig } from '../../src/config.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import { BACKGROUND } from '../../src/db/caller.ts'
import type { Database } from '../../src/db/database.ts'
import { openDeliveries } from '../../src/delivery/deliveries.ts'
import { nothingUnderWay, type UnderWay } from '../../src/http/in-flight.ts'
import { type Fetch, listen } from '../../src/listen.ts'
import { createLogger } from '../../src/observability/logger.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import { RequestLogWriter } from '../../src/request-log/writer.ts'
import { type BaseForm, DEFAULT_TENANT } from '../../src/tenancy/scim-path.ts'
import type { TenantSettings, TenantSettingsChange } from '../../src/tenancy/settings.ts'
import { administrationOn, tenantWithKey } from './administration.ts'
import { openTestDatabase, PATIENCE } from './engines.ts'
import { jsonIn } from './http-client.ts'
import { placeId } from './place-ids.ts'

/** What a request without a socket was answered. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The text as JSON; undefined where it is none. */
  readonly body: unknown
}

/** Sends a request to the app without a socket; `path` follows the base URL, `body` is sent as SCIM JSON. */
export type Scim = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<Answer>

/** A tenant with a key of its own. */
export interface TestTenant {
  readonly id: TenantId
  /** Its key in URLs. */
  readonly name: string
  readonly base: string
  /** API key for this tenant alone; for the default tenant, the environment's. */
  readonly key: string
  readonly scim: Scim
}

/** The whole gateway on a port of its own, with a project and an environment that no other test has. */
export interface Gateway {
  readonly database: Database
  readonly config: Config
  readonly origin: string
  /** Keys in URLs. */
  readonly project: string
  readonly environment: string
  /** The default tenant under each of its three base URLs. */
  readonly bases: Readonly<Record<BaseForm, string>>
  /** The default tenant by the form that names it. */
  readonly tenant: TestTenant
  /** An API key for the environment. */
  readonly key: string
  /** The key that the configuration gives. */
  readonly adminKey: string
  /** `tenant.scim`. */
  readonly scim: Scim
  /** What was logged as an error. */
  readonly errors: readonly string[]
  /** What the app counts as under way. */
  readonly underWay: UnderWay
  newTenant(options?: { readonly settings?: TenantSettings }): Promise<TestTenant>
  setSettings(tenant: TestTenant, settings: TenantSettingsChange): Promise<void>
  /** An API key for `tenant`, or for the environment. */
  mintKey(options?: {
    readonly permissions?: readonly Permission[]
    readonly expiresAt?: Date
    readonly tenant?: TestTenant
    /** Id of the user of `tenant` for whom the key stands. */
    readonly userId?: string
  }): Promise<string>
  revoke(key: string): Promise<void>
  /** An API key for an environment of another project. */
  keyOfAnotherProject(): Promise<string>
  /** Writes down when keys were last used, which otherwise comes every half minute. */
  flushKeyUse(): Promise<void>
  /** Stops the server; the database belongs to the worker. */
  close(): Promise<void>
}

/** Opens the worker's test database and starts the gateway on it, as `main.ts` does, with `env` for its configuration. */
export async function openGateway(
  env: Readonly<Record<string, string>> = {},
  around: (database: Database) => Database = (database) => database,
): Promise<Gateway> {
  const adminKey = `admin-${randomBytes(16).toString('hex')}`
  const config = loadConfig({ ...PATIENCE, PORT: '0', ADMIN_KEY: adminKey, ...env })
  const database = around(await openTestDatabase())
  const control = new ControlPlane(controlStore(database, config.secretsKey), { adminKey })
  const errors: string[] = []
  const logger = createLogger('error', { write: (line) => errors.push(line) })
  const deliveries = openDeliveries(database, config, {
    failed: (error, task) => errors.push(`${task}: ${error}`),
    disabled: () => {},
  })
  const underWay = nothingUnderWay(config)
  const requestLog = new RequestLogWriter({
    ...{ database: database.for(BACKGROUND), control },
    failed: (error) => errors.push(`writing the provisioning log: ${error}`),
  })
  const { fetch } = createApp({ database, control, config, logger, deliveries, underWay, requestLog })
  const server = await listen(fetch, config)
  const origin = `http://127.0.0.1:${server.port}`

  const administration: Administration = administrationOn(database, control)
  const mint = async (scope: Scope, permissions?: readonly Permission[], expiresAt?: Date, userId?: string) => {
    const input = { name: 'test', permissions, expiresAt, userId }
    return (await createApiKey(administration, scope, input, CONFIGURED_ADMIN)).key
  }
  const newPlace = async () => {
    const project = await createProject(administration, { key: `p-${randomBytes(6).toString('hex')}` })
    const environment = await createEnvironment(administration, project.id, { key: 'prod' })
    const place = { projectId: project.id, environmentId: environment.id }
    return { project, environment, place, key: await mint({ kind: 'environment', ...place }) }
  }

  const { project, environment, place, key } = await newPlace()
  const legacy = `${origin}/scim/v2/${project.key}/${environment.key}`
  const baseOf = (name: string) => `${legacy}/v2/${name}`
  const asTenant = (id: TenantId, name: string, tenantKey: string): TestTenant => ({
    ...{ id, name, base: baseOf(name), key: tenantKey },
    scim: scimWithout(fetch, baseOf(name), tenantKey),
  })
  const found = await findTenant(database, environment.id, DEFAULT_TENANT)
  const tenant = asTenant(found?.id ?? placeId(''), DEFAULT_TENANT, key)

  return {
    ...{ database, config, origin, tenant, key, adminKey, errors, underWay },
    project: project.key,
    environment: environment.key,
    bases: { legacy, default: `${legacy}/v2`, tenant: tenant.base },
    scim: tenant.scim,
    newTenant: async ({ settings } = {}) => {
      const name = `t-${randomBytes(6).toString('hex')}`
      const made = await tenantWithKey(administration, place, name, { settings })
      return asTenant(made.id, name, made.key)
    },
    setSettings: async ({ id }, settings) => {
      await changeTenant(administration, place, id, { settings })
    },
    mintKey: ({ permissions, expiresAt, tenant: only, userId } = {}) =>
      mint(
        only ? { kind: 'tenant', ...place, tenantId: only.id } : { kind: 'environment', ...place },
        permissions,
        expiresAt,
        userId,
      ),
    revoke: (revoked) => revokeApiKey(administration, { kind: 'instance' }, parseApiKey(revoked) ?? '', new Date()),
    keyOfAnotherProject: async () => (await newPlace()).key,
    flushKeyUse: () => control.flushKeyUse(),
    close: async () => {
      deliveries.drain()
      await server.stop(1_000)
      await deliveries.stop()
      await requestLog.stop()
      await control.stop()
    },
  }
}

const scimWithout =
  (fetch: Fetch, base: string, key: string): Scim =>
  async (method, path, body, headers = {}) => {
    const sent = new Headers({ Authorization: `Bearer ${key}` })
    if (body !== undefined) sent.set('Content-Type', 'application/scim+json')
    for (const [name, value] of Object.entries(headers)) sent.set(name, value)
    const init = { method, headers: sent, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const response = await fetch(new Request(base + path, init))
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: jsonIn(text) }
  }
