import { crc32 } from 'node:zlib'
import { goesOn, type JsonText, type ResourceRow } from '../repositories/resources/rows.ts'
import { inBytes, Utf8Text } from '../repositories/resources/utf8-text.ts'
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
export function derivedIn(row: ResourceRow<JsonText>): number | undefined {
  const { groups, manager, members } = row
  if (members !== null) return goesOn(members) ? undefined : checksumOf([groups, manager, members])
  if (manager !== null) return checksumOf([groups, manager])
  if (groups === null) return undefined
  // Users beside each other on a page are in the same groups.
  if (groups !== lastGroups) [lastGroups, checksumOfLast] = [groups, checksumOf([groups])]
  return checksumOfLast
}

function checksumOf(texts: readonly (JsonText | null)[]): number | undefined {
  const shown = texts.filter((text): text is JsonText => text !== null && text.length > 0 && text !== NO_MEMBERS)
  if (shown.length === 0) return undefined
  return shown.reduce((sum, text) => crc32(typeof text === 'string' ? text : text.toBuffer(), sum), 0)
}
let lastGroups: JsonText | null = null
let checksumOfLast: number | undefined

/**
 * A resource as JSON text with everything computed in its place: `id`, `meta`, `active`, `groups`, `members` and the
 * manager's name. The stored document is passed on, not parsed: it is our own JSON, and it is most of the answer. Where it came as
 * bytes, the text is of bytes, too. The members of a large group that are not in its row have a `Remaining`.
 */
export function rendererOf(type: ResourceType, baseUrl: string): Renderer {
  const inText = writerFor(type, baseUrl, asItIs)
  let inUtf8: RowWriter | undefined
  return (row, derived) => {
    const { document, members } = row
    if (typeof document === 'string') return parts(inText(row, document, derived), row, members, asItIs)
    inUtf8 ??= writerFor(type, baseUrl, inBytes)
    return parts(inUtf8(row, document.bytes, derived), row, members, (made) => new Utf8Text(made))
  }
}

/** What stands before the members of a resource and behind them. */
type Around = readonly [before: string, after: string]
type RowWriter = (row: ResourceRow<JsonText>, document: string, derived: number | undefined) => Around

/** @param inForm gives a text in the form that the documents have */
function writerFor(type: ResourceType, baseUrl: string, inForm: (text: JsonText) => string): RowWriter {
  // Names of types and endpoints are checked when they are registered.
  const meta = `,"meta":{"resourceType":"${type.name}","created":"`
  const base = inForm(baseUrl)
  const location = `","location":${JSON.stringify(locationOf(type, '', base)).slice(0, -1)}`
  return ({ id, active, created, modified, version, manager, groups }, document, derived) => {
    const shown =
      manager === null ? document.slice(1, -1) : withManager(document, inForm(JSON.stringify(manager)), base)
    const createdAt = timeOf(created)
    const modifiedAt = modified === created ? createdAt : timeOf(modified)
    return [
      `{"id":"${id}",${shown}${active === null ? '' : `,"active":${active}`}${groups === null ? '' : `,"groups":${inForm(groups)}`}`,
      `${meta}${createdAt}","lastModified":"${modifiedAt}${location}${id}","version":"${versionInJson(version, derived)}"}}`,
    ]
  }
}

function parts(
  [before, after]: Around,
  row: ResourceRow<JsonText>,
  members: JsonText | null,
  made: (text: string) => JsonText,
): Part[] {
  if (members === null) return [made(before + after)]
  const shown = `${before},"members":${typeof members === 'string' ? members : members.bytes}`
  return goesOn(members) ? [made(shown), new Remaining(largeGroup(row, members)), `]${after}`] : [made(shown + after)]
}

const asItIs = (text: JsonText): string => text.toString()

const timeOf = (milliseconds: number): string => dateTime(Math.round(milliseconds))

/** The same as a value, for projection. Of a large group it has the members that its row has. */
export const representation = (
  row: ResourceRow<JsonText>,
  type: ResourceType,
  baseUrl: string,
  derived?: number,
): Resource => JSON.parse(joined(rendererOf(type, baseUrl)(row, derived))) as Resource

/** A text of its parts. Members that are not read yet are left out. */
export const joined = (parts: readonly Part[]): string => {
  const [only] = parts
  if (parts.length === 1 && typeof only === 'string') return only
  return parts.map((part) => (part instanceof Remaining ? '' : part.toString())).join('')
}

// Quotes inside JSON strings are escaped, so these texts can only be the members themselves.
const ENTERPRISE = `"${ENTERPRISE_USER_SCHEMA}":{`
const MANAGER = '"manager":{'
const VALUE = '"value":"'
const REF = '"$ref":'
const NO_REF = `${REF}""`

/**
 * A document without its braces, and in it the manager's displayName, if there is one, and our `$ref` unless the client gave
 * one (RFC 7643 §4.3).
 *
 * @param displayName as JSON text
 */
function withManager(document: string, displayName: string, baseUrl: string): string {
  const start = document.indexOf(MANAGER, document.indexOf(ENTERPRISE)) + MANAGER.length
  // Only a `$ref` can have a brace in its text, and it begins before that.
  const manager = document.slice(start, document.indexOf('}', start))
  const name = displayName === '""' ? '' : `"displayName":${displayName},`
  const head = document.slice(1, start)
  const given = manager.includes(REF)
  if (given && !manager.includes(NO_REF)) return `${head}${name}${document.slice(start, -1)}`
  const from = manager.indexOf(VALUE) + VALUE.length
  const ref = `${REF}${JSON.stringify(`${baseUrl}/Users/${manager.slice(from, manager.indexOf('"', from))}`)}`
  if (!given) return `${head}${ref},${name}${document.slice(start, -1)}`
  const at = document.indexOf(NO_REF, start)
  return `${head}${name}${document.slice(start, at)}${ref}${document.slice(at + NO_REF.length, -1)}`
}
