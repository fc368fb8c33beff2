import type { Database } from '../../db/database.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'
import type { JsonObject } from '../../scim/resource.ts'

/** How a tenant's identity provider was heard of, as it is stored; moments in milliseconds since 1970. */
export interface ConnectionRow {
  readonly tenantId: TenantId
  readonly client: string | null
  readonly provider: string | null
  /** Null where there was no request yet. */
  readonly firstRequestAt: number | null
  readonly lastRequestAt: number
  /** The day of the last request in UTC, as `2026-11-29`. */
  readonly day: string
  readonly requests: number
  readonly failures: number
  readonly failingSince: number | null
  readonly failedInARow: number
  readonly lastFailure: number | null
  /** As connections/rhythm has it. */
  readonly rhythm: JsonObject | null
  readonly state: 'well' | 'silent' | 'failing'
  readonly since: number | null
  readonly dueAt: number | null
}

const moment = (name: string) => `(extract(epoch from c.${name}) * 1000)::float8`
const COLUMNS = `c.tenant_id::text as "tenantId", c.client, c.provider, ${moment('first_request_at')} as "firstRequestAt",
  ${moment('last_request_at')} as "lastRequestAt", c.day::text as day, c.requests, c.failures,
  ${moment('failing_since')} as "failingSince", c.failed_in_a_row as "failedInARow", c.last_failure::int as "lastFailure",
  c.rhythm::text as rhythm, c.state, ${moment('since')} as since, ${moment('due_at')} as "dueAt"`

type Raw<Row = ConnectionRow> = Omit<Row, 'rhythm'> & { readonly rhythm: string | null }
function read<Row extends ConnectionRow>({ rhythm, ...row }: Raw<Row>): Row {
  return { ...row, rhythm: rhythm === null ? null : JSON.parse(rhythm) } as Row
}

/** How the identity provider of a tenant was heard of; undefined where an older release has just made the tenant. */
export async function connectionOf(db: Database, tenantId: TenantId): Promise<ConnectionRow | undefined> {
  const rows = await db.run<Raw>(`select ${COLUMNS} from connections c where c.tenant_id = $1::uuid`, [tenantId])
  return rows.map((row) => read(row))[0]
}

/** A tenant whose identity provider is silent or refused, or that has no seat left. */
export interface TroubledTenant {
  readonly id: TenantId
  readonly name: string
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  readonly trouble: 'silent' | 'failing' | 'seats'
  readonly provider: string | null
  /** Milliseconds since 1970; null for seats. */
  readonly since: number | null
  readonly failedInARow: number
  readonly lastFailure: number | null
  readonly rhythm: JsonObject | null
}

/** The troubled tenants of some environments, or the one with the id `only`; those that are failing first, then silent ones. */
export async function troubledTenants(
  db: Database,
  environmentIds: readonly EnvironmentId[],
  only: TenantId | undefined,
  limit: number,
): Promise<TroubledTenant[]> {
  const most = Math.trunc(limit)
  const one = (column: string) => `($2::uuid is null or ${column} = $2::uuid)`
  const rows = await db.run<Omit<TroubledTenant, 'rhythm'> & { rhythm: string | null }>(
    `select x.id::text as id, t.name, e.project_id::text as "projectId", t.environment_id::text as "environmentId", x.trouble,
       x.provider, x.since, x."failedInARow", x."lastFailure", x.rhythm
     from (
       select y.* from unnest($1::text::uuid[]) as i(id) cross join lateral (
         (select c.tenant_id as id, c.state as trouble, c.provider, ${moment('since')} as since,
            c.failed_in_a_row as "failedInARow", c.last_failure::int as "lastFailure", c.rhythm::text as rhythm
          from connections c where c.environment_id = i.id and c.state <> 'well' and ${one('c.tenant_id')}
          order by c.tenant_id limit ${most})
         union all
         (select t.id, 'seats', null, null, 0, null, null from tenants t
          where t.environment_id = i.id and t.seats_ran_out and ${one('t.id')} order by t.id limit ${most})
       ) y
     ) x join tenants t on t.id = x.id join environments e on e.id = t.environment_id
     where not t.paused order by x.trouble = 'seats', x.trouble, x.since, x.id limit ${most}`,
    [`{${environmentIds.join()}}`, only ?? null],
    { prepare: false },
  )
  return rows.map(({ rhythm, ...row }) => ({ ...row, rhythm: rhythm === null ? null : JSON.parse(rhythm) }))
}

