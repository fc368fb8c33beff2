import type { ResourceRow } from '../repositories/rows.ts'
import type { Resource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import { ENTERPRISE_USER_SCHEMA } from '../scim/urn.ts'
import { formatVersion } from '../scim/version.ts'

/** Where a resource stands: its `meta.location` (RFC 7643 §3.1). */
export const locationOf = (type: ResourceType, id: string, baseUrl: string): string =>
  `${baseUrl}${type.endpoint}/${id}`

/**
 * A resource as JSON text with everything computed in its place: `id`, `meta`, `active`, `groups`, `members` and the
 * manager's name. The stored document is copied, not parsed: it is our own JSON, and it is most of the answer.
 */
export function representationText(row: ResourceRow, type: ResourceType, baseUrl: string): string {
  const document = row.manager === null ? row.document : withManager(row.document, row.manager, baseUrl)
  const active = row.active === null ? '' : `,"active":${row.active}`
  const groups = row.groups === null ? '' : `,"groups":${row.groups}`
  const members = row.members === null ? '' : `,"members":${row.members}`
  const created = new Date(row.created).toISOString()
  const modified = row.modified === row.created ? created : new Date(row.modified).toISOString()
  // Written out, as there is one for each row of a page. Names of types are checked when they are registered.
  const meta = `{"resourceType":"${type.name}","created":"${created}","lastModified":"${modified}","location":${JSON.stringify(
    locationOf(type, row.id, baseUrl),
  )},"version":${JSON.stringify(formatVersion(row.version))}}`
  return `{"id":"${row.id}",${document.slice(1, -1)}${active}${groups}${members},"meta":${meta}}`
}

/** The same as a value, for projection. */
export const representation = (row: ResourceRow, type: ResourceType, baseUrl: string): Resource =>
  JSON.parse(representationText(row, type, baseUrl)) as Resource

// Quotes inside JSON strings are escaped, so these texts can only be the members themselves.
const ENTERPRISE = `"${ENTERPRISE_USER_SCHEMA}":{`
const MANAGER = '"manager":{'

/** Adds the manager's displayName where there is one, and our `$ref` unless the client gave one (RFC 7643 §4.3). */
function withManager(document: string, displayName: string, baseUrl: string): string {
  const at = document.indexOf(MANAGER, document.indexOf(ENTERPRISE))
  const start = at + MANAGER.length
  const end = document.indexOf('}', start)
  const value = JSON.parse(`{${document.slice(start, end)}}`) as { value: string; $ref?: string }
  const { $ref, ...rest } = value
  const manager = {
    ...{ $ref: $ref || `${baseUrl}/Users/${value.value}`, ...rest },
    ...(displayName === '' ? {} : { displayName }),
  }
  return `${document.slice(0, start)}${JSON.stringify(manager).slice(1, -1)}${document.slice(end)}`
}
