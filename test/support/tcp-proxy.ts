import { connect, createServer, type Socket } from 'node:net'

/** A proxy in front of a server on this machine, which can misbehave as networks and poolers do. */
export interface TcpProxy {
  readonly port: number
  /** While true, bytes are taken and go nowhere, in both directions. */
  swallow: boolean
  close(): void
}

/** Starts a proxy to `target`; a connection whose first bytes hold `refuse.word` is answered `refuse.answer` and closed. */
export async function startProxy(target: number, refuse?: { word: string; answer: Buffer }): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    let first = true
    near.on('data', (chunk) => {
      if (first && refuse !== undefined && chunk.includes(refuse.word)) return near.end(refuse.answer)
      first = false
      if (!proxy.swallow) far.write(chunk)
    })
    far.on('data', (chunk) => {
      if (!proxy.swallow) near.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const proxy: TcpProxy = {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    swallow: false,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
  return proxy
}
