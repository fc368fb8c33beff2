import type { Duplex } from 'node:stream'
import { parsePgArray } from 'drizzle-orm/pg-core'
import postgres from 'postgres'
import { connectionOf, describeUrl, type Target } from '../config/connection.ts'
import type { SslMode } from '../config/connection-tls.ts'
import { type Address, failing, reach, reachFirst, type Standing } from './dial.ts'
import { CannotOpen, codeOf } from './errors.ts'
import { adviceFor } from './why-not-open.ts'

const RECONNECT_AFTER_S = 0.05

export interface ClientOptions {
  /** Most connections at once. */
  readonly max: number
  /** False where no statement may have a name. */
  readonly prepare: boolean
  /** What the client asks for at each connection; poolers refuse what they cannot carry from one connection to another. */
  readonly settings?: Readonly<Record<string, string>>
  /** What to talk over in place of the network. */
  readonly socket?: () => Duplex
  /** How connections are encrypted, where servers have decided what the URL leaves open. */
  readonly sslmode?: SslMode | undefined
  /** Which of several hosts is the right one where the URL does not say; the one that takes changes without it. */
  readonly ofSeveral?: Target | undefined
}

/** A client, not connected yet, that reads values as the embedded engine does. */
export function connectPostgres(databaseUrl: string, options: ClientOptions): postgres.Sql {
  const connection = connectionOf(databaseUrl, options.ofSeveral)
  const { user, password, database, connectTimeoutMs } = connection
  const { max, prepare, settings, socket, sslmode: mode = connection.tls.mode } = options

  const client = (most: number, talk: (driver: Driver) => Duplex | Promise<Duplex>): postgres.Sql =>
    postgres({
      // What the URL leaves out, the driver takes from PGUSER and the like.
      ...(user !== undefined && { user }),
      ...(password !== undefined && { password }),
      ...(database !== undefined && { database }),
      ...{ max: most, prepare, socket: talk },
      // The channel that it is given is encrypted already.
      ssl: false,
      keep_alive: 0,
      connect_timeout: connectTimeoutMs / 1_000,
      backoff: () => RECONNECT_AFTER_S,
      onnotice: () => {},
      // The driver would ask each new connection for them. An error then, when the connection is lost, is caught nowhere.
      fetch_types: false,
      types: TYPES,
      connection: { ...connection.settings, TimeZone: 'UTC', ...settings },
    })

  const standingOf = async (to: Address): Promise<Standing> => {
    const asking = client(1, () => reach(to, connection, mode).catch(failing))
    try {
      const [standing] = await asking.unsafe<Standing[]>(STANDING)
      return standing as Standing
    } finally {
      await asking.end({ timeout: 1 })
    }
  }
  const hosts = (driver: Driver): Address[] => {
    const usual = { host: driver.host[0] ?? 'localhost', port: driver.port[0] ?? 5432 }
    if (connection.hosts.length === 0) return [usual]
    return connection.hosts.map(({ host, port }) => ({ host: host || usual.host, port: port ?? usual.port }))
  }
  return client(max, socket ?? ((driver) => reachFirst(hosts(driver), connection, { mode, standingOf }).catch(failing)))
}

/** What the driver would connect to by itself. */
interface Driver {
  readonly host: readonly string[]
  readonly port: readonly number[]
}

const STANDING = `select pg_is_in_recovery() as standby, current_setting('transaction_read_only') = 'on' as "readOnly"`

const TYPES = {
  // The driver's own writes every text as false, 'true' among them.
  boolean: { to: 16, from: [16], serialize: String, parse: (text: string) => text === 't' },
  integer: { to: 20, from: [20], serialize: String, parse: parseInteger },
  // JSON is bound as text that is JSON already; a serialiser would quote it once more.
  json: { to: 114, from: [114], serialize: String, parse: JSON.parse },
  jsonb: { to: 3802, from: [3802], serialize: String, parse: JSON.parse },
  // Of text, uuid, int, bigint and smallint; arrays are bound as text.
  array: { to: 1009, from: [1009, 2951, 1007, 1016, 1005], serialize: String, parse: parsePgArray },
  moment: { to: 1184, from: [1082, 1114, 1184], serialize: String, parse: asIs },
}

/** What failed, and what to change, for the operator; without the credentials in the URL. */
export function cannotOpen(url: string, error: unknown, used = 'used'): CannotOpen {
  // Drizzle's message is the statement; what went wrong is its cause.
  const isOurs = error instanceof Error && 'code' in error
  const source = !isOurs && error instanceof Error && error.cause instanceof Error ? error.cause : error
  const reason = (source instanceof Error && source.message) || 'no connection'
  const line = `PostgreSQL at ${describeUrl(url)} cannot be ${used}: ${reason} (${codeOf(error) ?? 'no code'})`
  const advice = adviceFor(source, connectionOf(url))
  return new CannotOpen(advice === undefined ? line : `${line}; ${advice}`, { cause: error })
}

/** True when a pooler has refused what the client asked for at its connection. */
export const refusesSettings = (error: unknown): boolean => codeOf(error) === '08P01'

function asIs(value: string): string {
  return value
}

function parseInteger(text: string): number | bigint {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text)
}
