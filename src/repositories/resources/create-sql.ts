import { secretPaths } from '../../scim/schema/secrets.ts'
import type { Adoption } from '../../tenancy/adoption.ts'
import type { RepositoryScope } from '../scope.ts'
import { adoptionParts, linkedEvents, metParts, refusedSql } from '../sql/adoption-parts.ts'
import { appendEvents } from '../sql/append-events.ts'
import { NOW } from '../sql/now.ts'
import { type Statement, statementOf, type Template } from '../sql/parameters.ts'
import { writtenRoleEvents, writtenRolesPart } from '../sql/written-roles.ts'
import { isActiveUser } from './counts.ts'
import { eventDocument } from './event-document.ts'
import type { NewResource } from './resource-changes.ts'
import { type CreateParts, inlined, keyRows, manyNew, oneNew, valuesOfNew } from './resource-input.ts'
import { resourceColumns } from './rows.ts'

/** The time of the rows that a statement makes. Null, which no row takes, where the tenant is gone or being deleted. */
const nowInTenant = (tenant: string): string =>
  `(select ${NOW} from tenants t where t.id = ${tenant} and not t.deleting)`

const CREATED = '(select c.id, i.given from created c join input i on i.id = c.id)'

/** The account of the new user `c` as the event of its creation has it, or the accounts that it may be. */
const accountsInEvent = `coalesce((select ',"account":' || to_json(l.account_id)::text from linked l where l.user_id = c.id), '')
      || coalesce((select ',"candidates":' || json_agg(q.account_id)::text from queued q where q.user_id = c.id), '')`

/**
 * The statement that creates resources, with their search documents, keys, counts and events. It gives a row for each; `packed`
 * is null where another resource has the name. Where the application has posted accounts, it links new users to theirs.
 */
export function createStatement(resources: readonly NewResource[], scope: RepositoryScope): Statement {
  const [first] = resources
  const one = resources.length === 1 ? first : undefined
  const adoption = resources.some(({ claims = [] }) => claims.length > 0) ? scope.adoption : undefined
  const parts: CreateParts = {
    withKeys: resources.some((resource) => resource.stored.keys.length > 0),
    withRoles: resources.some(({ roles }) => roles !== undefined),
    withRevived: resources.some((resource) => resource.revived !== undefined),
    withClaims: adoption !== undefined,
  }
  const isOfShape = one !== undefined && adoption === undefined && secretPaths(one.type).length === 0
  const shape = isOfShape ? `${parts.withKeys} ${parts.withRoles} ${parts.withRevived}` : undefined
  const { tenantId: tenant, requestId: request, actor } = scope
  const values = { tenant, request, actor, ...(one && valuesOfNew(one, parts)) }
  return statementOf(creations, shape, values, (place, parameters) => {
    const places = { tenant: place('tenant', 'uuid'), request: place('request', 'text'), actor: place('actor', 'text') }
    const input = one === undefined ? manyNew(resources, parameters, parts) : oneNew(place, parts)
    const types = resources.map((resource) => resource.type)
    const document = eventDocument(types, 'c', parameters)
    return createText({ ...places, input, document }, { ...parts, adoption, inlined: inlined(resources) })
  })
}

const creations = new Map<string, Template<string>>()

/** @param document SQL of the document of the row `c`, as an event may show it */
function createText(
  { tenant, request, actor, input, document }: Record<'tenant' | 'request' | 'actor' | 'input' | 'document', string>,
  parts: CreateParts & { readonly adoption: Adoption | undefined; readonly inlined: string },
): string {
  const { withKeys, withRevived, withRoles, adoption } = parts
  const refused = adoption && refusedSql(adoption, 'i')
  return `with input as ${parts.inlined} (${input}),
    ${
      adoption
        ? `${metParts(tenant)},
    `
        : ''
    }created as (
      insert into resources (tenant_id, id, resource_type, external_id, unique_key, display_key, label, active,
        manager_id, document, password_hash, version, created_at, modified_at)
      select ${tenant}, i.id, i.resource_type, i.external_id, i.unique_key, i.display_key, i.label, i.active,
        i.manager_id, i.document, i.password_hash,
        ${withRevived ? `coalesce(i.version + 1, 1), coalesce(i.created_at, ${NOW})` : `1, ${NOW}`}, ${nowInTenant(tenant)}
      from input i${refused ? ` where not ${refused}` : ''} order by i.ord
      on conflict (tenant_id, resource_type, unique_key) do nothing
      returning *
    ),
    searched as (
      insert into search_documents (tenant_id, resource_type, resource_id, search)
      select ${tenant}, c.resource_type, c.id, i.search from created c join input i on i.id = c.id
    ),
    ${
      withKeys
        ? `keyed as (
      insert into resource_keys (tenant_id, resource_type, attribute, key, resource_id)
      select ${tenant}, c.resource_type, k.attribute, k.key, c.id
      from created c join input i on i.id = c.id cross join lateral jsonb_to_recordset(i.keys) as k${keyRows}
    ),`
        : ''
    }
    ${
      adoption
        ? `${adoptionParts(tenant, adoption)},
    `
        : ''
    }${
      withRoles
        ? `${writtenRolesPart(tenant, CREATED, { given: 'n.given', taken: `'[]'` })},
    `
        : ''
    }${appendEvents(
      {
        tenant,
        type: { sql: 'i.event' },
        resourceType: 'c.resource_type',
        resourceId: 'c.id',
        version: 'c.version',
        requestId: request,
        actor,
        occurredAt: 'c.modified_at',
        changes: `'{"after":' || ${document} ${adoption ? `|| ${accountsInEvent} ` : ''}|| '}'`,
        totalDelta: '1',
        activeDelta: `(${isActiveUser('c')})::int`,
        from: 'created c join input i on i.id = c.id',
      },
      ...(adoption ? [{ tenant, requestId: request, actor, ...linkedEvents() }] : []),
      ...(withRoles ? [{ tenant, requestId: request, actor, ...writtenRoleEvents }] : []),
    )}
    select ${resourceColumns(undefined, { groups: false, members: false }, { tenant, base: () => '', withDeferred: false })}${
      adoption
        ? `, ${refused ?? 'false'} as refused, (select json_agg(m.account_id) from met m where m.ord = i.ord)::text as accounts`
        : ''
    }
    from input i left join created r on r.id = i.id order by i.ord`
}
