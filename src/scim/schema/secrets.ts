import { isObject, type JsonObject, member, type Resource } from '../resource.ts'
import { USER_SCHEMA } from '../urn.ts'
import type { Attribute } from './attribute.ts'
import type { ResourceType } from './resource-type.ts'

/** Names that lead from a resource to one of its values: perhaps an extension's URN, an attribute, perhaps a sub-attribute. */
export type ValuePath = readonly string[]

const known = new WeakMap<ResourceType, readonly ValuePath[]>()

/**
 * Where a resource, as it is stored, holds what is never returned, and so must not be in an event either. A
 * multi-valued attribute with such a part counts as a whole. Empty for the built-in types: passwords are stored apart.
 */
export function secretPaths(type: ResourceType): readonly ValuePath[] {
  const before = known.get(type)
  if (before) return before
  const paths = [
    ...type.schema.attributes.filter((attribute) => !isStoredApart(type, attribute)).flatMap(secretParts),
    ...type.extensions.flatMap(({ schema }) =>
      schema.attributes.flatMap(secretParts).map((path) => [schema.id, ...path]),
    ),
  ]
  known.set(type, paths)
  return paths
}

/** `resource` without what is never returned; itself where there is nothing of the kind. */
export function withoutSecrets(type: ResourceType, resource: Resource): Resource {
  return secretPaths(type).reduce(without, resource)
}

function secretParts(attribute: Attribute): ValuePath[] {
  if (attribute.returned === 'never') return [[attribute.name]]
  const parts = attribute.subAttributes.filter((sub) => sub.returned === 'never')
  if (parts.length === 0) return []
  return attribute.multiValued ? [[attribute.name]] : parts.map((sub) => [attribute.name, sub.name])
}

const isStoredApart = (type: ResourceType, attribute: Attribute): boolean =>
  type.schema.id === USER_SCHEMA && attribute.name === 'password'

function without(object: JsonObject, [name = '', ...rest]: ValuePath): JsonObject {
  const value = member(object, name)
  if (value === undefined) return object
  const { [name]: _, ...others } = object
  if (rest.length === 0) return others
  return isObject(value) ? { ...object, [name]: without(value, rest) } : object
}
