import { readFile } from 'node:fs/promises'
import { connect, isIP, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import { type Connection, isFolder, nameOf } from '../config/connection.ts'
import type { SslMode } from '../config/connection-tls.ts'
import { codeOf, NoHost, NotSecure } from './errors.ts'

// postgres.js 3.4.9 asks for TLS by itself, but not as libpq does: `allow` and `verify-ca` mean something else, a server without
// TLS is no clear error, and the certificate of an address is compared with "localhost". Of several hosts that are all away, it
// tries the next one for ever. So it is given a channel that is ready.

/** A server and its port, or the folder of its Unix socket. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** What a server says of itself. */
export interface Standing {
  readonly standby: boolean
  readonly readOnly: boolean
}

/** TLS asks so; the server answers with one letter. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const [YES, NO] = [0x53, 0x4e]

/**
 * Reaches the first of the hosts that answers and is the right one.
 *
 * @param standingOf asks a server, over a connection of its own
 * @throws {NoHost | NotSecure} or the error of the only host
 */
export async function reachFirst(
  hosts: readonly Address[],
  connection: Connection,
  { mode, standingOf }: { readonly mode: SslMode; readonly standingOf: (to: Address) => Promise<Standing> },
): Promise<Socket> {
  const failures: unknown[] = []
  const order = connection.shuffled ? [...hosts].sort(() => Math.random() - 0.5) : hosts
  const fits = FITTING[connection.target]
  for (const to of order) {
    try {
      if (fits === undefined || fits(await standingOf(to))) return await reach(to, connection, mode)
      failures.push(new NoHost(`${nameOf(to)} is not ${connection.target} (target_session_attrs)`))
    } catch (error) {
      // As libpq does: who is refused by one server is not told to the others.
      if (/^(?:28|3D)/.test(codeOf(error) ?? '')) throw error
      failures.push(error)
    }
  }
  if (connection.target === 'prefer-standby')
    return reachFirst(hosts, { ...connection, target: 'any' }, { mode, standingOf })
  throw failures.length === 1 ? failures[0] : noneOf(order, failures)
}

const FITTING: Readonly<Record<Connection['target'], ((standing: Standing) => boolean) | undefined>> = {
  any: undefined,
  'read-write': ({ readOnly }) => !readOnly,
  'read-only': ({ readOnly }) => readOnly,
  primary: ({ standby }) => !standby,
  standby: ({ standby }) => standby,
  'prefer-standby': ({ standby }) => standby,
}

function noneOf(hosts: readonly Address[], failures: readonly unknown[]): NoHost {
  const reasons = failures.map((failure, i) => {
    const reason = failure instanceof Error ? failure.message || codeOf(failure) : String(failure)
    return failure instanceof NoHost ? reason : `${nameOf(hosts[i] as Address)}: ${reason}`
  })
  return new NoHost(reasons.join('; '), { cause: failures[0] })
}

/**
 * Opens a channel to one server, encrypted as `mode` asks. What servers refuse later, when they know who connects, is not seen
 * here.
 */
export async function reach(to: Address, connection: Connection, mode: SslMode): Promise<Socket> {
  const signal = AbortSignal.timeout(connection.connectTimeoutMs)
  const plain = await open(to, connection, signal)
  // Nobody is between on this machine, and libpq does not encrypt there either.
  if (isFolder(to.host) || mode === 'disable' || mode === 'allow') return plain
  try {
    if (!connection.tls.direct && !(await offersTls(plain, to, signal))) {
      if (mode === 'prefer') return plain
      throw new NotSecure(NO_TLS, 'NO_TLS')
    }
    return await encrypted(plain, to, connection, signal)
  } catch (error) {
    plain.destroy()
    const isCertain = signal.aborted || (error instanceof NotSecure && error.cause === undefined)
    if (mode !== 'prefer' || isCertain) throw error
    return open(to, connection, signal)
  }
}

const NO_TLS = 'the server offers no TLS'

async function open(to: Address, { keepAliveMs }: Connection, signal: AbortSignal): Promise<Socket> {
  const { host, port } = to
  const where = isFolder(host) ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }
  const socket = connect({ ...where, keepAlive: keepAliveMs > 0, keepAliveInitialDelay: keepAliveMs })
  await heard(socket, 'connect', to, signal)
  // The driver names them in its errors.
  return Object.assign(socket, to)
}

