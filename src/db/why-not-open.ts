import type { Connection } from '../config/connection.ts'
import { codeOf, NotSecure } from './errors.ts'

/** What to change in a URL, or at the server, where a connection fails; undefined where the error says all there is to say. */
export function adviceFor(error: unknown, { user, tls, connectTimeoutMs }: Connection): string | undefined {
  const message = error instanceof Error ? error.message : ''
  const code = error instanceof NotSecure ? error.reason : (codeOf(error) ?? '')
  if (code === '28P01' || (code === '28000' && message.includes('password')))
    return `see the password of ${user ?? 'the user'} in the URL; its special characters are written as %XX`
  if (code === '28000') return forRefusal(message, user)
  if (/^ERR_SSL_.*ALERT/.test(code)) return OTHER_CERTIFICATE
  // A server refuses a certificate after the connection is made (RFC 8446 §4.4.2.4). Where it hangs up first, its reason is lost.
  if (tls.own !== undefined && HUNG_UP.has(code)) return `if ${OTHER_CERTIFICATE}`
  if (tls.mode === 'verify-full' && SIGNED_BY_NOBODY.has(code))
    return `${UNKNOWN_SIGNER}; the URL asks for verification by sslmode, sslaccept or channel_binding=require`
  return SIGNED_BY_NOBODY.has(code) ? UNKNOWN_SIGNER : ADVICE[code]?.(connectTimeoutMs / 1_000)
}

const OTHER_CERTIFICATE =
  'the server refuses the certificate of this gateway: set sslcert and sslkey to one that its ssl_ca_file has signed'
const HUNG_UP = new Set(['ECONNRESET', 'EPIPE', 'CONNECTION_CLOSED'])

function forRefusal(message: string, user: string | undefined): string | undefined {
  if (message.includes('certificate'))
    return 'the server wants a certificate of this gateway: set sslcert and sslkey to the files with it and its key'
  if (message.includes('no encryption')) return 'the server may want TLS: set sslmode=require, or see its pg_hba.conf'
  if (message.includes('SSL encryption'))
    return 'the server may want no TLS: set sslmode=disable, or see its pg_hba.conf'
  return message.includes('does not exist') ? `see the name ${user ?? 'of the user'} in the URL` : undefined
}

const SIGNED_BY_NOBODY = new Set([
  ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ...['UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'CERT_SIGNATURE_FAILURE'],
])
const UNKNOWN_SIGNER =
  'nobody who is trusted has signed the certificate of the server: set sslrootcert to the file with the certificate of who has'

const ADVICE: Readonly<Record<string, (seconds: number) => string>> = {
  NO_TLS: () =>
    'let the server have TLS (ssl = on in postgresql.conf); sslmode=disable sends everything in the clear, the password too',
  NO_POSTGRES: () => 'see the host and the port in the URL',
  ERR_TLS_CERT_ALTNAME_INVALID: () =>
    'write the host in the URL as the certificate has it, or verify by sslmode=verify-ca and sslrootcert who has signed it alone',
  CERT_HAS_EXPIRED: () => 'the certificate of the server, or of who has signed it, has expired: renew it',
  ENOTFOUND: () => 'see the name of the host in the URL',
  EAI_AGAIN: () => 'see the name of the host in the URL, and that this machine can look names up',
  ECONNREFUSED: () =>
    'see the host and the port in the URL, and that PostgreSQL runs and listens there for this machine',
  ENOENT: () => 'no server has its Unix socket in that folder: see the host and the port in the URL',
  EACCES: () => 'this account may not use the Unix socket there',
  CONNECT_TIMEOUT: (seconds) =>
    `see that no firewall is between; a server that takes more than ${seconds} s to wake needs connect_timeout in the URL`,
  NO_HOST: () => 'see the hosts in the URL, and target_session_attrs',
  '3D000': () => 'make the database, or see its name in the URL',
  '53300': () => 'lower DATABASE_POOL, or raise max_connections of the server',
  '25006': () => 'the server takes no changes: name all servers in the URL, and add target_session_attrs=read-write',
  '08P01': () =>
    'a pooler refuses options in the URL: take it out, or add it to ignore_startup_parameters of PgBouncer',
  '42704': () => 'see options in the URL',
}
