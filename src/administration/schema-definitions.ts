import { scopeOf } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import { isNounTaken } from '../events/types.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../place-ids.ts'
import { cataloguesOf } from '../repositories/control/catalogues.ts'
import { environmentsOf } from '../repositories/control/environments.ts'
import { type DefinitionRow, schemaDefinitionsOf } from '../repositories/control/schema-definitions.ts'
import { tenantsOf } from '../repositories/control/tenants.ts'
import { ScimError } from '../scim/errors.ts'
import type { JsonValue } from '../scim/resource.ts'
import {
  type Definition,
  type DefinitionKind,
  definitionJson,
  definitionName,
  incompatibleChanges,
  readDefinition,
  registryInput,
} from '../scim/schema/definitions.ts'
import { buildRegistry } from '../scim/schema/registry.ts'
import { sameValue } from '../scim/schema/values.ts'
import { definitionRecord } from './audit-records.ts'
import { type Administration, change } from './change.ts'
import { Refusal } from './refusal.ts'
import { definitionState, refuseChanged } from './states/state-tags.ts'

/** Where a definition is in force: in one tenant, or, with a `tenantId` of null, in all tenants of the environment. */
export interface DefinitionPlace {
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  readonly tenantId: TenantId | null
}

/** So that every request of a tenant can have all of them at hand. */
const MAX_DEFINITIONS = 50

const NOUN: Record<DefinitionKind, string> = { extension: 'schema extension', resourceType: 'resource type' }
const NAME: Record<DefinitionKind, string> = { extension: 'schema.id', resourceType: 'resourceType.name' }

/**
 * Registers an extension or a resource type under `name`, or changes the one that is there. A change may only add and widen:
 * stored resources and running clients must not notice.
 *
 * @param json what `readDefinition` reads
 * @throws {ScimError} 400 for an invalid definition
 * @throws {Refusal} 400 for another name than the definition's; 409 with every reason for an incompatible change, for a name,
 *   URN or endpoint in use, and past the number of definitions that a place may have; 404 when the place is gone; 412
 */
export async function putDefinition(
  administration: Administration,
  place: DefinitionPlace,
  kind: DefinitionKind,
  name: string,
  json: JsonValue,
): Promise<{ readonly row: DefinitionRow; readonly made: boolean }> {
  const definition = readDefinition(kind, json)
  if (definitionName(definition).toLowerCase() !== name.toLowerCase()) {
    const message = `is "${definitionName(definition)}", and the URL names "${name.slice(0, 256)}"`
    throw new Refusal(400, `The ${NAME[kind]} ${message}.`, [{ path: NAME[kind], message }])
  }
  return change(administration, async (tx, record) => {
    await holdDefinitions(tx, place, kind)
    const { environmentId, tenantId } = place
    const definitions = schemaDefinitionsOf(tx, environmentId)
    const before = await definitions.find(tenantId, kind, name)
    refuseChanged(administration, before && definitionState(before))
    if (before === undefined) await refuseNew(tx, place, definition)
    else {
      const reasons = incompatibleChanges(before.definition, definition)
      if (reasons.length > 0) {
        const words = reasons.map(({ path, message }) => `${path}: ${message}`).join('; ')
        throw new Refusal(409, `The ${NOUN[kind]} cannot change like this: ${words}.`, reasons)
      }
      if (sameValue(definitionJson(before.definition), definitionJson(definition))) return { row: before, made: false }
    }
    const row = before
      ? await definitions.change(before.id, definition)
      : await definitions.insert(tenantId, definition)
    await refuseMisfit(tx, place)
    record(definitionRecord(scopeOf(place), { before: before ?? null, after: row }))
    return { row, made: before === undefined }
  })
}

/**
 * Deletes a definition.
 *
 * @throws {Refusal} 404; 412; 409 while there are resources of the type or with data of the extension, or an extension of the type
 */
