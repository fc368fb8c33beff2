import type { Schemas } from '../../client/index.ts'
import type { JsonValue } from '../../scim/resource.ts'
import { type DefinitionKind, definitionJson, definitionName, readDefinition } from '../../scim/schema/definitions.ts'
import { differencesOf } from './differences.ts'
import type { TenantPart } from './file.ts'
import type { Following } from './following.ts'
import { nameOf, type PlaceKeys, type placeOn } from './places.ts'

type Place = ReturnType<typeof placeOn>

/** A schema that stands beside those of the file. */
interface Beside {
  readonly what: string
  readonly name: string
  readonly remove: (name: string) => Promise<unknown>
}

/**
 * Makes and changes the schemas that a file names of a place.
 *
 * @param isThere whether the place is
 * @returns whether any was made or changed, and those that the file does not name, which stay until `removeDefinitions`
 */
export async function followDefinitions(
  place: PlaceKeys,
  { resourceTypes, schemaExtensions }: TenantPart,
  isThere: boolean,
  on: Place,
  how: Following,
): Promise<{ readonly changed: boolean; readonly beside: readonly Beside[] }> {
  const beside: Beside[] = []
  let changed = false
  // A resource type may be extended: types come before extensions.
  if (resourceTypes !== undefined)
    await each({
      ...{ kind: 'resourceType', what: 'resource type', wanted: resourceTypes },
      there: isThere ? (await on.resourceTypes()).map(({ resourceType, schemas }) => ({ resourceType, schemas })) : [],
      put: (json) => on.putResourceType(json as Schemas['ResourceTypeInput']),
      remove: on.deleteResourceType,
    })
  if (schemaExtensions !== undefined)
    await each({
      ...{ kind: 'extension', what: 'schema extension', wanted: schemaExtensions },
      there: isThere
        ? (await on.extensions()).map(({ schema, resourceType, required }) => ({ schema, resourceType, required }))
        : [],
      put: (json) => on.putExtension(json as Schemas['SchemaExtensionInput']),
      remove: on.deleteExtension,
    })
  // An extension goes before the type that it extends.
  return { changed, beside: beside.reverse() }

  async function each(definitions: Definitions): Promise<void> {
    const { kind, what, put, remove } = definitions
    const read = (json: object) => readDefinition(kind, json as JsonValue)
    const there = new Map(definitions.there.map((json) => [definitionName(read(json)).toLowerCase(), json]))
    for (const json of definitions.wanted) {
      const definition = read(json)
      const name = definitionName(definition)
      const stored = there.get(name.toLowerCase())
      there.delete(name.toLowerCase())
      // With every default filled in, as the gateway keeps it.
      const differences =
        stored === undefined ? [] : differencesOf(definitionJson(read(stored)), definitionJson(definition))
      if (stored !== undefined && differences.length === 0) continue
      if (!how.dry) await put(json)
      changed = true
      how.told({ action: stored ? 'change' : 'create', what, at: `${nameOf(place)} ${name}`, differences, notes: [] })
    }
    beside.push(...[...there.values()].map((json) => ({ what, name: definitionName(read(json)), remove })))
  }
}

interface Definitions {
  readonly kind: DefinitionKind
  readonly what: string
  readonly wanted: readonly object[]
  readonly there: readonly object[]
  readonly put: (json: object) => Promise<unknown>
  readonly remove: (name: string) => Promise<unknown>
}

/** Deletes schemas that the file does not name, with `--prune`; else it tells that they stay. */
export async function removeDefinitions(
  place: PlaceKeys,
  beside: readonly Beside[],
  { dry, prune, told }: Following,
): Promise<void> {
  for (const { what, name, remove } of beside) {
    if (prune && !dry) await remove(name)
    told({ action: prune ? 'delete' : 'left', what, at: `${nameOf(place)} ${name}`, differences: [], notes: [] })
  }
}
