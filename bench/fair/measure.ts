import { fork } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Options } from '../options.ts'
import { rssMb } from '../processes.ts'
import type { ToLoud } from '../programs/loud.ts'
import type { Progress } from '../progress.ts'
import { type Answers, LOADS, type LoadName, wrongAnswers } from './loads.ts'
import { type Engine, type FairGateway, type FairWorld, openFair } from './world.ts'

/** Requests of each quiet tenant in a second. */
const PER_SECOND = 5
/** A load has begun to hurt by then. */
const BEGINS_MS = 1_000
/** How long what a load has left behind may take. */
const SETTLES_MS = 20_000
const QUIET_AGAIN_MS = 50
/** A request that is not answered by then counts as so long, and as a failure. */
const GIVEN_UP_MS = 30_000

/** Times of the quiet tenants in ms, and what they were answered that is not 2xx. */
export interface QuietResult {
  readonly requests: number
  readonly p50: number
  readonly p99: number
  readonly refused: Answers
}

/** The quiet tenants beside one loud one. */
export interface BesideResult extends QuietResult {
  readonly load: LoadName
  readonly title: string
  /** What the loud one was answered. */
  readonly answers: Answers
  readonly wrong: readonly string[]
  /** The longest that the process took to say that it lives. */
  readonly longestLivez: number
  /** The most memory that it had. */
  readonly rssMb: number
}

export interface FairResult {
  readonly engine: Engine
  readonly users: number
  /** Before, between and after the loads. */
  readonly alone: QuietResult
  readonly beside: readonly BesideResult[]
}

/** Measures quiet tenants alone and beside each load, on one engine after the other. */
export async function measureFair(
  { engines, fairUsers, fairWindowMs, gateway }: Options,
  progress: Progress,
): Promise<FairResult[]> {
  const results: FairResult[] = []
  progress.begin(engines.length * (Object.keys(LOADS).length + 1))
  for (const engine of engines) {
    progress.step(`fair, ${engine}: filling`)
    const fair = await openFair(engine, fairUsers, gateway)
    try {
      const { alone, beside } = await allLoads(fair, fairWindowMs, {
        begins: (name) => progress.step(`fair, ${engine}: ${name}`),
        measured: (one) => progress.say(`${engine}  ${one.title.padEnd(44)} ${inWords(one)}`),
      })
      results.push({ engine, users: fairUsers, alone: quietResult(alone), beside })
    } finally {
      await fair.stop()
    }
  }
  return results
}

interface Reports {
  begins(load: LoadName): void
  measured(one: BesideResult): void
}

async function allLoads(
  { world, server: { origin, pid } }: FairGateway,
  windowMs: number,
  reports: Reports,
): Promise<{ alone: Timed[]; beside: BesideResult[] }> {
  const names = Object.keys(LOADS) as LoadName[]
  const alone: Timed[] = []
  const beside: BesideResult[] = []
  await quietFor(world, windowMs / 4)
  for (const [i, name] of names.entries()) {
    reports.begins(name)
    // A part of the time alone stands before each load, so that what the machine does meanwhile meets both.
    alone.push(...(await quietFor(world, windowMs / 4)))
    const loud = startLoud()
    try {
      await loud.ask({ begin: name, world })
      await pause(BEGINS_MS)
      const watched = watch(origin, pid)
      const times = await quietFor(world, windowMs)
      const { longestLivez, rssMb } = await watched()
      const answers = await loud.ask({ end: true })
      const said = { load: name, title: LOADS[name].title, answers, wrong: wrongAnswers(name, answers) }
      const one = { ...quietResult(times), ...said, longestLivez, rssMb }
      beside.push(one)
      reports.measured(one)
    } finally {
      loud.kill()
    }
    if (i < names.length - 1) await settled(world)
  }
  alone.push(...(await quietFor(world, windowMs / 4)))
  return { alone, beside }
}

interface Timed {
  readonly ms: number
  readonly said: string
}

let turns = 0

