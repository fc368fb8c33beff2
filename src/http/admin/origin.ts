import type { Context } from 'hono'
import { baseUrlOf, type OriginPolicy, type RequestOrigin } from '../../context/base-url.ts'
import type { ControlPlane } from '../../context/control-plane.ts'

/** What a request says about the address under which it was sent, for `baseUrlOf`. */
export function originOf({ req }: Pick<Context, 'req'>): RequestOrigin {
  const url = new URL(req.url)
  return {
    scheme: url.protocol === 'https:' ? 'https' : 'http',
    host: req.header('host') ?? url.host,
    forwardedHost: req.header('x-forwarded-host'),
    forwardedProto: req.header('x-forwarded-proto'),
  }
}

/** The origin by which a request came, which access tokens must be for. @throws {ScimError} 400 where its host is none */
export const issuerOf = (c: Pick<Context, 'req'>, policy: OriginPolicy): string => baseUrlOf(originOf(c), policy, '')

/** Who a request comes from, by its key or access token. */
export const authenticateRequest = (control: ControlPlane, c: Pick<Context, 'req'>, policy: OriginPolicy) =>
  control.authenticate(c.req.header('authorization'), c.req.header('user-agent'), () => issuerOf(c, policy))
