import type postgres from 'postgres'
import { cannotOpen, connectPostgres, refusesSettings } from './connect.ts'
import { CannotOpen, isConnectionFailure } from './errors.ts'
import { giveSettingsToRole, notInForce, SESSION_SETTINGS, SETTINGS_IN_FORCE } from './session-settings.ts'

/** What stands between the gateway and PostgreSQL lets through. */
export interface Way {
  /** Whether settings may be asked for at a connection. */
  readonly takesSettings: boolean
  /** Settings that a session lacks, whether they were asked for or not. */
  readonly lacking: readonly string[]
  /** Whether statements have names. */
  readonly prepare: boolean
}

interface WaySettings {
  readonly databaseUrl: string
  readonly databasePrepare?: boolean | undefined
}

/**
 * Finds out whether a pooler is between, and what it lets through. Without an answer to `databasePrepare`, statements have names
 * where nothing is between, and behind a pooler that looks after names.
 *
 * @throws {CannotOpen} when there is no answer, or names were asked for and would be mixed up
 */
export async function lookAtWay({ databaseUrl, databasePrepare }: WaySettings): Promise<Way> {
  const open = (settings: Readonly<Record<string, string>>) =>
    connectPostgres(databaseUrl, { max: 1, prepare: true, settings })
  let client = open(SESSION_SETTINGS)
  try {
    const asked = await client.unsafe('select 1').then(() => true, unlessRefused)
    if (!asked) {
      await client.end({ timeout: 1 })
      client = open({})
    }
    const [row] = await client.unsafe<{ settings: Record<string, string> }[]>(SETTINGS_IN_FORCE)
    const prepare = databasePrepare ?? (await namesWork(client))
    if (databasePrepare === true) await refuseMixedNames(client, open({}))
    return { takesSettings: asked, lacking: notInForce(row?.settings ?? {}), prepare }
  } catch (error) {
    throw error instanceof CannotOpen ? error : cannotOpen(databaseUrl, error)
  } finally {
    await client.end({ timeout: 1 })
  }
}

function unlessRefused(error: unknown): false {
  if (refusesSettings(error)) return false
  throw error
}

const OWN_NAMES = `select pg_backend_pid() as pid, array(
    select name from pg_prepared_statements where statement like '%select name from pg_prepared_statements where statement like%'
  )::text[] as names`

/**
 * True where names are safe. A server tells each client the number of its process; a pooler tells a number of its own. One that
 * looks after names gives statements names of its own, so that those of its clients cannot meet.
 */
async function namesWork(client: postgres.Sql): Promise<boolean> {
  // A statement with a name, although it has no values; the types do not know the option.
  const named = { prepare: true, simple: false } as { prepare: boolean }
  const rows = await client.unsafe<{ pid: number; names: string[] }[]>(OWN_NAMES, [], named)
  const { state, statement } = rows as unknown as { state: { pid: number }; statement: { name: string } }
  const isDirect = rows[0]?.pid === state.pid
  return isDirect || rows[0]?.names.includes(statement.name) === false
}

const PROCESS = 'select pg_backend_pid() as pid'
const MIXED =
  'DATABASE_PREPARE is true, but DATABASE_URL goes to a pooler that lends the same session to several clients and mixes up ' +
  'the names of their statements: leave DATABASE_PREPARE unset, or set max_prepared_statements = 200 in PgBouncer 1.21 or later'

/** Two clients that are connected at the same time have two sessions, unless a pooler lends them for each transaction. */
async function refuseMixedNames(client: postgres.Sql, other: postgres.Sql): Promise<void> {
  try {
    const [one] = await client.unsafe<{ pid: number }[]>(PROCESS)
    const [two] = await other.unsafe<{ pid: number }[]>(PROCESS)
    if (one?.pid === two?.pid && !(await namesWork(client))) throw new CannotOpen(MIXED)
  } finally {
    await other.end({ timeout: 1 })
  }
}

/** Another instance that settles sessions at the same moment may end ours, and has settled them then. */
const SETTLING_ATTEMPTS = 3

/**
 * Sees to it that sessions have the gateway's settings also behind a pooler, which drops what clients ask for.
 *
 * @param say told what somebody with more rights has to run
 */
export async function settleSessions(databaseUrl: string, say: (line: string) => void): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await settleOnce(databaseUrl, say)
    } catch (error) {
      const ended = error instanceof CannotOpen && isConnectionFailure(error.cause)
      if (!ended || attempt === SETTLING_ATTEMPTS) throw error
    }
  }
}

async function settleOnce(databaseUrl: string, say: (line: string) => void): Promise<void> {
  const { lacking } = await lookAtWay({ databaseUrl, databasePrepare: false })
  if (lacking.length === 0) return
  const client = connectPostgres(databaseUrl, { max: 1, prepare: false })
  try {
    const statements = await giveSettingsToRole((statement) => client.unsafe<object[]>(statement))
    if (statements !== undefined)
      say(
        `sessions behind the pooler in DATABASE_URL lack ${lacking.join(', ')}; have an administrator run: ${statements}`,
      )
  } catch (error) {
    throw cannotOpen(databaseUrl, error)
  } finally {
    await client.end({ timeout: 1 })
  }
}
