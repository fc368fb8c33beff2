import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import type { Event, FeedPage } from '../../src/kit/feed.ts'
import { type Attempt, Forwarding, type Receiver } from '../../src/kit/forwarding.ts'

const SECRET = 'whsec_c2VjcmV0IG9mIGEgdGVzdA=='

const eventOf = (position: number, resource: string): Event => ({
  ...{ id: `event-${position}`, position, type: 'user.updated', tenant: 't', time: '2026-11-28T14:16:31.538Z' },
  ...{ resource: { type: 'User', id: resource, version: position }, requestId: 'r', actor: 'a', changes: {} },
})

async function* pagesOf(...pages: readonly (readonly Event[])[]): AsyncGenerator<FeedPage> {
  for (const events of pages) yield { events, next: `after ${events.at(-1)?.position}` }
}

/** Forwards pages to a receiver that answers as `answer` says; gives what it took and what was told. */
async function forwarded(
  pages: AsyncIterable<FeedPage>,
  answer: (event: Event, attempt: number) => number | Promise<number>,
  signal = new AbortController().signal,
) {
  const [attempts, settled, taken]: [Attempt[], string[], number[]] = [[], [], []]
  const seen = new Map<number, number>()
  const receiver: Receiver = {
    ...{ secret: SECRET, url: 'http://localhost:3000/webhooks' },
    send: async (request) => {
      const text = await request.text()
      const { data } = new Webhook(SECRET).verify(text, Object.fromEntries(request.headers)) as { data: Event }
      const attempt = (seen.get(data.position) ?? 0) + 1
      seen.set(data.position, attempt)
      const status = await answer(data, attempt)
      if (status === 200) taken.push(data.position)
      return new Response(null, { status })
    },
  }
  const on = { told: (attempt: Attempt) => attempts.push(attempt), settled: (at: string) => settled.push(at) }
  await new Forwarding(receiver, on, signal).run(pages)
  return { attempts, settled, taken }
}

test('each message is signed, and every event of the feed comes', async () => {
  const { taken, settled } = await forwarded(pagesOf([eventOf(1, 'a'), eventOf(2, 'b')], [eventOf(3, 'a')]), () => 200)
  expect(taken.sort()).toEqual([1, 2, 3])
  expect(settled.at(-1)).toBe('after 3')
})

test('an event that fails holds up later events of its resource, and no others, and comes again', async () => {
  const pages = pagesOf([eventOf(1, 'a'), eventOf(2, 'a'), eventOf(3, 'b')])
  const { taken, attempts } = await forwarded(pages, ({ position }, attempt) =>
    position === 1 && attempt === 1 ? 500 : 200,
  )
  expect(taken).toEqual([3, 1, 2])
  expect(attempts.find(({ accepted }) => !accepted)).toMatchObject({ status: 500, againInMs: 500 })
})

test('a reader who goes on from where all is settled misses nothing', async () => {
  let answered: () => void = () => {}
  const later = new Promise<void>((resolve) => {
    answered = resolve
  })
  const pages = pagesOf([eventOf(1, 'a')], [eventOf(2, 'b'), eventOf(3, 'c')], [eventOf(4, 'd')])
  const { settled } = await forwarded(pages, async ({ position }) => {
    if (position === 4) answered()
    if (position === 3) await later
    return 200
  })
  // The second page waits for its last event, and the third page for the second.
  expect(settled).toEqual(['after 1', 'after 4'])
})

test('a stop leaves what is not accepted unsettled', async () => {
  const stop = new AbortController()
  const { settled } = await forwarded(
    pagesOf([eventOf(1, 'a'), eventOf(2, 'b')]),
    ({ position }) => {
      if (position === 2) stop.abort()
      return position === 1 ? 503 : 200
    },
    stop.signal,
  )
  expect(settled).toEqual([])
})

test('nothing is read ahead of a receiver that is slow', async () => {
  let [read, most, open] = [0, 0, 0]
  async function* pages(): AsyncGenerator<FeedPage> {
    for (let at = 0; at < 40; at++) {
      read++
      const events = Array.from({ length: 10 }, (_, i) => eventOf(at * 10 + i + 1, `r${at * 10 + i}`))
      yield { events, next: `after ${at * 10 + 10}` }
    }
  }
  const { taken } = await forwarded(pages(), async () => {
    open++
    most = Math.max(most, read * 10 - taken0())
    await new Promise((resolve) => setImmediate(resolve))
    open--
    finished++
    return 200
  })
  expect(taken).toHaveLength(400)
  expect(open).toBe(0)
  expect(most).toBeLessThanOrEqual(100 + 10)
})
let finished = 0
const taken0 = () => finished
