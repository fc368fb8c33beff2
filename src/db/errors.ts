/** The database cannot be opened; `message` is one line for the operator: what is wrong and what to do. */
export class CannotOpen extends Error {
  override name = 'CannotOpen'
}

/** A database cannot be made of a backup; `message` is one line for the operator. Nothing was changed. */
export class CannotRestore extends CannotOpen {
  override name = 'CannotRestore'
}

/** None of the hosts in a URL can be used; the message has what is wrong with each. */
export class NoHost extends Error {
  override name = 'NoHost'
  readonly code = 'NO_HOST'
}

/** A connection is not encrypted as the URL asks; `reason` is Node's code, or one of ours. */
export class NotSecure extends Error {
  override name = 'NotSecure'
  readonly code = 'NOT_SECURE'
  readonly reason: string

  constructor(message: string, reason: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** The connection to the database was lost; whether the statement was done is not known. */
export class ConnectionLost extends Error {
  override name = 'ConnectionLost'
  readonly code = 'CONNECTION_CLOSED'
}

/** The database gave no answer in time; the connection may still be there, and whether the statement was done is not known. */
export class NoAnswer extends Error {
  override name = 'NoAnswer'
  readonly code = 'NO_ANSWER'
}

/** A read took longer than reads may; it was cancelled. */
export class ReadTooLong extends Error {
  override name = 'ReadTooLong'
  readonly code = 'READ_TOO_LONG'
  readonly limitMs: number

  constructor(limitMs: number) {
    super(`a read took longer than ${limitMs} ms`)
    this.limitMs = limitMs
  }
}

/** A statement that does more than read, or a whole request, had no more time; the statement was cancelled, or never begun. */
export class OutOfTime extends Error {
  override name = 'OutOfTime'
  readonly code = 'OUT_OF_TIME'
}

/** Others used the connections for all the time that a statement had; it was never begun. */
export class NoTurn extends Error {
  override name = 'NoTurn'
  readonly code = 'NO_TURN'

  constructor(ms: number) {
    super(`no connection was free within ${Math.round(ms)} ms`)
  }
}

/** The reader of a statement has gone; the statement was cancelled, or never begun. */
export class ReaderGone extends Error {
  override name = 'ReaderGone'
  readonly code = 'READER_GONE'
}

const CLIENT_CODES = new Set([
  ...['CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT'],
  ...['NO_HOST', 'NOT_SECURE'],
])
const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
])
/** That we make ourselves. */
const OWN_CODES = new Set(['NO_ANSWER', 'NO_TURN', 'OUT_OF_TIME', 'READ_TOO_LONG', 'READER_GONE'])
// Connection exceptions, operator intervention, too little memory or connections, a disk that fails, a lock that was not to be had.
const UNAVAILABLE_STATES = /^(?:08(?!P01)...|57...|53...|58030|55P03)$/
// A primary become standby, an embedded engine that has no room, a full disk.
const NO_CHANGES_STATES = /^(?:25006|53100)$/

/**
 * True when the statement failed because the database is away, starting or stopping, or because its time was over. Nothing is
 * wrong with the request, and it may go through later (503).
 */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error)
  if (code === undefined) return false
  return (
    OWN_CODES.has(code) ||
    CLIENT_CODES.has(code) ||
    SYSTEM_CODES.has(code) ||
    UNAVAILABLE_STATES.test(code) ||
    takesNoChanges(error)
  )
}

/** True when the database takes no changes for now, while it may still be read. */
export const takesNoChanges = (error: unknown): boolean => NO_CHANGES_STATES.test(codeOf(error) ?? '')

// A lock that was waited for too long, a deadlock, a serialization failure.
const BUSY_STATES = /^(?:55P03|40P01|40001)$/

/** True when others were at work on the same rows for too long: nothing was done, and the same request may go through later (503). */
export const isBusy = (error: unknown): boolean => BUSY_STATES.test(codeOf(error) ?? '')

/** True when the statement's time was over, while the database itself is there. */
export function isOutOfTime(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'READ_TOO_LONG' || code === 'OUT_OF_TIME' || code === CANCELLED
}

/** True when a statement never began, since others used the connections. */
export const isWithoutTurn = (error: unknown): boolean => codeOf(error) === 'NO_TURN'

/** True when it is not known whether the statement, or its transaction, was done. */
export const isUncertain = (error: unknown): boolean => codeOf(error) === 'NO_ANSWER'

/** True when the client that a statement was reading for has gone. */
export const isReaderGone = (error: unknown): boolean => codeOf(error) === 'READER_GONE'

/** The time limit that a read has exceeded; undefined for any other error. */
export function exceededReadLimitMs(error: unknown): number | undefined {
  const found = withCode(error)
  return found instanceof ReadTooLong ? found.limitMs : undefined
}

/** SQLSTATE of a statement that was cancelled, by a time limit or by a request; it has changed nothing. */
export const CANCELLED = '57014'

/** True when the connection on which the statement ran is gone with it. */
export function isConnectionFailure(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && (CLIENT_CODES.has(code) || SYSTEM_CODES.has(code) || severityOf(error) === 'FATAL')
}

/**
 * The message of Citus where another machine refuses rows. Only this message names the constraint, followed by the number of the
 * shard. For rows that Citus copies to all machines, the SQLSTATE is that of an internal error.
 */
const ON_ANOTHER_MACHINE =
  /^(?:(duplicate key) value violates unique|(?:insert or update|update or delete) on table "\w+" violates foreign key) constraint "(\w+?)(?:_\d{6,})?"/

/** SQLSTATE and the constraint's name, from either driver's error or one that wraps it; undefined for any other error. */
export function sqlState(
  error: unknown,
): { readonly code: string; readonly constraint: string | undefined } | undefined {
  const found = withCode(error)
  if (found === undefined || !/^[0-9A-Z]{5}$/.test(found.code) || SYSTEM_CODES.has(found.code)) return undefined
  // PGlite says `constraint`, postgres.js `constraint_name`.
  const name = found.constraint ?? found.constraint_name
  if (typeof name === 'string' && name !== '') return { code: found.code, constraint: name }
  const [, duplicate, constraint] = ON_ANOTHER_MACHINE.exec(found.message ?? '') ?? []
  if (constraint === undefined) return { code: found.code, constraint: undefined }
  return { code: duplicate === undefined ? '23503' : '23505', constraint }
}

/** The driver's or the system's error code, SQLSTATE among them; undefined where there is none. */
export function codeOf(error: unknown): string | undefined {
  return withCode(error)?.code
}

function severityOf(error: unknown): unknown {
  return withCode(error)?.severity
}

type Coded = { code: string; message?: string; constraint?: unknown; constraint_name?: unknown; severity?: unknown }

/** Drizzle wraps the driver's error as `cause`. */
function withCode(error: unknown): Coded | undefined {
  let current = error
  for (let depth = 0; depth < 5 && typeof current === 'object' && current !== null; depth++) {
    if ('code' in current && typeof current.code === 'string') return current as Coded
    current = 'cause' in current ? current.cause : undefined
  }
  return undefined
}