export function deleteDefinition(
  administration: Administration,
  place: DefinitionPlace,
  kind: DefinitionKind,
  name: string,
): Promise<void> {
  return change(administration, async (tx, record) => {
    await holdDefinitions(tx, place, kind)
    const definitions = schemaDefinitionsOf(tx, place.environmentId)
    const row = await definitions.find(place.tenantId, kind, name)
    if (row === undefined) throw Refusal.notFound(NOUN[kind], name)
    refuseChanged(administration, definitionState(row))
    if (await definitions.isInUse(row)) {
      const what = kind === 'extension' ? 'resources with data of the extension' : 'resources of the type'
      throw new Refusal(409, `There are still ${what} "${definitionName(row.definition)}"; delete them first.`)
    }
    await definitions.delete(row.id)
    await refuseMisfit(tx, place)
    record(definitionRecord(scopeOf(place), { before: row, after: null }))
  })
}

/**
 * Holds all definitions with which those of the place have to fit together: of the environment for one of its own, else of the
 * tenant. For a resource type also the keys of the environment's tenants, among which its endpoint must not be.
 *
 * @throws {Refusal} 404
 */
async function holdDefinitions(
  tx: Database,
  { projectId, environmentId, tenantId }: DefinitionPlace,
  kind: DefinitionKind,
): Promise<void> {
  const hold = tenantId === null || kind === 'resourceType' ? 'no key update' : 'share'
  if ((await environmentsOf(tx, projectId).find(environmentId, hold)) === undefined)
    throw Refusal.notFound('environment', environmentId)
  if (tenantId !== null && (await tenantsOf(tx, environmentId).find(tenantId, 'no key update')) === undefined)
    throw Refusal.notFound('tenant', tenantId)
}

const isSame = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

async function refuseNew(tx: Database, { environmentId, tenantId }: DefinitionPlace, definition: Definition) {
  const rows = await schemaDefinitionsOf(tx, environmentId).all()
  if (rows.filter((row) => row.tenantId === tenantId).length >= MAX_DEFINITIONS)
    throw new Refusal(
      409,
      `There are ${MAX_DEFINITIONS} schema extensions and resource types here, and no more can be.`,
    )
  if (definition.kind === 'extension') return
  const { endpoint, name } = definition.type
  // A reader who asks for `tenant.*` or `role.*` means the gateway's own events.
  if (isNounTaken(name)) {
    const message = `"${name}" is taken: the log has events of this name`
    throw new Refusal(409, `The name ${message}.`, [{ path: 'resourceType.name', message }])
  }
  for (const { tenantId: other, kinds } of await cataloguesOf(tx, environmentId).kinds()) {
    if (tenantId !== null && other !== null && other !== tenantId) continue
    const kind = kinds.find((each) => isSame(each.name, name) || isSame(each.endpoint, endpoint))
    if (kind === undefined) continue
    const message = `"${kind.name}" at "${kind.endpoint}" is of a catalogue of roles and entitlements`
    throw new Refusal(409, `The resource type is taken: ${message}.`, [{ path: 'resourceType', message }])
  }
  // Below `/v2` a tenant comes before an endpoint.
  if ((await tenantsOf(tx, environmentId).find(endpoint.slice(1))) === undefined) return
  const message = `"${endpoint}" is taken: a tenant of the environment has this key (letter case does not count)`
  throw new Refusal(409, `The endpoint ${message}.`, [{ path: 'resourceType.endpoint', message }])
}

/** Refuses a change after which the schemas of the place, or of a tenant in it, would not fit together. */
async function refuseMisfit(tx: Database, { environmentId, tenantId }: DefinitionPlace): Promise<void> {
  const rows = await schemaDefinitionsOf(tx, environmentId).all()
  const at = (id: string | null) => rows.filter((row) => row.tenantId === id).map((row) => row.definition)
  const concerned = tenantId === null ? new Set([null, ...rows.map((row) => row.tenantId)]) : [tenantId]
  for (const id of concerned) {
    try {
      buildRegistry(registryInput(id === null ? at(null) : [...at(null), ...at(id)]))
    } catch (error) {
      if (!(error instanceof ScimError)) throw error
      const where = id === null || id === tenantId ? '' : ` in the tenant "${await keyOf(tx, environmentId, id)}"`
      throw new Refusal(409, `The schemas and resource types would not fit together${where}: ${error.message}.`)
    }
  }
}

const keyOf = async (tx: Database, environmentId: EnvironmentId, id: string): Promise<string> =>
  (await tenantsOf(tx, environmentId).find(id))?.key ?? id
