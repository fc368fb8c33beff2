import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { onDatabase } from '../../test/support/postgres-server.ts'
import { type Bench, median, rate, type Sample, type SideResult, sideResult } from '../measure.ts'
import { cpuMs, rssMb, type Server, startServer } from '../processes.ts'
import type { Progress } from '../progress.ts'
import { onceCases, peerCases, peerUsers } from './cases.ts'
import type { Refusal, Reply, Target, Task } from './client.ts'
import { installPeers, versionOf } from './install.ts'

/** The servers of npm that somebody might take in place of the gateway, each set up as its documentation says. */
const PEERS = [
  { name: 'scimmy', title: 'scimmy-routers', package: 'scimmy-routers', with: 'a store of its own on PostgreSQL' },
  { name: 'jackson', title: 'saml-jackson', package: '@boxyhq/saml-jackson', with: 'its PostgreSQL engine' },
  { name: 'better-auth', title: 'better-auth', package: '@better-auth/scim', with: 'Kysely and pg' },
] as const
const OURS = 'gateway'

/** What one server did in one case; `ratio` is the gateway's requests per second ÷ its own, median of the rounds. */
export type PeerSide = (SideResult & { readonly ratio: number }) | Refusal

/** One case on all servers, by their names. */
export interface PeerCaseResult {
  readonly workload: string
  readonly title: string
  readonly name: string
  readonly connections: number
  readonly sides: Readonly<Record<string, PeerSide>>
}

/** How the gateway and others did the same work on the same PostgreSQL. */
export interface PeersResult {
  readonly users: number
  /** The gateway first. */
  readonly servers: readonly { readonly name: string; readonly title: string; readonly usersPerSecond: number }[]
  readonly left: readonly Left[]
  readonly cases: readonly PeerCaseResult[]
  /** What was asked once: `yes`, or what happened. */
  readonly once: readonly { readonly title: string; readonly answers: Readonly<Record<string, Refusal | 'yes'>> }[]
}

/** A server that could not be set up, and why. */
export type Left = Refusal & { readonly title: string }

interface Taking {
  readonly target: Target
  readonly server: Server
  readonly title: string
}

/** Installs, starts and fills the others and the gateway's tenant for it, and measures all of them in turns; or says why npm could not. */
export async function measurePeers(
  bench: Bench,
  databaseUrl: string,
  progress: Progress,
): Promise<PeersResult | Refusal> {
  const { peerGroups: groups, rounds, peerWindowMs } = bench.options
  progress.begin(peerCases(groups).length * (rounds + 1) + PEERS.length)
  progress.note('peers: installing them by npm, outside the project')
  const folder = await installPeers().catch((error: Error): Refusal => ({ cannot: error.message }))
  // An hour of other measurements is not to be lost where there is no registry.
  if (typeof folder !== 'string') return folder
  const client = startClient(progress)
  const { apiKey, basePath } = bench.world
  const gateway = { name: OURS, origin: bench.servers.ours.origin, base: `${basePath}/peers`, token: apiKey }
  const all: Taking[] = []
  const left: Left[] = []
  const usersPerSecond: number[] = []
  const fill = async (taking: Taking) => {
    const { users, seconds } = await client.fill({ do: 'fill', target: taking.target, groups })
    all.push(taking)
    usersPerSecond.push(users / seconds)
  }
  await fill({ target: gateway, server: bench.servers.ours, title: 'Gateway' })
  for (const peer of PEERS) {
    progress.step(`peers: starting ${peer.name}`)
    const title = `${peer.title} ${versionOf(peer.package)}, ${peer.with}`
    // Who cannot be set up is told of, and the others are compared.
    await startPeer(peer.name, folder, databaseUrl)
      .then((started) => fill({ title, ...started }))
      .catch((error: Error) => left.push({ title, cannot: error.message }))
  }
  progress.note('peers: vacuum, as there would be in time')
  for (const { target } of all) await settle(target.name === OURS ? databaseUrl : databaseOf(target.name, databaseUrl))
  const once = await askOnce(client, all, groups)
  const cases: PeerCaseResult[] = []
  for (const [index, one] of peerCases(groups).entries()) {
    const samples = all.map((): Sample[] => [])
    const refusals: (Refusal | undefined)[] = all.map(() => undefined)
    // The first is to warm up, and to see who can do it; then everybody is the first in turn.
    for (let round = 0; round <= rounds; round++) {
      progress.step(`peers, ${one.workload} ${one.name}: ${round === 0 ? 'warming up' : `round ${round}`}`)
      for (let i = 0; i < all.length; i++) {
        const at = (i + round) % all.length
        if (refusals[at] !== undefined) continue
        const sample = await window(bench, client, all[at] as Taking, { groups, case: index, durationMs: peerWindowMs })
        if ('cannot' in sample) refusals[at] = sample
        else if (round > 0) samples[at]?.push(sample)
      }
    }
    const sides = all.map(({ target, server }, at): [string, PeerSide] => {
      const mine = samples[at] ?? []
      const ratios = mine.map((sample, round) => rate(samples[0]?.[round] ?? sample) / rate(sample))
      return [target.name, refusals[at] ?? { ...sideResult(mine, rssMb(server.pid)), ratio: median(ratios) }]
    })
    const { workload, title, name, connections } = one
    cases.push({ workload, title, name, connections, sides: Object.fromEntries(sides) })
    progress.say(`${`peers, ${workload} ${name}`.padEnd(40)} ${sides.map(inShort).join('   ')}`)
  }
  client.stop()
  for (const { server } of all.slice(1)) await server.stop()
  const servers = all.map(({ target, title }, i) => ({
    name: target.name,
    title,
    usersPerSecond: usersPerSecond[i] ?? 0,
  }))
  return { users: peerUsers(groups), servers, left, cases, once }
}

