import type { Context } from 'hono'
import type { ControlPlane } from '../../context/control-plane.ts'
import { believesForwarded } from '../../network/proxies.ts'
import { baseUrlOf, type OriginPolicy, type RequestOrigin, requireIssuer } from '../../tenancy/base-url.ts'
import { socketOf } from '../address.ts'

/** A request, and where it came from. */
type Asked = Pick<Context, 'req' | 'env'>

/** What a request says about the address under which it was sent, for `baseUrlOf`. */
export function originOf(c: Asked, { trustProxy }: OriginPolicy): RequestOrigin {
  const { req } = c
  const [url, socket] = [new URL(req.url), socketOf(c)]
  const believed = believesForwarded(trustProxy, socket?.remoteAddress)
  return {
    scheme: url.protocol === 'https:' ? 'https' : 'http',
    host: req.header('host') ?? url.host,
    forwardedHost: believed ? req.header('x-forwarded-host') : undefined,
    forwardedProto: believed ? req.header('x-forwarded-proto') : undefined,
    localPort: socket?.localPort,
  }
}

/** The origin of the pages that a request asks for. @throws {ScimError} 400 where its host is none */
export const siteOf = (c: Asked, policy: OriginPolicy): string => baseUrlOf(originOf(c, policy), policy, '')

/** The gateway's issuer for a request, which is also the audience of access tokens. @throws {ScimError} 421 for an unknown host */
export const issuerOf = (c: Asked, policy: OriginPolicy): string => requireIssuer(originOf(c, policy), policy)

/** Who a request comes from, by its key or access token. */
export const authenticateRequest = (control: ControlPlane, c: Asked, policy: OriginPolicy) =>
  control.authenticate(c.req.header('authorization'), c.req.header('user-agent'), () => issuerOf(c, policy))
