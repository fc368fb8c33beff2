import { openSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'

// A receiver of webhooks that may be killed at any moment: what it takes is in the file before it is answered, one line for
// each message. A share `fails` of the messages is refused with 500, and not noted.
const [port = '0', file = '', fails = '0'] = process.argv.slice(2)
const taken = openSync(file, 'a')
const server = createServer(async (incoming, outgoing) => {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const refused = Math.random() < Number(fails)
  if (!refused) writeSync(taken, `${Buffer.concat(chunks).toString()}\n`)
  outgoing.writeHead(refused ? 500 : 200).end()
})
server.listen(Number(port), '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`port ${address.port}\n`)
})
