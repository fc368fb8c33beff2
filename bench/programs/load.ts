import type { Client } from 'undici'
import { allWorkloads } from '../workloads/index.ts'
import type { Case, Turn } from '../workloads/workload.ts'
import type { Side, World } from '../world.ts'
import { closedLoop, dispatch, type Measured } from './closed-loop.ts'

// The load generator, a process of its own so that it disturbs neither server's event loop.

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

async function run({ durationMs, perConnection, ...window }: Window): Promise<Measured> {
  const workload = allWorkloads.find(({ name }) => name === window.workload)
  const found = workload?.cases(world).find(({ name }) => name === window.case)
  if (!workload || !found) throw new Error(`there is no ${window.workload} ${window.case}`)
  const connections = window.connections ?? workload.connections
  const key = `${workload.name} ${found.name} ${window.side}`
  const counts = turns.get(key) ?? []
  turns.set(key, counts)
  return closedLoop(window.origin, { connections, durationMs, perConnection }, (client, connection) => {
    const turn: Turn = { world, connection, connections, turn: counts[connection] ?? 0 }
    counts[connection] = turn.turn + 1
    return send(client, found, window.side, turn)
  })
}

/** Sends one request. @throws unless the answer is 2xx and what was asked for */
async function send(client: Client, { calls, check, keep }: Case, side: Side, turn: Turn): Promise<void> {
  const call = calls[side]?.(turn)
  if (call === undefined) throw new Error(`there is nothing to ask of ${side}`)
  const { method, path, body = null } = call
  const checked = turn.turn === 0 ? check : undefined
  const answer = await dispatch(client, { method, path, body, headers }, Boolean(checked ?? keep))
  if (answer.status > 299) {
    throw new Error(`${side}: ${method} ${path} was answered ${answer.status} ${answer.text.slice(0, 500)}`)
  }
  checked?.(answer.text, side, turn)
  keep?.(answer.text, side, turn)
}
