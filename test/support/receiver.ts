import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A message that a webhook receiver got. */
export interface ReceivedMessage {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly type: string
  readonly position: number
  readonly resource: string
  readonly version: number
}

/** What a receiver answers: a status, after a while. */
export type Answering = (message: ReceivedMessage) => number | Promise<number>

/** A receiver of webhooks on this machine, with as many paths as the test needs. */
export interface Receiver {
  readonly origin: string
  /** All that came, in the order of coming, whatever was answered. */
  readonly messages: ReceivedMessage[]
  /** Those that were answered with 200. */
  taken(path: string): ReceivedMessage[]
  answer(path: string, how: Answering): void
  /** Most requests that were open at the same time, on a path or on all together. */
  mostOpen(path?: string): number
  close(): Promise<void>
}

/** Stands for all paths together; no path is empty. */
const ALL = ''

export async function openReceiver(): Promise<Receiver> {
  const messages: ReceivedMessage[] = []
  const taken: ReceivedMessage[] = []
  const answers = new Map<string, Answering>()
  const open = new Map<string, number>()
  const most = new Map<string, number>()
  const server = createServer(async (incoming, outgoing) => {
    const path = incoming.url ?? ''
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const { type, data } = JSON.parse(text)
    const { position, resource } = data
    const about = { position, resource: resource?.id, version: resource?.version }
    const message = { path, headers: incoming.headers, text, type, ...about }
    messages.push(message)
    for (const counted of [path, ALL]) {
      open.set(counted, (open.get(counted) ?? 0) + 1)
      most.set(counted, Math.max(most.get(counted) ?? 0, open.get(counted) ?? 0))
    }
    const status = (await answers.get(path)?.(message)) ?? 200
    for (const counted of [path, ALL]) open.set(counted, (open.get(counted) ?? 0) - 1)
    if (status === 200) taken.push(message)
    outgoing.writeHead(status, status === 302 ? { Location: '/elsewhere' } : {}).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    messages,
    taken: (path) => taken.filter((message) => message.path === path),
    answer: (path, how) => answers.set(path, how),
    mostOpen: (path = ALL) => most.get(path) ?? 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