/** Requests at their times, however long others take: who waits is not counted once, but as often as requests are due. */
async function quietFor({ quiet }: FairWorld, durationMs: number): Promise<Timed[]> {
  const asked: Promise<Timed>[] = []
  const every = 1_000 / PER_SECOND / quiet.length
  const begun = performance.now()
  for (let n = 0; n * every < durationMs; n++) {
    await pause(Math.max(0, begun + n * every - performance.now()))
    asked.push(timed(begun + n * every, quiet[n % quiet.length] as FairWorld['quiet'][0], turns++))
  }
  return Promise.all(asked)
}

async function timed(due: number, tenant: FairWorld['quiet'][0], turn: number): Promise<Timed> {
  const said = await one(tenant, turn).catch(() => 'failed')
  return { ms: performance.now() - due, said }
}

/** Mostly look-ups, and in each ten some writes, as an identity provider sends them. */
async function one({ base, headers, users }: FairWorld['quiet'][0], turn: number): Promise<string> {
  const user = `${base}/Users/${users[turn % users.length]}`
  const title = { op: 'replace', path: 'title', value: `Title ${turn}` }
  const patch = JSON.stringify({ schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: [title] })
  const filter = encodeURIComponent(`userName eq "quiet-${turn % users.length}"`)
  const signal = AbortSignal.timeout(GIVEN_UP_MS)
  const answer =
    turn % 10 === 3 || turn % 10 === 8
      ? await fetch(user, { method: 'PATCH', headers, body: patch, signal })
      : await fetch(turn % 2 === 0 ? user : `${base}/Users?filter=${filter}`, { headers, signal })
  await answer.text()
  return String(answer.status)
}

/** What was timed, in numbers. */
export function quietResult(times: readonly Timed[]): QuietResult {
  const sorted = times.map(({ ms }) => ms).sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  const refused: Answers = {}
  for (const { said } of times) if (!/^2\d\d$/.test(said)) refused[said] = (refused[said] ?? 0) + 1
  return { requests: times.length, p50: at(0.5), p99: at(0.99), refused }
}

/** Watches whether the process answers, and its memory, until it is told to stop. */
function watch(origin: string, pid: number): () => Promise<{ longestLivez: number; rssMb: number }> {
  let [longestLivez, most, over] = [0, 0, false]
  const watching = (async () => {
    while (!over) {
      const begun = performance.now()
      await fetch(`${origin}/livez`).then(
        (answer) => answer.text(),
        () => {},
      )
      longestLivez = Math.max(longestLivez, performance.now() - begun)
      most = Math.max(most, rssMb(pid))
      await pause(100)
    }
  })()
  return async () => {
    over = true
    await watching
    return { longestLivez, rssMb: most }
  }
}

/** Waits until the quiet ones are quick again: what a load has left behind is none of the next one's. */
async function settled(world: FairWorld): Promise<void> {
  const begun = performance.now()
  for (let quick = 0; quick < 3 && performance.now() - begun < SETTLES_MS; ) {
    const { ms } = await timed(performance.now(), world.quiet[0] as FairWorld['quiet'][0], turns++)
    quick = ms < QUIET_AGAIN_MS ? quick + 1 : 0
    await pause(100)
  }
}

function startLoud() {
  const child = fork(fileURLToPath(new URL('../programs/loud.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const killed = () => void child.kill('SIGKILL')
  process.once('exit', killed)
  return {
    ask: (message: ToLoud) =>
      new Promise<Answers>((resolve, reject) => {
        const ended = () => reject(new Error('the loud tenant has ended'))
        child.once('exit', ended)
        child.once('message', (answer: { answers: Answers } | { error: string }) => {
          child.off('exit', ended)
          if ('answers' in answer) resolve(answer.answers)
          else reject(new Error(answer.error))
        })
        child.send(message)
      }),
    kill: () => {
      killed()
      process.off('exit', killed)
    },
  }
}

/** One load in one line. */
const inWords = ({ p50, p99, refused, answers, longestLivez }: BesideResult) =>
  `${p50.toFixed(0)} / ${p99.toFixed(0)} ms ${JSON.stringify(refused)}  /livez ${longestLivez.toFixed(0)} ms  loud ${JSON.stringify(answers)}`
