import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { unprivileged } from './postgres-server.ts'

/** Whether there is an `openssl` that makes certificates. */
export function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/**
 * Makes authorities and certificates in `folder`, readable for the account of PostgreSQL: `ca.crt` has signed `server.crt`, which
 * is for the names given, and `client.crt`; `other-ca.crt` has signed `other-client.crt`.
 */
export function makeCertificates(folder: string, names: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const keyed = (name: string) => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    `${name}.key`,
  ]
  const authority = (name: string) =>
    openssl('req', '-x509', ...keyed(name), '-out', `${name}.crt`, '-days', '2', '-subj', `/CN=${name}`)
  const signed = (name: string, by: string, subject: string, san?: string) => {
    openssl('req', '-new', ...keyed(name), '-out', `${name}.csr`, '-subj', `/CN=${subject}`)
    writeFileSync(join(folder, 'extensions'), san === undefined ? '' : `subjectAltName=${san}\n`)
    const out = ['-out', `${name}.crt`, '-days', '2', '-extfile', 'extensions']
    openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${by}.crt`, '-CAkey', `${by}.key`, '-CAcreateserial', ...out)
  }
  authority('ca')
  authority('other-ca')
  signed('server', 'ca', names[0] ?? '', names.map((name) => `DNS:${name}`).join(','))
  signed('client', 'ca', 'rollcall')
  signed('other-client', 'other-ca', 'rollcall')
  for (const name of readdirSync(folder)) {
    chmodSync(join(folder, name), 0o600)
    if (unprivileged) chownSync(join(folder, name), unprivileged.uid, unprivileged.gid)
  }
  if (unprivileged) chownSync(folder, unprivileged.uid, unprivileged.gid)
}
