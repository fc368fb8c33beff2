import { Client, type Dispatcher } from 'undici'

// Each connection has one request in flight and sends the next when the answer is complete, until the time or the number is over.

/** What came of a window; milliseconds. */
export interface Measured {
  readonly requests: number
  readonly elapsedMs: number
  readonly p50: number
  readonly p99: number
}

/** How long to go on. */
export interface Limits {
  readonly connections: number
  /** Begins no request after so long; each connection sends at least one. */
  readonly durationMs: number
  /** Requests of each connection at the most; `null` for as many as time allows. */
  readonly perConnection: number | null
}

/** An answer; `text` is empty where it was not asked for. */
export interface Answer {
  readonly status: number
  readonly text: string
}

/** Runs `send` on all connections to `origin`; it sends one request. */
export async function closedLoop(
  origin: string,
  { connections, durationMs, perConnection }: Limits,
  send: (client: Client, connection: number) => Promise<void>,
): Promise<Measured> {
  const latencies: number[] = []
  const start = performance.now()
  await Promise.all(
    clientsFor(origin, connections).map(async (client, connection) => {
      for (let sent = 0; sent < (perConnection ?? Number.POSITIVE_INFINITY); sent++) {
        if (sent > 0 && performance.now() - start >= durationMs) return
        const begun = performance.now()
        await send(client, connection)
        latencies.push(performance.now() - begun)
      }
    }),
  )
  const elapsedMs = performance.now() - start
  latencies.sort((a, b) => a - b)
  const quantile = (q: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? 0
  return { requests: latencies.length, elapsedMs, p50: quantile(0.5), p99: quantile(0.99) }
}

/** Connections stay open from one window to the next. */
const open = new Map<string, Client[]>()

/** `connections` clients of one connection each. */
export function clientsFor(origin: string, connections: number): Client[] {
  const key = `${origin} ${connections}`
  const clients =
    open.get(key) ??
    Array.from({ length: connections }, () => new Client(origin, { bodyTimeout: 60_000, headersTimeout: 60_000 }))
  open.set(key, clients)
  return clients
}

/**
 * Sends one request, by undici's lowest level: no streams and no promises of its own, so that the generator takes as little
 * CPU as it can. The text of an answer is kept where `whole`, and where the status is none of success.
 */
export function dispatch(client: Client, options: Dispatcher.DispatchOptions, whole: boolean): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let status = 0
    const chunks: Buffer[] = []
    client.dispatch(options, {
      onRequestStart() {},
      onResponseStart(_controller, statusCode) {
        status = statusCode
      },
      onResponseData(_controller, chunk) {
        if (whole || status > 299) chunks.push(chunk)
      },
      onResponseEnd() {
        resolve({ status, text: chunks.length === 0 ? '' : Buffer.concat(chunks).toString('utf8') })
      },
      onResponseError(_controller, error) {
        reject(error)
      },
    })
  })
}
