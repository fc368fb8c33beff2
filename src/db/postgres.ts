import type { Duplex } from 'node:stream'
import { parsePgArray } from 'drizzle-orm/pg-core'
import postgres from 'postgres'
import type { Database } from './database.ts'
import { CannotOpen, codeOf } from './errors.ts'
import { guardedDatabase } from './postgres-guard.ts'
import { checkPolicies } from './tenant-role.ts'

export interface PostgresSettings {
  readonly databaseUrl: string
  /** Most connections at once. */
  readonly databasePool: number
  /** False behind a pooler that lends connections per transaction: then nothing may outlive a statement. */
  readonly databasePrepare: boolean
  /** Time for a statement that only reads. */
  readonly readTimeoutMs?: number
  /** Role without ownership under which each tenant's statements run; undefined for no row-level security. */
  readonly databaseTenantRole?: string | undefined
}

const CONNECT_TIMEOUT_S = 5
const RECONNECT_AFTER_S = 0.05
export const STATEMENT_TIMEOUT_MS = 30_000
export const READ_TIMEOUT_MS = 5_000
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000
/** The server's own time limit answers first; when not even that arrives, the network has swallowed the connection. */
export const ANSWER_DEADLINE_MS = STATEMENT_TIMEOUT_MS + 5_000

/**
 * Opens PostgreSQL and asks it whom the policies bind.
 *
 * @throws {CannotOpen} when it does not answer, or refuses us
 */
export async function openPostgres(
  settings: PostgresSettings,
  { answerDeadlineMs = ANSWER_DEADLINE_MS }: { readonly answerDeadlineMs?: number } = {},
): Promise<Database> {
  const timeouts = settings.databasePrepare && (await takesTimeouts(settings))
  const connect = () => connectPostgres(settings, { max: settings.databasePool, timeouts })
  const database = guardedDatabase(connect, {
    engine: 'postgres',
    prepare: settings.databasePrepare,
    answerDeadlineMs,
    readTimeoutMs: settings.readTimeoutMs ?? READ_TIMEOUT_MS,
    connections: settings.databasePool,
    tenantRole: settings.databaseTenantRole,
  })
  try {
    await checkPolicies(database, settings.databaseTenantRole)
  } catch (error) {
    await database.close()
    throw error instanceof CannotOpen ? error : cannotOpen(settings.databaseUrl, error)
  }
  return database
}

/** A client, not connected yet, that reads values as the embedded engine does. */
export function connectPostgres(
  settings: Pick<PostgresSettings, 'databaseUrl' | 'databasePrepare'>,
  { max, timeouts, socket }: { readonly max: number; readonly timeouts: boolean; readonly socket?: () => Duplex },
): postgres.Sql {
  return postgres(settings.databaseUrl, {
    ...(socket !== undefined && { socket }),
    max,
    prepare: settings.databasePrepare,
    connect_timeout: CONNECT_TIMEOUT_S,
    backoff: () => RECONNECT_AFTER_S,
    onnotice: () => {},
    // The driver would ask each new connection for them. An error then, when the connection is lost, is caught nowhere.
    fetch_types: false,
    types: {
      // The driver's own writes every text as false, 'true' among them.
      boolean: { to: 16, from: [16], serialize: String, parse: (text: string) => text === 't' },
      integer: { to: 20, from: [20], serialize: String, parse: parseInteger },
      // JSON is bound as text that is JSON already; a serialiser would quote it once more.
      json: { to: 114, from: [114], serialize: String, parse: JSON.parse },
      jsonb: { to: 3802, from: [3802], serialize: String, parse: JSON.parse },
      // Of text, uuid, int, bigint and smallint; arrays are bound as text.
      array: { to: 1009, from: [1009, 2951, 1007, 1016, 1005], serialize: String, parse: parsePgArray },
      moment: { to: 1184, from: [1082, 1114, 1184], serialize: String, parse: asIs },
    },
    connection: {
      application_name: 'rollcall',
      TimeZone: 'UTC',
      ...(timeouts && {
        // Statements are prepared once and run by the million. Planning one for its values costs several times what running
        // it does. They are written so that the one plan is right for all values.
        plan_cache_mode: 'force_generic_plan',
        // Compiling a statement takes longer than running any of ours.
        jit: 'off',
        // Planned for all values, a statement for one group may seem to want most of a table; none of ours ever does.
        enable_seqscan: 'off',
        statement_timeout: STATEMENT_TIMEOUT_MS,
        idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
      }),
    },
  })
}

/** What failed, for the operator, without the credentials in the URL. */
export function cannotOpen(url: string, error: unknown): CannotOpen {
  // Drizzle's message is the statement; what went wrong is its cause.
  const source = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const reason = (source instanceof Error && source.message) || 'no connection'
  return new CannotOpen(`PostgreSQL at ${describeUrl(url)} cannot be used: ${reason} (${codeOf(error) ?? 'no code'})`, {
    cause: error,
  })
}

/** Host, port and database of a connection URL, without who connects and how. */
export function describeUrl(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}

/** Poolers refuse start-up parameters that they cannot carry from one connection to another. */
async function takesTimeouts(settings: PostgresSettings): Promise<boolean> {
  const client = connectPostgres(settings, { max: 1, timeouts: true })
  try {
    await client.unsafe('select 1')
    return true
  } catch (error) {
    if (codeOf(error) === '08P01') return false
    throw cannotOpen(settings.databaseUrl, error)
  } finally {
    await client.end({ timeout: 1 })
  }
}

function asIs(value: string): string {
  return value
}

function parseInteger(text: string): number | bigint {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text)
}
