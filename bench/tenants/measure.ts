import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { overviewOf } from '../../src/administration/overview.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { deleteOld } from '../../src/retention/retention.ts'
import { startPostgres } from '../../test/support/postgres-server.ts'
import { adminAt } from '../admin.ts'
import { median } from '../measure.ts'
import type { Options } from '../options.ts'
import { gatewayEnv } from '../prepare.ts'
import { rssMb, type Server, startGateway } from '../processes.ts'
import type { Progress } from '../progress.ts'
import { type AskedTenant, addWebhooks, fillTenants, leaveUnnumbered } from './fill.ts'

// What a gateway costs whose tenants do nothing, by how many there are.

const ASKED = 40
const STARTS = 3
const POSTGRES_SETTINGS = ['shared_buffers=512MB', 'max_wal_size=4GB', 'shared_preload_libraries=pg_stat_statements']
const STILL_MS = 5_000

/** What an idle gateway asks of PostgreSQL in a second: statements, and the time that it works for them. */
export interface Idle {
  readonly perSecond: number
  readonly databaseMs: number
}

/** A gateway with so many tenants. Times in ms. */
export interface TenantsResult {
  readonly tenants: number
  /** The quickest of three. */
  readonly startMs: number
  readonly rssMb: number
  readonly idle: Idle
  /** The same, where each tenant has a webhook to which nothing is due. */
  readonly idleWithWebhooks: Idle
  /** A pass of retention that finds nothing old. */
  readonly retentionMs: number
  readonly overviewMs: number
  /** First request of a tenant, and the next one; medians. */
  readonly coldMs: number
  readonly warmMs: number
  /** Questions to the control plane for each request of these tenants, right after another tenant and its key were made. */
  readonly askedAfterChange: number
  /** From asking for a new tenant to the first answer with its key. */
  readonly newTenantMs: number
  /** From the events of all tenants, one each, to the last position. */
  readonly numberedMs: number
}

/** Measures each number of tenants on a database of its own. */
export async function measureTenants({ tenants, gateway }: Options, progress: Progress): Promise<TenantsResult[]> {
  const results: TenantsResult[] = []
  progress.begin(tenants.length)
  for (const count of tenants) {
    progress.step(`tenants: ${count}`)
    const server = await startPostgres({ fsync: true, settings: POSTGRES_SETTINGS })
    try {
      results.push(await withTenants(server.url, count, gateway))
    } finally {
      await server.stop()
    }
  }
  return results
}

async function withTenants(url: string, tenants: number, main: string | undefined): Promise<TenantsResult> {
  const env = { ...gatewayEnv(url), LOG_LEVEL: 'silent' }
  await (await startGateway(env, main)).stop()
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  await sql.unsafe('create extension pg_stat_statements')
  const asked = await fillTenants(sql, tenants, ASKED)
  const starts: number[] = []
  for (let i = 1; i < STARTS; i++) {
    const one = await startGateway(env, main)
    starts.push(one.startMs)
    await one.stop()
  }
  const gateway = await startGateway(env, main)
  const startMs = Math.min(...starts, gateway.startMs)
  const database = await openPostgres({ databaseUrl: url, databasePool: 4, databasePrepare: true })
  try {
    await pause(2_000)
    const idle = await idleOf(sql)
    const rss = rssMb(gateway.pid)
    const requests = async () => {
      const times: number[] = []
      for (const one of asked) times.push(await timeOf(() => lookUp(gateway, one)))
      return median(times)
    }
    const coldMs = await requests()
    const warmMs = await requests()
    const newTenantMs = await timeOf(() => newTenant(gateway))
    await sql.unsafe('select pg_stat_statements_reset()')
    await requests()
    const askedAfterChange = (await controlQuestions(sql)) / asked.length
    const signal = new AbortController().signal
    const retentionMs = await quickest(() => deleteOld(database, { auditDays: 365, feedIdleDays: 90 }, signal))
    const overviewMs = await quickest(() => overviewOf(database, { kind: 'instance' }, { after: undefined, limit: 50 }))
    await leaveUnnumbered(sql)
    const numberedMs = await timeOf(() => numbered(sql))
    await addWebhooks(sql)
    await pause(2_000)
    const idleWithWebhooks = await idleOf(sql)
    return {
      ...{ tenants, startMs, rssMb: rss, idle, idleWithWebhooks, retentionMs, overviewMs },
      ...{ coldMs, warmMs, askedAfterChange, newTenantMs, numberedMs },
    }
  } finally {
    await database.close()
    await sql.end()
    await gateway.stop()
  }
}

/** By `pg_stat_statements`, which counts each statement as it ends; without those of this session. */
async function idleOf(sql: postgres.Sql): Promise<Idle> {
  await sql.unsafe('select pg_stat_statements_reset()')
  const begun = performance.now()
  await pause(STILL_MS)
  const [row] = await sql.unsafe<Idle[]>(
    `select coalesce(sum(calls), 0)::float8 as "perSecond", coalesce(sum(total_exec_time), 0)::float8 as "databaseMs"
     from pg_stat_statements where query not like '%pg_stat_statements%'`,
  )
  const seconds = (performance.now() - begun) / 1_000
  const { perSecond = 0, databaseMs = 0 } = row ?? {}
  return { perSecond: perSecond / seconds, databaseMs: databaseMs / seconds }
}

/** Statements that look up keys and places, or ask what has changed; some come by the clock. */
async function controlQuestions(sql: postgres.Sql): Promise<number> {
  const [row] = await sql.unsafe<{ calls: number }[]>(
    `select coalesce(sum(calls), 0)::float8 as calls from pg_stat_statements where query like '%from audit\\_entries%'`,
  )
  return row?.calls ?? 0
}

async function lookUp({ origin }: Server, { key, apiKey }: AskedTenant): Promise<void> {
  const filter = encodeURIComponent('userName eq "nobody"')
  const answer = await fetch(`${origin}/scim/v2/default/dev/v2/${key}/Users?filter=${filter}`, {
    headers: { authorization: `Bearer ${apiKey}` },
  })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`a look-up was answered ${answer.status} ${text}`)
}

async function newTenant(gateway: Server): Promise<void> {
  const admin = adminAt(gateway.origin)
  await admin('POST', '/tenants', { key: 'new' })
  const { key } = await admin<{ key: string }>('POST', '/tenants/new/api-keys', { name: 'bench' })
  await lookUp(gateway, { key: 'new', apiKey: key })
}

async function numbered(sql: postgres.Sql): Promise<void> {
  for (;;) {
    const [row] = await sql.unsafe<{ waits: boolean }[]>('select exists (select from waiting_events) as waits')
    if (!row?.waits) return
    await pause(10)
  }
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

/** Of three times, of which the first prepares statements. */
const quickest = async (work: () => Promise<unknown>): Promise<number> => {
  const times = [await timeOf(work), await timeOf(work), await timeOf(work)]
  return Math.min(...times)
}
