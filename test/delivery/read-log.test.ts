import { expect, test } from 'vitest'
import { streamLog } from '../../src/delivery/event-stream.ts'
import { LogWatch } from '../../src/delivery/log-watch.ts'
import { type FollowedLog, readLog } from '../../src/delivery/read-log.ts'
import type { LoggedEvent } from '../../src/events/event.ts'

const ALL = { types: [], nouns: [] }

/** A log that grows by one event each time that a reader waits for it; and what was asked of it, in order. */
function growing() {
  const asked: string[] = []
  let head = 0
  const log: FollowedLog = {
    watch: new LogWatch(undefined as never, () => {}),
    async wait() {
      asked.push('wait')
      head++
      return true
    },
    async catchUp() {
      asked.push('catch up')
    },
    async read(after = 0) {
      asked.push('read')
      const events = after < head ? [{ position: head } as LoggedEvent] : []
      return { events, next: head, head, trimmed: 0 }
    },
    positionOf: ({ position }) => position,
    cursorAt: (position) => position,
    texts:
      async () =>
      ({ position }) =>
        `event ${position}`,
  }
  return { log, asked }
}

test('EV-15 a question catches up once, with what was committed before it, however long it waits', async () => {
  const { log, asked } = growing()
  const answer = await readLog(log, { after: 0, limit: 10, types: ALL, waitMs: 60_000 })
  expect(answer).toMatchObject({ outcome: 'page', page: { next: 1 } })
  expect(asked).toEqual(['catch up', 'read', 'wait', 'read'])
})

test('a stream that is woken reads what is there, and does none of the work of numbering first', async () => {
  const { log, asked } = growing()
  const gone = new AbortController()
  const page = { events: [], next: 0, head: 0, trimmed: 0 }
  const texts: string[] = []
  for await (const text of streamLog(log, page, { types: ALL, signal: gone.signal })) {
    texts.push(text)
    if (texts.length === 4) gone.abort()
  }
  expect(texts.slice(1).map((text) => text.split('\n')[1])).toEqual(['data: event 1', 'data: event 2', 'data: event 3'])
  expect(asked).toEqual(['wait', 'read', 'wait', 'read', 'wait', 'read'])
})
