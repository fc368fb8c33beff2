import { setMaxListeners } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openPglite } from '../src/db/pglite.ts'
import { openPostgres } from '../src/db/postgres.ts'
import { analyze, fillDirectly } from '../test/support/instances.ts'
import { startPostgres } from '../test/support/postgres-server.ts'
import { ADMIN_KEY, adminAt } from './admin.ts'
import { type Server, startGateway } from './processes.ts'

// What one tenant can do to another: the times of a quiet tenant's reads alone and beside one that asks for as much as it can,
// what that one is answered, and what single queries cost. `--embedded` for the engine inside the process.

const { values: options } = parseArgs({
  options: {
    gateway: { type: 'string' },
    embedded: { type: 'boolean', default: false },
    users: { type: 'string', default: '50000' },
    window: { type: 'string', default: '6000' },
  },
})
const USERS = Number(options.users)
const GROUPS = Math.ceil(USERS / 10)
const WINDOW_MS = Number(options.window)
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

interface Place {
  readonly base: string
  readonly events: string
}
interface World {
  readonly gateway: Server
  readonly headers: Readonly<Record<string, string>>
  readonly loud: Place
  readonly quiet: Place
  readonly quietUser: string
  readonly loudGroup: string
}

const terms = (most: number, term: (i: number) => string) =>
  Array.from({ length: most }, (_, i) => term(i)).join(' or ')

/** Single queries: name, endpoint, filter. Those that are refused say so by their status. */
const queriesOf = ({ loudGroup }: World): readonly (readonly [string, string, string])[] => [
  ['co on a key', 'Users', 'userName co "zzz"'],
  ['co on a key, 128 times', 'Users', terms(128, (i) => `userName co "z${i}"`)],
  ['co on one value', 'Users', 'title co "zzz"'],
  ['co on one value, 15 times', 'Users', terms(15, (i) => `title co "z${i}"`)],
  ['eq on one value, 37 times', 'Users', terms(37, (i) => `title eq "z${i}"`)],
  [
    'not eq on one value, 37 times',
    'Users',
    Array.from({ length: 37 }, (_, i) => `not (title eq "z${i}")`).join(' and '),
  ],
  ['co on e-mails', 'Users', 'emails co "zzz"'],
  ['co on e-mails, 3 times', 'Users', terms(3, (i) => `emails co "z${i}"`)],
  ["manager's $ref co, 6 times", 'Users', terms(6, (i) => `${ENTERPRISE}:manager.$ref co "z${i}"`)],
  ['groups.display co', 'Users', 'groups.display co "zzz"'],
  ['groups.display sw, of all', 'Users', 'groups.display sw "group"'],
  ['groups.display co, 2 times, of all', 'Users', 'groups.display co "0" or groups.display co "1"'],
  ['groups.value eq', 'Users', `groups.value eq "${loudGroup}"`],
  ['groups.value eq, 6 times', 'Users', terms(6, () => `groups.value eq "${loudGroup}"`)],
  ['groups pr', 'Users', 'groups pr'],
  ['members.display co', 'Groups', 'members.display co "zz"'],
  ['groups.display co, 128 times', 'Users', terms(128, (i) => `groups.display co "z${i}"`)],
]

async function main(): Promise<void> {
  const store = await openStore()
  const gateway = await startGateway({ ...store.env, ADMIN_KEY, LOG_LEVEL: 'silent' }, options.gateway)
  try {
    const world = await worldOf(gateway, store)
    await single(world)
    await beside(world)
  } finally {
    await gateway.stop().catch(() => {})
    await store.stop()
  }
}

interface Store {
  readonly env: Record<string, string>
  fill(tenantId: string): Promise<string>
  stop(): Promise<void>
}

