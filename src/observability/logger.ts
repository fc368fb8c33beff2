import pino, { type DestinationStream } from 'pino'
import { dateTime } from '../scim/date-time.ts'

const FLUSH_EVERY_MS = 100

/** Writes one JSON object per line. */
export type Logger = pino.Logger

/**
 * A logger to `destination`: standard error where none is given, since standard output belongs to what a person reads after
 * the start.
 *
 * @param instance stands in each line
 */
export function createLogger(level: string, destination?: DestinationStream, instance?: string): Logger {
  return pino(
    {
      level,
      base: instance === undefined ? null : { instance },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
    },
    // Lines are gathered for a moment: a write for each would cost a tenth of a look-up.
    destination ?? pino.destination({ dest: 2, sync: false, minLength: 4_096, periodicFlush: FLUSH_EVERY_MS }),
  )
}

/** What may be said of a request; never a body, a path, a query string or a header. */
export interface RequestFields {
  /** The template of its address; undefined where the request was refused before its address was looked at. */
  readonly route?: string | undefined
  readonly requestId: string
  readonly method: string
  readonly status: number
  readonly ms: number
  readonly tenantId?: string | undefined
  readonly keyId?: string | undefined
  /** What kind of mistake a refusal names (RFC 7644 §3.12). */
  readonly scimType?: string | undefined
  /** Why SCIM refused it, as one of `REASONS`. */
  readonly reason?: string | undefined
  /** How often work of the request was done again because another writer came first; undefined for never. */
  readonly retries?: number | undefined
  /** Of its trace; undefined where traces are off. */
  readonly traceId?: string | undefined
}

/**
 * Writes the one line of a request: as a warning from 500 on. This function builds the line, since pino takes nine times as
 * long. Other members of the object stay out of the log.
 */
export function requestLine(logger: Logger, fields: RequestFields): void {
  const level = fields.status >= 500 ? 'warn' : 'info'
  if (!logger.isLevelEnabled(level)) return
  const { requestId, method, status, ms, tenantId, keyId, route, scimType, reason, retries, traceId } = fields
  const template = route === undefined ? '' : `,"route":${JSON.stringify(route)}`
  const tenant = tenantId === undefined ? '' : `,"tenantId":${JSON.stringify(tenantId)}`
  const key = keyId === undefined ? '' : `,"keyId":${JSON.stringify(keyId)}`
  const refusal = scimType === undefined ? '' : `,"scimType":"${scimType}"`
  const why = reason === undefined ? '' : `,"reason":"${reason}"`
  const again = retries === undefined ? '' : `,"retries":${retries}`
  const traced = traceId === undefined ? '' : `,"traceId":"${traceId}"`
  const parts = logger as unknown as Record<symbol, unknown>
  const destination = parts[pino.symbols.streamSym] as DestinationStream | undefined
  // What each line has, as text that begins with a comma.
  const common = String(parts[pino.symbols.chindingsSym] ?? '')
  destination?.write(
    `{"level":"${level}","time":"${dateTime(Date.now())}"${common},"requestId":"${requestId}","method":"${method}"${template},"status":${status},"ms":${ms}${tenant}${key}${refusal}${why}${again}${traced},"msg":"request"}\n`,
  )
}

/** Warns that spans of traces were not taken by their receiver, and why, in a word without data. */
export function lostSpansLine(
  logger: Logger,
  lost: { readonly dropped: number; failed: number; reason: string },
): void {
  const { dropped, failed, reason } = lost
  logger.warn({ dropped, failed, reason }, 'spans of traces were lost: see to OTEL_EXPORTER_OTLP_ENDPOINT')
}

/** Warns that an API key expires soon, by its public id. */
export function keyExpiryLine(logger: Logger, key: { readonly id: string; expiresAt: Date; daysLeft: number }): void {
  const { id: keyId, expiresAt, daysLeft } = key
  logger.warn({ keyId, expiresAt, daysLeft }, 'an API key expires soon: rotate it')
}

/** Warns that the keys of an issuer whose tokens a tenant takes are not to be had. */
export function unreachableIssuerLine(logger: Logger, jwksUri: string, reason: string): void {
  logger.warn({ jwksUri, reason }, 'the keys of an external issuer cannot be fetched: its tokens are refused')
}

/** Warns that a sign-in to the console by its issuer failed, and why, in a word without data of a person. */
export function signInLine(logger: Logger, { problem, reason }: { readonly problem: string; reason: string }): void {
  logger.warn({ problem, reason }, 'a sign-in to the console failed: see to CONSOLE_OIDC_ISSUER')
}

/** Writes why a request failed on our side. */
export function logError(logger: Logger, error: unknown, requestId?: string): void {
  logger.error({ requestId, err: error }, 'failed')
}

/** Writes why work behind the requests failed; `task` names it. */
export function logFailure(logger: Logger, error: unknown, task: string): void {
  logger.error({ task, err: error }, 'failed')
}

/** An error as it may be logged: the database's without its message, which shows values. */
export function describeError(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { name: typeof error }
  const { name, code, severity, constraint, constraint_name, cause } = error as Error & Record<string, unknown>
  // Both drivers' errors have a severity, as the server sends one. Drizzle's wrap them in the statement and its values.
  const showsValues = severity !== undefined || name === 'DrizzleQueryError' || error.message.startsWith('Failed query')
  return {
    name,
    code,
    constraint: constraint ?? constraint_name,
    message: showsValues ? undefined : error.message,
    stack: frames(error),
    cause: cause === undefined || depth === 3 ? undefined : describeError(cause, depth + 1),
  }
}

/** Where it was thrown, without the message that a stack begins with. */
function frames(error: Error): string | undefined {
  return error.stack
    ?.split('\n')
    .filter((line) => /^ {4}at /.test(line))
    .map((line) => line.trim())
    .join('\n')
}
