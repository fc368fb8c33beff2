import type { Scope } from '../../../auth/principal.ts'
import type { Database, Reader } from '../../../db/database.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../../place-ids.ts'
import { Parameters } from '../../sql/parameters.ts'
import { findOnCitus, peopleOnCitus, requestsOnCitus } from './find-on-citus.ts'

/** Tenants and keys that are looked through for a part of a name; a key or an id is found among all of them. */
const LOOKED_THROUGH = 20_000
/** Tenants in which one search looks for a person. */
export const TENANTS_SEARCHED = 10_000

/** Where something was found. */
interface Place {
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  readonly tenantId: TenantId
}

export interface FoundTenant extends Place {
  readonly key: string
  readonly name: string
  /** Keys of what is around it. */
  readonly project: string
  readonly environment: string
}

export interface FoundKey {
  readonly id: string
  readonly name: string
  readonly projectId: ProjectId | null
  readonly environmentId: EnvironmentId | null
  readonly tenantId: TenantId | null
  readonly revoked: boolean
}

export interface FoundPerson extends Place {
  readonly id: string
  readonly resourceType: 'User' | 'Group'
  readonly label: string | null
  readonly active: boolean | null
  readonly tenant: string
}

export interface FoundRequest extends Place {
  /** Of its row in the log. */
  readonly id: string
  readonly status: number
  readonly tenant: string
}

/** What is looked for, in the forms in which it may be stored. */
export interface Wanted {
  /** As it was typed. */
  readonly text: string
  /** Without regard to letter case. */
  readonly folded: string
  /** Undefined where the text is no id. */
  readonly uuid: string | undefined
  /** A part of a search document that has the text as an e-mail address, as JSON text. */
  readonly email: string
  /** As the provisioning log has the id of a request that a proxy gave; undefined where the text cannot be one. */
  readonly term: string | undefined
}

/** The tenants that a scope reaches, as conditions on `tenants t` and `environments e`. */
function reach(scope: Scope, parameters: Parameters): string {
  if (scope.kind === 'instance') return 'true'
  if (scope.kind === 'project') return `e.project_id = ${parameters.bind(scope.projectId, 'uuid')}`
  if (scope.kind === 'environment') return `t.environment_id = ${parameters.bind(scope.environmentId, 'uuid')}`
  return `t.id = ${parameters.bind(scope.tenantId, 'uuid')}`
}

/** Tenants by id, and by any part of key or name; what begins with the text comes first. */
export function findTenants(
  db: Database,
  scope: Scope,
  { text, folded, uuid }: Wanted,
  limit: number,
): Promise<FoundTenant[]> {
  const parameters = new Parameters()
  const within = reach(scope, parameters)
  const part = parameters.bind(folded, 'text')
  const raw = `lower(${parameters.bind(text, 'text')})`
  const key = parameters.bind(uuid ?? null, 'uuid')
  return db.run<FoundTenant>(
    `select e.project_id::text as "projectId", t.environment_id::text as "environmentId", t.id::text as "tenantId", t.key, t.name,
       p.key as project, e.key as environment
     from (
       select t.* from tenants t join environments e on e.id = t.environment_id where ${within} order by t.id limit ${LOOKED_THROUGH}
     ) t join environments e on e.id = t.environment_id join projects p on p.id = e.project_id
     where t.id = ${key} or position(${raw} in lower(t.name)) > 0 or position(${part} in t.key_folded) > 0
     order by t.id is distinct from ${key}, t.key_folded <> ${part}, position(${part} in t.key_folded) <> 1, t.key_folded, t.id
     limit ${Math.trunc(limit)}`,
    parameters.values,
    { prepare: false },
  )
}

/** API keys by id, and by any part of their names. */
export function findKeys(db: Database, scope: Scope, { text }: Wanted, limit: number): Promise<FoundKey[]> {
  const parameters = new Parameters()
  const id = parameters.bind(text, 'text')
  const within =
    scope.kind === 'instance'
      ? 'true'
      : [
          `k.project_id = ${parameters.bind(scope.projectId, 'uuid')}`,
          ...('environmentId' in scope ? [`k.environment_id = ${parameters.bind(scope.environmentId, 'uuid')}`] : []),
          ...('tenantId' in scope ? [`k.tenant_id = ${parameters.bind(scope.tenantId, 'uuid')}`] : []),
        ].join(' and ')
  return db.run<FoundKey>(
    `select k.id, k.name, k.project_id::text as "projectId", k.environment_id::text as "environmentId",
       k.tenant_id::text as "tenantId", k.revoked_at is not null as revoked
     from (
       (select * from api_keys k where k.id = ${id} and ${within})
       union all
       (select * from (select * from api_keys k where ${within} order by k.id limit ${LOOKED_THROUGH}) k
         where k.id <> ${id} and position(lower(${id}) in lower(k.name)) > 0 limit ${Math.trunc(limit)})
     ) k order by k.revoked_at is not null, k.name, k.id limit ${Math.trunc(limit)}`,
    parameters.values,
    { prepare: false },
  )
}

