import type { Bindable, Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { arrayText, ofShape, Parameters } from '../sql/parameters.ts'

/** One request as it is stored. */
export interface LoggedRequest {
  /** A UUIDv7 of the request's time. */
  readonly id: string
  readonly operation: string
  readonly status: number
  /** Empty where no key is known. */
  readonly keyId: string
  /** JSON text. */
  readonly entry: string
}

/** What is to be stored of a request. */
export interface NewRequest extends LoggedRequest {
  readonly tenantId: TenantId
  readonly terms: readonly string[]
  /** JSON text; null where there are none. */
  readonly bodies: string | null
}

/** Which requests are wanted. All conditions hold. */
export interface RequestFilter {
  readonly operation?: string | undefined
  /** The lowest status and the highest. */
  readonly status?: readonly [number, number] | undefined
  readonly keyId?: string | undefined
  /** Each of them is of the request. */
  readonly terms: readonly string[]
}

/** A stretch of the log, the newest first: ids below `before`, and from `from` on. */
export interface RequestPage {
  readonly before: string
  readonly from: string
  readonly limit: number
}

/** Requests, the newest first; `next` is the `before` of the next page, undefined where there is none. */
export interface RequestsFound {
  readonly requests: readonly LoggedRequest[]
  readonly next: string | undefined
}

/** Requests of one person that are looked at for one page, where there are other conditions too. */
const LOOKED_AT = 1_000
/** Kinds of requests of a tenant that are told apart: operations, statuses and keys. */
const MOST_KINDS = 2_000

/** Rows of one statement. Statements of few sizes are prepared; a batch is made of them. */
const SIZES = [256, 64, 16, 4, 1] as const
const inserts = new Map<string, string>()

/**
 * Stores requests of any tenants, and their terms. To do it twice changes nothing. Rows of a tenant that is being deleted, or
 * has been, are left out.
 */
export async function insertRequests(database: Database, rows: readonly NewRequest[]): Promise<void> {
  const named = rows.flatMap(({ tenantId, id, terms }) => terms.map((term) => ({ tenantId, term, id })))
  // Terms first: a row without terms would never be found by them, and terms without a row are passed over.
  if (named.length > 0)
    await database.run(
      `insert into request_terms (tenant_id, term, id)
       select v.tenant_id, v.term, v.id from unnest($1::text::uuid[], $2::text::text[], $3::text::uuid[]) v(tenant_id, term, id)
       where exists (select 1 from tenants t where t.id = v.tenant_id and not t.deleting) on conflict do nothing`,
      [
        arrayText(
          named.map(({ tenantId }) => tenantId),
          'uuid',
        ),
        arrayText(
          named.map(({ term }) => term),
          'text',
        ),
        arrayText(
          named.map(({ id }) => id),
          'uuid',
        ),
      ],
      { name: 'request-log-write' },
    )
  for (let done = 0; done < rows.length; ) {
    const size = SIZES.find((each) => each <= rows.length - done) ?? 1
    const some = rows.slice(done, done + size)
    const values = some.flatMap((row): Bindable[] => [
      ...[
        row.tenantId,
        row.id,
        row.operation,
        row.status,
        row.keyId,
        arrayText(row.terms, 'text'),
        row.entry,
        row.bodies,
      ],
    ])
    await database.run(
      ofShape(inserts, String(size), () => insertOf(size)),
      values,
      { name: 'request-log-write' },
    )
    done += size
  }
}

const TYPES = ['uuid', 'uuid', 'text', 'smallint', 'text', 'text', 'text', 'text']

/** Texts are bound as they are: an array or JSON around them would be read letter by letter. */
function insertOf(size: number): string {
  const row = (n: number) => `(${TYPES.map((type, i) => `$${n * TYPES.length + i + 1}::${type}`).join(', ')})`
  return `insert into request_log (tenant_id, id, operation, status, key_id, terms, entry, bodies)
    select v.tenant_id, v.id, v.operation, v.status, v.key_id, v.terms::text[], v.entry, v.bodies
    from (values ${Array.from({ length: size }, (_, n) => row(n)).join(', ')})
      v(tenant_id, id, operation, status, key_id, terms, entry, bodies)
    where exists (select 1 from tenants t where t.id = v.tenant_id and not t.deleting) on conflict do nothing`
}

const COLUMNS = `r.id::text as id, r.operation, r.status::int as status, r.key_id as "keyId", r.entry`

/** The provisioning log of one tenant. */
export function requestLogOf(database: Database, tenantId: TenantId) {
  const db = database.asTenant(tenantId)
  return {
    /** A page of the requests that `filter` wants. With terms and other conditions it may be empty and still have a `next`. */
    async list(filter: RequestFilter, page: RequestPage): Promise<RequestsFound> {
      const { operation, status, keyId, terms } = filter
      const ofKinds = operation !== undefined || status !== undefined || keyId !== undefined
      if (terms.length > 0) return byTerms(db, tenantId, filter, page)
      const rows = await (ofKinds ? byKinds(db, tenantId, filter, page) : newest(db, tenantId, page))
      const found = rows.slice(0, page.limit)
      return { requests: found, next: rows.length > page.limit ? found.at(-1)?.id : undefined }
    },

    /** The bodies of some requests, those that are no longer than `longest`, in no order. */
    bodies(ids: readonly string[], longest: number): Promise<{ readonly id: string; readonly bodies: string }[]> {
      return db.run(
        `select r.id::text as id, r.bodies from unnest($2::text::uuid[]) x(id) cross join lateral (
           select r.id, r.bodies from request_log r
           where r.tenant_id = $1::uuid and r.id = x.id and length(r.bodies) <= $3::int offset 0
         ) r`,
        [tenantId, arrayText(ids, 'uuid'), longest],
        { name: 'request-log-read' },
      )
    },

    /** One request, with its bodies. */
    async one(id: string): Promise<(LoggedRequest & { readonly bodies: string | null }) | undefined> {
      const [row] = await db.run<LoggedRequest & { bodies: string | null }>(
        `select ${COLUMNS}, r.bodies from request_log r where r.tenant_id = $1::uuid and r.id = $2::uuid`,
        [tenantId, id],
        { name: 'request-log-read' },
      )
      return row
    },
  }
}

/** One row more than the page has, in the order of the primary key. */
function newest(db: Database, tenantId: TenantId, { before, from, limit }: RequestPage): Promise<LoggedRequest[]> {
  return db.run(
    `select ${COLUMNS} from request_log r where r.tenant_id = $1::uuid and r.id < $2::uuid and r.id >= $3::uuid
     order by r.tenant_id desc, r.id desc limit $4::int`,
    [tenantId, before, from, limit + 1],
    { name: 'request-log-read' },
  )
}

/**
 * The same of some kinds. A tenant has few kinds of requests, which are listed by one look-up each. Of each that is wanted, the
 * newest are read in the order of the index; so rare ones are found as fast as others.
 */
function byKinds(
  db: Database,
  tenantId: TenantId,
  { operation, status, keyId }: RequestFilter,
  { before, from, limit }: RequestPage,
): Promise<LoggedRequest[]> {
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const [above, below] = [parameters.bind(from, 'uuid'), parameters.bind(before, 'uuid')]
  const rows = parameters.bind(limit + 1, 'int')
  const conditions = [
    ...(operation === undefined ? [] : [`k.operation = ${parameters.bind(operation, 'text')}`]),
    ...(status === undefined
      ? []
      : [`k.status between ${parameters.bind(status[0], 'int')} and ${parameters.bind(status[1], 'int')}`]),
    ...(keyId === undefined ? [] : [`k.key_id = ${parameters.bind(keyId, 'text')}`]),
  ]
  const order = 'r.operation desc, r.status desc, r.key_id desc, r.id desc'
  // The comparisons of rows are bounds in the second index, and in no other.
  return db.run(
    `with recursive kinds(operation, status, key_id, n) as (
       (select r.operation, r.status, r.key_id, 1 from request_log r where r.tenant_id = ${tenant}
        order by r.operation, r.status, r.key_id limit 1)
       union all
       select x.operation, x.status, x.key_id, k.n + 1 from kinds k cross join lateral (
         select r.operation, r.status, r.key_id from request_log r
         where r.tenant_id = ${tenant} and (r.operation, r.status, r.key_id) > (k.operation, k.status, k.key_id)
         order by r.operation, r.status, r.key_id limit 1
       ) x where k.n < ${MOST_KINDS}
     )
     select x.* from kinds k cross join lateral (
       select ${COLUMNS} from request_log r where r.tenant_id = ${tenant}
         and (r.operation, r.status, r.key_id, r.id) < (k.operation, k.status, k.key_id, ${below})
         and (r.operation, r.status, r.key_id, r.id) >= (k.operation, k.status, k.key_id, ${above})
       order by ${order} limit ${rows}
     ) x where ${conditions.join(' and ')} order by x.id desc limit ${rows}`,
    parameters.values,
    { name: 'request-log-read', prepare: false },
  )
}

/** The requests of a term, and of them those that the other conditions leave. */
async function byTerms(
  db: Database,
  tenantId: TenantId,
  { operation, status, keyId, terms: [first = '', ...others] }: RequestFilter,
  { before, from, limit }: RequestPage,
): Promise<RequestsFound> {
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const term = parameters.bind(first, 'text')
  const [above, below] = [parameters.bind(from, 'uuid'), parameters.bind(before, 'uuid')]
  const conditions = [
    ...(operation === undefined ? [] : [`r.operation = ${parameters.bind(operation, 'text')}`]),
    ...(status === undefined
      ? []
      : [`r.status between ${parameters.bind(status[0], 'int')} and ${parameters.bind(status[1], 'int')}`]),
    ...(keyId === undefined ? [] : [`r.key_id = ${parameters.bind(keyId, 'text')}`]),
    ...others.map((other) => `${parameters.bind(other, 'text')} = any(r.terms)`),
  ]
  const looked = conditions.length === 0 ? limit + 1 : Math.max(LOOKED_AT, limit + 1)
  const rows = await db.run<LoggedRequest & { at: string }>(
    `select t.id::text as at, x.* from (
       select t.id from request_terms t
       where t.tenant_id = ${tenant} and t.term = ${term} and t.id < ${below} and t.id >= ${above}
       order by t.term desc, t.id desc limit ${looked}
     ) t left join lateral (
       select ${COLUMNS} from request_log r
       where r.tenant_id = ${tenant} and r.id = t.id ${conditions.map((one) => `and ${one}`).join(' ')} offset 0
     ) x on true order by t.id desc`,
    parameters.values,
    { name: 'request-log-read', prepare: false },
  )
  const found = rows.filter(({ id }) => id !== null)
  if (found.length > limit) return { requests: found.slice(0, limit), next: found[limit - 1]?.id }
  return { requests: found, next: rows.length === looked ? rows.at(-1)?.at : undefined }
}

/** The newest request of each tenant; without an entry for one that has none. */
export async function newestRequests(db: Database, tenantIds: readonly TenantId[]): Promise<Map<TenantId, string>> {
  const parameters = new Parameters()
  const rows = await db.run<{ tenantId: TenantId; id: string }>(
    db.distributed
      ? `select r.tenant_id::text as "tenantId", max(r.id::text) as id from request_log r
         where r.tenant_id = any(${parameters.array(tenantIds, 'uuid')}) group by r.tenant_id`
      : `select x.tenant_id::text as "tenantId", r.id::text as id from unnest(${parameters.array(tenantIds, 'uuid')}) x(tenant_id)
         cross join lateral (
           select r.id from request_log r where r.tenant_id = x.tenant_id order by r.tenant_id desc, r.id desc limit 1
         ) r`,
    parameters.values,
    { name: 'request-log-heads' },
  )
  return new Map(rows.map(({ tenantId, id }) => [tenantId, id]))
}
