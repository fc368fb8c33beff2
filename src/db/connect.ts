import type { Duplex } from 'node:stream'
import { parsePgArray } from 'drizzle-orm/pg-core'
import postgres from 'postgres'
import { CannotOpen, codeOf } from './errors.ts'

const CONNECT_TIMEOUT_S = 5
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
}

/** A client, not connected yet, that reads values as the embedded engine does. */
export function connectPostgres(databaseUrl: string, { max, prepare, settings, socket }: ClientOptions): postgres.Sql {
  return postgres(databaseUrl, {
    ...(socket !== undefined && { socket }),
    ...{ max, prepare },
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
      ...settings,
    },
  })
}

/** What failed, for the operator, without the credentials in the URL. */
export function cannotOpen(url: string, error: unknown, used = 'used'): CannotOpen {
  // Drizzle's message is the statement; what went wrong is its cause.
  const source = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const reason = (source instanceof Error && source.message) || 'no connection'
  const line = `PostgreSQL at ${describeUrl(url)} cannot be ${used}: ${reason} (${codeOf(error) ?? 'no code'})`
  return new CannotOpen(line, { cause: error })
}

/** Host, port and database of a connection URL, without who connects and how. */
export function describeUrl(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
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
