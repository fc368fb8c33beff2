import { ScimError } from './errors.ts'

/** What If-Match or If-None-Match asks about (RFC 9110 §13.1): any version, or one of these opaque tags. */
export type Precondition =
  | { readonly kind: 'any' }
  | { readonly kind: 'tags'; readonly tags: readonly string[] }
  /** Of a write with If-None-Match (RFC 9110 §13.1.2): none of these. */
  | { readonly kind: 'none-of'; readonly of: Precondition }
  | { readonly kind: 'all-of'; readonly all: readonly Precondition[] }

/**
 * The weak entity-tag of a version, for `ETag` and `meta.version` alike (RFC 7644 §3.14): `W/"12"`.
 *
 * @param derived a checksum of what an answer shows of other resources, such as the names of a user's groups: `W/"12-1k9zq"`.
 *   That changes without the version, so the tag of such an answer names both.
 */
export const formatVersion = (version: number, derived?: number): string => `W/"${opaque(version, derived)}"`

/** The same as JSON text without its quotes. */
export const versionInJson = (version: number, derived?: number): string => `W/\\"${opaque(version, derived)}\\"`

const opaque = (version: number, derived: number | undefined): string =>
  derived === undefined ? String(version) : `${version}-${derived.toString(36)}`

/** A tag of ours, with or without `W/` and quotes, that names the version alone. Other texts stay as they are. */
export const withoutDerived = (tag: string): string => tag.replace(DERIVED, '')
const DERIVED = /(?<=^(?:W\/")?[0-9]+)-[0-9a-z]+(?="?$)/

/**
 * Reads If-Match, or the `version` of a bulk operation, which acts like it (RFC 7644 §3.7).
 *
 * @param name what to call it in the message
 * @throws {ScimError} invalidSyntax when it is neither `*` nor a list of entity-tags
 */
export const parseIfMatch = (header: string | undefined, name = 'If-Match'): Precondition | undefined =>
  parse(header, name)

/**
 * Reads If-None-Match.
 *
 * @throws {ScimError} invalidSyntax when it is neither `*` nor a list of entity-tags
 */
export const parseIfNoneMatch = (header: string | undefined): Precondition | undefined => parse(header, 'If-None-Match')

/**
 * Whether `version` is among those asked about, by an answer of any shape. Only the opaque part counts: RFC 9110 §13.1.1 would have If-Match refuse
 * weak tags, but weak tags are what the examples of RFC 7644 §3.14 send there, and what we issue (T-04).
 */
export const matches = (precondition: Precondition, version: number): boolean =>
  holds(precondition, (tags) => tags.some((tag) => withoutDerived(tag) === String(version)))

/** Whether an opaque tag is among those asked about. */
export const matchesTag = (precondition: Precondition, tag: string): boolean =>
  holds(precondition, (tags) => tags.includes(tag))

/** Whether an answer has one of the tags asked about, so that the client has what it would get. */
export const matchesAnswer = (precondition: Precondition, version: number, derived: number | undefined): boolean =>
  matchesTag(precondition, opaque(version, derived))

function holds(precondition: Precondition, among: (tags: readonly string[]) => boolean): boolean {
  switch (precondition.kind) {
    case 'any':
      return true
    case 'tags':
      return among(precondition.tags)
    case 'none-of':
      return !holds(precondition.of, among)
    case 'all-of':
      return precondition.all.every((each) => holds(each, among))
  }
}

/**
 * What the headers of a write ask for together (RFC 9110 §13.2.2): the version has to be among those of If-Match, and none of
 * those of If-None-Match.
 *
 * @throws {ScimError} invalidSyntax
 */
export function parsePreconditions(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
): Precondition | undefined {
  const wanted = parseIfMatch(ifMatch)
  const unwanted = parseIfNoneMatch(ifNoneMatch)
  if (unwanted === undefined) return wanted
  const none: Precondition = { kind: 'none-of', of: unwanted }
  return wanted === undefined ? none : { kind: 'all-of', all: [wanted, none] }
}

// One element of the list with the comma after it; elements may be empty (RFC 9110 §5.6.1).
const TAG = String.raw`(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"`
const ELEMENT = /[ \t]*(?:(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(,|$)/y

/** What `parseIfMatch` and `parseIfNoneMatch` take, for OpenAPI: `*`, or a list that has an entity-tag. */
export const PRECONDITION_PATTERN = String.raw`^(?:\*|[ \t,]*${TAG}(?:[ \t]*,(?:[ \t]*${TAG})?)*[ \t]*)$`

function parse(header: string | undefined, name: string): Precondition | undefined {
  if (header === undefined) return undefined
  if (header.trim() === '*') return { kind: 'any' }
  const malformed = ScimError.invalidSyntax(
    'precondition-malformed',
    `${name} must be * or a list of entity-tags such as W/"12"`,
  )
  const tags: string[] = []
  const element = new RegExp(ELEMENT)
  for (let more = true; more; ) {
    const found = element.exec(header)
    if (!found) throw malformed
    if (found[1] !== undefined) tags.push(found[1])
    more = found[2] === ','
  }
  if (tags.length === 0) throw malformed
  return { kind: 'tags', tags }
}
