import { createServer, type IncomingMessage } from 'node:http'

// A receiver of webhooks that takes everything at once: POST is a message, GET gives what came since the last GET.

/** What has come. Times are of the machine's steady clock, which all of its processes share, in ms. */
export interface Received {
  readonly messages: number
  readonly lastAt: number
  /** Of each message that says that a user was deactivated: the user's id, and when it came. */
  readonly deactivated: readonly (readonly [id: string, at: number])[]
}

const nothing = () => ({ messages: 0, lastAt: 0, deactivated: [] as [string, number][] })
let received = nothing()
const now = () => Number(process.hrtime.bigint()) / 1e6

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const server = createServer(async (incoming, outgoing) => {
  if (incoming.method === 'GET') {
    outgoing.end(JSON.stringify(received))
    received = nothing()
    return
  }
  const at = now()
  const text = await textOf(incoming)
  received.messages++
  received.lastAt = at
  if (text.startsWith('{"type":"user.deactivated"')) received.deactivated.push([JSON.parse(text).data.resource.id, at])
  outgoing.writeHead(204).end()
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') {
    process.stdout.write(`listening on http://127.0.0.1:${address.port}\n`)
  }
})
