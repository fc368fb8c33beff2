import type postgres from 'postgres'
import { composed } from '../../src/request-log/compose.ts'
import type { Exchange } from '../../src/request-log/exchange.ts'
import { termOf } from '../../src/request-log/terms.ts'
import { builtInRegistry } from '../../src/scim/schema/registry.ts'
import { DEFAULT_SETTINGS } from '../../src/tenancy/settings.ts'

/** A tenant with a part of the log. */
export interface LoggedTenant {
  readonly id: string
  readonly key: string
}

// Half of the whole log is the first tenant's, and the others share the rest. Requests of a tenant lie between those of others, as
// they would where all are written in the order of time.

/** Over which the requests are spread, up to now. */
export const DAYS = 10
/** Rows that one statement makes. */
const AT_ONCE = 250_000
/** Requests for each person of a tenant. */
const PER_PERSON = 20

/** Stand in the prototypes for a person and the person's id. */
const [NUMBER, ID] = ['7777777', '77777777-7777-4777-8777-777777777777']
/** Keys of the tenant; the third is nobody's. */
const KEYS = ['bench-key-one', 'bench-key-two', ''] as const

/** By what somebody looks for a person. */
export const namesOf = (person: number) => `person${String(person).padStart(7, '0')}@bench.test`

const userName = namesOf(Number(NUMBER))
const user = {
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
  ...{ userName, externalId: `x${NUMBER}`, active: true, name: { givenName: 'Person', familyName: NUMBER } },
}
const found = JSON.stringify({
  ...user,
  id: ID,
  meta: { resourceType: 'User', location: `https://bench.test/Users/${ID}` },
})
const listed = JSON.stringify({ totalResults: 1, Resources: [JSON.parse(found)] })
const filter = `filter=${encodeURIComponent(`userName eq "${userName}"`)}`
const patch = { op: 'replace', path: 'active', value: false }
const refused = (reason: string, detail: string) => ({ scimType: undefined, reason, detail }) as Exchange['refusal']

/** What a hundred requests are, and how many of each kind: those of a directory that looks up what it is about to change. */
const KINDS: readonly (readonly [count: number, Partial<Exchange>])[] = [
  [60, { method: 'GET', segments: ['Users'], query: filter, answer: kept(listed) }],
  [14, { method: 'POST', segments: ['Users'], status: 201, body: kept(JSON.stringify(user)), answer: kept(found) }],
  [14, { method: 'PATCH', segments: ['Users', ID], body: kept(JSON.stringify(patch)), answer: kept(found) }],
  [7, { method: 'GET', segments: ['Users', ID], answer: kept(found) }],
  [
    2,
    {
      method: 'GET',
      segments: ['Users', ID],
      status: 404,
      refusal: refused('resource-not-found', `There is no ${ID}.`),
    },
  ],
  [
    2,
    {
      method: 'POST',
      segments: ['Users'],
      status: 409,
      body: kept(JSON.stringify(user)),
      refusal: refused('value-not-unique', userName),
    },
  ],
  [
    1,
    { method: 'GET', segments: ['Users'], query: filter, status: 401, refusal: refused('key-unknown', 'No such key.') },
  ],
]

function kept(content: string) {
  return { content, length: content.length }
}

