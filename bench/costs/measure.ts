import postgres from 'postgres'
import { adminAt } from '../admin.ts'
import { type Bench, inTurns, serverOf } from '../measure.ts'
import { cpuMs } from '../processes.ts'
import type { Progress } from '../progress.ts'
import { whenStill } from '../still.ts'
import { workloads } from '../workloads/index.ts'
import { BULK } from '../workloads/users.ts'
import { type Case, sidesOf, type Workload } from '../workloads/workload.ts'
import type { Side } from '../world.ts'

/** What one write costs PostgreSQL on one side, with everything that is done for it behind the answer. */
export interface Cost {
  /** Bytes of write-ahead log. */
  readonly bytes: number
  /** Those among them that are images of whole pages; undefined where the server has no pg_walinspect. */
  readonly imageBytes: number | undefined
  readonly cpuUs: number
}

/** A side; `logged` is the gateway with its provisioning log, which it is measured without otherwise. */
type Measured = Side | 'logged'

/** What one write costs. */
export interface WriteCost {
  readonly workload: string
  readonly title: string
  readonly case: string
  readonly sides: { readonly [side in Measured]?: Cost }
}

/** The writes that are measured, and how many of them are in a request. */
const WRITES: Readonly<Record<string, number>> = { create: 1, deactivate: 1, patch: 1, put: 1, member: 1, bulk: BULK }

/** Requests of a side in each round, and before; fewer where each is many writes. */
const REQUESTS = { whole: { warmUp: 480, counted: 480, rounds: 3 }, quick: { warmUp: 80, counted: 160, rounds: 1 } }

/** So long must nothing have been written: the gateway puts index entries in place two seconds after a write. */
const STILL_MS = 3_000
const STILL_WITHIN_MS = 30_000

/** Measures each write of the smallest tenant and of the largest one, its sides in turns. */
export async function measureCosts(bench: Bench, databaseUrl: string, progress: Progress): Promise<WriteCost[]> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  const chosen = workloads
    .filter(({ name }) => name in WRITES)
    .flatMap((workload) => extremes(workload.cases(bench.world)).map((one) => ({ workload, one })))
  progress.begin(chosen.length)
  try {
    // PostgreSQL's own housekeeping would be in some windows and not in others.
    await settings(sql, ['alter system set autovacuum = off'])
    const inspects = await sql.unsafe('create extension if not exists pg_walinspect').then(
      () => true,
      () => false,
    )
    const costs: WriteCost[] = []
    for (const { workload, one } of chosen) {
      progress.step(`costs: ${workload.name} ${one.name}`)
      const sides = await measureCase({ bench, sql, inspects }, workload, one)
      costs.push({ workload: workload.name, title: workload.title, case: one.name, sides })
    }
    return costs
  } finally {
    await logRequests(bench, 'all')
    await settings(sql, ['alter system reset autovacuum'])
    await sql.end()
  }
}

/** The smallest case and the largest. A name with a comma is a special one. */
function extremes(cases: readonly Case[]): readonly Case[] {
  const plain = cases.filter(({ name }) => !name.includes(','))
  return [...new Set([plain[0], plain.at(-1)])].filter((one) => one !== undefined)
}

async function settings(sql: postgres.Sql, statements: readonly string[]): Promise<void> {
  for (const statement of [...statements, 'select pg_reload_conf()']) await sql.unsafe(statement)
}

/** Switches the provisioning log of the gateway. */
const logRequests = (bench: Bench, requestLog: 'all' | 'off') =>
  adminAt(serverOf(bench, 'ours').origin)('PATCH', '', { settings: { requestLog } })

interface Measuring {
  readonly bench: Bench
  readonly sql: postgres.Sql
  readonly inspects: boolean
}

async function measureCase(measuring: Measuring, workload: Workload, one: Case): Promise<WriteCost['sides']> {
  const { bench, sql } = measuring
  const { warmUp, counted, rounds } = REQUESTS[bench.options.quick ? 'quick' : 'whole']
  const writes = WRITES[workload.name] as number
  const perConnection = (requests: number) => {
    const each = Math.ceil(requests / Math.min(writes, 100) / workload.connections)
    // Even, so that who was added is taken out again.
    return each + (each % 2)
  }
  const send = async (measured: Measured, requests: number) => {
    const side = measured === 'logged' ? 'ours' : measured
    if (side === 'ours') await logRequests(bench, measured === 'logged' ? 'all' : 'off')
    return bench.load.run({
      ...{ workload: workload.name, case: one.name, side, origin: serverOf(bench, side).origin },
      ...{ durationMs: 600_000, perConnection: perConnection(requests) },
    })
  }
  const all: readonly Measured[] = [...sidesOf(one), 'logged']
  // The next checkpoint is far off then; after each, the first change of a page writes all of the page.
  await sql.unsafe('checkpoint')
  for (const side of all) await send(side, warmUp)
  let before = await whenDone(measuring)
  const spent: { [side in Measured]?: Spent[] } = {}
  for (let round = 0; round < rounds; round++) {
    for (const side of inTurns(all, round)) {
      const { requests } = await send(side, counted)
      const after = await whenDone(measuring)
      const images = await imagesBetween(measuring, before.at, after.at)
      const bytes = await bytesBetween(sql, before.at, after.at)
      spent[side] = [
        ...(spent[side] ?? []),
        { bytes, images, cpuMs: after.cpuMs - before.cpuMs, writes: requests * writes },
      ]
      before = after
    }
  }
  return Object.fromEntries(Object.entries(spent).map(([side, all]) => [side, costOf(all)]))
}

/** What a number of writes came to. */
export interface Spent {
  readonly bytes: number
  readonly images: number | undefined
  readonly cpuMs: number
  readonly writes: number
}

/** What one write costs, over all windows. */
export function costOf(all: readonly Spent[]): Cost {
  const sum = (of: (spent: Spent) => number) => all.reduce((total, spent) => total + of(spent), 0)
  const writes = sum((spent) => spent.writes)
  const known = all.every(({ images }) => images !== undefined)
  return {
    bytes: sum(({ bytes }) => bytes) / writes,
    imageBytes: known ? sum(({ images }) => images ?? 0) / writes : undefined,
    cpuUs: (sum(({ cpuMs: ms }) => ms) * 1_000) / writes,
  }
}

/** Where PostgreSQL's log is, and the CPU time that it has had, once the gateway has nothing left to do. */
async function whenDone({ bench, sql }: Measuring): Promise<{ at: string; cpuMs: number }> {
  const { at, reached } = await whenStill(sql, STILL_MS, STILL_WITHIN_MS)
  if (!reached) throw new Error('PostgreSQL is written to for half a minute after the last request')
  return { at, cpuMs: cpuMs(bench.postgresPid) }
}

async function bytesBetween(sql: postgres.Sql, from: string, to: string): Promise<number> {
  const [row] = await sql.unsafe<{ bytes: string }[]>('select $2::text::pg_lsn - $1::text::pg_lsn as bytes', [from, to])
  return Number(row?.bytes)
}

async function imagesBetween({ sql, inspects }: Measuring, from: string, to: string): Promise<number | undefined> {
  if (!inspects) return undefined
  const [row] = await sql.unsafe<{ bytes: string }[]>(
    'select coalesce(sum(fpi_size), 0) as bytes from pg_get_wal_stats($1::text::pg_lsn, $2::text::pg_lsn)',
    [from, to],
  )
  return Number(row?.bytes)
}
