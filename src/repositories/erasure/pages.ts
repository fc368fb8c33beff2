import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { arrayText } from '../sql/parameters.ts'

// Logs are looked through page by page, in the order of a key. A row is given with its texts where it may have something of the
// person; of all others only the last one's key is.

/** Rows looked at in one step; texts of requests are longer than others. */
export const LOOKED_AT_ONCE = { events: 500, requests: 100, audit: 500, answers: 100, deliveries: 1_000 }

/** Whom a page is looked through for. */
export interface Sought {
  /** Id of the user. */
  readonly id: string | null
  /** Texts in lower case, of which each text about the person has one. */
  readonly signs: readonly string[]
}

/** Rows that may have something of the person; `last` is the key of the last row that was looked at, undefined after the end. */
export interface Page<Row> {
  readonly rows: readonly Row[]
  readonly last: string | undefined
}

/** A condition on a text of SQL: it has one of the signs in `$n`. Signs are compared with the text in lower case, made once. */
const hasSign = (text: string, signs: string): string =>
  `exists (select 1 from (select lower(${text}) as t offset 0) l, unnest(${signs}::text::text[]) s(sign)
     where strpos(l.t, s.sign) > 0)`

function pageOf<Row extends { readonly at: string; readonly found: boolean }>(
  rows: readonly Row[],
  most: number,
): Page<Row> {
  return { rows: rows.filter(({ found }) => found), last: rows.length < most ? undefined : rows.at(-1)?.at }
}

interface Found {
  readonly at: string
  readonly found: boolean
}

/** An event about the person, or one that may name the person. */
export interface EventFound extends Found {
  readonly isOwn: boolean
  readonly type: string
  readonly changes: string
  /** Milliseconds since 1970. */
  readonly occurredAt: number
}

/** A request that may name the person. */
export interface RequestFound extends Found {
  readonly terms: readonly string[]
  readonly entry: string
  readonly bodies: string | null
}

/** An entry of the audit trail that may name the person. */
export interface AuditFound extends Found {
  /** Milliseconds since 1970. */
  readonly occurredAt: number
  readonly targetName: string
  /** JSON texts. */
  readonly before: string | null
  readonly after: string | null
}

/** An answer that is kept for repeats, and may name the person. */
export interface AnswerFound extends Found {
  readonly body: string
}

/** The logs of one tenant, as an erasure looks through them. */
export function pagesOf(database: Database, tenantId: TenantId, { id, signs }: Sought) {
  const db = database.asTenant(tenantId)
  const [any, user] = [arrayText(signs, 'text'), id]
  return {
    async events(after: string | null): Promise<Page<EventFound>> {
      const most = LOOKED_AT_ONCE.events
      const rows = await db.run<EventFound>(
        `select p.seq::text as at, x.own as "isOwn", p.type, (extract(epoch from p.occurred_at) * 1000)::float8 as "occurredAt",
           x.found, case when x.found then p.changes else '' end as changes
         from (
           select e.seq, e.type, e.resource_id, e.occurred_at, e.changes from events e
           where e.tenant_id = $1::uuid and e.seq > $2::text::bigint order by e.tenant_id, e.seq limit ${most}
         ) p cross join lateral (
           select coalesce(p.resource_id = $3::text::uuid, false) as own,
             coalesce(p.resource_id = $3::text::uuid, false) or ${hasSign('p.changes', '$4')} as found offset 0
         ) x order by p.seq`,
        [tenantId, after ?? '0', user, any],
        { prepare: false },
      )
      return pageOf(rows, most)
    },

    /** Requests with ids from `from` on, up to `to`. */
    async requests(after: string, to: string): Promise<Page<RequestFound>> {
      const most = LOOKED_AT_ONCE.requests
      const rows = await db.run<Omit<RequestFound, 'terms'> & { terms: string }>(
        `select p.id::text as at, x.found, case when x.found then array_to_json(p.terms)::text else '[]' end as terms,
           case when x.found then p.entry else '' end as entry, case when x.found then p.bodies end as bodies
         from (
           select r.id, r.terms, r.entry, r.bodies from request_log r
           where r.tenant_id = $1::uuid and r.id > $2::uuid and r.id <= $3::uuid order by r.tenant_id, r.id limit ${most}
         ) p cross join lateral (
           select ${hasSign(`p.entry || ' ' || coalesce(p.bodies, '')`, '$4')} as found offset 0
         ) x order by p.id`,
        [tenantId, after, to, any],
        { prepare: false },
      )
      return pageOf(
        rows.map((row) => ({ ...row, terms: JSON.parse(row.terms) as string[] })),
        most,
      )
    },

    /** Of the trail, which the control plane alone reads, the entries of the tenant. */
    async audit(after: string | null): Promise<Page<AuditFound>> {
      const most = LOOKED_AT_ONCE.audit
      const rows = await database.run<AuditFound>(
        `select p.seq::text as at, (extract(epoch from p.at) * 1000)::float8 as "occurredAt", x.found, p.target_name as "targetName", case when x.found then p.before::text end as before,
           case when x.found then p.after::text end as after
         from (
           select a.seq, a.at, a.target_name, a.before, a.after from audit_entries a
           where a.tenant_id = $1::uuid and a.seq > $2::text::bigint order by a.tenant_id, a.seq limit ${most}
         ) p cross join lateral (
           select ${hasSign(`p.target_name || ' ' || coalesce(p.before::text, '') || ' ' || coalesce(p.after::text, '')`, '$3')} as found
           offset 0
         ) x order by p.seq`,
        [tenantId, after ?? '0', any],
        { prepare: false },
      )
      return pageOf(rows, most)
    },

    /** Of the answers to all clients those that name the user's id. Keys are JSON: who asked, and the idempotency key. */
    async answers(after: string | null): Promise<Page<AnswerFound>> {
      if (user === null) return { rows: [], last: undefined }
      const most = LOOKED_AT_ONCE.answers
      const rows = await database.run<AnswerFound>(
        `select json_build_array(p.actor, p.key)::text as at, x.found, case when x.found then p.body else '' end as body
         from (
           select k.actor, k.key, k.body from idempotency_keys k
           where (k.actor, k.key) > ($1::text::json->>0, $1::text::json->>1) order by k.actor, k.key limit ${most}
         ) p cross join lateral (select strpos(p.body, $2::text) > 0 as found offset 0) x order by p.actor, p.key`,
        [after ?? '["",""]', user],
        { prepare: false },
      )
      return pageOf(rows, most)
    },

    /** Which of these addresses another user of the directory has too; all are folded. */
    async sharedAddresses(addresses: readonly string[]): Promise<Set<string>> {
      const rows = await db.run<{ value: string }>(
        `select a.value from unnest($3::text::text[]) a(value) where exists (
           select 1 from search_documents s where s.tenant_id = $1::uuid and s.resource_type = 'User'
             and s.resource_id is distinct from $2::text::uuid
             and s.search @> jsonb_build_object($1::uuid::text, jsonb_build_object('emails', jsonb_build_array(
               jsonb_build_object('value', a.value))))
         )`,
        [tenantId, user, arrayText(addresses, 'text')],
        { prepare: false },
      )
      return new Set(rows.map(({ value }) => value))
    },
  }
}
