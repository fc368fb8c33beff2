import { createLocalJWKSet, createRemoteJWKSet, errors, type JSONWebKeySet, jwtVerify } from 'jose'
import { dispatch, type Handlers, NotAccepted } from './dispatch.ts'
import { type NodeHandler, nodeHandler } from './node.ts'

/** Whom a token is about (RFC 9493). */
export interface SubjectId {
  readonly format: string
  readonly [member: string]: unknown
}

/** A Security Event Token that was verified: one event, and who it is about. */
export interface SecurityEvent<Payload = Readonly<Record<string, unknown>>> {
  /** The same however often the token comes. */
  readonly jti: string
  readonly uri: string
  readonly payload: Payload
  readonly subject: SubjectId
  /** Id of the tenant. */
  readonly tenant: string | undefined
  /** When it happened, in seconds since 1970. */
  readonly toe: number | undefined
  readonly txn: string | undefined
}

/** A notice names what has changed; the values are not in it. */
export interface ChangedNotice {
  readonly version: string
  readonly attributes: readonly string[]
}
/** The resource, or a PatchOp. */
export interface FullChange {
  readonly version: string
  readonly data: Readonly<Record<string, unknown>>
}
/** A session has to end. */
export interface SessionRevoked {
  readonly event_timestamp?: number
  readonly initiating_entity?: string
  readonly reason_admin?: Readonly<Record<string, string>>
}
/** The operator has paused, disabled or enabled the stream. */
export interface StreamUpdated {
  readonly status: string
  readonly reason?: string
}
type Nothing = Readonly<Record<string, unknown>>

/** The events that tokens of the gateway carry: RFC 9967, CAEP, RISC and SSF. */
export interface SecurityEvents {
  'urn:ietf:params:scim:event:prov:create:notice': ChangedNotice
  'urn:ietf:params:scim:event:prov:create:full': FullChange
  'urn:ietf:params:scim:event:prov:patch:notice': ChangedNotice
  'urn:ietf:params:scim:event:prov:patch:full': FullChange
  'urn:ietf:params:scim:event:prov:delete': Nothing
  'urn:ietf:params:scim:event:prov:activate': Nothing
  'urn:ietf:params:scim:event:prov:deactivate': Nothing
  'https://schemas.openid.net/secevent/caep/event-type/session-revoked': SessionRevoked
  'https://schemas.openid.net/secevent/risc/event-type/account-disabled': Nothing
  'https://schemas.openid.net/secevent/risc/event-type/account-enabled': Nothing
  'https://schemas.openid.net/secevent/ssf/event-type/stream-updated': StreamUpdated
  'https://schemas.openid.net/secevent/ssf/event-type/verification': Nothing
}

/** Handlers of security events by their URIs; `'*'` has those without one. */
export type SecurityEventHandlers = Handlers<
  { readonly [Uri in keyof SecurityEvents]: SecurityEvent<SecurityEvents[Uri]> },
  SecurityEvent
>

/** Whose tokens are accepted. */
export interface TokenOptions {
  /** The issuer of the stream, as the admin API shows it. */
  readonly issuer: string
  /** The audience of the stream. */
  readonly audience: string
  /** Where the issuer's keys are (`jwks_uri`), or the keys themselves. */
  readonly keys: string | URL | KeySet
}

/** A set of public keys (RFC 7517 §5). */
export interface KeySet {
  readonly keys: readonly { readonly kty: string; readonly [member: string]: unknown }[]
}

/** How a receiver of pushed tokens works. */
export interface TokenReceiverOptions extends TokenOptions {
  readonly on: SecurityEventHandlers
  /** The bearer token that the stream sends, if it has one. */
  readonly token?: string
  /** Whether a token was handled before, by its `jti`. */
  readonly seen?: (jti: string) => boolean | Promise<boolean>
}

/** Verifies tokens of one issuer. */
export function tokenVerifier({ issuer, audience, keys }: TokenOptions) {
  const isAddress = typeof keys === 'string' || keys instanceof URL
  const key = isAddress ? createRemoteJWKSet(new URL(keys)) : createLocalJWKSet(keys as unknown as JSONWebKeySet)
  /** @throws {NotAccepted} for a token that the issuer has not signed for this audience */
  return async (token: string): Promise<SecurityEvent> => {
    const { payload } = await jwtVerify(token, key, {
      ...{ issuer, audience, typ: 'secevent+jwt' },
      // Of keys that have two parts; a secret that both know is no proof.
      algorithms: ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'],
      requiredClaims: ['iat', 'jti', 'events'],
    }).catch((error: unknown) => {
      throw refusalOf(error)
    })
    const {
      events,
      sub_id: subject,
      jti = '',
      toe,
      txn,
      tenant,
    } = payload as Readonly<Record<string, unknown>> & {
      readonly jti?: string
    }
    const [entry, ...more] = Object.entries((events ?? {}) as Readonly<Record<string, SecurityEvent['payload']>>)
    if (entry === undefined || more.length > 0)
      throw new NotAccepted('The token has to have exactly one event.', 'invalid_request')
    return {
      ...{ jti, uri: entry[0], payload: entry[1], subject: (subject ?? { format: 'opaque' }) as SubjectId },
      tenant: typeof tenant === 'string' ? tenant : undefined,
      toe: typeof toe === 'number' ? toe : undefined,
      txn: typeof txn === 'string' ? txn : undefined,
    }
  }
}

/** A receiver of pushed Security Event Tokens (RFC 8935): for Fetch and for Express, as `webhookReceiver`. */
export function tokenReceiver(options: TokenReceiverOptions): {
  readonly fetch: (request: Request) => Promise<Response>
  readonly node: NodeHandler
} {
  const verify = tokenVerifier(options)
  const handle = async (request: Request): Promise<Response> => {
    try {
      if (request.method !== 'POST') return new Response(null, { status: 405, headers: { Allow: 'POST' } })
      if (
        options.token !== undefined &&
        !sameText(request.headers.get('authorization') ?? '', `Bearer ${options.token}`)
      )
        throw new NotAccepted('The bearer token is not that of this stream.')
      const event = await verify((await request.text()).trim())
      if (!(await options.seen?.(event.jti))) await dispatch(options.on, event.uri, event)
      return new Response(null, { status: 202 })
    } catch (error) {
      if (error instanceof NotAccepted)
        return Response.json({ err: error.code, description: error.message }, { status: 400 })
      console.error('a Security Event Token of Rollcall could not be handled, and comes again:', error)
      return new Response(null, { status: 500 })
    }
  }
  return { fetch: handle, node: nodeHandler(handle) }
}

/** Why a token is not accepted. What hinders the look at the issuer's keys says nothing of the token: it comes again. */
function refusalOf(error: unknown): unknown {
  if (error instanceof errors.JWTClaimValidationFailed) {
    const codes = { iss: 'invalid_issuer', aud: 'invalid_audience' } as const
    const code = codes[error.claim as keyof typeof codes] ?? 'invalid_request'
    return new NotAccepted(`The token is not accepted: ${error.message}.`, code)
  }
  if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) return error
  const code = error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey
  return new NotAccepted(`The token is not accepted: ${error.message}.`, code ? 'invalid_key' : 'invalid_request')
}

/** Compares in a time that depends on the lengths alone. */
function sameText(given: string, wanted: string): boolean {
  let differs = given.length ^ wanted.length
  for (let i = 0; i < wanted.length; i++) differs |= given.charCodeAt(i % (given.length || 1)) ^ wanted.charCodeAt(i)
  return differs === 0
}
