import type { Database } from '../../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../../place-ids.ts'
import { foldKey } from '../../../tenancy/scim-path.ts'
import { countRows } from '../../resources/counts.ts'
import { Parameters } from '../../sql/parameters.ts'

/** A tenant as a row of the table of an environment; moments in milliseconds since 1970. */
export interface TenantTableRow {
  readonly id: TenantId
  readonly key: string
  readonly name: string
  readonly paused: boolean
  readonly seatsRanOut: boolean
  readonly client: string | null
  readonly provider: string | null
  /** Null where there was no request yet. */
  readonly lastRequestAt: number | null
  /** Of today, in UTC. */
  readonly requestsToday: number
  readonly failuresToday: number
  readonly state: 'well' | 'silent' | 'failing'
  readonly since: number | null
  readonly users: number
  readonly activeUsers: number
  readonly groups: number
  /** Where the row stands in the order of the table, for `after`. */
  readonly place: readonly [string, string]
}

/** How the table is sorted. Names begin with A; of the others, the last, the most or the largest come first. */
export const TENANT_ORDERS = ['name', 'lastRequest', 'failures', 'users'] as const
export type TenantOrder = (typeof TENANT_ORDERS)[number]

export interface TenantTableQuery {
  readonly order: TenantOrder
  /** The order from its other end. */
  readonly backwards: boolean
  /** `place` of the last row of the page before. */
  readonly after?: readonly [string, string] | undefined
  readonly limit: number
  /** A part of the name or the key. */
  readonly part?: string | undefined
  /** The name of an identity provider; `unknown` for a client that names none. */
  readonly provider?: string | undefined
  /** Only these. */
  readonly among?: readonly TenantId[] | undefined
  /** Only those whose connection is silent or fails, beside `among`. */
  readonly orTroubled?: boolean
}

const NAME = `lower(t.name) collate "C"`

/** What an order sorts by: columns of which an index has the environment before and the tenant's id behind. */
const ORDERS: Readonly<
  Record<TenantOrder, { columns: readonly string[]; place: string; types: string; descends: boolean }>
> = {
  name: { columns: [NAME, 't.id'], place: NAME, types: '$::text collate "C", $::uuid', descends: false },
  lastRequest: {
    columns: ['c.last_request_at', 'c.tenant_id'],
    place: 'extract(epoch from c.last_request_at)::text',
    types: 'to_timestamp($::float8), $::uuid',
    descends: true,
  },
  failures: {
    columns: ['c.day', 'c.failures', 'c.tenant_id'],
    place: `c.day::text || ' ' || c.failures`,
    types: `split_part($, ' ', 1)::date, split_part($, ' ', 2)::int, $::uuid`,
    descends: true,
  },
  users: { columns: ['c.users', 'c.tenant_id'], place: 'c.users::text', types: '$::int, $::uuid', descends: true },
}

/** A page of the tenants of an environment. An index gives each order, so a page reads little more than it shows. */
export async function tenantTable(
  db: Database,
  environmentId: EnvironmentId,
  { order, backwards, after, limit, part, provider, among, orTroubled = false }: TenantTableQuery,
): Promise<TenantTableRow[]> {
  const parameters = new Parameters()
  const { columns, place, types, descends } = ORDERS[order]
  const descending = descends !== backwards
  const direction = descending ? 'desc' : 'asc'
  const environment = parameters.bind(environmentId, 'uuid')
  const conditions: string[] = []
  if (after !== undefined) {
    const [value, id] = [parameters.bind(after[0], 'text'), parameters.bind(after[1], 'text')]
    const bound = types.split(/, (?=\$::uuid)/)
    const from = `${bound[0]?.replaceAll('$', value)}, ${id}::uuid`
    conditions.push(`(${columns.join(', ')}) ${descending ? '<' : '>'} (${from})`)
  }
  if (part !== undefined) {
    const [text, key] = [parameters.bind(part, 'text'), parameters.bind(foldKey(part), 'text')]
    conditions.push(`(position(lower(${text}) in lower(t.name)) > 0 or position(${key} in t.key_folded) > 0)`)
  }
  if (provider === 'unknown') conditions.push('c.provider is null and c.client is not null')
  else if (provider !== undefined) conditions.push(`c.provider = ${parameters.bind(provider, 'text')}`)
  if (among !== undefined) {
    const troubled = orTroubled ? ` or c.state <> 'well' or t.seats_ran_out or t.paused` : ''
    conditions.push(`(t.id = any(${parameters.array(among, 'uuid')})${troubled})`)
  }
  const where = conditions.map((condition) => ` and ${condition}`).join('')
  // From the side that has the order to the other one, row by row.
  const from =
    order === 'name'
      ? `tenants t left join lateral (select * from connections c where c.tenant_id = t.id offset 0) c on true
         where t.environment_id = ${environment}${where}`
      : `connections c cross join lateral (select * from tenants t where t.id = c.tenant_id offset 0) t
         where c.environment_id = ${environment}${where}`
  const today = (count: string) => `case when c.day = (now() at time zone 'UTC')::date then c.${count} else 0 end`
  const rows = await db.run<Omit<TenantTableRow, 'place' | 'users' | 'activeUsers' | 'groups'> & { place: string }>(
    `select t.id::text as id, t.key, t.name, t.paused, t.seats_ran_out as "seatsRanOut", c.client, c.provider,
       case when c.first_request_at is not null then (extract(epoch from c.last_request_at) * 1000)::float8 end as "lastRequestAt",
       coalesce(${today('requests')}, 0) as "requestsToday", coalesce(${today('failures')}, 0) as "failuresToday",
       coalesce(c.state, 'well') as state, (extract(epoch from c.since) * 1000)::float8 as since, ${place} as place
     from ${from} order by ${columns.map((column) => `${column} ${direction}`).join(', ')} limit ${Math.trunc(limit)}`,
    parameters.values,
    { prepare: false },
  )
  const counts = await countsOf(
    db,
    rows.map(({ id }) => id),
  )
  const none = { users: 0, activeUsers: 0, groups: 0 }
  return rows.map((row) => ({ ...row, ...(counts.get(row.id) ?? none), place: [row.place, row.id] }))
}

interface Counts {
  readonly users: number
  readonly activeUsers: number
  readonly groups: number
}

/** How many users and groups some tenants have now. */
async function countsOf(db: Database, ids: readonly TenantId[]): Promise<ReadonlyMap<TenantId, Counts>> {
  if (ids.length === 0) return new Map()
  const rows = await db.run<Counts & { id: TenantId }>(
    `select i.id::text as id, c.* from unnest($1::text::uuid[]) as i(id) cross join lateral (
       select coalesce(sum(n.total) filter (where n.resource_type = 'User'), 0)::int as users,
         coalesce(sum(n.active), 0)::int as "activeUsers",
         coalesce(sum(n.total) filter (where n.resource_type = 'Group'), 0)::int as groups
       from (${countRows('i.id', `in ('User', 'Group')`)}) n
     ) c`,
    [`{${ids.join()}}`],
  )
  return new Map(rows.map(({ id, ...counts }) => [id, counts]))
}
