import { crc32 } from 'node:zlib'
import { goesOn, type JsonText, type ResourceRow } from '../repositories/resources/rows.ts'
import { dateTime } from '../scim/date-time.ts'
import type { Resource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import { ENTERPRISE_USER_SCHEMA } from '../scim/urn.ts'
import { versionInJson } from '../scim/version.ts'
import { type LargeGroup, largeGroup } from './remaining-members.ts'

/** The address of a resource: its `meta.location` (RFC 7643 §3.1). */
export const locationOf = (type: ResourceType, id: string, baseUrl: string): string =>
  `${baseUrl}${type.endpoint}/${id}`

/** Stands in a text where members follow that are not read yet, between the elements before it and the closing bracket. */
export class Remaining {
  readonly group: LargeGroup
  /** What is shown of elements with commas between them. */
  readonly shown: (elements: string) => string

  constructor(group: LargeGroup, shown: Remaining['shown'] = (elements) => elements) {
    this.group = group
    this.shown = shown
  }
}

/** A part of a resource's JSON text. */
export type Part = JsonText | Remaining

/**
 * Makes the JSON text of resources of one type, in parts that follow each other.
 *
 * @param derived as for `formatVersion`, where `meta.version` is to tell of it
 */
export type Renderer = (row: ResourceRow<JsonText>, derived?: number) => Part[]

/** What a group without members shows. Clients mend the members of a group that has the attribute, and leave others alone. */
export const NO_MEMBERS = '[]'

/**
 * A checksum of what an answer shows of other resources: names of a user's groups and manager, names of a group's members. They
 * change without the resource's version. Undefined where it shows nothing of others, and for a large group, whose members are
 * read while they are sent.
 */
export function derivedIn({ groups, manager, members }: ResourceRow<JsonText>): number | undefined {
  if (goesOn(members)) return undefined
  const shown = [groups, manager, members].filter(
    (text) => text !== null && text.length > 0 && text !== NO_MEMBERS,
  ) as JsonText[]
  return shown.length === 0 ? undefined : shown.reduce((sum, text) => crc32(text, sum), 0)
}

/**
 * A resource as JSON text with everything computed in its place: `id`, `meta`, `active`, `groups`, `members` and the
 * manager's name. The stored document is passed on, not parsed: it is our own JSON, and it is most of the answer. It is not
 * joined to the rest either, because that copies it. The members of a large group that are not in its row have a `Remaining`.
 */
export function rendererOf(type: ResourceType, baseUrl: string): Renderer {
  // Names of types and endpoints are checked when they are registered.
  const meta = `,"meta":{"resourceType":"${type.name}","created":"`
  const location = `","location":${JSON.stringify(locationOf(type, '', baseUrl)).slice(0, -1)}`
  return (row, derived) => {
    const texts: Part[] = [`{"id":"${row.id}",`]
    if (row.manager === null) texts.push(part(row.document, 1, -1))
    else pushWithManager(texts, row.document, row.manager, baseUrl)
    const active = row.active === null ? '' : `,"active":${row.active}`
    const groups = row.groups === null ? '' : `,"groups":${row.groups}`
    const created = timeOf(row.created)
    const modified = row.modified === row.created ? created : timeOf(row.modified)
    const after = `${meta}${created}","lastModified":"${modified}${location}${row.id}","version":"${versionInJson(row.version, derived)}"}}`
    if (row.members === null) texts.push(`${active}${groups}${after}`)
    else if (goesOn(row.members))
      texts.push(`${active}${groups},"members":`, row.members, new Remaining(largeGroup(row, row.members)), `]${after}`)
    else texts.push(`${active}${groups},"members":`, row.members, after)
    return texts
  }
}

/** A part of a text, which is not copied. */
const part = (text: JsonText, from: number, to?: number): JsonText =>
  typeof text === 'string' ? text.slice(from, to) : text.subarray(from, to)

const timeOf = (milliseconds: number): string => dateTime(Math.round(milliseconds))

/** The same as a value, for projection. Of a large group it has the members that its row has. */
export const representation = (
  row: ResourceRow<JsonText>,
  type: ResourceType,
  baseUrl: string,
  derived?: number,
): Resource => JSON.parse(joined(rendererOf(type, baseUrl)(row, derived))) as Resource

/** A text of its parts. Members that are not read yet are left out. */
export const joined = (parts: readonly Part[]): string =>
  parts.map((part) => (part instanceof Remaining ? '' : part.toString())).join('')

// Quotes inside JSON strings are escaped, so these texts can only be the members themselves.
const ENTERPRISE = `"${ENTERPRISE_USER_SCHEMA}":{`
const MANAGER = '"manager":{'
const VALUE = '"value":"'
const REF = '"$ref":'
const NO_REF = `${REF}""`

/**
 * Adds a document without its braces, and in it the manager's displayName, if there is one, and our `$ref` unless the client gave
 * one (RFC 7643 §4.3).
 */
function pushWithManager(texts: Part[], document: JsonText, displayName: string, baseUrl: string): void {
  const start = document.indexOf(MANAGER, document.indexOf(ENTERPRISE)) + MANAGER.length
  // Only a `$ref` can have a brace in its text, and it begins before that.
  const manager = part(document, start, document.indexOf('}', start)).toString()
  const name = displayName === '' ? '' : `"displayName":${JSON.stringify(displayName)},`
  texts.push(part(document, 1, start))
  const given = manager.includes(REF)
  if (given && !manager.includes(NO_REF)) {
    texts.push(name, part(document, start, -1))
    return
  }
  const from = manager.indexOf(VALUE) + VALUE.length
  const ref = `${REF}${JSON.stringify(`${baseUrl}/Users/${manager.slice(from, manager.indexOf('"', from))}`)}`
  if (given) {
    const at = document.indexOf(NO_REF, start)
    texts.push(name, part(document, start, at), ref, part(document, at + NO_REF.length, -1))
  } else texts.push(`${ref},${name}`, part(document, start, -1))
}
