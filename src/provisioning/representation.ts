import type { ResourceRow } from '../repositories/resources/rows.ts'
import { dateTime } from '../scim/date-time.ts'
import type { Resource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import { ENTERPRISE_USER_SCHEMA } from '../scim/urn.ts'
import { versionInJson } from '../scim/version.ts'

/** The address of a resource: its `meta.location` (RFC 7643 §3.1). */
export const locationOf = (type: ResourceType, id: string, baseUrl: string): string =>
  `${baseUrl}${type.endpoint}/${id}`

/** Makes the JSON text of resources of one type, in parts that follow each other. */
export type Renderer = (row: ResourceRow) => string[]

/**
 * A resource as JSON text with everything computed in its place: `id`, `meta`, `active`, `groups`, `members` and the
 * manager's name. The stored document is passed on, not parsed: it is our own JSON, and it is most of the answer. It is not
 * joined to the rest either, because that copies it. So the text of a large group is never in memory as a whole.
 */
export function rendererOf(type: ResourceType, baseUrl: string): Renderer {
  // Names of types and endpoints are checked when they are registered.
  const meta = `,"meta":{"resourceType":"${type.name}","created":"`
  const location = `","location":${JSON.stringify(locationOf(type, '', baseUrl)).slice(0, -1)}`
  return (row) => {
    const texts = [`{"id":"${row.id}",`]
    const document = row.document.slice(1, -1)
    if (row.manager === null) texts.push(document)
    else pushWithManager(texts, document, row.manager, baseUrl)
    const active = row.active === null ? '' : `,"active":${row.active}`
    const groups = row.groups === null ? '' : `,"groups":${row.groups}`
    const created = timeOf(row.created)
    const modified = row.modified === row.created ? created : timeOf(row.modified)
    const after = `${meta}${created}","lastModified":"${modified}${location}${row.id}","version":"${versionInJson(row.version)}"}}`
    if (row.members === null) texts.push(`${active}${groups}${after}`)
    else if (typeof row.members === 'string') texts.push(`${active}${groups},"members":`, row.members, after)
    else texts.push(`${active}${groups},"members":`, ...row.members, after)
    return texts
  }
}

const timeOf = (milliseconds: number): string => dateTime(Math.round(milliseconds))

/** The same as a value, for projection. */
export const representation = (row: ResourceRow, type: ResourceType, baseUrl: string): Resource =>
  JSON.parse(rendererOf(type, baseUrl)(row).join('')) as Resource

// Quotes inside JSON strings are escaped, so these texts can only be the members themselves.
const ENTERPRISE = `"${ENTERPRISE_USER_SCHEMA}":{`
const MANAGER = '"manager":{'
const VALUE = '"value":"'
const REF = '"$ref":'
const NO_REF = `${REF}""`

/** Adds a document and in it the manager's displayName, if there is one, and our `$ref` unless the client gave one (RFC 7643 §4.3). */
function pushWithManager(texts: string[], document: string, displayName: string, baseUrl: string): void {
  const start = document.indexOf(MANAGER, document.indexOf(ENTERPRISE)) + MANAGER.length
  // Only a `$ref` can have a brace in its text, and it begins before that.
  const end = document.indexOf('}', start)
  const manager = document.slice(start, end)
  const name = displayName === '' ? '' : `"displayName":${JSON.stringify(displayName)},`
  const given = manager.includes(REF)
  if (given && !manager.includes(NO_REF)) {
    texts.push(document.slice(0, start), name, document.slice(start))
    return
  }
  const from = manager.indexOf(VALUE) + VALUE.length
  const ref = `${REF}${JSON.stringify(`${baseUrl}/Users/${manager.slice(from, manager.indexOf('"', from))}`)}`
  const before = document.slice(0, start)
  if (given)
    texts.push(
      `${before}${name}`,
      document.slice(start).replace(NO_REF, () => ref),
    )
  else texts.push(before, `${ref},${name}`, document.slice(start))
}
