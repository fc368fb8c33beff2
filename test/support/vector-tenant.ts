import { loadConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/database.ts'
import { refusalFor, scimErrorResponse } from '../../src/http/errors.ts'
import { headerReader } from '../../src/http/headers.ts'
import { nothingUnderWay } from '../../src/http/in-flight.ts'
import { scimRoutes } from '../../src/http/scim/routes.ts'
import type { EnvironmentId, ProjectId } from '../../src/place-ids.ts'
import { cursorSealer } from '../../src/provisioning/cursor.ts'
import { membersOf } from '../../src/provisioning/prepare.ts'
import { resultOf } from '../../src/provisioning/writes.ts'
import { storedForm } from '../../src/repositories/resources/stored-form.ts'
import { forTenant } from '../../src/repositories/tenant-scope.ts'
import type { Mode } from '../../src/scim/deviations/mode.ts'
import type { JsonObject } from '../../src/scim/resource.ts'
import { defineSchema } from '../../src/scim/schema/define.ts'
import { buildRegistry } from '../../src/scim/schema/registry.ts'
import type { ResourceType, SchemaRegistry } from '../../src/scim/schema/resource-type.ts'
import { DEFAULT_SETTINGS } from '../../src/tenancy/settings.ts'
import { tenantContext } from '../../src/tenancy/tenant.ts'
import { Thread } from '../../src/thread.ts'
import { memberOf } from './checks.ts'
import type { Answer, TestTenant } from './gateway.ts'
import { jsonIn } from './http-client.ts'
import { placeId } from './place-ids.ts'

/** What a vector file says of the tenant that its vectors are for. */
export interface VectorFile {
  /** Schemas that extend the user. */
  readonly extensionSchemas: readonly JsonObject[]
}

/** A tenant whose schemas are those of a vector file, with resources that came past the protocol. */
export interface VectorTenant {
  /** Puts a resource in the store as it stands, its `meta` included, without what the service computes by itself. */
  load(typeName: string, resource: JsonObject): Promise<void>
  /** Sends a request through the SCIM routes, as the gateway does once it knows the tenant. */
  send(
    mode: Mode,
    method: string,
    path: string,
    query?: Readonly<Record<string, string>>,
    body?: unknown,
  ): Promise<Answer>
}

const LIMITS = {
  maxBodyBytes: 1_048_576,
  maxOperations: 100,
  maxPayloadBytes: 1_048_576,
  defaultPageSize: 100,
  maxPageSize: 200,
  cursorTimeoutSeconds: 60,
}
const cursors = { sealer: cursorSealer(async () => 'vectors'), timeoutMs: 60_000, now: Date.now }
const routes = scimRoutes(LIMITS, cursors)
const config = loadConfig({})

/** The registry that the vectors of `file` are written for. */
export const registryFor = (file: VectorFile): SchemaRegistry =>
  buildRegistry({
    extensions: file.extensionSchemas.map((schema) => ({
      resourceType: 'User',
      schema: defineSchema(schema),
      required: false,
    })),
  })

/** Dresses `tenant`, which has to be empty, in the schemas of `registry`. */
export function vectorTenant(database: Database, tenant: TestTenant, registry: SchemaRegistry): VectorTenant {
  const place = {
    projectId: placeId<ProjectId>(''),
    environmentId: placeId<EnvironmentId>(''),
    tenantId: tenant.id,
    key: tenant.name,
  }
  const contextIn = (mode: Mode) => {
    const context = tenantContext({ ...place, settings: { ...DEFAULT_SETTINGS, mode } }, tenant.base)
    return Object.freeze({ ...context, registry })
  }
  const scope = {
    tenantId: tenant.id,
    baseUrl: tenant.base,
    requestId: 'vectors',
    actor: 'vectors',
    defersReferences: false,
    hasRoles: false,
    filterBudget: config.filterBudget,
  }
  const repositories = forTenant(database, scope)

  return {
    async load(typeName, resource) {
      const type = registry.byName.get(typeName) as ResourceType
      const id = String(resource.id)
      const stored = storedForm(type, withoutManagersName(resource), contextIn('standard'))
      const [created] = await repositories.resources.create([
        { id, type, stored, passwordHash: null, event: 'vector.created' },
      ])
      if (created?.outcome !== 'created') throw new Error(`${typeName} ${id} was not stored: ${created?.outcome}`)
      const members = { groupId: id, expectedVersion: null, clear: false, remove: [], ...membersOf(resource) }
      if (members.add.length > 0) {
        const [joined] = resultOf(await repositories.memberships.change([members]))
        if (joined?.outcome !== 'done') throw new Error(`the members of ${id} were not stored: ${joined?.outcome}`)
      }
      const { created: createdAt, lastModified, version } = (resource.meta ?? {}) as Record<string, string | undefined>
      if (createdAt === undefined) return
      await database.run(
        `update resources set created_at = $3::text::timestamptz, modified_at = $4::text::timestamptz, version = $5::int
         where tenant_id = $1::uuid and id = $2::uuid`,
        [tenant.id, id, createdAt, lastModified ?? createdAt, Number(/\d+/.exec(version ?? '1')?.[0])],
      )
    },

    async send(mode, method, path, query = {}, body = undefined) {
      const headers = body === undefined ? {} : { 'Content-Type': 'application/scim+json' }
      const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
      const raw = new Request(tenant.base + path, init)
      const response = await attempt(() =>
        routes.fetch(raw, {
          ...{ method, raw, repositories, principal: undefined, requestId: 'vectors', tenant: contextIn(mode) },
          segments: path.slice(1).split('/').filter(Boolean).map(decodeURIComponent),
          query: new URLSearchParams(query),
          header: headerReader(raw, undefined),
          answerType: 'application/scim+json',
          passage: nothingUnderWay(config).requests.enter('vectors', tenant.id),
          thread: new Thread(),
        }),
      )
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, body: jsonIn(text) }
    },
  }
}

/** As the gateway around the routes does. */
async function attempt(work: () => Response | Promise<Response>): Promise<Response> {
  try {
    return await work()
  } catch (error) {
    const { refusal, headers } = refusalFor(error, 'vectors')
    if (refusal.status >= 500) throw error
    return scimErrorResponse(refusal, headers)
  }
}

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

/** `manager.displayName` is never stored with the user: it is the manager's own. */
function withoutManagersName(resource: JsonObject): JsonObject {
  const enterprise = memberOf(resource, ENTERPRISE) as JsonObject | undefined
  const manager = memberOf(enterprise, 'manager') as JsonObject | undefined
  if (enterprise === undefined || manager === undefined) return resource
  const { displayName: _, ...kept } = manager
  return { ...resource, [ENTERPRISE]: { ...enterprise, manager: kept } }
}

/** The id that stands for the name of a resource in the vectors: ours are UUIDs, theirs are short names. */
const idNamed = (name: string): string => {
  const id = `0a1b2c3d-e4f5-7a6b-8c7d-${Buffer.from(name.toLowerCase()).toString('hex').padStart(12, '0')}`
  return name === name.toLowerCase() ? id : id.toUpperCase()
}

/** `value` with every name that fits `names` changed to its id, in filters and URLs too, letter case kept. */
export const withIds = <T>(value: T, names: RegExp): T =>
  JSON.parse(JSON.stringify(value).replace(names, (name) => idNamed(name)))
