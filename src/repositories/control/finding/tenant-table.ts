import type { Database } from '../../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../../place-ids.ts'
import { foldKey } from '../../../tenancy/scim-path.ts'
import { countRows } from '../../resources/counts.ts'
import { Parameters } from '../../sql/parameters.ts'
import { countsOfTenants } from '../summaries.ts'

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

/** What an order sorts by. An index has these columns, in this order, between the environment and the tenant's id. */
interface Order {
  readonly table: 'tenants t' | 'connections c'
  readonly columns: readonly string[]
  /** Values below and above all others. */
  readonly lowest: string
  readonly highest: string
  /** The columns as one text, and read from it again. */
  readonly place: string
  readonly read: (text: string) => string
  readonly descends: boolean
}

const NAME = `lower(t.name) collate "C"`
const ORDERS: Readonly<Record<TenantOrder, Order>> = {
  name: {
    ...{ table: 'tenants t', columns: [NAME], place: NAME, descends: false },
    ...{ lowest: `''`, highest: 'repeat(chr(1114111), 100)' },
    read: (text) => `${text}::text`,
  },
  lastRequest: {
    ...{ table: 'connections c', columns: ['c.last_request_at'], descends: true },
    ...{ lowest: `'-infinity'::timestamptz`, highest: `'infinity'::timestamptz` },
    ...{ place: 'extract(epoch from c.last_request_at)::text', read: (text) => `to_timestamp(${text}::text::float8)` },
  },
  failures: {
    ...{ table: 'connections c', columns: ['c.day', 'c.failures'], descends: true },
    ...{ lowest: `'-infinity'::date, 0`, highest: `'infinity'::date, 2147483647` },
    place: `c.day::text || ' ' || c.failures`,
    read: (text) => `split_part(${text}::text, ' ', 1)::date, split_part(${text}::text, ' ', 2)::int`,
  },
  users: {
    ...{ table: 'connections c', columns: ['c.users'], place: 'c.users::text', descends: true },
    ...{ lowest: '0', highest: '2147483647' },
    read: (text) => `${text}::text::int`,
  },
}

const [LOWEST_ID, HIGHEST_ID] = ['0', 'f'].map(
  (digit) => `'${'00000000-0000-0000-0000-000000000000'.replaceAll('0', digit)}'::uuid`,
)

/**
 * A page of the tenants of an environment. An index has each order. A page without a filter looks up no more than it shows; one with a
 * filter looks at each tenant of the environment once at the most.
 */
export async function tenantTable(
  db: Database,
  environmentId: EnvironmentId,
  { order, backwards, after, limit, part, provider, among, orTroubled = false }: TenantTableQuery,
): Promise<TenantTableRow[]> {
  const parameters = new Parameters()
  const { table, columns, lowest, highest, place, read, descends } = ORDERS[order]
  const descending = descends !== backwards
  const direction = descending ? 'desc' : 'asc'
  const environment = parameters.bind(environmentId, 'uuid')
  const last = after && `${read(parameters.bind(after[0]))}, ${parameters.bind(after[1], 'uuid')}`
  const [low, high] = [`${lowest}, ${LOWEST_ID}`, `${highest}, ${HIGHEST_ID}`]
  const id = table === 'tenants t' ? 't.id' : 'c.tenant_id'
  const sorted = [`${table.slice(-1)}.environment_id`, ...columns, id]
  const beyond = (sign: '>' | '<', open: string) => {
    const isOpen = descending === (sign === '<') && last !== undefined
    return `(${sorted.join(', ')}) ${isOpen ? sign : `${sign}=`} (${environment}, ${isOpen ? last : open})`
  }
  // Both ends as whole entries of the index: by the environment alone, a plan made over few rows sorts all of them.
  const conditions = [beyond('>', low), beyond('<', high)]
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
  const where = `where ${conditions.join(' and ')}`
  const end = `order by ${sorted.map((column) => `${column} ${direction}`).join(', ')} limit ${Math.trunc(limit)}`
  // Without a filter the page is cut before anything is looked up for it.
  const isWhole = part === undefined && provider === undefined && among === undefined
  const rowsOf = isWhole ? `(select * from ${table} ${where} ${end}) ${table.slice(-1)}` : table
  // From the side that has the order to the other one, row by row.
  const other =
    table === 'tenants t'
      ? 'left join lateral (select * from connections c where c.tenant_id = t.id offset 0) c on true'
      : 'cross join lateral (select * from tenants t where t.id = c.tenant_id offset 0) t'
  const today = (count: string) => `case when c.day = (now() at time zone 'UTC')::date then c.${count} else 0 end`
  const rows = await db.run<Omit<TenantTableRow, 'place' | 'users' | 'activeUsers' | 'groups'> & { place: string }>(
    `select t.id::text as id, t.key, t.name, t.paused, t.seats_ran_out as "seatsRanOut", c.client, c.provider,
       case when c.first_request_at is not null then (extract(epoch from c.last_request_at) * 1000)::float8 end as "lastRequestAt",
       coalesce(${today('requests')}, 0) as "requestsToday", coalesce(${today('failures')}, 0) as "failuresToday",
       coalesce(c.state, 'well') as state, (extract(epoch from c.since) * 1000)::float8 as since, ${place} as place
     from ${rowsOf} ${other} ${isWhole ? '' : where} ${end}`,
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
  if (db.distributed) return countsOfTenants(db, ids)
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