const inShort = ([name, side]: [string, PeerSide]) =>
  'cannot' in side ? `${name} cannot` : `${name} ${side.perSecond.toFixed(1)}/s (×${side.ratio.toFixed(1)})`

const databaseOf = (peer: string, url: string) => onDatabase(url, `peer_${peer.replaceAll('-', '_')}`)
const settle = (url: string) => statement(url, 'vacuum (analyze)')

async function statement(url: string, text: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  await sql.unsafe(text)
  await sql.end()
}

/** A database of its own on the same server, and a process of its own, as in production. */
async function startPeer(name: string, folder: string, databaseUrl: string): Promise<Omit<Taking, 'title'>> {
  const own = databaseOf(name, databaseUrl)
  await statement(databaseUrl, `create database ${new URL(own).pathname.slice(1)}`)
  const env = { DATABASE_URL: own, NODE_ENV: 'production' }
  const server = await startServer(name, [`${folder}/servers/${name}.mjs`], env)
  return {
    server,
    target: { name, origin: server.origin, ...(JSON.parse(server.said) as { base: string; token: string }) },
  }
}

async function window(
  { postgresPid }: Bench,
  client: PeersClient,
  { target, server }: Taking,
  what: { readonly groups: readonly number[]; readonly case: number; readonly durationMs: number },
): Promise<Sample | Refusal> {
  const before = [cpuMs(server.pid), cpuMs(postgresPid)] as const
  const measured = await client.measure({ do: 'measure', target, ...what })
  if ('cannot' in measured) return measured
  const after = [cpuMs(server.pid), cpuMs(postgresPid)] as const
  return { ...measured, serverCpuMs: after[0] - before[0], postgresCpuMs: after[1] - before[1] }
}

async function askOnce(client: PeersClient, all: readonly Taking[], groups: readonly number[]) {
  const answers = new Map<string, readonly (Refusal | 'yes')[]>()
  for (const { target } of all) answers.set(target.name, await client.askOnce({ do: 'ask-once', target, groups }))
  return onceCases.map(({ title }, i) => ({
    title,
    answers: Object.fromEntries([...answers].map(([name, each]) => [name, each[i] ?? { cannot: 'was not asked' }])),
  }))
}

type PeersClient = ReturnType<typeof startClient>

/** Starts the process that asks. */
function startClient(progress: Progress) {
  const child: ChildProcess = fork(fileURLToPath(new URL('client.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
  })
  process.once('exit', () => child.kill('SIGKILL'))
  async function perform<Wanted extends Reply>(task: Task): Promise<Wanted> {
    const reply = new Promise<Wanted>((resolve, reject) => {
      const listen = (message: Reply) => {
        if ('doing' in message) return progress.portion(`peers, ${message.doing}`, message.done, message.of)
        child.off('message', listen)
        if ('error' in message) reject(new Error(message.error))
        else resolve(message as Wanted)
      }
      child.on('message', listen)
    })
    child.send(task)
    return reply
  }
  return {
    fill: async (task: Task & { do: 'fill' }) => (await perform<Extract<Reply, { filled: unknown }>>(task)).filled,
    askOnce: async (task: Task & { do: 'ask-once' }) => (await perform<Extract<Reply, { asked: unknown }>>(task)).asked,
    measure: async (task: Task & { do: 'measure' }) =>
      (await perform<Extract<Reply, { measured: unknown }>>(task)).measured,
    stop: () => void child.kill('SIGKILL'),
  }
}
