import { connect, createServer, type Socket } from 'node:net'

const [SYNC, QUERY] = ['S'.charCodeAt(0), 'Q'.charCodeAt(0)]

/** Stands between a driver and PostgreSQL. */
export interface CountingProxy {
  /** The database behind it. */
  readonly url: string
  /** How often clients have waited for an answer so far. */
  roundTrips(): number
  /** How often clients have connected so far. */
  connections(): number
  stop(): void
}

/** Passes everything on, and counts the messages that a client waits for an answer after (PostgreSQL's protocol 3.0, §55.7). */
export async function countingProxy(databaseUrl: string): Promise<CountingProxy> {
  const target = new URL(databaseUrl)
  let count = 0
  let connections = 0
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (client) => {
    connections++
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
    connections: () => connections,
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
