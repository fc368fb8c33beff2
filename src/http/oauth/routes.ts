import { type Context, Hono } from 'hono'
import { PERMISSIONS, type Permission } from '../../auth/principal.ts'
import { ScimError } from '../../scim/errors.ts'
import { CLIENT_ALGORITHMS } from '../../signing/client-key.ts'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import { addressOf } from '../address.ts'
import { issuerOf } from '../control/origin.ts'
import type { Passage } from '../in-flight.ts'
import { inTime } from '../in-time.ts'
import type { GatewayEnv } from '../middleware.ts'
import { problemResponse } from '../problem.ts'
import { authenticateClient, claimedKey } from './client-authentication.ts'
import type { OAuthDependencies } from './dependencies.ts'
import { type Form, readForm } from './form.ts'
import { tokenLimits } from './limits.ts'
import { JWKS, keptAs, PUBLIC_FOR_AN_HOUR } from './published.ts'
import { refusalResponse, TokenRefusal } from './refusal.ts'
import { noteTokenFailure } from './token-failures.ts'
import { transmitterRoutes } from './transmitter.ts'

/** Path below the issuer. */
const TOKEN = '/oauth/token'

/**
 * The authorization server: access tokens for API keys by client credentials (RFC 6749 §4.4), its metadata (RFC 8414) and its
 * public keys (RFC 7517 §5). The same keys verify Security Event Tokens, whose issuers have their metadata here too. The issuer of
 * access tokens is the public URL by which clients reach the gateway. A request by another host is told so, and no answer to it names an issuer.
 */
export function oauthRoutes({
  control,
  issuers,
  config,
  failures,
  requests,
  log,
}: OAuthDependencies): Hono<GatewayEnv> {
  const app = new Hono<GatewayEnv>()
  const limits = tokenLimits(failures)
  app.use(TOKEN, (_, next) => inTime(next(), config.requestTimeoutMs))
  app.use('/.well-known/*', (_, next) => inTime(next(), config.requestTimeoutMs))

  app.get('/.well-known/oauth-authorization-server', (c) => c.json(metadata(issuerOf(c, config)), 200, keptAs(config)))

  transmitterRoutes(app, { control, config })

  app.get(JWKS, async (c) => c.json(await control.jwks(), 200, PUBLIC_FOR_AN_HOUR))

  app.post(TOKEN, async (c) => {
    let passage: Passage | undefined
    const [client, authorization] = [addressOf(c, config), c.req.header('authorization')]
    let form: Form | undefined
    try {
      const issuer = tokenIssuer(c, config)
      form = await readForm(c.req.raw)
      const found = await authenticateClient({ control, issuers }, form, {
        authorization,
        userAgent: c.req.header('user-agent'),
        audiences: [issuer, issuer + TOKEN],
      })
      const { principal, version, inPlace, endsAt } = found
      c.set('keyId', principal.keyId)
      passage = requests.enter(principal.keyId, undefined)
      limits.authenticated(principal.keyId, client)
      if (!form.has('grant_type'))
        throw new TokenRefusal('invalid_request', 'token-request-malformed', 'grant_type is missing.')
      if (form.get('grant_type') !== 'client_credentials')
        throw new TokenRefusal(
          'unsupported_grant_type',
          'token-request-malformed',
          'The one grant type is client_credentials.',
        )
      const { permissions, scope } = narrowed(principal.permissions, form.get('scope'))
      const { token, expiresInSeconds } = await control.tokens.issue(
        { keyId: principal.keyId, credential: inPlace ?? version, scope: principal.scope, permissions },
        issuer,
        Math.min(principal.expiresAt ?? Number.POSITIVE_INFINITY, endsAt ?? Number.POSITIVE_INFINITY),
      )
      const answer = { access_token: token, token_type: 'Bearer', expires_in: expiresInSeconds }
      return c.json({ ...answer, scope }, 200, {
        'Cache-Control': 'no-store',
        Pragma: 'no-cache',
      })
    } catch (error) {
      if (!(error instanceof TokenRefusal)) throw error
      const { keyId } = c.var
      const clientId = keyId ?? claimedKey(authorization, form)
      const refusal = error.code === 'invalid_client' ? limits.failed(error, clientId, client) : error
      const answer = refusalResponse(refusal)
      if (log !== undefined && clientId !== undefined)
        noteTokenFailure(log, c, { clientId, isProven: keyId !== undefined }, refusal, answer.status)
      return answer
    } finally {
      passage?.leave()
    }
  })
  app.all(TOKEN, (c) =>
    problemResponse({ status: 405, detail: 'Tokens are asked for by POST.' }, c.var.requestId, { Allow: 'POST' }),
  )
  return app
}

/** @throws {TokenRefusal} invalid_request, where the request came by a host that is none of ours */
function tokenIssuer(c: Context<GatewayEnv>, config: OriginPolicy): string {
  try {
    return issuerOf(c, config)
  } catch (error) {
    if (error instanceof ScimError) throw new TokenRefusal('invalid_request', error.reason, error.message)
    throw error
  }
}

/** The scope that stands for all SCIM permissions that a key has, for clients that know one name alone. */
const SCIM = 'scim'
const SCIM_PERMISSIONS: readonly Permission[] = ['scim:read', 'scim:write']

/**
 * What `scope` leaves of the key's permissions, and the scope that the answer names; all of them without it (RFC 6749 §3.3).
 *
 * @throws {TokenRefusal} invalid_scope
 */
function narrowed(permissions: ReadonlySet<Permission>, scope: string | undefined) {
  const own = PERMISSIONS.filter((permission) => permissions.has(permission))
  if (scope === undefined) return { permissions: own, scope: own.join(' ') }
  const meant = (name: string) =>
    own.filter((permission) => permission === name || (name === SCIM && SCIM_PERMISSIONS.includes(permission)))
  const wanted = new Set(scope.split(' ').filter((name) => name !== ''))
  if (wanted.size === 0 || [...wanted].some((name) => meant(name).length === 0))
    throw new TokenRefusal(
      'invalid_scope',
      'scope-not-held',
      `The API key has the permissions ${own.join(' ')} and no others.`,
    )
  const left = new Set([...wanted].flatMap(meant))
  return { permissions: own.filter((permission) => left.has(permission)), scope: [...wanted].join(' ') }
}

const metadata = (issuer: string) => ({
  issuer,
  token_endpoint: issuer + TOKEN,
  jwks_uri: issuer + JWKS,
  scopes_supported: [SCIM, ...PERMISSIONS],
  response_types_supported: [],
  grant_types_supported: ['client_credentials'],
  token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  token_endpoint_auth_signing_alg_values_supported: CLIENT_ALGORITHMS,
})
