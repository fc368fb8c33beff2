import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { adminAt } from '../admin.ts'
import { type Bench, inTurns, median, rate, type Sample } from '../measure.ts'
import { gatewayEnv } from '../prepare.ts'
import { cpuMs, startGateway } from '../processes.ts'
import type { Progress } from '../progress.ts'
import { atLeast, atMost, type Verdict } from '../verdict.ts'
import { workloads } from '../workloads/index.ts'
import type { World } from '../world.ts'

/** What the provisioning log costs one kind of request: with `all` against `off`, in windows that follow each other. */
export interface RequestLogResult {
  readonly what: string
  /** Requests per second with the log, to those without; the median of the rounds. */
  readonly ratio: number
  /** The same of the 99th percentile of the times. */
  readonly p99Ratio: number
  /** Both between two windows without the log: what the machine alone makes of two that are alike. */
  readonly control: { readonly ratio: number; readonly p99Ratio: number }
  /** CPU time of the gateway for one request, and of PostgreSQL, in microseconds. */
  readonly gatewayUs: Readonly<Record<Mode, number>>
  readonly postgresUs: Readonly<Record<Mode, number>>
  /** Requests that were written of those that were answered; the others were left out. */
  readonly written: number
  /** What one written request takes in the tables and indexes of the log, in bytes. */
  readonly bytes: number
}

/** What is kept of look-ups at a steady pace that identity providers do not exceed. */
export interface UsualPace {
  readonly perSecond: number
  readonly written: number
}

/** What the provisioning log costs where as many requests come as can be answered, and what it keeps at a usual pace. */
export interface RequestLogFindings {
  readonly costs: readonly RequestLogResult[]
  readonly usual: UsualPace
}

type Mode = 'off' | 'all'
/** A round: one window with the log, and two without. */
const WINDOWS = ['off', 'all', 'control'] as const
const modeOf = (window: (typeof WINDOWS)[number]): Mode => (window === 'all' ? 'all' : 'off')
const CASES = [
  ['create', 'Create a user'],
  ['look-up-userName', 'Look up by userName'],
] as const
/** Times of single windows scatter more than their rates. */
const ROUNDS_TIMES = 2
/** Between two looks at how many requests wait: a look costs the gateway some milliseconds, which are no cost of the log. */
const LOOK_MS = 500

/** Measures creates and look-ups with the log at `all` and at `off`, one window after the other. */
export async function measureRequestLog(
  { load, options, world, postgresPid, settled }: Bench,
  databaseUrl: string,
  progress: Progress,
): Promise<RequestLogFindings> {
  const sql = postgres(databaseUrl, { max: 1 })
  const gateway = await startGateway({ ...gatewayEnv(databaseUrl), METRICS_KEY }, options.gateway)
  const admin = adminAt(gateway.origin)
  const stored = async () => {
    const [row] = await sql.unsafe<{ rows: number; bytes: number }[]>(
      `select (select count(*)::float8 from request_log where operation <> 'gap') as rows,
         (pg_total_relation_size('request_log') + pg_total_relation_size('request_terms'))::float8 as bytes`,
    )
    return row ?? { rows: 0, bytes: 0 }
  }
  const results: RequestLogResult[] = []
  const rounds = options.rounds * ROUNDS_TIMES
  progress.begin(CASES.length * rounds + 1)
  try {
    for (const [name, what] of CASES) {
      const found = workloads.find((one) => one.name === name)?.cases(world)[0]
      if (found === undefined) throw new Error(`there is no workload ${name}`)
      const samples: Record<(typeof WINDOWS)[number], Sample[]> = { off: [], all: [], control: [] }
      const window = async (mode: Mode, durationMs: number): Promise<Sample> => {
        await admin('PATCH', '', { settings: { requestLog: mode } })
        const before = [cpuMs(gateway.pid), cpuMs(postgresPid)] as const
        const one = { workload: name, case: found.name, side: 'ours', origin: gateway.origin } as const
        const measured = await load.run({ ...one, durationMs, perConnection: null })
        // What still waits to be written belongs to nobody else's window, and its CPU time to this one.
        while ((await waitingAt(gateway.origin)) > 0) await pause(LOOK_MS)
        const after = [cpuMs(gateway.pid), cpuMs(postgresPid)] as const
        await settled()
        return { ...measured, serverCpuMs: after[0] - before[0], postgresCpuMs: after[1] - before[1] }
      }
      for (const mode of ['off', 'all'] as const) await window(mode, options.warmUpMs)
      const before = await stored()
      for (let round = 0; round < rounds; round++) {
        progress.step(`request-log, ${what}: round ${round + 1}`)
        for (const one of inTurns(WINDOWS, round)) samples[one].push(await window(modeOf(one), options.windowMs))
      }
      const after = await stored()
      const rows = after.rows - before.rows
      const answered = samples.all.reduce((sum, { requests }) => sum + requests, 0)
      const perRequest = (read: (sample: Sample) => number, mode: Mode) => {
        const sum = (of: (sample: Sample) => number) => samples[mode].reduce((all, sample) => all + of(sample), 0)
        return (sum(read) * 1_000) / sum(({ requests }) => requests)
      }
      const cpu = (read: (sample: Sample) => number) => ({ off: perRequest(read, 'off'), all: perRequest(read, 'all') })
      const toOff = (some: readonly Sample[], of: (sample: Sample) => number) =>
        median(some.map((one, i) => of(one) / of(samples.off[i] as Sample)))
      const both = (some: readonly Sample[]) => ({ ratio: toOff(some, rate), p99Ratio: toOff(some, ({ p99 }) => p99) })
      results.push({
        ...{ what, ...both(samples.all), control: both(samples.control) },
        gatewayUs: cpu(({ serverCpuMs }) => serverCpuMs),
        postgresUs: cpu(({ postgresCpuMs }) => postgresCpuMs),
        ...{ written: rows / answered, bytes: rows === 0 ? 0 : (after.bytes - before.bytes) / rows },
      })
    }
    progress.step('request-log: a usual pace')
    await admin('PATCH', '', { settings: { requestLog: 'all' } })
    const before = await stored()
    const sent = await atUsualPace(gateway.origin, world)
    while ((await waitingAt(gateway.origin)) > 0) await pause(LOOK_MS)
    const usual = { perSecond: USUAL.perSecond, written: ((await stored()).rows - before.rows) / sent }
    return { costs: results, usual }
  } finally {
    await gateway.stop()
    await sql.end()
  }
}

