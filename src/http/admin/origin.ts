import type { Context } from 'hono'
import type { RequestOrigin } from '../../context/base-url.ts'

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
