import { isIP } from 'node:net'
import type { OriginPolicy } from '../context/base-url.ts'

/**
 * IP address of the client; undefined where the request came without a socket. Of one trusted proxy only the last value of
 * `X-Forwarded-For` is its own. An IPv4 address that came over IPv6 is given as IPv4, and none has a zone.
 */
export function addressOf(
  forwardedFor: string | undefined,
  connection: { readonly socket: { readonly remoteAddress?: string | undefined } } | undefined,
  policy: OriginPolicy,
): string | undefined {
  const forwarded = policy.trustProxy ? forwardedFor?.split(',').at(-1)?.trim() : undefined
  const address = forwarded !== undefined && isIP(forwarded) !== 0 ? forwarded : connection?.socket.remoteAddress
  return address?.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '')
}
