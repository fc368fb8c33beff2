import { hasOneIssuer, type OriginPolicy } from '../../tenancy/base-url.ts'

/** Path of the public keys, below the gateway's origin. */
export const JWKS = '/.well-known/jwks.json'

/** How long what is published may be kept: a new key is published for a day before it signs. */
export const PUBLIC_FOR_AN_HOUR = { 'Cache-Control': 'public, max-age=3600' }

/** For answers that depend on the host of the request: no cache may keep them for another host. */
export const keptAs = (config: OriginPolicy): Readonly<Record<string, string>> => {
  if (hasOneIssuer(config)) return PUBLIC_FOR_AN_HOUR
  const forwarded = config.trustProxy.kind === 'none' ? '' : ', X-Forwarded-Host, X-Forwarded-Proto'
  return { 'Cache-Control': 'no-store', Vary: `Host${forwarded}` }
}