/** Asks the server whether it takes TLS. */
async function offersTls(socket: Socket, to: Address, signal: AbortSignal): Promise<boolean> {
  const answer = heard<Buffer>(socket, 'data', to, signal)
  socket.write(SSL_REQUEST)
  const text = await answer
  // More than a letter was not encrypted, and may be of somebody in between.
  if (text.length !== 1 || (text[0] !== YES && text[0] !== NO))
    throw new NotSecure('what answers does not speak the protocol of PostgreSQL', 'NO_POSTGRES')
  return text[0] === YES
}

async function encrypted(socket: Socket, to: Address, { tls }: Connection, signal: AbortSignal): Promise<Socket> {
  // Not loaded where nothing is encrypted.
  const { checkServerIdentity, connect: encrypt } = await import('node:tls')
  const options: ConnectionOptions = {
    ...(await filesOf(tls)),
    socket,
    ...(isIP(to.host) === 0 && { servername: to.host }),
    ...(tls.direct && { ALPNProtocols: ['postgresql'] }),
    ...(tls.minVersion !== undefined && { minVersion: tls.minVersion }),
    ...(tls.maxVersion !== undefined && { maxVersion: tls.maxVersion }),
    rejectUnauthorized: tls.verifies !== 'nothing',
    checkServerIdentity: (_, certificate) =>
      tls.verifies === 'who signed it, and the host' ? checkServerIdentity(to.host, certificate) : undefined,
  }
  const secure = encrypt(options)
  await heard(secure, 'secureConnect', to, signal).catch((error: Error) => {
    if (codeOf(error) === 'CONNECT_TIMEOUT') throw error
    throw new NotSecure(error.message, codeOf(error) ?? 'NO_TLS', { cause: error })
  })
  return Object.assign(secure, to)
}

/** The certificates and the key that the URL names, read anew for each connection: they are replaced while the gateway runs. */
async function filesOf({ roots, own }: Connection['tls']): Promise<ConnectionOptions> {
  const read = (name: string, path: string) =>
    readFile(path).catch((error: Error) => {
      throw new NotSecure(`${name} names a file that cannot be read: ${error.message}`, 'NO_FILE')
    })
  return {
    ...(roots !== undefined && { ca: await read('sslrootcert', roots) }),
    ...(own !== undefined && {
      cert: await read('sslcert', own.cert),
      key: await read('sslkey', own.key),
      ...(own.passphrase !== undefined && { passphrase: own.passphrase }),
    }),
  }
}

/** Waits for an event of a socket; what ends the socket before, or takes too long, is an error. */
function heard<T = void>(socket: Socket, event: string, to: Address, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      socket.off(event, came).off('close', closed)
      signal.removeEventListener('abort', late)
      outcome()
    }
    const came = (value: T) => settle(() => resolve(value))
    const failed = (error: Error) => settle(() => reject(error))
    const closed = () => failed(Object.assign(new Error('the server closed the connection'), { code: 'ECONNRESET' }))
    const late = () => {
      failed(Object.assign(new Error(`no answer from ${nameOf(to)}`), { code: 'CONNECT_TIMEOUT' }))
      socket.destroy()
    }
    // It stays, so that no later error is without a listener before the driver has its own.
    socket.once(event, came).once('close', closed).on('error', failed)
    if (signal.aborted) late()
    else signal.addEventListener('abort', late)
  })
}

/**
 * A channel that fails at the first word. The driver loses a connection for good when it gets none; this one it gives back.
 */
export const failing = (error: Error): Duplex =>
  new Duplex({ read() {}, write: (_chunk, _encoding, done) => done(error) })
