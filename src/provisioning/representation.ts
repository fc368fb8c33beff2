import type { ResourceRow } from '../repositories/resources/rows.ts'
import { dateTime } from '../scim/date-time.ts'
import type { Resource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import { ENTERPRISE_USER_SCHEMA } from '../scim/urn.ts'
import { versionInJson } from '../scim/version.ts'

/** The address of a resource: its `meta.location` (RFC 7643 §3.1). */
export const locationOf = (type: ResourceType, id: string, baseUrl: string): string =>
  `${baseUrl}${type.endpoint}/${id}`

/** Makes the JSON text of resources of one type. */
export type Renderer = (row: ResourceRow) => string

/**
 * A resource as JSON text with everything computed in its place: `id`, `meta`, `active`, `groups`, `members` and the
 * manager's name. The stored document is copied, not parsed: it is our own JSON, and it is most of the answer.
 */
export function rendererOf(type: ResourceType, baseUrl: string): Renderer {
  const around = framesOf(type, baseUrl)
  return (row) => {
    const { before, after } = around(row)
    if (row.members === null) return before + after
    const members = typeof row.members === 'string' ? row.members : row.members.join('')
    return `${before},"members":${members}${after}`
  }
}

/** The same text in parts, so that the text of a large group is never in memory as a whole. */
export function partsOf(
  row: ResourceRow & { members: readonly string[] },
  type: ResourceType,
  baseUrl: string,
): string[] {
  const { before, after } = framesOf(type, baseUrl)(row)
  return [`${before},"members":`, ...row.members, after]
}

/** What stands before and after the members. */
function framesOf(type: ResourceType, baseUrl: string): (row: ResourceRow) => { before: string; after: string } {
  // Names of types and endpoints are checked when they are registered.
  const meta = `,"meta":{"resourceType":"${type.name}","created":"`
  const location = `","location":${JSON.stringify(locationOf(type, '', baseUrl)).slice(0, -1)}`
  return (row) => {
    const document = row.manager === null ? row.document : withManager(row.document, row.manager, baseUrl)
    const active = row.active === null ? '' : `,"active":${row.active}`
    const groups = row.groups === null ? '' : `,"groups":${row.groups}`
    const created = timeOf(row.created)
    const modified = row.modified === row.created ? created : timeOf(row.modified)
    return {
      before: `{"id":"${row.id}",${document.slice(1, -1)}${active}${groups}`,
      after: `${meta}${created}","lastModified":"${modified}${location}${row.id}","version":"${versionInJson(row.version)}"}}`,
    }
  }
}

const timeOf = (milliseconds: number): string => dateTime(Math.round(milliseconds))

/** The same as a value, for projection. */
export const representation = (row: ResourceRow, type: ResourceType, baseUrl: string): Resource =>
  JSON.parse(rendererOf(type, baseUrl)(row)) as Resource

// Quotes inside JSON strings are escaped, so these texts can only be the members themselves.
const ENTERPRISE = `"${ENTERPRISE_USER_SCHEMA}":{`
const MANAGER = '"manager":{'
const VALUE = '"value":"'
const REF = '"$ref":'
const NO_REF = `${REF}""`

/** Adds the manager's displayName where there is one, and our `$ref` unless the client gave one (RFC 7643 §4.3). */
function withManager(document: string, displayName: string, baseUrl: string): string {
  const start = document.indexOf(MANAGER, document.indexOf(ENTERPRISE)) + MANAGER.length
  // Only a `$ref` can have a brace in its text, and it begins before that.
  const manager = document.slice(start, document.indexOf('}', start))
  const name = displayName === '' ? '' : `"displayName":${JSON.stringify(displayName)},`
  const [before, rest] = [document.slice(0, start), document.slice(start)]
  const given = manager.includes(REF)
  if (given && !manager.includes(NO_REF)) return `${before}${name}${rest}`
  const from = manager.indexOf(VALUE) + VALUE.length
  const ref = `${REF}${JSON.stringify(`${baseUrl}/Users/${rest.slice(from, rest.indexOf('"', from))}`)}`
  return given ? `${before}${name}${rest.replace(NO_REF, () => ref)}` : `${before}${ref},${name}${rest}`
}
