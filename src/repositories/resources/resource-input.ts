import type { Bindable } from '../../db/database.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { Parameters, Place } from '../sql/parameters.ts'
import { givenRows } from '../sql/written-roles.ts'
import type { ChangedResource, NewResource } from './resource-changes.ts'
import { columnsText, type StoredForm } from './stored-form.ts'

/** The columns of a set of keys in JSON. */
export const keyRows = '(attribute text, key text)'

/** PostgreSQL puts one row of plain parameters where it is used, which spares the statement half of its parts. */
export const inlined = (rows: readonly unknown[]) => (rows.length === 1 ? 'not materialized' : 'materialized')

/** Parts of a create that most do without. */
export type CreateParts = Record<'withKeys' | 'withRevived' | 'withRoles' | 'withClaims', boolean>

/** Parts of an update that most do without. */
export type UpdateParts = Record<'withKeys' | 'withRoles', boolean>

/** The values of one resource, by the names that `oneNew` and `oneChanged` ask for. */
type Values = Readonly<Record<string, Bindable>>

/**
 * The row of a create of one resource, as the select of its `input`: its values are plain parameters. Several come as one JSON
 * document; the rest of the statement is the same.
 */
export const oneNew = (place: Place<string>, { withKeys, withRevived, withRoles, withClaims }: CreateParts): string =>
  `select 0 as ord, ${place('id', 'uuid')} as id, ${place('event', 'text')} as event,
      ${place('password_hash', 'text')} as password_hash, ${storedColumns(place)}
      ${withKeys ? `, ${jsonAt(place, 'keys')}` : ''}
      ${withClaims ? `, ${jsonAt(place, 'claims')}` : ''}${withRoles ? `, ${jsonAt(place, 'given')}` : ''}${withRevived ? `, ${place('version', 'bigint')} as version, ${place('created_at', 'text')}::timestamptz as created_at` : ''}`

export const valuesOfNew = (
  { id, event, passwordHash, type, stored, revived, claims, roles }: NewResource,
  { withKeys, withRoles, withClaims }: CreateParts,
): Values => ({
  ...{ id, event, password_hash: passwordHash, ...storedValues(type, stored) },
  ...{ version: revived?.version ?? null, created_at: revived?.createdAt ?? null },
  ...(withKeys ? { keys: JSON.stringify(stored.keys) } : {}),
  ...(withClaims ? { claims: JSON.stringify(claims ?? []) } : {}),
  ...(withRoles ? { given: JSON.stringify(givenRows(roles)) } : {}),
})

/** The rows of a create of several. */
export function manyNew(
  resources: readonly NewResource[],
  parameters: Parameters,
  { withRoles, withClaims }: CreateParts,
): string {
  const rows = resources.map((resource, ord) =>
    rowText(resource, {
      ord,
      id: resource.id,
      event: resource.event,
      password_hash: resource.passwordHash,
      keys: resource.stored.keys,
      version: resource.revived?.version,
      created_at: resource.revived?.createdAt,
      ...(withClaims ? { claims: resource.claims ?? [] } : {}),
      ...(withRoles ? { given: givenRows(resource.roles) } : {}),
    }),
  )
  return `select * from jsonb_to_recordset(${parameters.jsonText(`[${rows.join()}]`)}) as i(ord int, id uuid, event text, password_hash text,
    keys jsonb, version bigint, created_at timestamptz, ${withClaims ? 'claims jsonb, ' : ''}${withRoles ? 'given jsonb, ' : ''}${storedTypes})`
}

/** The same as `oneNew` for an update. */
export const oneChanged = (place: Place<string>, { withKeys, withRoles }: UpdateParts): string =>
  `select ${place('id', 'uuid')} as id, ${place('expected', 'bigint')} as expected,
      ${place('password_hash', 'text')} as password_hash, ${storedColumns(place)},
      ${jsonAt(place, 'events')}
      ${withKeys ? `, ${jsonAt(place, 'keys_removed')}, ${jsonAt(place, 'keys_added')}` : ''}${withRoles ? `, ${jsonAt(place, 'given')}, ${jsonAt(place, 'taken')}` : ''}`

export const valuesOfChanged = (change: ChangedResource, { withKeys, withRoles }: UpdateParts): Values => ({
  ...{ id: change.id, expected: change.expectedVersion, password_hash: change.passwordHash },
  ...{ ...storedValues(change.type, change.stored), events: JSON.stringify(eventRows(change)) },
  ...(withKeys
    ? { keys_removed: JSON.stringify(change.keysRemoved), keys_added: JSON.stringify(change.keysAdded) }
    : {}),
  ...(withRoles
    ? { given: JSON.stringify(givenRows(change.roles)), taken: JSON.stringify(change.roles?.taken ?? []) }
    : {}),
})

/** The rows of an update of several. */
export function manyChanged(
  changes: readonly ChangedResource[],
  parameters: Parameters,
  { withRoles }: UpdateParts,
): string {
  const rows = changes.map((change) =>
    rowText(change, {
      id: change.id,
      expected: change.expectedVersion,
      password_hash: change.passwordHash,
      events: eventRows(change),
      keys_removed: change.keysRemoved,
      keys_added: change.keysAdded,
      ...(withRoles ? { given: givenRows(change.roles), taken: change.roles?.taken ?? [] } : {}),
    }),
  )
  return `select * from jsonb_to_recordset(${parameters.jsonText(`[${rows.join()}]`)}) as i(id uuid, expected bigint, password_hash text,
    events jsonb, keys_removed jsonb, keys_added jsonb, ${withRoles ? 'given jsonb, taken jsonb, ' : ''}${storedTypes})`
}

/** The events of a change. The first of them counts the active user who comes or goes. */
const eventRows = ({ events, activeDelta }: ChangedResource) =>
  events.map(({ type, changes }, i) => ({ type, changes, active_delta: i === 0 ? activeDelta : 0 }))

const jsonAt = (place: Place<string>, name: string): string => `${place(name, 'text')}::jsonb as ${name}`

function storedColumns(place: Place<string>): string {
  const text = (name: string) => `${place(name, 'text')} as ${name}`
  return `${text('resource_type')},
      ${text('external_id')}, ${text('unique_key')},
      ${text('display_key')}, ${text('label')},
      ${place('active', 'boolean')} as active, ${place('manager_id', 'uuid')} as manager_id,
      ${text('document')}, ${jsonAt(place, 'search')}`
}

const storedValues = ({ name }: ResourceType, stored: StoredForm): Values => ({
  ...{ resource_type: name, external_id: stored.externalId, unique_key: stored.uniqueKey },
  ...{ display_key: stored.displayKey, label: stored.label, active: stored.active, manager_id: stored.managerId },
  ...{ document: stored.document, search: stored.search },
})

const storedTypes = `resource_type text, external_id text, unique_key text, display_key text, label text, active boolean,
  manager_id uuid, document text, search jsonb`

/** One row of several as JSON text: the columns of the resource, and others. */
const rowText = ({ type, stored }: Pick<NewResource, 'type' | 'stored'>, others: object): string =>
  `{${stored.columns ?? columnsText(type, stored)},${JSON.stringify(others).slice(1)}`
