import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { Parameters } from '../sql/parameters.ts'
import { givenRows } from '../sql/written-roles.ts'
import type { ChangedResource, NewResource } from './resource-changes.ts'
import { columnsText, type StoredForm } from './stored-form.ts'

/** The columns of a set of keys in JSON. */
export const keyRows = '(attribute text, key text)'

/** PostgreSQL puts one row of plain parameters where it is used, which spares the statement half of its parts. */
export const inlined = (rows: readonly unknown[]) => (rows.length === 1 ? 'not materialized' : 'materialized')

/**
 * The rows of a create, as the select of its `input`. One resource comes as plain parameters, several come as one JSON
 * document; the rest of the statement is the same.
 */
export function createInput(
  resources: readonly NewResource[],
  parameters: Parameters,
  {
    withKeys,
    withRevived,
    withRoles,
    withClaims,
  }: Record<'withKeys' | 'withRevived' | 'withRoles' | 'withClaims', boolean>,
): string {
  const [first] = resources
  if (first && resources.length === 1) {
    const { stored, revived } = first
    return `select 0 as ord, ${parameters.bind(first.id, 'uuid')} as id, ${parameters.bind(first.event, 'text')} as event,
      ${parameters.bind(first.passwordHash, 'text')} as password_hash, ${storedColumns(first.type, stored, parameters)}
      ${withKeys ? `, ${parameters.json(stored.keys)} as keys` : ''}
      ${withClaims ? `, ${parameters.json(first.claims ?? [])} as claims` : ''}${withRoles ? `, ${parameters.json(givenRows(first.roles))} as given` : ''}${withRevived ? `, ${parameters.bind(revived?.version ?? null, 'bigint')} as version, ${parameters.bind(revived?.createdAt ?? null, 'text')}::timestamptz as created_at` : ''}`
  }
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

/** The same for an update. Parts that most updates do without are there only on demand. */
export function updateInput(
  changes: readonly ChangedResource[],
  parameters: Parameters,
  { withKeys, withRoles }: Record<'withKeys' | 'withRoles', boolean>,
): string {
  const [first] = changes
  if (first && changes.length === 1) {
    return `select ${parameters.bind(first.id, 'uuid')} as id, ${parameters.bind(first.expectedVersion, 'bigint')} as expected,
      ${parameters.bind(first.passwordHash, 'text')} as password_hash, ${storedColumns(first.type, first.stored, parameters)},
      ${parameters.json(eventRows(first))} as events
      ${withKeys ? `, ${parameters.json(first.keysRemoved)} as keys_removed, ${parameters.json(first.keysAdded)} as keys_added` : ''}${withRoles ? `, ${parameters.json(givenRows(first.roles))} as given, ${parameters.json(first.roles?.taken ?? [])} as taken` : ''}`
  }
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

function storedColumns(type: ResourceType, stored: StoredForm, parameters: Parameters): string {
  const text = (value: string | null, name: string) => `${parameters.bind(value, 'text')} as ${name}`
  return `${text(type.name, 'resource_type')},
      ${text(stored.externalId, 'external_id')}, ${text(stored.uniqueKey, 'unique_key')},
      ${text(stored.displayKey, 'display_key')}, ${text(stored.label, 'label')},
      ${parameters.bind(stored.active, 'boolean')} as active, ${parameters.bind(stored.managerId, 'uuid')} as manager_id,
      ${text(stored.document, 'document')}, ${parameters.bind(stored.search, 'text')}::jsonb as search`
}

const storedTypes = `resource_type text, external_id text, unique_key text, display_key text, label text, active boolean,
  manager_id uuid, document text, search jsonb`

/** One row of several as JSON text: the columns of the resource, and others. */
const rowText = ({ type, stored }: Pick<NewResource, 'type' | 'stored'>, others: object): string =>
  `{${stored.columns ?? columnsText(type, stored)},${JSON.stringify(others).slice(1)}`