/** Locks the connections of some tenants until the end of the transaction, in the order of ids. Tenants that are gone have none. */
export async function lockConnections(tx: Database, tenantIds: readonly TenantId[]): Promise<ConnectionRow[]> {
  const ids = `{${tenantIds.join()}}`
  await makeConnections(tx, 'and t.id = any($1::text::uuid[])', ids)
  const rows = await tx.run<Raw>(
    `select ${COLUMNS} from connections c where c.tenant_id = any($1::text::uuid[]) order by c.tenant_id for update`,
    [ids],
  )
  return rows.map((row) => read(row))
}

/** Makes the rows of tenants that have none. */
export async function makeMissingConnections(db: Database): Promise<void> {
  await makeConnections(db, '')
}

async function makeConnections(db: Database, which: string, ...ids: readonly string[]): Promise<void> {
  await db.run(
    `insert into connections (tenant_id, environment_id) select t.id, t.environment_id from tenants t
     where not exists (select 1 from connections c where c.tenant_id = t.id) ${which} order by t.id
     on conflict (tenant_id) do nothing`,
    [...ids],
  )
}

/** A connection of which something is to be told by now. */
export interface DueConnection extends ConnectionRow {
  /** Its tenant, or what is around that, is paused: nothing is expected. */
  readonly paused: boolean
}

/** Locks connections of which something is to be told by now, up to `limit`. Those that another instance looks at are left out. */
export async function lockDueConnections(tx: Database, limit: number): Promise<DueConnection[]> {
  const rows = await tx.run<Raw<DueConnection>>(
    `select ${COLUMNS}, coalesce((select t.paused or e.paused or p.paused from tenants t
         join environments e on e.id = t.environment_id join projects p on p.id = e.project_id where t.id = c.tenant_id
       ), true) as paused
     from connections c where c.due_at <= now() order by c.due_at limit ${Math.trunc(limit)} for update of c skip locked`,
    [],
  )
  return rows.map((row) => read(row))
}

/** Stores what has changed of connections that the transaction has locked. */
export async function writeConnections(tx: Database, rows: readonly ConnectionRow[]): Promise<void> {
  if (rows.length === 0) return
  const at = (name: string) => `to_timestamp(n."${name}" / 1000)`
  await tx.run(
    `update connections c set client = n.client, provider = n.provider, first_request_at = ${at('firstRequestAt')},
       last_request_at = ${at('lastRequestAt')}, day = n.day, requests = n.requests, failures = n.failures,
       failing_since = ${at('failingSince')}, failed_in_a_row = n."failedInARow", last_failure = n."lastFailure",
       rhythm = n.rhythm, state = n.state, since = ${at('since')}, due_at = ${at('dueAt')}
     from jsonb_to_recordset($1::text::jsonb) as n("tenantId" uuid, client text, provider text, "firstRequestAt" float8,
       "lastRequestAt" float8, day date, requests int, failures int, "failingSince" float8, "failedInARow" int,
       "lastFailure" smallint, rhythm jsonb, state text, since float8, "dueAt" float8)
     where c.tenant_id = n."tenantId"`,
    [JSON.stringify(rows)],
  )
}

/**
 * Notes how many users tenants have, for lists in that order: of those given, or of up to `limit` after the id `after`. Gives the
 * last id, or undefined where there are no more.
 */
export async function noteUsers(
  db: Database,
  which: { readonly of: readonly TenantId[] } | { readonly after: string; readonly limit: number },
): Promise<string | undefined> {
  const [where, values] =
    'of' in which
      ? ['c.tenant_id = any($1::text::uuid[])', [`{${which.of.join()}}`]]
      : ['c.tenant_id > $1::uuid', [which.after]]
  const limit = 'of' in which ? '' : `limit ${Math.trunc(which.limit)}`
  // Two statements: a distributed database has the counts on other machines than these rows.
  const counted = await db.run<{ id: string; users: number }>(
    `select c.tenant_id::text as id, c.total as users from resource_counts c where ${where} and c.resource_type = 'User'
     order by c.tenant_id ${limit}`,
    values,
  )
  if (counted.length === 0) return undefined
  await db.run(
    `update connections c set users = n.users from jsonb_to_recordset($1::text::jsonb) as n(id uuid, users int)
     where c.tenant_id = n.id and c.users <> n.users`,
    [JSON.stringify(counted)],
  )
  return counted.at(-1)?.id
}
