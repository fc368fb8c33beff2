import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Measured } from './programs/closed-loop.ts'
import type { Window } from './programs/load.ts'
import type { World } from './world.ts'

/** The gateway as it is built and shipped. */
export const GATEWAY = fileURLToPath(new URL('../dist/main.js', import.meta.url))

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

/** A server as a process of its own. */
export interface Server {
  readonly origin: string
  /** What the line behind its address says. */
  readonly said: string
  readonly pid: number
  /** From the start of the process to its first answer. */
  readonly startMs: number
  alive(): boolean
  stop(): Promise<void>
}

/** To be imported before a server that is to be profiled. */
export const PROFILER = new URL('programs/profiler.mjs', import.meta.url).href

/** Starts the gateway, on PostgreSQL where `env` has DATABASE_URL, and waits for its first answer. */
export const startGateway = (env: Readonly<Record<string, string>>, main = GATEWAY): Promise<Server> =>
  startServer('gateway', [main], { PORT: '0', DATA_DIR: ownFolder(), ...env })

/** Where a gateway on PostgreSQL puts the keys of its first start; it goes with the run. */
const ownFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Starts the bare server beside it. */
export const startCeiling = (databaseUrl: string): Promise<Server> =>
  startServer('ceiling', ['--import', 'tsx', program('ceiling')], { DATABASE_URL: databaseUrl })

/** Starts a receiver of webhooks. */
export const startReceiver = (): Promise<Server> =>
  startServer('receiver', ['--import', 'tsx', program('receiver')], {})

const program = (name: string) => fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url))

/**
 * Starts a program that writes a line with its address and waits for its first answer.
 *
 * @throws where it ends before
 */
export async function startServer(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Server> {
  const started = performance.now()
  // The log, a line for each request, is written and dropped: who reads it is none of the gateway's cost.
  const child = spawn(process.execPath, [...execArgv(), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, ...env },
  })
  running.add(child)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const { origin, said } = await new Promise<{ origin: string; said: string }>((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
      const [, port, rest = ''] = /http:\/\/(?:localhost|127\.0\.0\.1):(\d+)(.*)\n/.exec(text) ?? []
      if (port !== undefined) resolve({ origin: `http://127.0.0.1:${port}`, said: rest.trim() })
    })
    child.once('exit', (code) =>
      reject(new Error(`${name} ended with ${code}; its standard error would say why: ${text}`)),
    )
  })
  await (await fetch(`${origin}/livez`)).text()
  return {
    origin,
    said,
    pid: child.pid ?? 0,
    startMs: performance.now() - started,
    alive: () => lives(child),
    stop: async () => {
      child.kill('SIGTERM')
      await ended
      running.delete(child)
    },
  }
}

const lives = ({ exitCode, signalCode }: ChildProcess) => exitCode === null && signalCode === null

/** Options for Node, such as `--cpu-prof`, for those who look for where time goes. */
const execArgv = () => (process.env.BENCH_NODE_OPTIONS ?? '').split(' ').filter(Boolean)

/** The load generator. */
export interface Load {
  /** Tells it what there is; to be called before `run`. */
  know(world: World): void
  /** Rejects where an answer is not as it should be, or the generator ends. */
  run(window: Window): Promise<Measured>
  alive(): boolean
  stop(): void
}

export function startLoad(): Load {
  const child = spawn(process.execPath, ['--import', 'tsx', program('load')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  running.add(child)
  return {
    know: (world) => void child.send(world),
    run: (window) =>
      new Promise((resolve, reject) => {
        const ended = () => reject(new Error('the load generator has ended'))
        child.once('exit', ended)
        child.once('message', (answer: { measured: Measured } | { error: string }) => {
          child.off('exit', ended)
          if ('measured' in answer) resolve(answer.measured)
          else reject(new Error(answer.error))
        })
        child.send(window)
      }),
    alive: () => lives(child),
    stop: () => void child.kill('SIGKILL'),
  }
}

/** Linux counts CPU time in ticks of 10 ms, whatever the kernel's own clock. */
const TICK_MS = 10

/**
 * CPU time in ms that a process and all its children, those that have ended among them, have had so far. From the scheduler's
 * own count where the kernel shows it, else in ticks.
 */
export function cpuMs(pid: number): number {
  const tasks = existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : []
  const children = tasks.flatMap((task) =>
    contents(`/proc/${pid}/task/${task}/children`).trim().split(' ').filter(Boolean).map(Number),
  )
  // The command stands in brackets and may hold anything; user and system time are the 12th and 13th number behind it, and
  // those of children that have ended the 14th and 15th.
  const ticks = contents(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ')
    .slice(11, 15)
    .map((n) => Number(n) * TICK_MS)
  const [user = 0, system = 0, childrensUser = 0, childrensSystem = 0] = ticks
  const exact = tasks.map((task) => runtimeMs(contents(`/proc/${pid}/task/${task}/sched`)))
  const own = exact.includes(undefined) ? user + system : exact.reduce<number>((sum, ms = 0) => sum + ms, 0)
  return children.reduce((sum, child) => sum + cpuMs(child), own + childrensUser + childrensSystem)
}

/** What the scheduler says that a thread has run; undefined where it says nothing. */
function runtimeMs(sched: string): number | undefined {
  const [, ms] = /^se\.sum_exec_runtime\s*:\s*([\d.]+)/m.exec(sched) ?? []
  return ms === undefined ? undefined : Number(ms)
}

/** Memory that a process holds, in MB. */
export const rssMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(contents(`/proc/${pid}/status`))?.[1] ?? 0) / 1024

/** Parent of a process. */
export const parentOf = (pid: number): number =>
  Number(
    contents(`/proc/${pid}/stat`)
      .replace(/^.*\) /s, '')
      .split(' ')[1],
  )

/** Empty where the process has just ended. */
function contents(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
