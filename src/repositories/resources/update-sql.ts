import type { RepositoryScope } from '../scope.ts'
import { appendEvents } from '../sql/append-events.ts'
import { foundRows } from '../sql/found-rows.ts'
import { nowAfter } from '../sql/now.ts'
import { type Statement, statementOf, type Template } from '../sql/parameters.ts'
import { writtenRoleEvents, writtenRolesPart } from '../sql/written-roles.ts'
import type { ChangedResource } from './resource-changes.ts'
import { inlined, keyRows, manyChanged, oneChanged, type UpdateParts, valuesOfChanged } from './resource-input.ts'
import { managerColumn, momentColumns } from './rows.ts'

const UPDATED = '(select u.id, i.given, i.taken from updated u join input i on i.id = u.id)'

/**
 * The statement that updates resources, with search documents, keys, counts and events. Gives a row for each that had the
 * expected version.
 */
export function updateStatement(
  changes: readonly ChangedResource[],
  scope: RepositoryScope,
  distributed: boolean,
): Statement {
  const [first] = changes
  const one = changes.length === 1 ? first : undefined
  const parts: UpdateParts = {
    withKeys: changes.some((change) => change.keysAdded.length + change.keysRemoved.length > 0),
    withRoles: changes.some(({ roles }) => roles !== undefined),
  }
  const shape = one && `${parts.withKeys} ${parts.withRoles} ${distributed}`
  const { tenantId, requestId, actor } = scope
  const values = { tenant: tenantId, requestId, actor, ...(one && valuesOfChanged(one, parts)) }
  return statementOf(updates, shape, values, (place, parameters) => {
    const tenant = place('tenant', 'uuid')
    const input = one === undefined ? manyChanged(changes, parameters, parts) : oneChanged(place, parts)
    const places = { tenant, input, requestId: place('requestId', 'text'), actor: place('actor', 'text') }
    return updateText(places, { ...parts, distributed, inlined: inlined(changes), byKey: byKey(changes) })
  })
}

const updates = new Map<string, Template<string>>()

function updateText(
  { tenant, requestId, actor, input }: Record<'tenant' | 'requestId' | 'actor' | 'input', string>,
  parts: UpdateParts & { readonly distributed: boolean; readonly inlined: string; readonly byKey: string },
): string {
  const { withKeys, withRoles, distributed } = parts
  return `with input as ${parts.inlined} (${input}),
    updated as (
      update resources r set version = r.version + 1, external_id = i.external_id, unique_key = i.unique_key,
        display_key = i.display_key, label = i.label, active = i.active, manager_id = i.manager_id,
        document = i.document, password_hash = nullif(coalesce(i.password_hash, r.password_hash), ''),
        modified_at = ${nowAfter('r.modified_at')}
      from input i
      where r.tenant_id = ${tenant} and r.id = i.id ${parts.byKey} and (r.resource_type = i.resource_type) is true and r.version = i.expected
      returning r.id, r.resource_type, r.version, r.modified_at, r.created_at, r.manager_id
    ),
    ${searchedSql(tenant, distributed)},
    ${
      withKeys
        ? `unkeyed as (
      delete from resource_keys k using updated u join input i on i.id = u.id
        cross join lateral jsonb_to_recordset(i.keys_removed) as x${keyRows}
      where k.tenant_id = ${tenant} and k.resource_id = u.id and k.attribute = x.attribute and k.key = x.key
    ),
    keyed as (
      insert into resource_keys (tenant_id, resource_type, attribute, key, resource_id)
      select ${tenant}, u.resource_type, x.attribute, x.key, u.id
      from updated u join input i on i.id = u.id cross join lateral jsonb_to_recordset(i.keys_added) as x${keyRows}
    ),`
        : ''
    }
    ${
      withRoles
        ? `${writtenRolesPart(tenant, UPDATED, { given: 'n.given', taken: 'n.taken' })},
    `
        : ''
    }${appendEvents(
      {
        tenant,
        type: { sql: 'e.type' },
        resourceType: 'u.resource_type',
        resourceId: 'u.id',
        version: 'u.version',
        requestId,
        actor,
        occurredAt: 'u.modified_at',
        changes: 'e.changes::text',
        activeDelta: 'e.active_delta',
        from: `updated u join input i on i.id = u.id
      cross join lateral jsonb_to_recordset(i.events) as e(type text, changes jsonb, active_delta int)`,
      },
      ...(withRoles ? [{ tenant, requestId, actor, ...writtenRoleEvents }] : []),
    )}
    select r.id::text, r.version::int, ${momentColumns}, ${managerColumn({ tenant })} as manager from updated r`
}

/** The ids once more, as a list: a plan that joins several rows may read the whole tenant, and one for a list takes the key. */
const byKey = (changes: readonly ChangedResource[]) =>
  changes.length === 1 ? '' : 'and r.id = any(array(select id from input))'

/**
 * The part that puts new search documents in place where they differ. The inner look-up finds one row by its key, and the
 * update takes that row: no plan can look through the tenant.
 */
function searchedSql(tenant: string, distributed: boolean): string {
  const rows = foundRows(distributed, (row) => `${row}.tenant_id = ${tenant}`, 'resource_type', 'resource_id')
  return `searched as (
      update search_documents s set search = n.search
      from (
        select ${rows.columns('d')}, i.search from updated u join input i on i.id = u.id cross join lateral (
          select ${rows.columns('d')} from search_documents d where d.tenant_id = ${tenant} and d.resource_type = u.resource_type
            and d.resource_id = u.id and d.search is distinct from i.search offset 0
        ) d
      ) n
      where ${rows.isRow('s', 'n')}
    )`
}
