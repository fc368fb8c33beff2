import postgres from 'postgres'
import { LOADS } from '../fair/loads.ts'
import { type SoakWorld, sleep } from './world.ts'

/** Something that goes wrong, and is over when the promise settles. */
export interface Fault {
  readonly title: string
  strike(world: SoakWorld, turn: number): Promise<void>
}

const LASTS_MS = 10_000
const FREEZE_MS = 6_000

const load =
  (name: 'bulk' | 'stalled'): Fault['strike'] =>
  async (world) => {
    const stop = await LOADS[name].start(world.storm())
    await sleep(LASTS_MS)
    await stop()
  }

/** One session on the database, past the gateways. */
async function onDatabase(world: SoakWorld, work: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(world.postgres.url, { max: 1, onnotice: () => {} })
  try {
    await work(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

/** In the order in which they come, over and over. */
export const FAULTS: readonly Fault[] = [
  { title: 'kill -9 of an instance', strike: (world, turn) => world.replace(turn % world.instances, 'SIGKILL') },
  {
    title: 'all sessions of the database terminated',
    strike: (world) =>
      onDatabase(
        world,
        (sql) => sql`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()`,
      ),
  },
  { title: 'SIGTERM of an instance', strike: (world, turn) => world.replace(turn % world.instances, 'SIGTERM') },
  { title: 'the database frozen for 6 s', strike: (world) => world.freeze(FREEZE_MS) },
  { title: 'a storm of bulks', strike: load('bulk') },
  { title: 'PostgreSQL restarted', strike: (world) => world.postgres.restart() },
  { title: 'the receiver down for 10 s', strike: (world) => world.deafen(LASTS_MS) },
  {
    title: 'a table locked for 6 s',
    strike: (world) =>
      onDatabase(world, (sql) =>
        sql.begin(async (tx) => {
          await tx.unsafe('lock table resources in access exclusive mode')
          await sleep(FREEZE_MS)
        }),
      ),
  },
  { title: '40 stalled readers', strike: load('stalled') },
  {
    title: 'PostgreSQL killed',
    strike: async (world) => {
      await world.postgres.kill()
      await world.postgres.restart()
    },
  },
]
