import type { Reason } from '../../scim/reasons.ts'

/** The errors of the token endpoint that it has use for (RFC 6749 §5.2). */
type ErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'temporarily_unavailable'

/** A refusal of the token endpoint; `invalid_client` is answered 401, `ComeAgain` 429 or 503, the others 400. */
export class TokenRefusal extends Error {
  override readonly name = 'TokenRefusal'
  readonly code: ErrorCode
  readonly reason: Reason

  /**
   * @param reason for the log, and for what explains the refusal to people; the client does not get it
   * @param description for the developer of the client: printable ASCII without quotation marks and backslashes
   */
  constructor(code: ErrorCode, reason: Reason, description: string) {
    super(description)
    this.code = code
    this.reason = reason
  }
}

/**
 * 429: tokens are asked for too often. 503: somebody else does not answer. RFC 6749 §5.2 has no word for either; this is the one
 * that §4.1.2.1 registers for an overload.
 */
export class ComeAgain extends TokenRefusal {
  readonly status: 429 | 503
  readonly retryAfterSeconds: number

  constructor(status: 429 | 503, reason: Reason, retryAfterSeconds: number, what: string, advice: string) {
    super('temporarily_unavailable', reason, `${what}; come again in ${retryAfterSeconds} s. ${advice}`)
    this.status = status
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** The answer to it. */
export function refusalResponse(refusal: TokenRefusal): Response {
  const { code, message } = refusal
  const unauthenticated = code === 'invalid_client'
  const later = refusal instanceof ComeAgain ? refusal : undefined
  return new Response(JSON.stringify({ error: code, error_description: message }), {
    status: later?.status ?? (unauthenticated ? 401 : 400),
    headers: {
      ...{ 'Content-Type': 'application/json', 'Cache-Control': 'no-store', Pragma: 'no-cache' },
      ...(unauthenticated ? { 'WWW-Authenticate': 'Basic realm="oauth"' } : {}),
      ...(later === undefined ? {} : { 'Retry-After': String(later.retryAfterSeconds) }),
    },
  })
}
