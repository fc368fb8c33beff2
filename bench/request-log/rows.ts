import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { listRequests, type RequestQuery, requestFollower } from '../../src/administration/requests.ts'
import type { Database } from '../../src/db/database.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../src/place-ids.ts'
import { newestRequests } from '../../src/repositories/log/request-log.ts'
import { tenantsWithOldRequests, trimRequests } from '../../src/repositories/log/request-log-age.ts'
import { lowestIdAt } from '../../src/request-log/ids.ts'
import { startPostgres } from '../../test/support/postgres-server.ts'
import { median } from '../measure.ts'
import type { Options } from '../options.ts'
import { gatewayEnv } from '../prepare.ts'
import { startGateway } from '../processes.ts'
import type { Progress } from '../progress.ts'
import { DAYS, fillRequestLog, type LoggedTenant, namesOf } from './fill.ts'

// How long it takes to find requests in a log of so many, before PostgreSQL has looked at the tables and after.

const TENANTS = 200
const PAGE = 50
const TIMES = 15
const DAY_MS = 86_400_000
const POSTGRES_SETTINGS = [
  ...['shared_buffers=2GB', 'max_wal_size=4GB', 'wal_level=minimal', 'max_wal_senders=0'],
  ...['autovacuum=off', 'shared_preload_libraries=pg_stat_statements'],
]

/** One thing that somebody asks of the log. Times in ms; buffers are pages of 8 KB that PostgreSQL looks at, of one call. */
export interface Asked {
  readonly what: string
  /** The first call after a start of PostgreSQL. */
  readonly coldMs: number
  readonly warmMs: number
  readonly buffers: number
}

/** What is asked of a log with so many requests, half of which are of the tenant that is asked. */
export interface LogRowsResult {
  readonly rows: number
  readonly gigabytes: number
  /** By a server that has never looked at what is in the tables. */
  readonly neverAnalysed: readonly Asked[]
  readonly analysed: readonly Asked[]
}

/** Measures each number of requests on a database of its own. */
export async function measureLogRows({ logRows, gateway }: Options, progress: Progress): Promise<LogRowsResult[]> {
  const results: LogRowsResult[] = []
  progress.begin(logRows.length)
  for (const rows of logRows) {
    progress.step(`request-log-rows: ${rows}`)
    const server = await startPostgres({ settings: POSTGRES_SETTINGS })
    try {
      results.push(await withRows(server, rows, gateway, progress))
    } finally {
      await server.stop()
    }
  }
  return results
}

type Postgres = Awaited<ReturnType<typeof startPostgres>>

async function withRows(
  server: Postgres,
  rows: number,
  main: string | undefined,
  progress: Progress,
): Promise<LogRowsResult> {
  await (await startGateway({ ...gatewayEnv(server.url), LOG_LEVEL: 'silent' }, main)).stop()
  const sql = postgres(server.url, { max: 1, onnotice: () => {} })
  await sql.unsafe('create extension pg_stat_statements')
  const tenants = await fillTenants(sql, Math.min(TENANTS, Math.ceil(rows / 1_000)))
  await fillRequestLog(sql, tenants, rows, (made) => progress.portion(`filling the log`, made, rows))
  await sql.end()
  const asked = tenants[0] as FilledTenant
  const neverAnalysed = await asksOf(server, asked, rows)
  const again = postgres(server.url, { max: 1 })
  await again.unsafe('vacuum (analyze) request_log, request_terms')
  const [size] = await again.unsafe<{ bytes: number }[]>(
    `select (pg_total_relation_size('request_log') + pg_total_relation_size('request_terms'))::float8 as bytes`,
  )
  await again.end()
  return { rows, gigabytes: (size?.bytes ?? 0) / 1e9, neverAnalysed, analysed: await asksOf(server, asked, rows) }
}

interface FilledTenant extends LoggedTenant {
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
}

