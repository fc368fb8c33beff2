import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { publicClient } from '../../src/network/public-client.ts'

const answers: Record<string, (outgoing: ServerResponse) => void> = {
  '/plain?a=b': (outgoing) => outgoing.writeHead(202, { 'Retry-After': '7' }).end('taken'),
  '/early': (outgoing) => {
    outgoing.writeEarlyHints({ link: '</style.css>; rel=preload' })
    outgoing.writeHead(500).end('no')
  },
  '/long': (outgoing) => void outgoing.writeHead(400).write('x'.repeat(5_000)),
  '/cut': (outgoing) => outgoing.writeHead(200).write('half', () => setImmediate(() => outgoing.destroy())),
  '/half': (outgoing) => void outgoing.writeHead(204 + 1).write('half'),
  '/never': () => {},
  '/gone': (outgoing) => outgoing.destroy(),
}
const got: string[] = []
const server = createServer((incoming, outgoing) => {
  let text = ''
  incoming.on('data', (chunk) => {
    text += chunk
  })
  incoming.on('end', () => {
    got.push(`${incoming.method} ${incoming.url} ${incoming.headers['x-id']} ${text}`)
    answers[incoming.url ?? '']?.(outgoing)
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const client = publicClient(['127.0.0.0/8'], 5_000)
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const post = (path: string, withinMs = 60_000) =>
  client.post(new URL(path, `http://127.0.0.1:${(server.address() as AddressInfo).port}`), {
    ...{ headers: { 'X-Id': 'one' }, body: 'é', withinMs, mostBytes: 1_000 },
  })

test('a message is sent as it is, and its answer read', async () => {
  const { status, headers, body } = await post('/plain?a=b')
  expect([status, headers['retry-after'], body]).toEqual([202, '7', 'taken'])
  expect(got).toEqual(['POST /plain?a=b one é'])
})

test('what comes before the answer is none', async () => {
  expect(await post('/early')).toMatchObject({ status: 500, body: 'no' })
})

test('of a long answer the beginning is read, and the status counts where the rest does not come', async () => {
  const long = await post('/long')
  expect([long.status, long.body.length >= 1_000]).toEqual([400, true])
  expect(await post('/cut')).toMatchObject({ status: 200, body: 'half' })
  expect(await post('/half', 1_500)).toMatchObject({ status: 205, body: 'half' })
})

test('without the beginning of an answer it fails, and the next message is sent', async () => {
  await expect(post('/never', 500)).rejects.toMatchObject({ name: 'TimeoutError' })
  await expect(post('/gone')).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' })
  expect(await post('/plain?a=b')).toMatchObject({ status: 202 })
  await client.close()
})