/** Users, each in one group of its own and in the first one, which gives groups of ten and one of all. */
async function openStore(): Promise<Store> {
  const fillIn = async (database: Parameters<typeof fillDirectly>[0], tenantId: string) => {
    const { groupId, userId } = await fillDirectly(database, tenantId, { users: USERS, groups: GROUPS })
    await database.transaction(async (tx) => {
      await tx.run('set local session_replication_role = replica', [], { prepare: false })
      await tx.run(
        `insert into memberships (tenant_id, group_id, member_id)
         select $1::uuid, $2::uuid, ($3::text || lpad(to_hex(n), 12, '0'))::uuid from generate_series(1, $4::int) n
         on conflict do nothing`,
        [tenantId, groupId(1), userId(1).slice(0, -12), USERS],
        { prepare: false },
      )
    })
    await analyze(database)
    return groupId(1)
  }
  if (options.embedded) {
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-fences-'))
    return {
      env: { DATA_DIR: folder },
      // Only one process has the folder: it is filled while the gateway is stopped.
      fill: async (tenantId) => {
        const database = await openPglite({ dataDir: folder }, () => {})
        const group = await fillIn(database, tenantId)
        await database.close()
        return group
      },
      stop: async () => rmSync(folder, { recursive: true, force: true }),
    }
  }
  const server = await startPostgres({ fsync: true, settings: ['shared_buffers=512MB'] })
  return {
    env: { DATABASE_URL: server.url },
    fill: async (tenantId) => {
      const database = await openPostgres({ databaseUrl: server.url, databasePool: 1, databasePrepare: true })
      const group = await fillIn(database, tenantId)
      await database.close()
      return group
    },
    stop: () => server.stop(),
  }
}

async function worldOf(first: Server, store: Store): Promise<World> {
  const admin = adminAt(first.origin)
  const { id } = await admin<{ id: string }>('POST', '/tenants', { key: 'loud' })
  await admin('POST', '/tenants', { key: 'quiet' })
  const made = await admin<{ key: string }>('POST', '/api-keys', {
    name: 'bench',
    permissions: ['scim:read', 'scim:write', 'directory:read'],
  })
  let gateway = first
  if (options.embedded) await first.stop()
  const loudGroup = await store.fill(id)
  if (options.embedded) gateway = await startGateway({ ...store.env, ADMIN_KEY, LOG_LEVEL: 'silent' }, options.gateway)
  Object.assign(first, gateway)
  const placeOf = (key: string): Place => ({
    base: `${gateway.origin}/scim/v2/default/dev/v2/${key}`,
    events: `${gateway.origin}/api/v1/projects/default/environments/dev/tenants/${key}/events`,
  })
  const headers = { authorization: `Bearer ${made.key}`, 'content-type': 'application/scim+json' }
  const quiet = placeOf('quiet')
  const answer = await fetch(`${quiet.base}/Users`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'quiet' }),
  })
  const user = (await answer.json()) as { id: string }
  return { gateway, headers, quiet, loud: placeOf('loud'), quietUser: user.id, loudGroup }
}

const search = ({ loud, headers }: World, endpoint: string, filter: string, signal?: AbortSignal) =>
  fetch(`${loud.base}/${endpoint}/.search`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'], filter, count: 1 }),
    ...(signal ? { signal } : {}),
  })

/** What each query takes by itself, median of three. */
async function single(world: World): Promise<void> {
  say(`\n${USERS} users, ${GROUPS} groups, ${options.embedded ? 'embedded' : 'PostgreSQL'}; one query at a time`)
  for (const [name, endpoint, filter] of queriesOf(world)) {
    const times: number[] = []
    let status = 0
    for (let i = 0; i < 3; i++) {
      const start = performance.now()
      const answer = await search(world, endpoint, filter)
      await answer.text()
      times.push(performance.now() - start)
      status = answer.status
    }
    say(`${name.padEnd(36)} ${status} ${(times.sort((a, b) => a - b)[1] ?? 0).toFixed(0).padStart(7)} ms`)
  }
}

/** A load: begins, and gives what ends it and tells what it was answered. */
type Loud = (world: World) => Promise<() => Promise<Map<string, number>>>

const loop =
  (clients: number, ask: (world: World, signal: AbortSignal) => Promise<Response>): Loud =>
  async (world) => {
    const end = new AbortController()
    setMaxListeners(0, end.signal)
    const answers = new Map<string, number>()
    const one = async () => {
      while (!end.signal.aborted) {
        const said = await ask(world, end.signal).then(
          async (answer) => {
            await answer.text()
            return String(answer.status)
          },
          (error: unknown) => (end.signal.aborted ? undefined : `failed: ${error}`),
        )
        if (said !== undefined) answers.set(said, (answers.get(said) ?? 0) + 1)
        // As a client would that is told to come again.
        if (said === '429' || said === '503') await pause(200)
      }
    }
    const all = Array.from({ length: clients }, one)
    return async () => {
      end.abort()
      await Promise.allSettled(all)
      return answers
    }
  }

