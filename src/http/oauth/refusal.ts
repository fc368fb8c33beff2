/** The errors of the token endpoint that it has use for (RFC 6749 §5.2). */
type ErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'temporarily_unavailable'

/** A refusal of the token endpoint; `invalid_client` is answered 401, `TooManyTokens` 429, the others 400. */
export class TokenRefusal extends Error {
  override readonly name = 'TokenRefusal'
  readonly code: ErrorCode

  /** @param description for the developer of the client: printable ASCII without quotation marks and backslashes */
  constructor(code: ErrorCode, description: string) {
    super(description)
    this.code = code
  }
}

/**
 * 429: tokens are asked for too often. RFC 6749 §5.2 has no word for it; this is the one that §4.1.2.1 registers for an
 * overload.
 */
export class TooManyTokens extends TokenRefusal {
  readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number, what: string, advice: string) {
    super('temporarily_unavailable', `${what}; come again in ${retryAfterSeconds} s. ${advice}`)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** The answer to it. */
export function refusalResponse(refusal: TokenRefusal): Response {
  const { code, message } = refusal
  const unauthenticated = code === 'invalid_client'
  const retryAfter = refusal instanceof TooManyTokens ? refusal.retryAfterSeconds : undefined
  return new Response(JSON.stringify({ error: code, error_description: message }), {
    status: retryAfter !== undefined ? 429 : unauthenticated ? 401 : 400,
    headers: {
      ...{ 'Content-Type': 'application/json', 'Cache-Control': 'no-store', Pragma: 'no-cache' },
      ...(unauthenticated ? { 'WWW-Authenticate': 'Basic realm="oauth"' } : {}),
      ...(retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) }),
    },
  })
}