const USUAL = { perSecond: 500, seconds: 8 }
const TICK_MS = 20

/** Sends look-ups when they are due, however long others take. @returns how many */
async function atUsualPace(origin: string, world: World): Promise<number> {
  const calls = workloads.find(({ name }) => name === 'look-up-userName')?.cases(world)[0]?.calls
  const headers = { authorization: `Bearer ${world.apiKey}` }
  const connections = 1
  const answers: Promise<unknown>[] = []
  const begun = performance.now()
  for (let passed = 0; passed < USUAL.seconds * 1_000; passed = performance.now() - begun) {
    for (let turn = answers.length; turn < (passed * USUAL.perSecond) / 1_000; turn++) {
      const path = calls?.ours({ world, connection: 0, connections, turn }).path
      answers.push(fetch(`${origin}${path}`, { headers }).then((answer) => answer.text()))
    }
    await pause(TICK_MS)
  }
  await Promise.all(answers)
  return answers.length
}

const METRICS_KEY = 'metrics-of-the-provisioning-log'

/** Requests that wait to be written. */
async function waitingAt(origin: string): Promise<number> {
  const headers = { authorization: `Bearer ${METRICS_KEY}` }
  const text = await (await fetch(`${origin}/metrics`, { headers })).text()
  return Number(/^rollcall_request_log_waiting (\d+)/m.exec(text)?.[1] ?? 0)
}

/** The log may take a twentieth of the rate, and of the slowest times. */
export const requestLogVerdicts = ({ costs, usual }: RequestLogFindings): Verdict[] => [
  ...costs.flatMap(({ what, ratio, p99Ratio }) => [
    atMost(`${what}: rate without the provisioning log ÷ with it`, 1 / ratio, 1.05),
    atMost(`${what}: p99 with the provisioning log ÷ without it`, p99Ratio, 1.05),
  ]),
  atLeast(`${usual.perSecond} look-ups a second: written to the provisioning log, of 1`, usual.written, 1),
]

/** Empty where it was not measured. */
export function requestLogSection(found: RequestLogFindings | undefined): string {
  if (found === undefined) return ''
  const { costs, usual } = found
  const rows = costs.map(
    ({ what, ratio, p99Ratio, control, gatewayUs, postgresUs, written, bytes }) =>
      `| ${what} | ${ratio.toFixed(3)} | ${p99Ratio.toFixed(3)} | ${control.ratio.toFixed(3)}, ${control.p99Ratio.toFixed(3)} | ${gatewayUs.off.toFixed(0)}, ${gatewayUs.all.toFixed(0)} | ${postgresUs.off.toFixed(0)}, ${postgresUs.all.toFixed(0)} | ${(written * 100).toFixed(0)} % | ${bytes.toFixed(0)} |`,
  )
  return `## What the provisioning log costs

With \`requestLog\` at \`all\` against \`off\`, in windows that follow each other, as many requests as can be answered. What the log
cannot write in its part of the time, it leaves out and counts. At ${usual.perSecond} look-ups a second it writes ${(usual.written * 100).toFixed(1)} %.

| | rate | p99 | the same, off to off | CPU µs of the gateway: off, all | of PostgreSQL: off, all | written | bytes each |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}

`
}
