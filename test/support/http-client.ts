import { Agent, request as httpRequest, type OutgoingHttpHeaders } from 'node:http'

/** A request exactly as it is to be sent: no library tidies its target or its headers. */
export interface WireRequest {
  readonly method: string
  /** Scheme, host and port. */
  readonly origin: string
  /** Path and query as they stand in the request line. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer | undefined
  readonly timeoutMs?: number
}

/** What came back; status 0 is a connection that was closed without an answer, and then `note` says how. */
export interface WireAnswer {
  readonly status: number
  /** By lower-cased name. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  readonly ms: number
  readonly note: string
}

const agent = new Agent({ keepAlive: true, maxSockets: 50 })
const TIMEOUT_MS = 60_000
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** Sends one request over a kept connection. @throws where the client refuses to send it, or no answer comes in time */
export async function send(request: WireRequest): Promise<WireAnswer> {
  const answer = await attempt(request)
  // A kept connection that the server has just closed says nothing about the request, which it never read.
  const idempotent = request.body === undefined && request.method !== 'POST'
  return answer.note === 'ECONNRESET' && idempotent ? attempt(request) : answer
}

function attempt({ method, origin, target, headers, body, timeoutMs }: WireRequest): Promise<WireAnswer> {
  const { hostname, port } = new URL(origin)
  const sent: OutgoingHttpHeaders = { ...headers }
  if (body !== undefined && !named(headers, 'content-length') && !named(headers, 'transfer-encoding'))
    sent['Content-Length'] = body.length
  const start = performance.now()
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ hostname, port, method, path: target, headers: sent, agent }, (incoming) => {
      const chunks: Buffer[] = []
      let size = 0
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size <= MAX_ANSWER_BYTES) chunks.push(chunk)
      })
      incoming.on('close', () => {
        clearTimeout(timer)
        resolve({
          status: incoming.statusCode ?? 0,
          headers: Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])),
          text: Buffer.concat(chunks).toString('utf8'),
          ms: performance.now() - start,
          note: incoming.complete ? '' : 'the answer was cut short',
        })
      })
    })
    // A server may close while the rest of a large body is on its way. The answer is there then, and no request listens any more.
    outgoing.on('socket', (socket) => {
      if (!socket.listeners('error').includes(closedMeanwhile)) socket.on('error', closedMeanwhile)
    })
    const timer = setTimeout(() => {
      reject(new Error(`no answer to ${method} ${target.slice(0, 100)} in time`))
      outgoing.destroy()
    }, timeoutMs ?? TIMEOUT_MS)
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      // A server may answer and close before it has read a large body: where an answer is on its way, it counts.
      setTimeout(() => {
        clearTimeout(timer)
        const ms = performance.now() - start
        resolve({ status: 0, headers: {}, text: '', ms, note: error.code ?? error.message })
      }, 50)
    })
    outgoing.end(body)
  })
}

const closedMeanwhile = () => {}

const named = (headers: Readonly<Record<string, string>>, name: string): boolean =>
  Object.keys(headers).some((key) => key.toLowerCase() === name)

/** The JSON in `text`; undefined where it is none. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
