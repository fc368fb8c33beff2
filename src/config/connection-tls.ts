import { ConnectionMistake } from './connection-string.ts'
import type { Parameters } from './parameters.ts'

/** libpq's modes, the weakest first. */
export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

/** How a connection is encrypted, and what of the server's certificate is verified. */
export interface Tls {
  readonly mode: SslMode
  readonly verifies: 'nothing' | 'who signed it' | 'who signed it, and the host'
  /** File with the certificates that are trusted; undefined for those that Node trusts. */
  readonly roots: string | undefined
  /** Files with what the gateway shows of itself. */
  readonly own: { readonly cert: string; readonly key: string; readonly passphrase: string | undefined } | undefined
  /** True to begin with TLS, without asking the server before. */
  readonly direct: boolean
  readonly minVersion: TlsVersion | undefined
  readonly maxVersion: TlsVersion | undefined
}

const VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const
type TlsVersion = (typeof VERSIONS)[number]

/**
 * Reads what a URL says of TLS.
 *
 * Without `sslmode` the gateway prefers TLS, as libpq does, since some hosts insist on it and do not print it. Within this machine
 * it takes TLS only where the server insists: nobody listens there, and it costs time.
 *
 * The driver cannot bind SCRAM to a TLS channel. So `channel_binding=require` verifies certificate and host instead, which keeps
 * out whom the binding would keep out.
 *
 * @throws {ConnectionMistake}
 */
export function tlsOf(given: Parameters, isThisMachine: boolean): Tls {
  const named = given.oneOf('sslmode', [...SSL_MODES, 'no-verify'])
  const ssl = given.flag('ssl')
  const direct = given.oneOf('sslnegotiation', ['postgres', 'direct']) === 'direct'
  const accept = given.oneOf('sslaccept', ['strict', 'accept_invalid_certs'])
  const root = given.take('sslrootcert') || undefined
  const bound = given.oneOf('channel_binding', ['disable', 'prefer', 'require']) === 'require'
  const asked =
    named === 'no-verify' ? 'require' : (named ?? (ssl === undefined ? undefined : ssl ? 'require' : 'disable'))
  const roots = root === 'system' ? undefined : root
  let mode: SslMode = asked ?? (direct ? 'require' : isThisMachine ? 'allow' : 'prefer')
  const isStrict = accept === 'strict' || bound
  // Anybody may have a certificate that a public authority has signed. So whose it is counts, as libpq insists.
  const isAnyones = root === 'system' || (mode === 'verify-ca' && roots === undefined)
  if (isAnyones || (isStrict && mode !== 'verify-ca')) mode = 'verify-full'
  if (direct && SSL_MODES.indexOf(mode) < SSL_MODES.indexOf('require'))
    throw new ConnectionMistake('takes sslmode=require or a stricter one beside sslnegotiation=direct')
  const isLax = named === 'no-verify' || accept === 'accept_invalid_certs'
  return {
    mode,
    verifies: verifiedIn(mode, roots !== undefined && !isLax),
    roots,
    own: ownOf(given),
    direct,
    minVersion: given.oneOf('ssl_min_protocol_version', VERSIONS),
    maxVersion: given.oneOf('ssl_max_protocol_version', VERSIONS),
  }
}

/** A file with certificates is verified against in every mode, as libpq does. */
function verifiedIn(mode: SslMode, hasRoots: boolean): Tls['verifies'] {
  if (mode === 'verify-full') return 'who signed it, and the host'
  return mode === 'verify-ca' || hasRoots ? 'who signed it' : 'nothing'
}

function ownOf(given: Parameters): Tls['own'] {
  const [cert, key, passphrase] = ['sslcert', 'sslkey', 'sslpassword'].map((name) => given.take(name) || undefined)
  if (cert === undefined && key === undefined) return undefined
  if (cert !== undefined && key !== undefined) return { cert, key, passphrase }
  const lacking = cert === undefined ? 'sslcert' : 'sslkey'
  throw new ConnectionMistake(
    `takes sslcert and sslkey together, a certificate of this gateway and its key: ${lacking} is missing; ` +
      'what has signed the certificate of the server is sslrootcert',
  )
}
