import { ScimError } from '../errors.ts'
import { type JsonObject, type JsonValue, memberIgnoringCase } from '../resource.ts'
import { schemaDefinition } from '../service-provider.ts'
import type { Schema } from './attribute.ts'
import { defineResourceType, defineSchema, incompatibilities, type ResourceTypeDefinition } from './define.ts'
import { flag, listAt, objectAt, refusal, text } from './definition-members.ts'
import type { RegistryInput } from './registry.ts'

/**
 * What an environment or a tenant registers beside the built-in schemas: an extension of a resource type, built in or its
 * own, or a whole resource type.
 */
export type Definition =
  | {
      readonly kind: 'extension'
      /** Name of the resource type that it extends. */
      readonly resourceType: string
      readonly schema: Schema
      readonly required: boolean
    }
  | { readonly kind: 'resourceType'; readonly type: ResourceTypeDefinition }

export type DefinitionKind = Definition['kind']

/** What a place without any definitions has; always this one, so that its registry is built once. */
export const NO_DEFINITIONS: readonly Definition[] = Object.freeze([])

const MAX_SCHEMAS = 20

/**
 * Reads a definition from JSON:
 *
 * - an extension is `{ schema, resourceType, required? }`, its schema in the form of RFC 7643 §7;
 * - a resource type is `{ resourceType, schemas }`: its ResourceType document (RFC 7643 §6), and the schemas that this names.
 *
 * @throws {ScimError} invalidValue; the detail starts with the place, such as `schemas[1].attributes[0].type`
 */
export function readDefinition(kind: DefinitionKind, json: JsonValue): Definition {
  const object = objectAt(json, 'definition')
  const declared = (name: string) => memberIgnoringCase(object, name) ?? null
  if (kind === 'extension') {
    const schema = inside('schema', () => defineSchema(declared('schema')))
    const resourceType = text(object, 'resourceType', '')
    return Object.freeze({ kind, resourceType, schema, required: flag(object, 'required', '') })
  }
  const schemas = new Map<string, Schema>()
  for (const [index, each] of listAt(declared('schemas'), 'schemas', MAX_SCHEMAS).entries()) {
    const schema = inside(`schemas[${index}]`, () => defineSchema(each))
    if (schemas.has(schema.id.toLowerCase())) throw refusal(`schemas[${index}].id`, `"${schema.id}" is there twice`)
    schemas.set(schema.id.toLowerCase(), schema)
  }
  const type = inside('resourceType', () => defineResourceType(declared('resourceType'), schemas))
  const named = new Set([type.schema, ...type.extensions.map((extension) => extension.schema)])
  const unused = [...schemas.values()].find((schema) => !named.has(schema))
  if (unused) throw refusal('schemas', `"${unused.id}" is none of the resource type's schemas`)
  return Object.freeze({ kind, type })
}

/** The definition as JSON with every default filled in, which reads as the same definition again. */
export function definitionJson(definition: Definition): JsonObject {
  if (definition.kind === 'extension') {
    const { resourceType, schema, required } = definition
    return { schema: schemaDefinition(schema), resourceType, required }
  }
  const { name, endpoint, description, schema, extensions } = definition.type
  return {
    resourceType: {
      name,
      endpoint,
      description,
      schema: schema.id,
      schemaExtensions: extensions.map((extension) => ({ schema: extension.schema.id, required: extension.required })),
    },
    schemas: [schema, ...extensions.map((extension) => extension.schema)].map(schemaDefinition),
  }
}

/** What a definition is called: the URN of the extension, or the name of the resource type; letter case does not count. */
export const definitionName = (definition: Definition): string =>
  definition.kind === 'extension' ? definition.schema.id : definition.type.name

/** One reason against a change: the member of the definition that it is about (`schemas[1]`), and the words. */
export interface IncompatibleChange {
  readonly path: string
  readonly message: string
}

/** Why `next` cannot take the place of `previous` while there are resources and clients; empty when it can. */
export function incompatibleChanges(previous: Definition, next: Definition): readonly IncompatibleChange[] {
  if (previous.kind === 'extension' && next.kind === 'extension') {
    return [
      ...changed('resourceType', previous.resourceType, next.resourceType),
      ...(next.required && !previous.required ? [{ path: 'required', message: 'the extension becomes required' }] : []),
      ...schemaChanges('schema', previous.schema, next.schema),
    ]
  }
  if (previous.kind !== 'resourceType' || next.kind !== 'resourceType') return changed('kind', previous.kind, next.kind)
  const [was, is] = [previous.type, next.type]
  const path = 'resourceType.schemaExtensions'
  const known = new Map(was.extensions.map((extension) => [extension.schema.id, extension]))
  const kept = new Set(is.extensions.map((extension) => extension.schema.id))
  return [
    ...changed('resourceType.name', was.name, is.name),
    ...changed('resourceType.endpoint', was.endpoint, is.endpoint),
    ...schemaChanges('schemas[0]', was.schema, is.schema),
    ...was.extensions
      .filter(({ schema }) => !kept.has(schema.id))
      .map(({ schema }) => ({ path, message: `"${schema.id}" is removed or spelled otherwise` })),
    ...is.extensions.flatMap(({ schema, required }, index) => {
      const before = known.get(schema.id)
      return [
        ...(required && !before?.required ? [{ path, message: `"${schema.id}" becomes required` }] : []),
        ...(before ? schemaChanges(`schemas[${index + 1}]`, before.schema, schema) : []),
      ]
    }),
  ]
}

/** What `buildRegistry` takes of these definitions. */
export function registryInput(
  definitions: readonly Definition[],
): Required<Pick<RegistryInput, 'extensions' | 'resourceTypes'>> {
  return {
    extensions: definitions.filter((definition) => definition.kind === 'extension'),
    resourceTypes: definitions.flatMap((definition) => (definition.kind === 'resourceType' ? [definition.type] : [])),
  }
}

const changed = (path: string, was: string, is: string): IncompatibleChange[] =>
  was === is ? [] : [{ path, message: `changes from "${was}" to "${is}"` }]

const schemaChanges = (path: string, previous: Schema, next: Schema): IncompatibleChange[] =>
  incompatibilities(previous, next).map((message) => ({ path, message }))

/** Runs `read`; a refusal says in which member of the definition it arose. */
function inside<T>(place: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ScimError)) throw error
    throw ScimError.invalidValue('definition-wrong', `${place}.${error.message}`)
  }
}
