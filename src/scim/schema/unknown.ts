import { resolveAttribute, resolveExtension } from '../filter/bind.ts'
import { formatPath } from '../filter/format.ts'
import { parseAttributePath } from '../filter/parse.ts'
import { isObject, type JsonObject, type JsonValue, memberIgnoringCase } from '../resource.ts'
import { sameUrn } from '../urn.ts'
import type { Attribute } from './attribute.ts'
import { subAttribute } from './attribute.ts'
import type { ResourceType } from './resource-type.ts'

/** An attribute that a message has and no schema knows. */
export interface UnknownAttribute {
  /** In standard notation (RFC 7644 §3.10), without the filter that stood in it. */
  readonly path: string
  /** As it was sent. */
  readonly value: JsonValue
}

/**
 * What a POST, PUT or PATCH of one resource says of attributes that no schema of its type has, each where it stands first. What is no
 * such message has none.
 */
export function unknownAttributes(type: ResourceType, body: JsonValue): UnknownAttribute[] {
  if (!isObject(body)) return []
  const operations = memberIgnoringCase(body, 'Operations')
  const found = Array.isArray(operations)
    ? operations.flatMap((each) => inOperation(type, each))
    : inResource(type, body)
  const byPath = new Map(found.toReversed().map((each) => [each.path.toLowerCase(), each]))
  return [...byPath.values()].reverse()
}

function inOperation(type: ResourceType, operation: JsonValue): UnknownAttribute[] {
  if (!isObject(operation)) return []
  const [path, value] = [memberIgnoringCase(operation, 'path'), memberIgnoringCase(operation, 'value') ?? null]
  if (typeof path !== 'string') return isObject(value) ? inResource(type, value) : []
  return atPath(type, withoutFilter(path), value)
}

/** Names in one object that may be attributes, extensions, or paths as some clients write them. */
const inResource = (type: ResourceType, resource: JsonObject): UnknownAttribute[] =>
  Object.entries(resource).flatMap(([name, value]) => atPath(type, withoutFilter(name), value))

/** `emails[type eq "work"].display` without what stands between its brackets. */
const withoutFilter = (path: string): string => {
  const [open, close] = [path.indexOf('['), path.lastIndexOf(']')]
  return open === -1 || close < open ? path : path.slice(0, open) + path.slice(close + 1)
}

function atPath(type: ResourceType, text: string, value: JsonValue): UnknownAttribute[] {
  const path = parseAttributePath(text)
  if (path === undefined) return []
  const known = resolveAttribute(type, path)
  if (known !== undefined) return known.sub === undefined ? inParts(text, known.attribute, value) : []
  const extension = resolveExtension(type, path)
  if (extension !== undefined)
    return isObject(value)
      ? Object.entries(value).flatMap(([name, part]) => atPath(type, `${extension.urn}:${name}`, part))
      : []
  if (path.schema === undefined || !isObject(value)) return unknownAt(text, value)
  if (sameUrn(text, type.schema.id)) return inResource(type, value)
  // An extension that nobody has registered.
  return Object.entries(value).flatMap(([name, part]) => unknownAt(`${text}:${name}`, part))
}

const unknownAt = (text: string, value: JsonValue): UnknownAttribute[] => {
  const path = parseAttributePath(text)
  return path === undefined ? [] : [{ path: formatPath(path), value }]
}

function inParts(text: string, attribute: Attribute, value: JsonValue): UnknownAttribute[] {
  if (attribute.type !== 'complex') return []
  const elements = Array.isArray(value) ? value : [value]
  return elements
    .filter(isObject)
    .flatMap((element) =>
      Object.entries(element).flatMap(([name, part]) =>
        subAttribute(attribute, name) === undefined && name.toLowerCase() !== '$ref'
          ? unknownAt(`${text}.${name}`, part)
          : [],
      ),
    )
}
