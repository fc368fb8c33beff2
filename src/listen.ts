import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { ScimError } from './scim/errors.ts'

/** The app as an HTTP server calls it; `env` holds Node's own `incoming` and `outgoing`, where the URL is as it was sent. */
export type Fetch = (request: Request, env?: object) => Response | Promise<Response>

/** The address cannot be listened on; `message` is one line for the operator. */
export class CannotListen extends Error {
  override name = 'CannotListen'
}

/** Where to listen; `setting` is the variable with the port, for words to the operator. */
export interface ListenOn {
  readonly host: string
  readonly port: number
  readonly setting?: string
}

/** A server that takes requests. */
export interface Listening {
  /** The port, also where any free one was asked for. */
  readonly port: number
  /** From now on each answer closes its connection, so that clients make their next one elsewhere. */
  retire(): void
  /** Takes no more connections, lets requests under way finish for up to `graceMs`, then ends them. */
  stop(graceMs: number): Promise<void>
}

/** Time for the whole header, so that slow senders hold nothing; long enough for any honest one. */
const HEADERS_TIMEOUT_MS = 3_000
/** Time for the whole request, header and body: the largest body by default, at 175 kB/s. */
const REQUEST_TIMEOUT_MS = 60_000
const CHECK_TIMEOUTS_EVERY_MS = 250
/** Longer than the 60 s that load balancers keep an idle connection, so that it is they who close it. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000
const MAX_HEADER_BYTES = 16_384

/**
 * Serves `fetch` on `host`:`port`.
 *
 * @throws {CannotListen} when the port is taken or not ours to take
 */
export async function listen(fetch: Fetch, { host, port, setting = 'PORT' }: ListenOn): Promise<Listening> {
  // HTTP/1.0 has no Host, and health checks of load balancers speak it. Requests of HTTP/1.1 without one are refused before.
  const listener = getRequestListener(fetch, { hostname: 'localhost' })
  let retired = false
  const latest = new WeakMap<Duplex, Exchange>()
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_TIMEOUTS_EVERY_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (incoming, outgoing) => {
      if (retired) outgoing.shouldKeepAlive = false
      latest.set(incoming.socket, { incoming, outgoing })
      void listener(incoming, outgoing)
    },
  )
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuse(error, socket, latest.get(socket)))
  await bind(server, { host, port, setting })
  return {
    port: (server.address() as AddressInfo).port,
    retire: () => {
      retired = true
    },
    stop: (graceMs) => {
      retired = true
      return close(server, graceMs)
    },
  }
}

/** The latest request on a connection, and its answer. */
interface Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/** What Node cannot read, by its error code; anything else is 400. */
const REFUSALS: Readonly<Record<string, { readonly line: string; readonly error: ScimError }>> = {
  HPE_HEADER_OVERFLOW: {
    line: '431 Request Header Fields Too Large',
    error: new ScimError(
      431,
      undefined,
      'headers-too-large',
      `The URL and the headers are larger than ${MAX_HEADER_BYTES} bytes in all.`,
    ),
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    line: '413 Payload Too Large',
    error: ScimError.tooLarge('body-too-large', 'The chunks of the body have extensions that are too large.'),
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    line: '408 Request Timeout',
    error: new ScimError(
      408,
      undefined,
      'request-too-slow',
      `The request did not arrive whole within ${REQUEST_TIMEOUT_MS / 1000} s.`,
    ),
  },
}
const NO_REQUEST = {
  line: '400 Bad Request',
  error: ScimError.invalidSyntax('http-malformed', 'This is no request of HTTP/1.1.'),
}

function answerTo(code: string | undefined): string {
  const { line, error } = REFUSALS[code ?? ''] ?? NO_REQUEST
  const body = JSON.stringify(error.toBody())
  const length = Buffer.byteLength(body)
  return `HTTP/1.1 ${line}\r\nConnection: close\r\nContent-Type: application/scim+json\r\nContent-Length: ${length}\r\n\r\n${body}`
}

/**
 * Refuses what is no request, and ends its connection. A whole request before it is answered first: Node itself would send the
 * refusal at once, and the client would take it for that answer.
 */
function refuse(error: NodeJS.ErrnoException, socket: Duplex, latest: Exchange | undefined): void {
  const end = () => {
    const begun = latest !== undefined && !latest.outgoing.writableFinished && latest.outgoing.headersSent
    if (socket.writable && !begun) socket.write(answerTo(error.code))
    socket.destroy(error)
  }
  const isOwed = latest?.incoming.complete === true && !latest.outgoing.writableFinished && !socket.destroyed
  if (isOwed) latest.outgoing.once('close', end)
  else end()
}

/** All addresses of a machine, and all that it has where it is without IPv6. */
const [ALL, ALL_OF_IPV4] = ['::', '0.0.0.0']

async function bind(server: Server, on: Required<ListenOn>): Promise<void> {
  try {
    await bound(server, on)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const isWithoutIpv6 = on.host === ALL && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL')
    if (!isWithoutIpv6) throw cannotListen(error as NodeJS.ErrnoException, on)
    await bind(server, { ...on, host: ALL_OF_IPV4 })
  }
}

function bound(server: Server, { host, port }: ListenOn): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, resolve)
  })
}

function cannotListen(error: NodeJS.ErrnoException, { host, port, setting }: Required<ListenOn>): CannotListen {
  const reasons: Record<string, string> = {
    EADDRINUSE: `port ${port} on ${host} is taken by another program; set ${setting} to a free one`,
    EACCES: `port ${port} may not be used by this account; set ${setting} to 1024 or more`,
    EADDRNOTAVAIL: `${host} is not an address of this machine; set HOST to one that is, or to 0.0.0.0 for all`,
    ENOTFOUND: `${host} is not a known address; set HOST to one of this machine, or to 0.0.0.0 for all`,
  }
  return new CannotListen(reasons[error.code ?? ''] ?? `cannot listen on ${host}:${port}: ${error.message}`, {
    cause: error,
  })
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    // A connection whose last request was under way becomes idle only now, and would be kept for the next one.
    const sweep = setInterval(() => server.closeIdleConnections(), 50)
    const end = setTimeout(() => server.closeAllConnections(), graceMs)
    server.close(() => {
      clearInterval(sweep)
      clearTimeout(end)
      resolve()
    })
  })
}