const streams =
  (many: number): Loud =>
  async ({ loud, headers }) => {
    const end = new AbortController()
    setMaxListeners(0, end.signal)
    const answers = new Map<string, number>()
    const opened = Array.from({ length: many }, async () => {
      const answer = await fetch(`${loud.events}/stream`, { headers, signal: end.signal })
      answers.set(String(answer.status), (answers.get(String(answer.status)) ?? 0) + 1)
      for await (const _ of answer.body ?? []) if (end.signal.aborted) return
    })
    await pause(1_000)
    return async () => {
      end.abort()
      await Promise.allSettled(opened)
      return answers
    }
  }

const LOADS: Readonly<Record<string, Loud>> = {
  'nobody else': loop(0, () => Promise.reject(new Error('nobody'))),
  '12 of 128 terms of groups.display co': loop(12, (w, signal) =>
    search(
      w,
      'Users',
      terms(128, (i) => `groups.display co "z${i}"`),
      signal,
    ),
  ),
  '12 of the dearest that may be': loop(12, (w, signal) =>
    search(
      w,
      'Users',
      terms(3, (i) => `emails co "z${i}"`),
      signal,
    ),
  ),
  '32 of title co': loop(32, (w, signal) => search(w, 'Users', 'title co "zzz"', signal)),
  '200 idle streams': streams(200),
  '200 clients of one tenant': loop(200, ({ loud, headers }, signal) =>
    fetch(`${loud.base}/Users?count=20`, { headers, signal }),
  ),
}

/** Reads of a quiet tenant, at most one in 20 ms, and of /livez, beside each load. */
async function beside(world: World): Promise<void> {
  say(`\n${'beside'.padEnd(40)} quiet p50 /     p99 ms, n    longest /livez   loud one is answered`)
  for (const [name, load] of Object.entries(LOADS)) {
    const stop = await load(world)
    const refused = new Set<number>()
    await pause(500)
    const [reads, lives] = await Promise.all([
      timesOf(async () => {
        const { quiet, quietUser, headers } = world
        const answer = await fetch(`${quiet.base}/Users/${quietUser}`, { headers })
        await answer.text()
        if (answer.status !== 200) refused.add(answer.status)
      }),
      timesOf(async () => void (await (await fetch(`${world.gateway.origin}/livez`)).text())),
    ])
    const answers = [...(await stop())].map(([status, count]) => `${status}: ${count}`).join(', ')
    if (refused.size > 0) say(`  the quiet one was answered ${[...refused].join(', ')}, too`)
    const of = (q: number) => (reads[Math.floor(reads.length * q)] ?? 0).toFixed(1)
    const longest = (lives.at(-1) ?? 0).toFixed(0)
    say(
      `${name.padEnd(40)} ${of(0.5).padStart(9)} / ${of(0.99).padStart(7)}   ${String(reads.length).padStart(4)} ${longest.padStart(10)} ms      ${answers}`,
    )
    await settled(world)
  }
}

/** Waits until a read of the quiet tenant is quick again: what a load has left behind is none of the next one's. */
async function settled({ quiet, headers }: World): Promise<void> {
  for (let quick = 0; quick < 3; ) {
    const start = performance.now()
    await (await fetch(`${quiet.base}/Users?count=1`, { headers })).text()
    quick = performance.now() - start < 50 ? quick + 1 : 0
    await pause(100)
  }
}

async function timesOf(work: () => Promise<void>): Promise<number[]> {
  const times: number[] = []
  const begun = performance.now()
  while (performance.now() - begun < WINDOW_MS) {
    const start = performance.now()
    await work()
    times.push(performance.now() - start)
    await pause(Math.max(0, 20 - (performance.now() - start)))
  }
  return times.sort((a, b) => a - b)
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const say = (line: string) => void process.stdout.write(`${line}\n`)

await main()
process.exit()