/** Writes `rows` requests of the last days as the gateway would have, the oldest first. Needs a superuser. */
export async function fillRequestLog(
  sql: postgres.Sql,
  tenants: readonly LoggedTenant[],
  rows: number,
  report: (made: number) => void,
): Promise<void> {
  await sql.unsafe('set synchronous_commit = off')
  await sql.unsafe(
    'create temp table prototypes (low int, high int, operation text, status int, refused bool, terms int[], entry text, bodies text)',
  )
  let low = 0
  for (const [count, more] of KINDS) {
    const row = composed(
      exchangeOf(more),
      { id: ID as never, settings: DEFAULT_SETTINGS, registry: builtInRegistry },
      '',
    )
    const terms = row.terms.map((term) => {
      const found = NAMED.findIndex((name) => termOf(name) === term)
      if (found === -1) throw new Error(`a term of ${row.operation} is none of those that are filled in`)
      return found + 1
    })
    await sql.unsafe('insert into prototypes values ($1, $2, $3, $4, $5, $6::text::int[], $7, $8)', [
      ...[
        low,
        low + count,
        row.operation,
        row.status,
        row.status === 401,
        `{${terms.join(',')}}`,
        row.entry,
        row.bodies,
      ],
    ] as never[])
    low += count
  }
  await sql.unsafe('create temp table filled_tenants (n int primary key, id uuid)')
  for (const [n, { id }] of tenants.entries())
    await sql.unsafe('insert into filled_tenants values ($1, $2)', [n, id] as never[])
  const people = Math.max(1, Math.floor(rows / 2 / PER_PERSON))
  const end = Date.now() - 1_000
  for (let from = 0; from < rows; from += AT_ONCE) {
    const to = Math.min(from + AT_ONCE, rows) - 1
    await sql.unsafe(STATEMENT, [
      from,
      to,
      tenants.length,
      people,
      end - DAYS * 86_400_000,
      (DAYS * 86_400_000) / rows,
    ] as never[])
    report(to + 1)
  }
}

/** What may be a term, in the order in which the statement has them. */
const NAMED = [userName, `x${NUMBER}`, ID]

function exchangeOf(more: Partial<Exchange>): Exchange {
  return {
    ...{ belongs: undefined as never, requestId: ID, isOurs: true, inEvents: ID, at: 0, ms: 3.1, query: '' },
    ...{ method: 'GET', segments: ['Users'], userAgent: 'bench/1.0', status: 200, refusal: undefined, deviations: [] },
    ...{ body: undefined, answer: undefined, location: undefined, userId: undefined },
    ...more,
  }
}

const marked = (text: string) => `replace(replace(${text}, '${ID}', m.person_id::text), '${NUMBER}', m.person)`
const term = (text: string) => `translate(left(encode(sha256(convert_to(${text}, 'UTF8')), 'base64'), 12), '+/', '-_')`

const STATEMENT = `with numbered as materialized (
    select s.n, t.id as tenant_id, p.*, lpad((s.n / 2 % $4::bigint)::text, 7, '0') as person,
      lpad(to_hex(($5::float8 + s.n * $6::float8)::bigint), 12, '0') as moment,
      case when p.refused then '' when s.n / 200 % 10 = 0 then '${KEYS[1]}' else '${KEYS[0]}' end as key_id
    from generate_series($1::bigint, $2::bigint) s(n)
      join filled_tenants t on t.n = case when s.n % 2 = 0 or $3::int = 1 then 0 else 1 + s.n / 2 % ($3::int - 1) end
      join prototypes p on (s.n / 2 + s.n / 2 / $4::bigint) * 37 % 100 >= p.low and (s.n / 2 + s.n / 2 / $4::bigint) * 37 % 100 < p.high
  ), identified as materialized (
    select n.*, md5(n.tenant_id::text || n.person)::uuid as person_id,
      (substr(moment, 1, 8) || '-' || substr(moment, 9) || '-7' || substr(gen_random_uuid()::text, 16))::uuid as id from numbered n
  ), named as materialized (
    select m.*, array(select (array[${term("'person' || m.person || '@bench.test'")}, ${term("'x' || m.person")},
      ${term('m.person_id::text')}])[i] from unnest(m.terms) i) as hashes from identified m
  ), found as (
    insert into request_terms (tenant_id, term, id)
    select m.tenant_id, h, m.id from named m cross join lateral unnest(m.hashes) h order by 1, 2, 3
  )
  insert into request_log (tenant_id, id, operation, status, key_id, terms, entry, bodies)
  select m.tenant_id, m.id, m.operation, m.status, m.key_id, m.hashes, ${marked('m.entry')}, ${marked('m.bodies')} from named m order by m.n`