/**
 * People and groups by the whole of id, userName, externalId or e-mail address, in each tenant that the scope reaches, up to
 * `TENANTS_SEARCHED`. Each tenant is a few look-ups by indexes that the tenant leads.
 */
export function findPeople(
  db: Database,
  scope: Scope,
  wanted: Wanted,
  limit: number,
  reader: Reader,
): Promise<FoundPerson[]> {
  if (db.distributed)
    return findOnCitus<FoundPerson>(
      db,
      { most: TENANTS_SEARCHED, limit, reader },
      (page) => reach(scope, page),
      (page, tenants) => peopleOnCitus(wanted, page, tenants),
    )
  const { text, folded, uuid, email } = wanted
  const parameters = new Parameters()
  const within = reach(scope, parameters)
  const [exact, name] = [parameters.bind(text, 'text'), parameters.bind(folded, 'text')]
  const part = parameters.bind(email, 'text')
  const of = (condition: string) => `(select r.id from resources r where r.tenant_id = t.id and ${condition} limit 5)`
  const ways = [
    ...(uuid === undefined ? [] : [of(`r.id = ${parameters.bind(uuid, 'uuid')}`)]),
    of(`r.resource_type = 'User' and r.unique_key = ${name}`),
    of(`r.external_id = ${exact}`),
    `(select s.resource_id as id from search_documents s where s.tenant_id = t.id and s.resource_type = 'User'
        and s.search @> jsonb_build_object(t.id::text, ${part}::jsonb) limit 5)`,
  ]
  return db.run<FoundPerson>(
    `select t.project_id::text as "projectId", t.environment_id::text as "environmentId", t.id::text as "tenantId", t.name as tenant,
       r.id::text as id, r.resource_type as "resourceType", r.label, r.active
     from (
       select t.id, t.environment_id, t.name, e.project_id from tenants t join environments e on e.id = t.environment_id
       where ${within} order by t.id limit ${TENANTS_SEARCHED}
     ) t cross join lateral (${ways.join(' union ')} offset 0) f
       cross join lateral (
         select * from resources r where r.tenant_id = t.id and r.id = f.id and r.resource_type in ('User', 'Group') offset 0
       ) r
     limit ${Math.trunc(limit)}`,
    parameters.values,
    { prepare: false, reader },
  )
}

/** Requests whose row in the log is looked at, for each tenant, because they name the text. */
const NAMING = 5

/** Logged requests by their request id, in each tenant that the scope reaches: a few look-ups by key for each. */
export function findRequests(
  db: Database,
  scope: Scope,
  wanted: Wanted,
  limit: number,
  reader: Reader,
): Promise<FoundRequest[]> {
  if (db.distributed)
    return findOnCitus<FoundRequest>(
      db,
      { most: TENANTS_SEARCHED, limit, reader },
      (page) => reach(scope, page),
      (page, tenants) => requestsOnCitus(wanted, page, tenants),
    )
  const { text, uuid, term } = wanted
  const parameters = new Parameters()
  const within = reach(scope, parameters)
  const id = parameters.bind(uuid ?? null, 'uuid')
  const given = `lower(${parameters.bind(text, 'text')})`
  const ways = [
    `(select r.id from request_log r where r.tenant_id = t.id and r.id = ${id})`,
    ...(term === undefined
      ? []
      : [
          `(select q.id from request_terms q where q.tenant_id = t.id and q.term = ${parameters.bind(term, 'text')}
            order by q.term desc, q.id desc limit ${NAMING})`,
        ]),
  ]
  return db.run<FoundRequest>(
    `select t.project_id::text as "projectId", t.environment_id::text as "environmentId", t.id::text as "tenantId", t.name as tenant,
       r.id::text as id, r.status::int as status
     from (
       select t.id, t.environment_id, t.name, e.project_id from tenants t join environments e on e.id = t.environment_id
       where ${within} order by t.id limit ${TENANTS_SEARCHED}
     ) t cross join lateral (${ways.join(' union ')} offset 0) f
       cross join lateral (
         select * from request_log r where r.tenant_id = t.id and r.id = f.id
           and (r.id = ${id} or lower(r.entry::json ->> 'requestId') = ${given}) offset 0
       ) r
     limit ${Math.trunc(limit)}`,
    parameters.values,
    { prepare: false, reader },
  )
}
