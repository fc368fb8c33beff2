import { Client, type Dispatcher } from 'undici'
import { workloads } from '../workloads/index.ts'
import type { Case, Turn } from '../workloads/workload.ts'
import type { Side, World } from '../world.ts'

// The load generator, a process of its own so that it disturbs neither server's event loop. Each connection has one request
// in flight and sends the next when the answer is complete (a closed loop), until the window's time or number is over.

/** What to send next. */
export interface Window {
  readonly workload: string
  readonly case: string
  readonly side: Side
  readonly origin: string
  /** Begins no request after so long; each connection sends at least one. */
  readonly durationMs: number
  /** Requests of each connection at the most; `null` for as many as time allows. */
  readonly perConnection: number | null
  /** Fewer than the workload has. */
  readonly connections?: number
}

/** What came of it; milliseconds. */
export interface Measured {
  readonly requests: number
  readonly elapsedMs: number
  readonly p50: number
  readonly p99: number
  readonly bytes: number
}

/** Turns that each connection has had, by case and side, so that no name is used twice. */
const turns = new Map<string, number[]>()

let world: World
let headers: Readonly<Record<string, string>>

process.on('message', (message: World | Window) => {
  if (!('workload' in message)) {
    world = message
    const type = 'application/scim+json'
    headers = { authorization: `Bearer ${world.apiKey}`, accept: type, 'content-type': type }
    return
  }
  run(message).then(
    (measured) => process.send?.({ measured }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  )
})

async function run(window: Window): Promise<Measured> {
  const workload = workloads.find(({ name }) => name === window.workload)
  const found = workload?.cases(world).find(({ name }) => name === window.case)
  if (!workload || !found) throw new Error(`there is no ${window.workload} ${window.case}`)
  const connections = window.connections ?? workload.connections
  const key = `${workload.name} ${found.name} ${window.side}`
  const counts = turns.get(key) ?? Array.from({ length: connections }, () => 0)
  turns.set(key, counts)
  const clients = clientsFor(window.origin, connections)
  const latencies: number[] = []
  let bytes = 0
  const start = performance.now()
  await Promise.all(
    clients.map(async (client, connection) => {
      for (let sent = 0; sent < (window.perConnection ?? Number.POSITIVE_INFINITY); sent++) {
        if (sent > 0 && performance.now() - start >= window.durationMs) return
        const turn: Turn = { world, connection, connections, turn: counts[connection] as number }
        counts[connection] = turn.turn + 1
        const begun = performance.now()
        bytes += await send(client, found, window.side, turn)
        latencies.push(performance.now() - begun)
      }
    }),
  )
  const elapsedMs = performance.now() - start
  latencies.sort((a, b) => a - b)
  const quantile = (q: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? 0
  return { requests: latencies.length, elapsedMs, p50: quantile(0.5), p99: quantile(0.99), bytes }
}

/** Connections stay open from one window to the next. */
const open = new Map<string, Client[]>()

function clientsFor(origin: string, connections: number): Client[] {
  const key = `${origin} ${connections}`
  const clients =
    open.get(key) ??
    Array.from({ length: connections }, () => new Client(origin, { bodyTimeout: 60_000, headersTimeout: 60_000 }))
  open.set(key, clients)
  return clients
}

/** Sends one request and gives the size of the answer's body. @throws unless the answer is 2xx and what was asked for */
async function send(client: Client, { calls, check, keep }: Case, side: Side, turn: Turn): Promise<number> {
  const { method, path, body = null } = calls[side](turn)
  const checked = turn.turn === 0 ? check : undefined
  const answer = await dispatch(client, { method, path, body, headers }, Boolean(checked ?? keep))
  if (answer.status > 299) {
    throw new Error(`${side}: ${method} ${path} was answered ${answer.status} ${answer.text.slice(0, 500)}`)
  }
  checked?.(answer.text, side, turn)
  keep?.(answer.text, side, turn)
  return answer.bytes
}

/** undici's lowest level: no streams and no promises of its own, so that the generator takes as little CPU as it can. */
function dispatch(
  client: Client,
  options: Dispatcher.DispatchOptions,
  whole: boolean,
): Promise<{ status: number; bytes: number; text: string }> {
  return new Promise((resolve, reject) => {
    let status = 0
    let bytes = 0
    const chunks: Buffer[] = []
    client.dispatch(options, {
      onRequestStart() {},
      onResponseStart(_controller, statusCode) {
        status = statusCode
      },
      onResponseData(_controller, chunk) {
        bytes += chunk.length
        if (whole || status > 299) chunks.push(chunk)
      },
      onResponseEnd() {
        resolve({ status, bytes, text: chunks.length === 0 ? '' : Buffer.concat(chunks).toString('utf8') })
      },
      onResponseError(_controller, error) {
        reject(error)
      },
    })
  })
}
