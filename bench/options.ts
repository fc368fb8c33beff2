import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ENGINES, type Engine } from './fair/world.ts'
import type { SyncSize } from './world.ts'

const RESULTS = fileURLToPath(new URL('results/', import.meta.url))

/** How to run the benchmark. */
export interface Options {
  readonly quick: boolean
  /** Names of parts, or their beginnings; empty for all. */
  readonly only: readonly string[]
  /** Names of parts that are left out, or their beginnings. */
  readonly without: readonly string[]
  /** Users of the tenants, smallest first. */
  readonly sizes: readonly number[]
  /** Members of the groups, smallest first. */
  readonly groups: readonly number[]
  readonly rounds: number
  readonly windowMs: number
  readonly warmUpMs: number
  readonly sync: SyncSize
  /** Numbers of small tenants, smallest first. */
  readonly dayTenants: readonly number[]
  /** Users of the tenants whose users are all in one group, smallest first. */
  readonly crowds: readonly number[]
  /** Users of the first sync into an empty database. */
  readonly freshUsers: number
  /** Engines on which quiet tenants are measured beside a loud one, users of that one, and how long each load goes on. */
  readonly engines: readonly Engine[]
  readonly fairUsers: number
  readonly fairWindowMs: number
  /** Numbers of tenants that do nothing, smallest first. */
  readonly tenants: readonly number[]
  /** Numbers of requests in the provisioning log, smallest first. */
  readonly logRows: readonly number[]
  /** Whether the gateway is profiled too. */
  readonly flame: boolean
  /** Whether other servers of npm are measured too. */
  readonly peers: boolean
  /** Members of the groups that they are given, smallest first. */
  readonly peerGroups: readonly number[]
  readonly peerWindowMs: number
  /** The gateway's main.js. */
  readonly gateway: string | undefined
  /** Folder for the report. */
  readonly results: string
  /** Whether it is a whole run, whose numbers go into docs/performance.md. */
  readonly whole: boolean
}

export const USAGE = `npm run bench -- [options]
  --quick          some minutes: 1,000 and 20,000 users, groups to 10,000, short windows; without "written", "start", "fresh",
                   "fair", "tenants"
  --only NAME      the workload of this name, or all whose names begin so; "costs", "role-rules", "round-trips", "memory",
                   "image", "written", "start", "fresh", "fair", "tenants", "webhooks", "request-log",
                   "request-log-rows", "peers", "flame"; several with commas.
                   Fills what these need and no more
  --without NAME   leaves parts out that are named so; several with commas
  --flame          flame graphs of the look-up and the create, also in a quick run
  --peers          npm servers beside the gateway, also in a quick run
  --sizes N,N      users of the tenants (1000,100000,1000000)
  --groups N,N     members of the groups (100,10000,100000; quick 100,10000); peers get those up to 10,000
  --rounds N       interleaved rounds (5; quick 2)
  --window MS      length of one window (1000; quick 100)
  --sync N         users of the first sync (100000; quick 500)
  --fresh N        users of the first sync into an empty database, in thousands (50000; quick 3000)
  --fair MS        how long each load of "fair" goes on (8000; quick 3000)
  --fair-users N   users of the loud tenant (50000; quick 5000)
  --embedded       "fair" on the embedded engine alone; --postgres on PostgreSQL alone
  --tenants N,N    tenants that do nothing (1000,10000,100000; quick 500,5000)
  --log-rows N,N   requests in the provisioning log (1000,10000000; quick 1000,100000)
  --gateway PATH   another build's main.js (dist/main.js)
  --results PATH   folder for the report (bench/results; with --quick or --only bench/results/trial)
`

/** @throws where an option is unknown or no number */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      without: { type: 'string', default: '' },
      sizes: { type: 'string' },
      groups: { type: 'string' },
      rounds: { type: 'string' },
      window: { type: 'string' },
      sync: { type: 'string' },
      fresh: { type: 'string' },
      tenants: { type: 'string' },
      'log-rows': { type: 'string' },
      fair: { type: 'string' },
      'fair-users': { type: 'string' },
      embedded: { type: 'boolean', default: false },
      postgres: { type: 'boolean', default: false },
      gateway: { type: 'string' },
      results: { type: 'string' },
      peers: { type: 'boolean', default: false },
      flame: { type: 'boolean', default: false },
    },
  })
  const { quick } = values
  const number = (name: 'rounds' | 'window' | 'sync' | 'fresh' | 'fair' | 'fair-users', otherwise: number) =>
    naturals(values[name] ?? `${otherwise}`, name)[0] as number
  const only = values.only.split(',').filter(Boolean)
  const without = values.without.split(',').filter(Boolean)
  const syncUsers = number('sync', quick ? 500 : 100_000)
  const groups = naturals(values.groups ?? (quick ? '100,10000' : '100,10000,100000'), 'groups')
  const part = quick || only.length > 0
  const windowMs = number('window', quick ? 100 : 1_000)
  return {
    quick,
    only,
    without,
    sizes: naturals(values.sizes ?? (quick ? '1000,20000' : '1000,100000,1000000'), 'sizes'),
    groups,
    rounds: number('rounds', quick ? 2 : 5),
    windowMs,
    warmUpMs: quick ? windowMs : 500,
    sync: { users: syncUsers, groups: Math.ceil(syncUsers / (quick ? 40 : 100)), memberships: 5 * syncUsers },
    dayTenants: quick ? [50, 200] : [1_000, 10_000],
    crowds: quick ? [1_000, 4_000] : [2_000, 20_000],
    freshUsers: number('fresh', quick ? 3_000 : 50_000),
    engines: ENGINES.filter((engine) => values[engine] || !(values.embedded || values.postgres)),
    fairUsers: number('fair-users', quick ? 5_000 : 50_000),
    fairWindowMs: number('fair', quick ? 3_000 : 8_000),
    tenants: naturals(values.tenants ?? (quick ? '500,5000' : '1000,10000,100000'), 'tenants'),
    logRows: naturals(values['log-rows'] ?? (quick ? '1000,100000' : '1000,10000000'), 'log-rows'),
    peers: !quick || values.peers,
    flame: !quick || values.flame,
    peerGroups: values.groups === undefined && quick ? [100, 1_000] : groups.filter((n) => n <= 10_000),
    peerWindowMs: Math.min(Math.max(windowMs, 300), 600),
    gateway: values.gateway,
    results: values.results ?? (part ? join(RESULTS, 'trial') : RESULTS),
    whole: !part && values.results === undefined && values.gateway === undefined,
  }
}

function naturals(text: string, name: string): number[] {
  const numbers = text.split(',').map(Number)
  const wrong = numbers.find((n) => !Number.isSafeInteger(n) || n < 1)
  if (wrong !== undefined) throw new Error(`--${name} takes whole numbers, not "${text}"`)
  return numbers.sort((a, b) => a - b)
}
