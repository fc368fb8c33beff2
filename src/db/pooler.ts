import type postgres from 'postgres'
import { connectionOf, type Target } from '../config/connection.ts'
import type { SslMode } from '../config/connection-tls.ts'
import { isUpToDate } from './compatibility.ts'
import { cannotOpen, connectPostgres, refusesSettings } from './connect.ts'
import { isDistributed } from './distributed.ts'
import { CannotOpen, codeOf, isConnectionFailure } from './errors.ts'
import {
  giveSettingsToRole,
  notInForce,
  SESSION_SETTINGS,
  SETTINGS_IN_FORCE,
  sessionSettings,
} from './session-settings.ts'

/** What stands between the gateway and PostgreSQL lets through. */
export interface Way {
  /** Whether settings may be asked for at a connection. */
  readonly takesSettings: boolean
  /** Settings that a session lacks, whether they were asked for or not. */
  readonly lacking: readonly string[]
  /** Whether statements have names. */
  readonly prepare: boolean
  /** Whether what answers is a pooler; undefined where that was not looked at. */
  readonly pooled: boolean | undefined
  /** How connections are encrypted, where the server has decided what the URL leaves open. */
  readonly sslmode: SslMode
  /** Whether the tables at its end are just those of this build; false where that is not known. */
  readonly upToDate: boolean
  /** Whether Citus has distributed the tables. */
  readonly distributed: boolean
}

export interface WaySettings {
  readonly databaseUrl: string
  readonly databasePrepare?: boolean | undefined
  /** Which of several hosts is the right one where the URL does not say; the one that takes changes without it. */
  readonly ofSeveral?: Target | undefined
}

/** What libpq tries next where a server refuses who connects in the way that was tried first. */
const OTHERWISE: { readonly [mode in SslMode]?: SslMode } = { allow: 'require', prefer: 'disable' }
const NOT_THIS_WAY = '28000'

/**
 * Finds out whether a pooler is between, and what it lets through. Without an answer to `databasePrepare`, statements have names
 * where nothing is between, and behind a pooler that looks after names.
 *
 * @throws {CannotOpen} when there is no answer, or names were asked for and would be mixed up
 */
export async function lookAtWay(settings: WaySettings): Promise<Way> {
  const { mode } = connectionOf(settings.databaseUrl).tls
  const failed = (error: unknown) => {
    throw error instanceof CannotOpen ? error : cannotOpen(settings.databaseUrl, error)
  }
  const otherwise = OTHERWISE[mode]
  return lookBy(settings, mode).catch((error: unknown) => {
    if (otherwise === undefined || codeOf(error) !== NOT_THIS_WAY) return failed(error)
    // Where the other way is none either, the first refusal says more.
    return lookBy(settings, otherwise).catch(() => failed(error))
  })
}

async function lookBy({ databaseUrl, databasePrepare, ofSeveral }: WaySettings, sslmode: SslMode): Promise<Way> {
  const open = (settings: Readonly<Record<string, string>>) =>
    connectPostgres(databaseUrl, { max: 1, prepare: true, settings, sslmode, ofSeveral })
  let client = open(SESSION_SETTINGS)
  try {
    // Sent together: each connection waits for its answers once.
    const questions = () =>
      Promise.all([
        client.unsafe<{ settings: Record<string, string> }[]>(SETTINGS_IN_FORCE),
        databasePrepare === undefined ? lookAtNames(client) : undefined,
        isUpToDate((statement) => client.unsafe<object[]>(statement)).catch(() => false),
      ])
    const asked = await questions().catch(unlessRefused)
    if (asked === undefined) {
      await client.end({ timeout: 1 })
      client = open({})
    }
    const [[row], names, upToDate] = asked ?? (await questions())
    const distributed = await isDistributed((statement) => client.unsafe<object[]>(statement))
    // A session that takes settings is asked for them once it is known whether the tables are distributed.
    const wanted = asked === undefined ? sessionSettings(distributed) : SESSION_SETTINGS
    const lacking = notInForce(row?.settings ?? {}, wanted)
    const way = { takesSettings: asked !== undefined, lacking, sslmode, upToDate, distributed }
    if (databasePrepare === true) await refuseMixedNames(client, open({}))
    if (names === undefined) return { ...way, prepare: databasePrepare === true, pooled: undefined }
    const pooled = !names.isDirect || connectionOf(databaseUrl).pooled
    return { ...way, prepare: !pooled || names.areKept, pooled }
  } finally {
    await client.end({ timeout: 1 })
  }
}

function unlessRefused(error: unknown): undefined {
  if (refusesSettings(error)) return undefined
  throw error
}

const OWN_NAMES = `select pg_backend_pid() as pid, array(
    select name from pg_prepared_statements where statement like '%select name from pg_prepared_statements where statement like%'
  )::text[] as names`

/**
 * Whether names are safe. A server tells each client the number of its process; a pooler tells a number of its own. One that
 * looks after names gives statements names of its own, so that those of its clients cannot meet.
 */
async function lookAtNames(client: postgres.Sql): Promise<{ readonly isDirect: boolean; readonly areKept: boolean }> {
  // A statement with a name, although it has no values; the types do not know the option.
  const named = { prepare: true, simple: false } as { prepare: boolean }
  const rows = await client.unsafe<{ pid: number; names: string[] }[]>(OWN_NAMES, [], named)
  const { state, statement } = rows as unknown as { state: { pid: number }; statement: { name: string } }
  return { isDirect: rows[0]?.pid === state.pid, areKept: rows[0]?.names.includes(statement.name) === false }
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
    if (one?.pid !== two?.pid) return
    const { isDirect, areKept } = await lookAtNames(client)
    if (!isDirect && !areKept) throw new CannotOpen(MIXED)
  } finally {
    await other.end({ timeout: 1 })
  }
}

/** Another instance that settles sessions at the same moment may end ours, and has settled them then. */
const SETTLING_ATTEMPTS = 3

/**
 * Finds out the same, and sees to it that sessions have the gateway's settings also behind a pooler, which drops what clients ask
 * for.
 *
 * @param say told what somebody with more rights has to run
 */
export async function settledWay(settings: WaySettings, say: (line: string) => void): Promise<Way> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await settleOnce(settings, say)
    } catch (error) {
      const ended = error instanceof CannotOpen && isConnectionFailure(error.cause)
      if (!ended || attempt === SETTLING_ATTEMPTS) throw error
    }
  }
}

async function settleOnce(settings: WaySettings, say: (line: string) => void): Promise<Way> {
  const { databaseUrl } = settings
  const way = await lookAtWay(settings)
  const { lacking, sslmode, distributed } = way
  if (lacking.length === 0) return way
  const client = connectPostgres(databaseUrl, { max: 1, prepare: false, sslmode })
  try {
    const statements = await giveSettingsToRole(
      (statement) => client.unsafe<object[]>(statement),
      sessionSettings(distributed),
    )
    if (statements !== undefined)
      say(
        `sessions behind the pooler in DATABASE_URL lack ${lacking.join(', ')}; have an administrator run: ${statements}`,
      )
    return way
  } catch (error) {
    throw cannotOpen(databaseUrl, error)
  } finally {
    await client.end({ timeout: 1 })
  }
}
