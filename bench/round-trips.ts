import { connect, createServer, type Socket } from 'node:net'
import type { Bench } from './measure.ts'
import { gatewayEnv } from './prepare.ts'
import { startGateway } from './processes.ts'
import type { Progress } from './progress.ts'
import { workloads } from './workloads/index.ts'

/** How often the gateway waits for PostgreSQL in one request, on average. */
export interface RoundTrips {
  readonly workload: string
  readonly title: string
  readonly case: string
  readonly perRequest: number
}

/** Enough for each connection of the pool to have prepared its statements. */
const WARM_UP = 60
const COUNTED = 100
const COUNTED_SLOW = 10

/** Counts, between the gateway's driver and PostgreSQL, what each kind of request waits for; once everything is prepared. */
export async function measureRoundTrips(
  { load, options, world }: Bench,
  databaseUrl: string,
  progress: Progress,
): Promise<RoundTrips[]> {
  const counter = await countingProxy(databaseUrl)
  const gateway = await startGateway(gatewayEnv(counter.url), options.gateway)
  const results: RoundTrips[] = []
  for (const { name, title, longer, cases } of workloads) {
    const [one] = cases(world)
    // What can be done once, and a mixture, have no number of their own.
    if (one === undefined || one.requests !== undefined || name === 'day') continue
    progress.note(`round trips: ${name}`)
    const run = (perConnection: number) =>
      load.run({
        ...{ workload: name, case: one.name, side: 'ours', origin: gateway.origin },
        ...{ connections: 1, durationMs: 60_000, perConnection },
      })
    await run(longer === undefined ? WARM_UP : COUNTED_SLOW)
    const before = counter.roundTrips()
    const { requests } = await run(longer === undefined ? COUNTED : COUNTED_SLOW)
    results.push({ workload: name, title, case: one.name, perRequest: (counter.roundTrips() - before) / requests })
  }
  await gateway.stop()
  counter.stop()
  return results
}

const [SYNC, QUERY] = ['S'.charCodeAt(0), 'Q'.charCodeAt(0)]

/** Passes everything on, and counts the messages that a client waits for an answer after (PostgreSQL's protocol 3.0, §55.7). */
async function countingProxy(databaseUrl: string) {
  const target = new URL(databaseUrl)
  let count = 0
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: target.hostname, port: Number(target.port), noDelay: true })
    for (const [socket, other] of [[client, upstream] as const, [upstream, client] as const]) {
      sockets.add(socket)
      socket.on('close', () => other.destroy())
      socket.on('error', () => other.destroy())
    }
    upstream.pipe(client)
    const messages = messageTypes()
    client.on('data', (chunk: Buffer) => {
      count += messages(chunk).filter((type) => type === SYNC || type === QUERY).length
      upstream.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(databaseUrl)
  url.port = String((server.address() as { port: number }).port)
  return {
    url: url.href,
    roundTrips: () => count,
    stop: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** Reads a client's stream as it comes: the first message has no type, all others a byte for it; then the length. */
function messageTypes(): (chunk: Buffer) => number[] {
  let rest: Buffer = Buffer.alloc(0)
  let started = false
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    const types: number[] = []
    for (;;) {
      const header = started ? 1 : 0
      if (rest.length < header + 4) return types
      const end = header + rest.readInt32BE(header)
      if (rest.length < end) return types
      if (started) types.push(rest[0] as number)
      started = true
      rest = rest.subarray(end)
    }
  }
}
