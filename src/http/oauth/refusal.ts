/** The errors of the token endpoint that it has use for (RFC 6749 §5.2). */
type ErrorCode = 'invalid_request' | 'invalid_client' | 'unsupported_grant_type' | 'invalid_scope'

/** A refusal of the token endpoint; `invalid_client` is answered 401, the others 400. */
export class TokenRefusal extends Error {
  override readonly name = 'TokenRefusal'
  readonly code: ErrorCode

  /** @param description for the developer of the client: printable ASCII without quotation marks and backslashes */
  constructor(code: ErrorCode, description: string) {
    super(description)
    this.code = code
  }
}

/** The answer to it. */
export function refusalResponse({ code, message }: TokenRefusal): Response {
  const unauthenticated = code === 'invalid_client'
  return new Response(JSON.stringify({ error: code, error_description: message }), {
    status: unauthenticated ? 401 : 400,
    headers: {
      ...{ 'Content-Type': 'application/json', 'Cache-Control': 'no-store', Pragma: 'no-cache' },
      ...(unauthenticated ? { 'WWW-Authenticate': 'Basic realm="oauth"' } : {}),
    },
  })
}
