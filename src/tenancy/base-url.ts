import type { ProxyTrust } from '../network/proxies.ts'
import { ScimError } from '../scim/errors.ts'

/** What a request says about the address under which it was sent. */
export interface RequestOrigin {
  /** Scheme of the connection that reached us. */
  readonly scheme: 'http' | 'https'
  readonly host: string | undefined
  /** `X-Forwarded-Host` and `X-Forwarded-Proto`; undefined where the gateway does not believe their sender. */
  readonly forwardedHost: string | undefined
  readonly forwardedProto: string | undefined
  /** The port of ours that it reached; undefined where it came without a connection. */
  readonly localPort: number | undefined
}

/** The part of the configuration that says which of it to believe. */
export interface OriginPolicy {
  /** Such as `https://scim.example.com`, perhaps with a path; with no others, it wins over everything the request says. */
  readonly publicUrl?: string | undefined
  /** More origins by which clients come; `publicUrl` stands for all that come by none of them. */
  readonly otherPublicUrls?: readonly string[]
  /** Address and port that are listened on; port 0 is any. */
  readonly host: string
  readonly port: number
  readonly trustProxy: ProxyTrust
}

// A name or IPv4 address, or an IPv6 address in brackets, and perhaps a port.
const HOST = /^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?$/
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

/**
 * The base URL that `meta.location`, `$ref` and `Location` start with: the host the client used, and the base path as the
 * client spelled it (RFC 7644 §1.3).
 *
 * @param basePath starts with a slash, has none at the end; empty for the origin alone
 * @throws {ScimError} 400 when the host would have to come from a header that is no host
 */
export function baseUrlOf(request: RequestOrigin, policy: OriginPolicy, basePath: string): string {
  const { publicUrl, otherPublicUrls = [] } = policy
  if (publicUrl) {
    const used = otherPublicUrls.length === 0 ? publicUrl : cameBy(request, [publicUrl, ...otherPublicUrls])
    return withoutSlash(used ?? publicUrl) + basePath
  }
  const host = hostOf(request)
  const scheme = schemeOf(request)
  if (host === undefined)
    throw ScimError.invalidSyntax('host-malformed', 'The Host header is not a host name with an optional port.')
  if (scheme !== 'http' && scheme !== 'https')
    throw ScimError.invalidSyntax('host-malformed', 'The X-Forwarded-Proto header is neither "http" nor "https".')
  return `${scheme}://${host}${basePath}`
}

/**
 * Issuer and audience of tokens for the sender of a request. The request alone never decides it: it is the one public URL, or the
 * listed origin by which the request came. Without any, a gateway that listens on the loopback address uses that. Undefined
 * otherwise.
 */
export function issuerFor(request: RequestOrigin, policy: OriginPolicy): string | undefined {
  const { publicUrl, otherPublicUrls = [] } = policy
  if (publicUrl && otherPublicUrls.length === 0) return withoutSlash(publicUrl)
  return cameBy(request, publicUrl ? [publicUrl, ...otherPublicUrls] : loopbackOrigins(request, policy))
}

/** The same. @throws {ScimError} 421 where the request came by no origin that is listed (RFC 9110 §15.5.20) */
export function requireIssuer(request: RequestOrigin, policy: OriginPolicy): string {
  const issuer = issuerFor(request, policy)
  if (issuer !== undefined) return issuer
  const host = hostOf(request)
  const came = host === undefined ? 'The request names no host' : `The request is for the host ${host}`
  const words = policy.publicUrl
    ? 'which PUBLIC_URL does not name: use an address that it names, or add this one to it with a comma.'
    : 'and no PUBLIC_URL says that this is who we are: set PUBLIC_URL to the address that clients use.'
  throw new ScimError(421, undefined, 'host-unknown', `${came}, ${words}`)
}

/** True where the issuer is the same for every request, so that caches may keep what depends on it. */
export const hasOneIssuer = ({ publicUrl, otherPublicUrls = [] }: OriginPolicy): boolean =>
  publicUrl !== undefined && otherPublicUrls.length === 0

/** The origins of a gateway that listens on the loopback address: no other machine reaches its port. */
function loopbackOrigins({ localPort }: RequestOrigin, { host, port }: OriginPolicy): readonly string[] {
  if (!LOOPBACK.test(host)) return []
  return ['localhost', '127.0.0.1', '[::1]'].map((name) => `http://${name}:${localPort ?? port}`)
}

/** The one of these origins by which a request came. Proxies may not say by which scheme; then the host decides. */
function cameBy(request: RequestOrigin, origins: readonly string[]): string | undefined {
  const [host, scheme] = [hostOf(request)?.toLowerCase(), schemeOf(request)]
  const found = origins.filter((origin) => {
    const { protocol, hostname, port } = new URL(origin)
    const [plain, withPort] = [`${hostname}:${port}`, `${hostname}:${port || DEFAULT_PORTS[protocol]}`]
    return host === withPort || (host === hostname && plain === `${hostname}:`)
  })
  return found.find((origin) => origin.startsWith(`${scheme}:`)) ?? found[0]
}

/** The host that a request names; undefined where that is none. */
function hostOf({ host, forwardedHost }: RequestOrigin): string | undefined {
  const named = lastOf(forwardedHost) ?? host
  return named !== undefined && isHost(named) ? named : undefined
}

const schemeOf = ({ scheme, forwardedProto }: RequestOrigin): string => lastOf(forwardedProto)?.toLowerCase() ?? scheme

function isHost(text: string): boolean {
  const match = HOST.exec(text)
  return match !== null && (match[1] === undefined || (Number(match[1]) >= 1 && Number(match[1]) <= 65535))
}

/** A proxy appends to what it was sent, so only the last value is certain to be a proxy's own. */
function lastOf(header: string | undefined): string | undefined {
  const last = header?.slice(header.lastIndexOf(',') + 1).trim()
  return last === '' ? undefined : last
}

const withoutSlash = (url: string): string => (url.endsWith('/') ? url.slice(0, -1) : url)
