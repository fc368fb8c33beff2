import type { Context, Hono } from 'hono'
import { ISSUER_PATHS, RECEIVER_PATHS } from '../../events/security-events.ts'
import { issuerOf } from '../control/origin.ts'
import type { GatewayEnv } from '../middleware.ts'
import { problemResponse } from '../problem.ts'
import type { OAuthDependencies } from './dependencies.ts'
import { JWKS, keptAs } from './published.ts'

const METADATA = '/.well-known/ssf-configuration'
const EACH = [
  ['environment', ISSUER_PATHS.environment],
  ['tenant', ISSUER_PATHS.tenant],
] as const

/**
 * What each environment and each tenant is to receivers of Security Event Tokens, at the well-known address of its issuer (SSF
 * 1.0 §7.2). The gateway as a whole issues none. Subjects need no adding, and none is
 * complex, so there are no endpoints for subjects and no members that are critical.
 */
export function transmitterRoutes(
  app: Hono<GatewayEnv>,
  { control, config }: Pick<OAuthDependencies, 'control' | 'config'>,
): void {
  app.get(METADATA, (c) =>
    notFound(c, 'The gateway as a whole issues no Security Event Tokens: environments and tenants do.'),
  )

  app.get(`${METADATA}/*`, async (c) => {
    const origin = issuerOf(c, config)
    const issuer = new URL(origin).origin + c.req.path.slice(METADATA.length)
    for (const [kind, path] of EACH) {
      if (!issuer.startsWith(origin + path)) continue
      if (await control.isPlace(kind, issuer.slice(origin.length + path.length)))
        return c.json(metadata(issuer, origin), 200, keptAs(config))
    }
    return notFound(c, 'There is no such issuer of Security Event Tokens.')
  })
}

const notFound = (c: Context<GatewayEnv>, what: string): Response => {
  const where = `The metadata of an issuer is at ${METADATA}, followed by the path of its URL.`
  return problemResponse({ status: 404, detail: `${what} ${where}` }, c.var.requestId)
}

/** By SSF 1.0 §7.1. */
const metadata = (issuer: string, origin: string) => ({
  spec_version: '1_0',
  issuer,
  jwks_uri: origin + JWKS,
  delivery_methods_supported: ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936'],
  configuration_endpoint: issuer + RECEIVER_PATHS.configuration,
  status_endpoint: issuer + RECEIVER_PATHS.status,
  verification_endpoint: issuer + RECEIVER_PATHS.verification,
  authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
  default_subjects: 'ALL',
})
