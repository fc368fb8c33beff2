import type { IncomingMessage } from 'node:http'
import { claimedIssuer } from '../../auth/access-token.ts'
import { Windows } from '../../auth/attempts.ts'
import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import { type LogoutSender, logoutSender, NOT_OF_AN_ISSUER } from '../../auth/logout-token.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import { type Resolved, resolveForIssuer } from '../../context/resolve.ts'
import { ScimError } from '../../scim/errors.ts'
import type { Reason } from '../../scim/reasons.ts'
import { baseUrlOf, type OriginPolicy, type RequestOrigin, requireIssuer } from '../../tenancy/base-url.ts'
import { GLOBAL_TOKEN_REVOCATION, type PathRefusal, type ScimPath } from '../../tenancy/scim-path.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import { ChallengeError, TooManyRequests } from '../errors.ts'
import type { HeaderReader } from '../headers.ts'
import { type Admission, originOf } from './admission.ts'

// A hundred times what a person who ends sessions by hand sends, and as many as a window of the least `requestsPerSecond`.
const WINDOW = { seconds: 10, logouts: 250 } as const

/** Whether a path leads to the address that ends sessions. */
export const isLogout = (located: ScimPath | PathRefusal): located is ScimPath =>
  'rest' in located && located.rest[0] === GLOBAL_TOKEN_REVOCATION && located.rest.length === 1

/**
 * Admits requests to end sessions: it checks the token against the registered issuers of the tenant that the URL names. An unknown
 * tenant, one that is paused, and one that has registered no such issuer are refused in the same words.
 *
 * The token is good for the URL that it is sent to, and once, on all instances. Each instance counts the good ones of a tenant.
 *
 * @throws {ScimError} 401, 403, 421, 429 (the promise rejects)
 */
export function logoutAdmissions(control: ControlPlane, issuers: ExternalIssuers, policy: OriginPolicy) {
  const windows = new Windows(WINDOW.logouts, WINDOW.seconds)

  return async (
    located: ScimPath,
    rawPath: string,
    header: HeaderReader,
    connection: Pick<IncomingMessage, 'socket'> | undefined,
  ): Promise<Admission> => {
    const token = /^ *bearer +(\S+) *$/i.exec(header('authorization') ?? '')?.[1]
    if (token === undefined) throw challenge('key-missing', NO_TOKEN)
    const origin = originOf(header, connection, policy)
    const audience = requireIssuer(origin, policy) + rawPath.replace(/\?.*$/s, '')
    const resolved = await placeOf(located, origin)
    const found = resolved && (await senderOf(token, resolved.tenant, audience))
    if (resolved === undefined || found === undefined) throw challenge('logout-token-refused', NOT_OF_AN_ISSUER)
    if (typeof found === 'string') throw challenge('logout-token-refused', found)
    const { tenant, path } = resolved
    if (!found.isForUs)
      throw ScimError.forbidden(
        'logout-not-allowed',
        'The sub of the token is not the application that may end sessions here (subject in logoutIssuers).',
      )
    const seconds = windows.count(tenant.id)
    if (seconds !== undefined) throw tooFast(seconds)
    await takeOnce(tenant, found)
    return { principal: principalOf(tenant, found), tenant, rest: path.rest, logout: found }
  }

  async function placeOf(located: ScimPath, origin: RequestOrigin): Promise<Resolved | undefined> {
    const resolved = await resolveForIssuer(located, control, (basePath) => baseUrlOf(origin, policy, basePath))
    // What follows `/v2` may be a resource type of the default tenant in place of a tenant.
    return resolved !== undefined && isLogout(resolved.path) ? resolved : undefined
  }

  async function senderOf(
    token: string,
    { settings }: TenantContext,
    audience: string,
  ): Promise<LogoutSender | string | undefined> {
    const iss = claimedIssuer(token)
    let found: LogoutSender | string | undefined
    for (const issuer of settings.logoutIssuers) {
      if (issuer.issuer !== iss) continue
      const sender = await logoutSender(issuers, token, issuer, audience, Date.now())
      if (typeof sender !== 'string' && sender.isForUs) return sender
      if (found === undefined || typeof found === 'string') found = sender
    }
    return found
  }

  /** @throws {ChallengeError} 401 for a token that was here before, on any instance */
  async function takeOnce({ id }: TenantContext, { issuer, jti, endsAt }: LogoutSender): Promise<void> {
    const isNew = await control.takeAssertion(`logout ${id}`, JSON.stringify([issuer.issuer, jti]), endsAt)
    if (!isNew) throw challenge('logout-token-used', 'The token was used before; its jti is good once.')
  }
}

function principalOf(
  { projectId, environmentId, id: tenantId }: TenantContext,
  { name }: LogoutSender,
): NonNullable<Admission['principal']> {
  return {
    keyId: name,
    scope: { kind: 'tenant', projectId, environmentId, tenantId },
    permissions: new Set(),
    ...{ userId: undefined, expiresAt: undefined, via: 'token', tokensMayMintAdminKeys: false },
  }
}

const NO_TOKEN =
  'This address needs a signed token of Global Token Revocation: send it as "Authorization: Bearer <JWT>".'

function challenge(reason: Reason, detail: string): ChallengeError {
  const code = reason === 'key-missing' ? '' : ', error="invalid_token"'
  return new ChallengeError({
    ...{ status: 401, reason, detail, wwwAuthenticate: `Bearer realm="scim"${code}` },
    // What is signed by an issuer of the tenant is no guess.
    mayBeGuess: detail === NOT_OF_AN_ISSUER || undefined,
  })
}

const tooFast = (seconds: number): TooManyRequests =>
  new TooManyRequests(
    `This tenant takes ${WINDOW.logouts} logouts in ${WINDOW.seconds} s; try again in ${seconds} s.`,
    seconds,
    'rate',
  )
