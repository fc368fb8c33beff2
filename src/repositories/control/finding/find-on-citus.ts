import type { Database, Reader } from '../../../db/database.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../../place-ids.ts'
import { FIRST_ID } from '../../sql/ids.ts'
import { Parameters } from '../../sql/parameters.ts'

// Citus has no look-up for each tenant: a search asks all machines for some hundred tenants at a time.

/** Tenants that one statement asks for. */
const TENANTS_AT_ONCE = 500

/** A tenant in which something is looked for, and what is around it. */
interface Around {
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  readonly tenantId: TenantId
  readonly tenant: string
}

/**
 * What a query finds in tenants, each with what is around it.
 *
 * @param within writes the condition of tenants `t` and environments `e`
 * @param query writes the query of one page for the list of tenants; it gives `tenantId`
 */
export async function findOnCitus<Row extends { readonly tenantId: TenantId }>(
  db: Database,
  { most, limit, reader }: { readonly most: number; readonly limit: number; readonly reader: Reader },
  within: (parameters: Parameters) => string,
  query: (parameters: Parameters, tenants: readonly TenantId[]) => string,
): Promise<(Row & Around)[]> {
  const found: (Row & Around)[] = []
  let after: string = FIRST_ID
  for (let searched = 0; searched < most && found.length < limit; searched += TENANTS_AT_ONCE) {
    const page = new Parameters()
    const tenants = await db.run<Around>(
      `select t.id::text as "tenantId", t.environment_id::text as "environmentId", t.name as tenant, e.project_id::text as "projectId"
       from tenants t join environments e on e.id = t.environment_id
       where ${within(page)} and t.id > ${page.bind(after, 'uuid')} order by t.id limit ${TENANTS_AT_ONCE}`,
      page.values,
      { prepare: false, reader },
    )
    const around = new Map(tenants.map((one) => [one.tenantId, one]))
    if (around.size > 0) {
      const parameters = new Parameters()
      const text = query(parameters, [...around.keys()])
      const rows = await db.run<Row>(`${text} limit ${Math.trunc(limit)}`, parameters.values, {
        prepare: false,
        reader,
      })
      found.push(...rows.flatMap((row) => ({ ...row, ...(around.get(row.tenantId) as Around) })))
    }
    if (tenants.length < TENANTS_AT_ONCE) break
    after = tenants.at(-1)?.tenantId ?? after
  }
  return found.slice(0, limit)
}

/** A query for people and groups by the whole of id, userName, externalId or e-mail address. */
export function peopleOnCitus(
  {
    text,
    folded,
    uuid,
    email,
  }: Readonly<Record<'text' | 'folded' | 'email', string>> & { readonly uuid: string | undefined },
  parameters: Parameters,
  tenants: readonly TenantId[],
): string {
  const ids = parameters.array(tenants, 'uuid')
  const of = (condition: string) =>
    `select r.tenant_id, r.id from resources r where r.tenant_id = any(${ids}) and ${condition}`
  const value = (JSON.parse(email) as { emails: readonly [{ value: string }] }).emails[0].value
  // Paths begin with the tenant, so the index finds the address in all of them at once.
  const path = tenants.map((id) => `$."${id}".emails[*].value == ${JSON.stringify(value)}`).join(' || ')
  const ways = [
    ...(uuid === undefined ? [] : [of(`r.id = ${parameters.bind(uuid, 'uuid')}`)]),
    of(`r.resource_type = 'User' and r.unique_key = ${parameters.bind(folded, 'text')}`),
    of(`r.external_id = ${parameters.bind(text, 'text')}`),
    `select s.tenant_id, s.resource_id as id from search_documents s
     where s.search @@ ${parameters.bind(path)}::text::jsonpath and (s.resource_type = 'User') is true`,
  ]
  return `select r.tenant_id::text as "tenantId", r.id::text as id, r.resource_type as "resourceType", r.label, r.active
    from (${ways.join(' union ')}) f join resources r on r.tenant_id = f.tenant_id and r.id = f.id
    where r.resource_type in ('User', 'Group')`
}

/** A query for logged requests by their id, or the one that a proxy gave. */
export function requestsOnCitus(
  { text, uuid, term }: { readonly text: string; readonly uuid: string | undefined; readonly term: string | undefined },
  parameters: Parameters,
  tenants: readonly TenantId[],
): string {
  const ids = parameters.array(tenants, 'uuid')
  const id = parameters.bind(uuid ?? null, 'uuid')
  const ways = [
    `select r.tenant_id, r.id from request_log r where r.tenant_id = any(${ids}) and r.id = ${id}`,
    ...(term === undefined
      ? []
      : [
          `select q.tenant_id, q.id from request_terms q where q.tenant_id = any(${ids}) and q.term = ${parameters.bind(term, 'text')}`,
        ]),
  ]
  return `select r.tenant_id::text as "tenantId", r.id::text as id, r.status::int as status
    from (${ways.join(' union ')}) f join request_log r on r.tenant_id = f.tenant_id and r.id = f.id
    where r.id = ${id} or lower(r.entry::json ->> 'requestId') = lower(${parameters.bind(text, 'text')})`
}
