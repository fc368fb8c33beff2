import { Hono } from 'hono'
import type { OriginPolicy } from '../../context/base-url.ts'
import { CLIENT_ALGORITHMS } from '../../context/client-key.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import { PERMISSIONS, type Permission } from '../../context/principal.ts'
import { addressOf } from '../address.ts'
import { issuerOf } from '../admin/origin.ts'
import type { GatewayEnv } from '../middleware.ts'
import { problemResponse } from '../problem.ts'
import { authenticateClient } from './client-authentication.ts'
import { readForm } from './form.ts'
import { tokenLimits } from './limits.ts'
import { refusalResponse, TokenRefusal } from './refusal.ts'

/** Paths below the issuer. */
const TOKEN = '/oauth/token'
const JWKS = '/.well-known/jwks.json'
// A new key is published for a day before it signs.
const PUBLIC_FOR_AN_HOUR = { 'Cache-Control': 'public, max-age=3600' }

export interface OAuthDependencies {
  readonly control: ControlPlane
  readonly config: OriginPolicy
}

/**
 * The authorization server: access tokens for API keys by client credentials (RFC 6749 §4.4), its metadata (RFC 8414) and its
 * public keys (RFC 7517 §5), by which Security Event Tokens are verified too. The issuer is the origin by which clients reach us.
 */
export function oauthRoutes({ control, config }: OAuthDependencies): Hono<GatewayEnv> {
  const app = new Hono<GatewayEnv>()
  const limits = tokenLimits()

  app.get('/.well-known/oauth-authorization-server', (c) => {
    const issuer = issuerOf(c, config)
    return c.json(metadata(issuer), 200, PUBLIC_FOR_AN_HOUR)
  })

  app.get('/.well-known/ssf-configuration', (c) =>
    c.json(transmitterMetadata(issuerOf(c, config)), 200, PUBLIC_FOR_AN_HOUR),
  )

  app.get(JWKS, async (c) => c.json(await control.tokens.jwks(), 200, PUBLIC_FOR_AN_HOUR))

  app.post(TOKEN, async (c) => {
    const address = addressOf(c.req.header('x-forwarded-for'), c.env?.incoming, config)
    try {
      await limits.asked(address)
      const form = await readForm(c.req.raw)
      const issuer = issuerOf(c, config)
      const client = await authenticateClient(control, form, {
        authorization: c.req.header('authorization'),
        userAgent: c.req.header('user-agent'),
        audiences: [issuer, issuer + TOKEN],
      })
      const { principal, version, publicKey, endsAt } = client
      c.set('keyId', principal.keyId)
      await limits.authenticated(principal.keyId)
      if (!form.has('grant_type')) throw new TokenRefusal('invalid_request', 'grant_type is missing.')
      if (form.get('grant_type') !== 'client_credentials')
        throw new TokenRefusal('unsupported_grant_type', 'The one grant type is client_credentials.')
      const permissions = narrowed(principal.permissions, form.get('scope'))
      const { token, expiresInSeconds } = await control.tokens.issue(
        { keyId: principal.keyId, credential: publicKey ?? version, scope: principal.scope, permissions },
        issuer,
        Math.min(principal.expiresAt ?? Number.POSITIVE_INFINITY, endsAt ?? Number.POSITIVE_INFINITY),
      )
      const answer = { access_token: token, token_type: 'Bearer', expires_in: expiresInSeconds }
      return c.json({ ...answer, scope: permissions.join(' ') }, 200, {
        'Cache-Control': 'no-store',
        Pragma: 'no-cache',
      })
    } catch (error) {
      if (!(error instanceof TokenRefusal)) throw error
      if (error.code === 'invalid_client') await limits.failed(address)
      return refusalResponse(error)
    }
  })
  app.all(TOKEN, (c) =>
    problemResponse({ status: 405, detail: 'Tokens are asked for by POST.' }, c.var.requestId, { Allow: 'POST' }),
  )
  return app
}

/** What `scope` leaves of the key's permissions; all of them without it (RFC 6749 §3.3). @throws {TokenRefusal} invalid_scope */
function narrowed(permissions: ReadonlySet<Permission>, scope: string | undefined): readonly Permission[] {
  const own = PERMISSIONS.filter((permission) => permissions.has(permission))
  if (scope === undefined) return own
  const wanted = scope.split(' ').filter((name) => name !== '')
  if (wanted.length === 0 || wanted.some((name) => !own.some((permission) => permission === name)))
    throw new TokenRefusal('invalid_scope', `The API key has the permissions ${own.join(' ')} and no others.`)
  return own.filter((permission) => wanted.includes(permission))
}

const metadata = (issuer: string) => ({
  issuer,
  token_endpoint: issuer + TOKEN,
  jwks_uri: issuer + JWKS,
  scopes_supported: PERMISSIONS,
  response_types_supported: [],
  grant_types_supported: ['client_credentials'],
  token_endpoint_auth_methods_supported: ['client_secret_basic', 'private_key_jwt'],
  token_endpoint_auth_signing_alg_values_supported: CLIENT_ALGORITHMS,
})

/** What we are to receivers of Security Event Tokens (SSF 1.0 §7.1). Streams are managed by the admin API alone. */
const transmitterMetadata = (issuer: string) => ({
  spec_version: '1_0',
  issuer,
  jwks_uri: issuer + JWKS,
  delivery_methods_supported: ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936'],
  default_subjects: 'ALL',
})