const fillTenants = (sql: postgres.Sql, count: number) =>
  sql.unsafe<FilledTenant[]>(
    `with made as (
       insert into tenants (id, environment_id, key, key_folded, name)
       select gen_random_uuid(), e.id, 'log-' || n, 'log-' || n, 'log-' || n
       from generate_series(1, ${count}) n cross join (select * from environments order by id limit 1) e
       returning id, key, environment_id
     ) select m.id::text, m.key, m.environment_id::text as "environmentId", e.project_id::text as "projectId"
     from made m join environments e on e.id = m.environment_id order by m.id`,
  )

/** All that is asked, cold and then warm. */
async function asksOf(server: Postgres, tenant: FilledTenant, rows: number): Promise<Asked[]> {
  await server.restart()
  const database = await openPostgres({ databaseUrl: server.url, databasePool: 1, databasePrepare: true })
  const sql = postgres(server.url, { max: 1 })
  const results: Asked[] = []
  try {
    await sql.unsafe('select 1')
    for (const [what, ask, times = TIMES] of asks(database, tenant, rows)) {
      const coldMs = await timeOf(ask)
      const buffers = await buffersOf(sql, ask)
      const warm: number[] = []
      for (let i = 0; i < times; i++) warm.push(await timeOf(ask))
      results.push({ what, coldMs, warmMs: median(warm), buffers })
    }
    return results
  } finally {
    await sql.end()
    await database.close()
  }
}

type Ask = readonly [what: string, ask: () => Promise<unknown>, times?: number]

function asks(database: Database, tenant: FilledTenant, rows: number): readonly Ask[] {
  const tenantId = tenant.id as TenantId
  const place = { kind: 'tenant', projectId: tenant.projectId, environmentId: tenant.environmentId, tenantId } as const
  const now = Date.now()
  const [middle, day, old] = [now - (DAYS / 2) * DAY_MS, now - DAY_MS, now - DAYS * 0.9 * DAY_MS]
  const person = namesOf(Math.floor(rows / 80))
  const list = (query: Partial<RequestQuery>) => () => listRequests(database, place, { limit: PAGE, ...query })
  let next: string | undefined
  const first = async () => {
    next = (await list({})()).nextCursor
  }
  const whatIsNew = requestFollower(database, place, { since: now - 60_000 })
  return [
    ['first page', first],
    ['next page', async () => list({ after: next })()],
    ['a page in the middle', list({ after: lowestIdAt(middle) })],
    ['status 4xx', list({ status: [400, 499] })],
    ['status 409', list({ status: [409, 409] })],
    ['status 500, of which there is none', list({ status: [500, 500] })],
    ['operation create', list({ operation: 'create' })],
    ['a key', list({ keyId: 'bench-key-two' })],
    ['a key, status 409, of one day', list({ keyId: 'bench-key-two', status: [409, 409], since: day })],
    ['a person', list({ person })],
    ['a person and status 409', list({ person, status: [409, 409] })],
    ['a person whom nobody has named', list({ person: 'nobody@bench.test' })],
    ['an id that is not ours', list({ requestId: 'of-a-client' })],
    ['an id of a request that is not there', list({ requestId: randomUUID() })],
    ['live: is there anything new', async () => newestRequests(database, [tenantId])],
    ['live: what is new', whatIsNew],
    ['retention: a thousand requests', async () => trimRequests(database, tenantId, lowestIdAt(old)), 5],
    [
      'retention: who has old ones',
      async () => {
        const boundOf = () => lowestIdAt(now - 2 * DAYS * DAY_MS)
        return tenantsWithOldRequests(database, { defaultDays: DAYS, boundOf, after: undefined, limit: 500 })
      },
    ],
  ]
}

async function buffersOf(sql: postgres.Sql, ask: () => Promise<unknown>): Promise<number> {
  await sql.unsafe('select pg_stat_statements_reset()')
  await ask()
  const [row] = await sql.unsafe<{ buffers: number }[]>(
    `select coalesce(sum(shared_blks_hit + shared_blks_read), 0)::float8 as buffers
     from pg_stat_statements where query not like '%pg_stat_statements%'`,
  )
  return row?.buffers ?? 0
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}
