import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { Hono } from 'hono'
import { describe, expect, expectTypeOf, test, vi } from 'vitest'
import { signedHeaders, webhookText } from '../../src/delivery/sending/webhook-sender.ts'
import { exampleOf } from '../../src/events/catalogue/index.ts'
import { EVENT_TYPES } from '../../src/events/types.ts'
import { type EventHandlers, type RollcallEvent, verifyWebhook, webhookReceiver } from '../../src/receiver/index.ts'

const [SECRET, OTHER] = ['whsec_c2VjcmV0IG9mIGEgdGVzdA==', 'whsec_YW5vdGhlciBzZWNyZXQgb2Yg']
const at = 'http://localhost/webhooks'

/** A message as the gateway sends it. */
function messageOf(type: (typeof EVENT_TYPES)[number], secrets: readonly string[] = [SECRET], now = new Date()) {
  const example = exampleOf(type)
  const body = webhookText(type, String(example.time), JSON.stringify(example))
  return { method: 'POST', body, headers: signedHeaders({ id: String(example.id), body, secrets }, now) }
}

/** A receiver that notes what it handles. */
function noting(more: Partial<Parameters<typeof webhookReceiver>[0]> = {}) {
  const types: string[] = []
  const on: EventHandlers = { '*': (event) => types.push(event.type) }
  return { types, ...webhookReceiver({ secret: SECRET, on, ...more }) }
}

test('an event of each type is verified and handled by its type, and typed by it', async () => {
  const handled: unknown[] = []
  const on: EventHandlers = {
    'user.created': (event) => {
      expectTypeOf(event.changes.after.userName).toEqualTypeOf<string>()
      handled.push(event.changes.after.userName)
    },
    'role.assigned': ({ changes }) => {
      expectTypeOf(changes.users).toEqualTypeOf<readonly string[]>()
      handled.push(changes.role)
    },
    '*': ({ type }) => handled.push(type),
  }
  const { fetch } = webhookReceiver({ secret: SECRET, on })
  for (const type of EVENT_TYPES) expect((await fetch(new Request(at, messageOf(type)))).status).toBe(200)
  expect(handled).toHaveLength(EVENT_TYPES.length)
  expect(handled).toEqual(expect.arrayContaining(['ada@acme.example', 'seller', 'group.deleted']))
  expectTypeOf<RollcallEvent['type']>().toEqualTypeOf<(typeof EVENT_TYPES)[number]>()
})

describe('a message is refused with 401, and nothing is handled,', () => {
  const good = messageOf('user.created')
  const old = (seconds: number) => messageOf('user.created', [SECRET], new Date(Date.now() - seconds * 1_000))
  test.each([
    ['whose body was changed', { ...good, body: good.body.replace('ada@', 'eve@') }],
    ['that another secret has signed', messageOf('user.created', [OTHER])],
    ['without a signature', { ...good, headers: { ...good.headers, 'webhook-signature': '' } }],
    ['with half a signature', { ...good, headers: { ...good.headers, 'webhook-signature': 'v1' } }],
    ['with another id', { ...good, headers: { ...good.headers, 'webhook-id': 'other' } }],
    ['that is too old', old(301)],
    ['that is from the future', old(-310)],
  ])('%s', async (_, message) => {
    const { fetch, types } = noting()
    expect((await fetch(new Request(at, message))).status).toBe(401)
    expect(types).toEqual([])
  })

  test('that is older than this receiver takes', async () => {
    expect((await noting({ toleranceSeconds: 30 }).fetch(new Request(at, old(60)))).status).toBe(401)
    expect((await noting({ toleranceSeconds: 90 }).fetch(new Request(at, old(60)))).status).toBe(200)
  })
})

test('while the secret is rotated both sign, and either is enough', async () => {
  for (const secrets of [[SECRET], [OTHER], [OTHER, SECRET]]) {
    const { fetch } = noting({ secret: [SECRET, OTHER] })
    expect((await fetch(new Request(at, messageOf('user.created', secrets)))).status).toBe(200)
  }
  expect((await noting().fetch(new Request(at, messageOf('user.created', [OTHER, SECRET])))).status).toBe(200)
})

test('an event that was seen is taken and not handled again', async () => {
  const ids = new Set<string>()
  const { fetch, types } = noting({ seen: (id) => ids.has(id) || !ids.add(id) })
  for (const _ of [1, 2]) expect((await fetch(new Request(at, messageOf('user.deleted')))).status).toBe(200)
  expect(types).toEqual(['user.deleted'])
})

test('a handler that throws is answered with 500, so that the event comes again; another method with 405', async () => {
  const told = vi.spyOn(console, 'error').mockImplementation(() => {})
  const { fetch } = webhookReceiver({
    secret: SECRET,
    on: {
      'user.created': () => {
        throw new Error('the database is away')
      },
    },
  })
  expect((await fetch(new Request(at, messageOf('user.created')))).status).toBe(500)
  expect(told).toHaveBeenCalledOnce()
  told.mockRestore()
  expect((await fetch(new Request(at, messageOf('user.deleted')))).status).toBe(200)
  expect((await fetch(new Request(at))).status).toBe(405)
})

test('a receiver without a secret, or with one that is none, does not start', () => {
  for (const secret of ['', [], 'whsec_no base64']) expect(() => webhookReceiver({ secret, on: {} })).toThrow()
})

test('a message is verified without a receiver too', () => {
  const { body, headers } = messageOf('group.created')
  const event = verifyWebhook(body, { ...headers }, { secret: SECRET })
  expect(event).toEqual(exampleOf('group.created'))
  expect(() => verifyWebhook(`${body} `, { ...headers }, { secret: SECRET })).toThrow(/No matching signature/)
})

/** Serves a listener on a port of its own while `work` runs. */
async function served(listener: Parameters<typeof createServer>[1], work: (origin: string) => Promise<void>) {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

describe('it works', () => {
  const both = async (url: string) => {
    expect((await fetch(url, messageOf('user.created'))).status).toBe(200)
    const { body, headers } = messageOf('user.created')
    expect((await fetch(url, { method: 'POST', headers, body: body.replace('ada@', 'eve@') })).status).toBe(401)
  }

  test('in Express, before a body parser or behind express.raw', async () => {
    const { node, types } = noting()
    const app = express()
    app.post('/first', node)
    app.post('/raw', express.raw({ type: '*/*' }), node)
    await served(app, async (origin) => {
      await both(`${origin}/first`)
      await both(`${origin}/raw`)
    })
    expect(types).toEqual(['user.created', 'user.created'])
  })

  test('in Express behind express.json not, which the error says', async () => {
    const app = express()
    const errors: unknown[] = []
    app.post('/webhooks', express.json(), noting().node)
    app.use(((error, _, response, __) => {
      errors.push(error)
      response.sendStatus(500)
    }) satisfies express.ErrorRequestHandler)
    await served(app, async (origin) => {
      expect((await fetch(`${origin}/webhooks`, messageOf('user.created'))).status).toBe(500)
    })
    expect(String(errors[0])).toMatch(/before express\.json\(\)/)
  })

  test('with node:http', async () => {
    const { node, types } = noting()
    await served((request, response) => void node(request, response), both)
    expect(types).toEqual(['user.created'])
  })

  test('in Hono', async () => {
    const { fetch, types } = noting()
    const app = new Hono().post('/webhooks', (c) => fetch(c.req.raw))
    expect((await app.request('/webhooks', messageOf('user.created'))).status).toBe(200)
    expect(types).toEqual(['user.created'])
  })
})
