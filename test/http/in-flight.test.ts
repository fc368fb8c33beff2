import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { nothingUnderWay } from '../../src/http/in-flight.ts'

const opened = () =>
  nothingUnderWay(loadConfig({ MAX_IN_FLIGHT: '5', KEY_MAX_IN_FLIGHT: '3', TENANT_MAX_IN_FLIGHT: '2' })).requests

/** How an attempt to enter is refused. */
function refusal(enter: () => unknown) {
  try {
    enter()
  } catch (error) {
    return error
  }
  throw new Error('it was let in')
}

test('SEC-15 a tenant, a key and the instance have so many at once, and words that name the setting', () => {
  const requests = opened()
  const [first] = [requests.enter('a', 'one'), requests.enter('a', 'one')]
  expect(refusal(() => requests.enter('b', 'one'))).toMatchObject({
    status: 429,
    retryAfterSeconds: 1,
    message: expect.stringContaining('TENANT_MAX_IN_FLIGHT'),
  })
  requests.enter('a', 'two')
  expect(refusal(() => requests.enter('a', 'three'))).toMatchObject({
    status: 429,
    message: expect.stringContaining('KEY_MAX_IN_FLIGHT'),
  })
  requests.enter('b', 'two')
  requests.enter('c', undefined)
  expect(refusal(() => requests.enter('d', 'four'))).toMatchObject({
    status: 503,
    message: expect.stringContaining('MAX_IN_FLIGHT'),
  })
  first?.leave()
  requests.enter('d', 'four')
})

test('SEC-15 a client that leaves twice is counted once, and none is remembered', () => {
  const requests = opened()
  const passages = [requests.enter('a', 'one'), requests.enter('a', 'two'), requests.enter(undefined, 'one')]
  for (const passage of passages) {
    passage.leave()
    passage.leave()
  }
  expect([requests.count, requests.parties]).toEqual([0, 0])
})

test.each([
  ['an answer that is whole', false, 'GET', 0],
  ['one that streams, until it is sent', true, 'GET', 1],
  ['one that streams, of which HEAD takes nothing', true, 'HEAD', 0],
])('SEC-15 counted after the answer: %s', (_what, streams, method, counted) => {
  const requests = opened()
  const passage = requests.enter('a', 'one')
  const socket = Object.assign(new EventEmitter(), { destroyed: false })
  passage.streams = streams
  passage.answered(method, { socket } as unknown as IncomingMessage)
  expect([requests.count, socket.listenerCount('close')]).toEqual([counted, counted])
  socket.emit('close')
  expect([requests.count, socket.listenerCount('close')]).toEqual([0, 0])
})

test('SEC-15 a stream whose connection has gone before its answer was there is counted no longer', () => {
  const requests = opened()
  const passage = requests.enter('a', 'one')
  passage.streams = true
  passage.answered('GET', { socket: { destroyed: true } } as IncomingMessage)
  expect(requests.count).toBe(0)
})
