import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { expect } from 'vitest'
import { basic, idOf } from './oauth.ts'

/** What an issuer says of itself (SSF 1.0 §7.1). */
export interface Metadata {
  readonly issuer: string
  readonly jwks_uri: string
  readonly configuration_endpoint: string
  readonly status_endpoint: string
  readonly verification_endpoint: string
  readonly [name: string]: unknown
}

export interface Told {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

export type Stream = Record<string, unknown> & {
  readonly stream_id: string
  readonly iss: string
  readonly aud: string
  readonly delivery: { readonly method: string; readonly endpoint_url: string }
  readonly events_delivered: string[]
}

/** A verified token: its header, its claims, and its one event. */
export interface ReadToken {
  readonly header: Record<string, unknown>
  readonly claims: JWTPayload & { readonly sub_id?: Record<string, string> }
  readonly uri: string
  readonly event: Record<string, unknown>
}

export const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
export const STREAM_UPDATED = 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated'
export const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const CREDENTIAL_CHANGE = 'https://schemas.openid.net/secevent/caep/event-type/credential-change'
const COMPLIANCE_CHANGE = 'https://schemas.openid.net/secevent/caep/event-type/device-compliance-change'
export const ASKED = [SESSION_REVOKED, CREDENTIAL_CHANGE, COMPLIANCE_CHANGE]
export const METHOD = { push: 'urn:ietf:rfc:8935', poll: 'urn:ietf:rfc:8936' } as const

/** What the certification suite's checks ask of every token, by the names of the standards' requirements. */
export function wellFormed({ header, claims }: Pick<ReadToken, 'header' | 'claims'>, stream: Stream): void {
  expect(header).toMatchObject({ alg: 'RS256', typ: 'secevent+jwt' })
  expect(Object.keys((claims.events ?? {}) as object)).toHaveLength(1)
  expect(claims).not.toHaveProperty('sub')
  expect(claims).not.toHaveProperty('exp')
  expect(claims.iss).toBe(stream.iss)
  expect(claims.aud).toBe(stream.aud)
  expect(claims.iat).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000))
}

/** A receiver that knows an issuer, and the id and secret of a client there. All else it finds by what the standards say. */
export async function openReceiver(issuer: string, apiKey: string) {
  const { origin, pathname } = new URL(issuer)
  const told = async (response: Response): Promise<Told> => {
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
  }
  const found = await told(await fetch(`${origin}/.well-known/ssf-configuration${pathname}`))
  expect(found.status).toBe(200)
  expect(found.headers.get('content-type')).toContain('application/json')
  const metadata = found.body as Metadata
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))

  /** An access token of these scopes. */
  const tokenOf = async (scope: string) => {
    const answer = await told(
      await fetch(`${origin}/oauth/token`, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/x-www-form-urlencoded',
          Authorization: basic(idOf(apiKey), apiKey),
        },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
      }),
    )
    expect(answer.status).toBe(200)
    expect(answer.body.expires_in).toBeLessThanOrEqual(3_600)
    return String(answer.body.access_token)
  }
  const token = await tokenOf('ssf.read ssf.manage')

  const ask = async (method: string, url: string, body?: unknown, by: string | null = token): Promise<Told> =>
    told(
      await fetch(url, {
        method,
        headers: {
          ...(by === null ? {} : { Authorization: `Bearer ${by}` }),
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    )
  const at = (endpoint: string, id: string) => `${endpoint}?stream_id=${id}`
  const read = async (text: string, stream: Stream): Promise<ReadToken> => {
    const { payload, protectedHeader } = await jwtVerify(text, keys, { issuer: metadata.issuer, audience: stream.aud })
    const one = { header: { ...protectedHeader }, claims: payload as ReadToken['claims'] }
    wellFormed(one, stream)
    const [[uri, event] = ['', {}]] = Object.entries(payload.events as Record<string, Record<string, unknown>>)
    return { ...one, uri, event }
  }
  return {
    metadata,
    keys,
    token,
    tokenOf,
    ask,
    create: (body: unknown, by?: string | null) => ask('POST', metadata.configuration_endpoint, body, by),
    get: (id: string, by?: string | null) => ask('GET', at(metadata.configuration_endpoint, id), undefined, by),
    list: (by?: string | null) => ask('GET', metadata.configuration_endpoint, undefined, by),
    patch: (body: unknown, by?: string | null) => ask('PATCH', metadata.configuration_endpoint, body, by),
    put: (body: unknown, by?: string | null) => ask('PUT', metadata.configuration_endpoint, body, by),
    remove: (id: string, by?: string | null) => ask('DELETE', at(metadata.configuration_endpoint, id), undefined, by),
    status: (id: string, by?: string | null) => ask('GET', at(metadata.status_endpoint, id), undefined, by),
    setStatus: (body: unknown, by?: string | null) => ask('POST', metadata.status_endpoint, body, by),
    verify: (body: unknown, by?: string | null) => ask('POST', metadata.verification_endpoint, body, by),
    /** What a poll gives, verified and in the order of the answer. */
    async poll(stream: Stream, body: object = { maxEvents: 10, returnImmediately: true }) {
      const answer = await ask('POST', stream.delivery.endpoint_url, body)
      expect(answer.status).toBe(200)
      const sets = Object.entries(answer.body.sets as Record<string, string>)
      const tokens = await Promise.all(sets.map(([, text]) => read(text, stream)))
      expect(tokens.map(({ claims }) => claims.jti)).toEqual(sets.map(([jti]) => jti))
      return { tokens, jtis: sets.map(([jti]) => jti), more: answer.body.moreAvailable }
    },
  }
}

export type SsfReceiver = Awaited<ReturnType<typeof openReceiver>>
