import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { claimedIssuer } from '../../auth/access-token.ts'
import { basicCredentials } from '../../auth/basic-credentials.ts'
import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import type { LogoutSender } from '../../auth/logout-token.ts'
import type { Principal } from '../../auth/principal.ts'
import type { KnownSecret } from '../../auth/stored-key.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import { namesIn, resolveForDiscovery, resolveTenant, resolveWithoutKey } from '../../context/resolve.ts'
import { believesForwarded } from '../../network/proxies.ts'
import { ScimError } from '../../scim/errors.ts'
import { baseUrlOf, issuerFor, type OriginPolicy, type RequestOrigin, requireIssuer } from '../../tenancy/base-url.ts'
import { type PathRefusal, type ScimPath, withoutTenant } from '../../tenancy/scim-path.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import { ChallengeError } from '../errors.ts'
import type { HeaderReader } from '../headers.ts'
import { DISCOVERY } from './discovery.ts'

/** Who asks, for which tenant, and the segments below its base URL. */
export interface Admission {
  /** Undefined for an anonymous client, which may read discovery alone. */
  readonly principal: Principal | undefined
  readonly tenant: TenantContext
  readonly rest: readonly string[]
  /** Who asks to end sessions, of a request for that. */
  readonly logout?: LogoutSender | undefined
}

/** The part of an admission that all requests of one key to one base URL share. */
interface Admitted {
  readonly principal: Principal
  readonly secret: KnownSecret | undefined
  readonly tenant: TenantContext
  /** True where the segment after `/v2` is an endpoint of the default tenant and not a tenant. */
  readonly withoutTenant: boolean
  /** From then on the base URL leads nowhere: the tenant has moved. */
  readonly until?: number | undefined
}

type Connection = Pick<IncomingMessage, 'socket'> | undefined

/**
 * Admits requests: it checks the key first, then the address, then the tenant for that key. The control plane caches the result
 * for the key and the base URL until the key or the place changes, so most requests need not wait.
 *
 * @throws {ScimError} 401, 403, 404 (the promise rejects)
 */
