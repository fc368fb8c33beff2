import { ScimError } from '../scim/errors.ts'

/** What a request says about the address under which it was sent. */
export interface RequestOrigin {
  /** Scheme of the connection that reached us. */
  readonly scheme: 'http' | 'https'
  readonly host: string | undefined
  /** `X-Forwarded-Host` and `X-Forwarded-Proto`, read only behind a trusted proxy. */
  readonly forwardedHost: string | undefined
  readonly forwardedProto: string | undefined
}

/** The part of the configuration that says which of it to believe. */
export interface OriginPolicy {
  /** Such as `https://scim.example.com`, perhaps with a path; wins over everything the request says. */
  readonly publicUrl?: string | undefined
  /** True when exactly one proxy stands in front and sets the forwarding headers. */
  readonly trustProxy: boolean
}

// A name or IPv4 address, or an IPv6 address in brackets, and perhaps a port.
const HOST = /^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?$/

/**
 * The base URL that `meta.location`, `$ref` and `Location` start with: the host the client used, and the base path as the
 * client spelled it (RFC 7644 §1.3).
 *
 * @param basePath starts with a slash, has none at the end; empty for the origin alone
 * @throws {ScimError} 400 when the host would have to be taken from a header that is no host
 */
export function baseUrlOf(request: RequestOrigin, policy: OriginPolicy, basePath: string): string {
  if (policy.publicUrl) return withoutSlash(policy.publicUrl) + basePath
  const host = (policy.trustProxy ? lastOf(request.forwardedHost) : undefined) ?? request.host
  const scheme = (policy.trustProxy ? lastOf(request.forwardedProto)?.toLowerCase() : undefined) ?? request.scheme
  if (host === undefined || !isHost(host))
    throw ScimError.invalidSyntax('The Host header is not a host name with an optional port.')
  if (scheme !== 'http' && scheme !== 'https')
    throw ScimError.invalidSyntax('The X-Forwarded-Proto header is neither "http" nor "https".')
  return `${scheme}://${host}${basePath}`
}

function isHost(text: string): boolean {
  const match = HOST.exec(text)
  return match !== null && (match[1] === undefined || (Number(match[1]) >= 1 && Number(match[1]) <= 65535))
}

/** A proxy appends to what it was sent, so of one trusted hop only the last value is its own. */
function lastOf(header: string | undefined): string | undefined {
  const last = header?.slice(header.lastIndexOf(',') + 1).trim()
  return last === '' ? undefined : last
}

const withoutSlash = (url: string): string => (url.endsWith('/') ? url.slice(0, -1) : url)
