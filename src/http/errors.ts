import type { Challenge } from '../auth/authenticate.ts'
import {
  exceededReadLimitMs,
  isBusy,
  isOutOfTime,
  isReaderGone,
  isUnavailable,
  isUncertain,
  isWithoutTurn,
  takesNoChanges,
} from '../db/errors.ts'
import { ScimError } from '../scim/errors.ts'
import type { Reason } from '../scim/reasons.ts'

/** Thrown by the guard: an answer with a challenge (RFC 6750 §3). */
export class ChallengeError extends ScimError {
  readonly wwwAuthenticate: string
  readonly mayBeGuess: true | undefined

  constructor(challenge: Challenge) {
    super(challenge.status, undefined, challenge.reason, challenge.detail)
    this.wwwAuthenticate = challenge.wwwAuthenticate
    this.mayBeGuess = challenge.mayBeGuess
  }

  /** True where a key of ours was sent that is good no longer: its owner alone can show it. */
  get isOfKnownKey(): boolean {
    return this.mayBeGuess !== true && this.wwwAuthenticate.includes('invalid_token')
  }
}

/** 405 with the methods that a known address does offer (RFC 9110 §15.5.6). */
export class MethodNotAllowed extends ScimError {
  readonly allow: string

  constructor(method: string, allow: string) {
    super(405, undefined, 'method-unsupported', `${method} is not offered here; ${allow} is.`)
    this.allow = allow
  }
}

/** 429 with the time after which to come again (RFC 6585 §4). */
export class TooManyRequests extends ScimError {
  readonly retryAfterSeconds: number
  /** Which limit it was: its name in the metrics. */
  readonly limit: LimitName

  /** @param retryAfterSeconds a whole number, as `Retry-After` takes it */
  constructor(detail: string, retryAfterSeconds: number, limit: LimitName) {
    super(429, undefined, TOO_MANY[limit] ?? 'requests-too-many', detail)
    this.retryAfterSeconds = retryAfterSeconds
    this.limit = limit
  }
}

/** 503, since this instance has as much under way as it may. */
export class InstanceFull extends ScimError {
  readonly limit: LimitName

  constructor(detail: string, limit: LimitName) {
    super(503, undefined, 'instance-full', detail)
    this.limit = limit
  }
}

const TOO_MANY: Partial<Record<LimitName, Reason>> = { rate: 'requests-too-fast', wrong_keys: 'wrong-keys-too-many' }

/** What is shared among those whose requests are under way. */
export type SharedName = 'requests' | 'streams' | 'bytes'
/** Names of limits in the metrics. */
export type LimitName = 'rate' | 'wrong_keys' | `${'tenant' | 'key' | 'instance'}_${SharedName}`

/**
 * The answer to a failed request. A refusal is answered as it is. 503 says that the database cannot be reached, takes too long or
 * can store nothing, or that others hold the same rows. Any other error is 500 with the request id alone, by which the log has the cause.
 */
export function refusalFor(error: unknown, requestId: string): { refusal: ScimError; headers: Record<string, string> } {
  if (error instanceof ChallengeError) return { refusal: error, headers: { 'WWW-Authenticate': error.wwwAuthenticate } }
  if (error instanceof MethodNotAllowed) return { refusal: error, headers: { Allow: error.allow } }
  if (error instanceof TooManyRequests) {
    return { refusal: error, headers: { 'Retry-After': String(error.retryAfterSeconds) } }
  }
  if (error instanceof ScimError) {
    return { refusal: error, headers: error.status === 503 ? { 'Retry-After': '1' } : {} }
  }
  // The client has gone and does not read this answer; the log names it as other servers do.
  if (isReaderGone(error))
    return { refusal: new ScimError(499, undefined, 'client-gone', 'The client has gone.'), headers: {} }
  if (isBusy(error)) {
    const detail = `Others are changing the same at this moment, and nothing was done; try again. Request ${requestId}.`
    return { refusal: new ScimError(503, undefined, 'changed-meanwhile', detail), headers: { 'Retry-After': '2' } }
  }
  if (isUnavailable(error)) {
    const [reason, words] = unavailable(error)
    const refusal = new ScimError(503, undefined, reason, `${words} Request ${requestId}.`)
    return { refusal, headers: { 'Retry-After': '5' } }
  }
  return {
    refusal: new ScimError(500, undefined, 'fault', `Something went wrong on our side. Request ${requestId}.`),
    headers: {},
  }
}

/** Why requests are refused, as the metrics name it. */
export const REFUSALS = [
  'credentials',
  'permission',
  'wrong_keys',
  'rate',
  'cost',
  'tenant_requests',
  'key_requests',
  'instance_requests',
  'tenant_streams',
  'key_streams',
  'instance_streams',
  'tenant_bytes',
  'key_bytes',
  'instance_bytes',
  'connections',
  'read_time',
  'request_time',
  'locks',
  'busy',
  'read_only_database',
  'silent_database',
  'unreachable_database',
  'client_gone',
  'fault',
] as const

export type Refusal = (typeof REFUSALS)[number]

/**
 * Why a request was refused. Undefined where the request is at fault in another way than by what it may do
 * or how much it asks for.
 */
export function refusedFor(error: unknown): Refusal | undefined {
  if (error instanceof TooManyRequests || error instanceof InstanceFull) return error.limit
  if (error instanceof ScimError) {
    if (error.status === 401) return 'credentials'
    if (error.status === 403) return 'permission'
    if (error.scimType === 'tooMany') return 'cost'
    return error.status >= 500 ? 'busy' : undefined
  }
  if (isReaderGone(error)) return 'client_gone'
  if (isBusy(error)) return 'locks'
  if (!isUnavailable(error)) return 'fault'
  if (exceededReadLimitMs(error) !== undefined) return 'read_time'
  if (isOutOfTime(error)) return 'request_time'
  if (takesNoChanges(error)) return 'read_only_database'
  if (isWithoutTurn(error)) return 'connections'
  return isUncertain(error) ? 'silent_database' : 'unreachable_database'
}

function unavailable(error: unknown): [Reason, string] {
  const limitMs = exceededReadLimitMs(error)
  if (limitMs !== undefined) {
    const words = `This took longer than the ${limitMs} ms that a read may take (READ_TIMEOUT_MS). Ask for less, best by an equality on one attribute, or try again.`
    return ['query-too-slow', words]
  }
  if (isOutOfTime(error)) return ['database-slow', 'The database took too long; try again.']
  if (takesNoChanges(error)) {
    const words = 'The database takes no changes for now, because its disk is full or it is a standby; try again.'
    return ['database-takes-no-changes', words]
  }
  if (isWithoutTurn(error))
    return ['connections-busy', 'All connections to the database were in use for too long; try again.']
  if (isUncertain(error)) {
    const words = 'The database did not answer in time, and a change may have been made all the same; try again.'
    return ['database-silent', words]
  }
  return ['database-away', 'The service cannot reach its database; try again.']
}

/** The SCIM error response (RFC 7644 §3.12). */
export function scimErrorResponse(refusal: ScimError, headers: Readonly<Record<string, string>>): Response {
  return new Response(JSON.stringify(refusal.toBody()), {
    status: refusal.status,
    headers: { 'Content-Type': 'application/scim+json', ...headers },
  })
}