export function admissions(control: ControlPlane, issuers: ExternalIssuers, policy: OriginPolicy) {
  return (
    located: ScimPath | PathRefusal,
    header: HeaderReader,
    connection: Connection,
  ): Admission | Promise<Admission> => {
    const authorization = header('authorization')
    const origin = originOf(header, connection, policy)
    if (authorization === undefined || 'refused' in located) return unusual(header, located, origin)

    const client = header('user-agent')
    const admit = () => admitted(authorization, client, located, origin)
    const { scheme, host, forwardedHost, forwardedProto } = origin
    const asked = [authorization, scheme, host, forwardedHost, forwardedProto, located.basePath].join('\n')
    const label = `admission ${hash('sha256', asked, 'base64')}`
    const checked = (found: Admitted): Admission | Promise<Admission> => {
      const leadsHere = found.until === undefined || found.until > Date.now()
      if (leadsHere && control.noteUse(found.secret, client)) return admissionOf(found, located)
      // The key or its secret may have expired since, or the issuer's proof may be too old. So the request is admitted anew.
      return control.renewed(label, admit, keptFor).then((anew) => admissionOf(anew, located))
    }
    // A cached result arrives as a promise where the control plane first has to look for changes.
    const known = control.known(label, admit, keptFor)
    return known instanceof Promise ? known.then(checked) : checked(known)
  }

  function baseUrlsFor(origin: RequestOrigin): (basePath: string) => string {
    return (basePath) => baseUrlOf(origin, policy, basePath)
  }

  async function admitted(
    authorization: string,
    client: string | undefined,
    located: ScimPath,
    origin: RequestOrigin,
  ): Promise<Admitted> {
    const external = await admittedByIssuer(authorization, located, origin)
    if (external !== undefined) return external
    const basic = basicCredentials(authorization)
    const header = basic === undefined ? authorization : `Bearer ${basic.key}`
    const { principal, secret } = await authenticated(header, client, origin, located)
    const { tenant, path, until } = await resolveTenant(located, principal, control, baseUrlsFor(origin))
    // Basic authentication is off by default. Only here is the tenant known, and only a client with a valid key gets here.
    if (basic !== undefined && !tenant.settings.basicAuthentication) await authenticated(undefined, client, origin)
    return { principal, secret, tenant, withoutTenant: path.basePath !== located.basePath, until }
  }

  /** Admits by the JWT of an issuer that the tenant trusts. Undefined where it does not verify: then it is an unknown token. */
  async function admittedByIssuer(
    authorization: string,
    located: ScimPath,
    origin: RequestOrigin,
  ): Promise<Admitted | undefined> {
    const token = /^ *bearer +(\S+) *$/i.exec(authorization)?.[1] ?? ''
    const iss = claimedIssuer(token)
    if (iss === undefined || iss === issuerFor(origin, policy)) return undefined
    const resolved = await resolveWithoutKey(located, control, baseUrlsFor(origin))
    for (const issuer of resolved?.tenant.settings.externalIssuers ?? []) {
      const identity = issuer.issuer === iss ? await issuers.verify(token, issuer) : undefined
      if (resolved === undefined || identity === undefined) continue
      const { tenant, path } = resolved
      const { projectId, environmentId, id: tenantId } = tenant
      const scope = { kind: 'tenant', projectId, environmentId, tenantId } as const
      const { name: keyId, permissions, goodUntil: endsAt } = identity
      const principal = {
        ...{ keyId, scope, permissions, userId: undefined, expiresAt: undefined },
        ...{ via: 'token' as const, tokensMayMintAdminKeys: false },
      }
      const secret = { principal, version: 0, hash: keyId, endsAt, endsOthers: false, revoked: false }
      return { principal, secret, tenant, withoutTenant: path.basePath !== located.basePath }
    }
    return undefined
  }

  /** @param located is looked up in the same round trip as the key */
  async function authenticated(
    authorization: string | undefined,
    client: string | undefined,
    origin: RequestOrigin,
    located?: ScimPath,
  ) {
    // An access token is valid for one origin only.
    const issuer = () => requireIssuer(origin, policy)
    const authentication = await control.authenticate(authorization, client, issuer, located && namesIn(located))
    if ('challenge' in authentication) throw new ChallengeError(authentication.challenge)
    return authentication
  }

  /** A client without a key may read discovery where the tenant allows it. A wrong key is refused in any case. */
  async function unusual(
    header: HeaderReader,
    located: ScimPath | PathRefusal,
    origin: RequestOrigin,
  ): Promise<Admission> {
    const authorization = header('authorization')
    if (authorization === undefined && !('refused' in located)) {
      const resolved = await resolveForDiscovery(located, control, baseUrlsFor(origin))
      if (resolved && DISCOVERY.includes(resolved.path.rest[0] ?? ''))
        return { principal: undefined, tenant: resolved.tenant, rest: resolved.path.rest }
    }
    await authenticated(authorization, header('user-agent'), origin)
    if ('refused' in located) throw new ScimError(located.refused, located.scimType, located.reason, located.detail)
    throw new Error('a client without a key reached the way for clients with a key')
  }
}

/** What an admission takes in memory beside what is remembered of its key and its tenant. */
const ADMISSION_BYTES = 2_000

const keptFor = ({ principal, tenant }: Admitted) => ({
  dependsOn: [principal.keyId, tenant.id, tenant.environmentId, tenant.projectId],
  bytes: ADMISSION_BYTES,
})

const admissionOf = ({ principal, tenant, withoutTenant: shifted }: Admitted, located: ScimPath): Admission => ({
  principal,
  tenant,
  rest: shifted ? withoutTenant(located).rest : located.rest,
})

/** What a request says about the address under which it was sent. */
export function originOf(header: HeaderReader, connection: Connection, { trustProxy }: OriginPolicy): RequestOrigin {
  const socket = connection?.socket
  const believed = believesForwarded(trustProxy, socket?.remoteAddress)
  return {
    scheme: (socket as { encrypted?: boolean } | undefined)?.encrypted ? 'https' : 'http',
    host: header('host'),
    forwardedHost: believed ? header('x-forwarded-host') : undefined,
    forwardedProto: believed ? header('x-forwarded-proto') : undefined,
    localPort: socket?.localPort,
  }
}
