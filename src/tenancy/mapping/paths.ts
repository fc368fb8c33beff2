import { ScimError } from '../../scim/errors.ts'
import type { BoundFilter } from '../../scim/filter/ast.ts'
import { resolveAttribute, resolvePatchFilter } from '../../scim/filter/bind.ts'
import { evaluateElement } from '../../scim/filter/evaluate.ts'
import { parsePatchPath } from '../../scim/filter/parse.ts'
import { isObject, type JsonValue, member, type Resource } from '../../scim/resource.ts'
import { type Attribute, subAttribute } from '../../scim/schema/attribute.ts'
import type { AttributeRef, ResourceType } from '../../scim/schema/resource-type.ts'
import { searchElement } from '../../scim/search-document.ts'
import type { Single } from './form.ts'

/** Reads an attribute of a user, as the document of the user has it. */
export interface AttributeReader {
  /** One value: of several the primary one, else the first. */
  one(user: Resource): Single | undefined
  /** Every value. */
  all(user: Resource): readonly Single[]
}

/** Why a path leads to nothing that can be mapped, in words behind its name. */
export class BadPath extends Error {
  override readonly name = 'BadPath'
}

// As the strict reading of the RFCs has it: a mapping is written once, by somebody who sees what is refused.
const STRICT: ReadonlySet<never> = new Set()

/**
 * Finds what a path leads to: an attribute, a part of it, or those of its values that a filter in brackets chooses. Attributes of
 * extensions are named with the URN, so that a path means the same whatever is registered later.
 *
 * @throws {BadPath} for a path that is none, an attribute that no schema has, that is never returned or that the gateway computes
 */
export function attributeReader(type: ResourceType, text: string): AttributeReader {
  const { attribute: path, filter, sub: named } = parsed(text)
  const found = resolveAttribute(type, path)
  if (found === undefined) throw new BadPath(`"${text}" is no attribute of a user, by the schemas that are known here`)
  if (path.schema === undefined && found.extension !== undefined)
    throw new BadPath(`"${text}" is written with its schema: ${found.extension}:${text}`)
  const sub = named === undefined ? found.sub : subAttribute(found.attribute, named)
  if (named !== undefined && sub === undefined) throw new BadPath(`"${text}" names no part of ${found.attribute.name}`)
  const ref = { ...found, sub: sub ?? valuePart(found.attribute, text) }
  refuseHidden(ref, text)
  if (filter !== undefined && !ref.attribute.multiValued)
    throw new BadPath(`"${text}" has brackets, but ${ref.attribute.name} has a single value`)
  const chosen = filter && bound(() => resolvePatchFilter(filter, { ...ref, sub: undefined }, STRICT))
  return readerOf(ref, chosen)
}

function parsed(text: string) {
  return bound(() => parsePatchPath(text, STRICT))
}

/** @throws {BadPath} in place of the words for an identity provider */
function bound<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ScimError)) throw error
    throw new BadPath(error.message)
  }
}

/** Of an attribute with parts, `value` is meant where no part is named. */
function valuePart(attribute: Attribute, text: string): Attribute | undefined {
  if (attribute.type !== 'complex') return undefined
  const value = subAttribute(attribute, 'value')
  if (value !== undefined && value.type !== 'complex') return value
  const parts = attribute.subAttributes.map(({ name }) => name).join(', ')
  throw new BadPath(`"${text}" has parts; name one of them: ${parts}`)
}

function refuseHidden({ attribute, sub }: AttributeRef, text: string): void {
  const both = sub === undefined ? [attribute] : [attribute, sub]
  if (both.some(({ returned, mutability }) => returned === 'never' || mutability === 'writeOnly'))
    throw new BadPath(`"${text}" is a secret, which is never shown`)
  if (attribute.name === 'groups')
    throw new BadPath('names of groups come by {"groups": "a pattern"}, such as {"groups": "*"}')
  if (both.some(({ mutability }) => mutability === 'readOnly') || attribute.name === 'schemas')
    throw new BadPath(`"${text}" is computed by the gateway, and no attribute of the directory`)
  if (sub?.type === 'complex') throw new BadPath(`"${text}" has parts of its own, which have no single value`)
}

function readerOf({ extension, attribute, sub }: AttributeRef, filter: BoundFilter | undefined): AttributeReader {
  const elements = (user: Resource): readonly JsonValue[] => {
    const holder = extension === undefined ? user : member(user, extension)
    const value = isObject(holder) ? member(holder, attribute.name) : undefined
    const each = value === undefined ? [] : Array.isArray(value) ? value : [value]
    if (filter === undefined) return each
    return each.filter((element) => {
      const searched = searchElement(attribute, element)
      return searched !== undefined && evaluateElement(filter, searched)
    })
  }
  const valuesIn = (element: JsonValue): readonly Single[] => {
    const value = sub === undefined ? element : isObject(element) ? member(element, sub.name) : undefined
    return (Array.isArray(value) ? value : [value]).filter(isSingle)
  }
  return {
    all: (user) => elements(user).flatMap(valuesIn),
    one(user) {
      const each = elements(user)
      const primary = each.find((element) => isObject(element) && member(element, 'primary') === true)
      const [first] = primary === undefined ? [] : valuesIn(primary)
      return first ?? each.flatMap(valuesIn)[0]
    },
  }
}

/** An empty text counts as no value, as in filters. */
const isSingle = (value: JsonValue | undefined): value is Single =>
  typeof value === 'number' || typeof value === 'boolean' || (typeof value === 'string' && value !== '')
