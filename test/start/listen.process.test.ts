import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Listening, listen } from '../../src/listen.ts'

let server: Listening
beforeAll(async () => {
  server = await listen(
    async (request, env) => {
      const body = await request.text()
      const { incoming } = env as { incoming: IncomingMessage }
      return Response.json({ body: body.length, url: incoming.url })
    },
    { host: '127.0.0.1', port: 0 },
  )
})
afterAll(() => server.stop(0))

interface Answer {
  readonly text: string
  /** Pieces that were not sent when the server closed the connection; undefined where it did not. */
  readonly unsent: number | undefined
}

/** Sends `pieces`, one every `everyMs`, and listens until the connection closes or `waitMs` are over. */
function exchange(pieces: readonly string[], { everyMs = 0, waitMs = 4500, port = server.port } = {}): Promise<Answer> {
  return new Promise((resolve) => {
    const left = [...pieces]
    const socket = connect(port, '127.0.0.1')
    let text = ''
    const finish = (unsent?: number) => {
      clearTimeout(timer)
      clearInterval(sender)
      socket.destroy()
      resolve({ text, unsent })
    }
    const timer = setTimeout(() => finish(), waitMs)
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => finish(left.length))
    const send = () => {
      const piece = left.shift()
      if (piece === undefined) clearInterval(sender)
      else socket.write(piece)
    }
    const sender = setInterval(send, everyMs)
    send()
  })
}

const head = 'POST /x HTTP/1.1\r\nHost: here\r\n'

test('headers that trickle in are answered 408 before they are complete', async () => {
  const slow = Array<string>(60).fill('X-Slow: 1\r\n')
  const { text, unsent } = await exchange([head, ...slow, '\r\n'], { everyMs: 250, waitMs: 60_000 })
  expect(text).toMatch(/^HTTP\/1\.1 408 /)
  expect(unsent).toBeGreaterThan(0)
})

test('a slow but honest client is served', async () => {
  const body = 'x'.repeat(20)
  const pieces = [head, 'Connection: close\r\n', 'Content-Length: 20\r\n\r\n', ...body]
  const { text } = await exchange(pieces, { everyMs: 200, waitMs: 8000 })
  expect(text).toMatch(/^HTTP\/1\.1 200 /)
  expect(text).toContain('{"body":20,"url":"/x"}')
})

test.each([
  ['a length and chunks together', `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['two lengths', `${head}Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}`, 400],
  ['a chunk size that is no number', `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n`, 400],
  ['no host', 'GET /x HTTP/1.1\r\n\r\n', 400],
  ['a NUL in a header', `${head}X-Note: a\u0000b\r\n\r\n`, 400],
  ['headers of 20 kB', `${head}X-Note: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
])('%s is refused', async (_what, bytes, status) => {
  expect((await exchange([bytes])).text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
})

test('E-01 what is too large to read is refused as a SCIM client reads it', async () => {
  const { text } = await exchange([`${head}X-Note: ${'a'.repeat(20_000)}\r\n\r\n`])
  expect(text).toMatch(/\r\nContent-Type: application\/scim\+json\r\n/)
  const body = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as object
  const detail = 'The URL and the headers are larger than 16384 bytes in all.'
  expect(body).toEqual({ schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], status: '431', detail })
})

test('the app sees the URL as it was sent', async () => {
  const { text } = await exchange(['GET /a%2Fb/../%c3%28?x=%zz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n'])
  expect(text).toContain('"url":"/a%2Fb/../%c3%28?x=%zz"')
})

test('a health check of HTTP/1.0 has no Host, and is answered', async () => {
  const { text } = await exchange(['OPTIONS /x HTTP/1.0\r\n\r\n'])
  expect(text).toMatch(/^HTTP\/1\.1 200 /)
})

test('a request is answered before what follows it and is no request is refused', async () => {
  const own = await listen(
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      return new Response('no key', { status: 401 })
    },
    { host: '127.0.0.1', port: 0 },
  )
  const bytes = `${head}Content-Length: 2\r\n\r\n{}what is left of a body\r\n\r\n`
  const { text } = await exchange([bytes], { port: own.port })
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 401', 'HTTP/1.1 400'])
  await own.stop(0)
})

test('once retired, each answer closes its connection', async () => {
  const own = await listen(() => new Response('answered'), { host: '127.0.0.1', port: 0 })
  const connection = async () => (await fetch(`http://127.0.0.1:${own.port}/`)).headers.get('connection')
  expect(await connection()).toBe('keep-alive')
  own.retire()
  expect(await connection()).toBe('close')
  await own.stop(0)
})

test('stopping ends connections whose request outlasts the grace', async () => {
  let arrived = () => {}
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const own = await listen(
    () => {
      arrived()
      return new Promise<Response>(() => {})
    },
    { host: '127.0.0.1', port: 0 },
  )
  const hanging = fetch(`http://127.0.0.1:${own.port}/`).catch((error: Error) => error)
  await arrival
  await own.stop(300)
  expect(await hanging).toBeInstanceOf(Error)
})
