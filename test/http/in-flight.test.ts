import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { bytesForRequests } from '../../src/config/memory.ts'
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
  passage.answered(method, { incoming: { socket } as unknown as IncomingMessage })
  expect([requests.count, socket.listenerCount('close')]).toEqual([counted, counted])
  socket.emit('close')
  expect([requests.count, socket.listenerCount('close')]).toEqual([0, 0])
})

test('SEC-15 a stream whose connection has gone before its answer was there is counted no longer', () => {
  const requests = opened()
  const passage = requests.enter('a', 'one')
  passage.streams = true
  passage.answered('GET', { incoming: { socket: { destroyed: true } } as IncomingMessage })
  expect(requests.count).toBe(0)
})

test('SEC-15 bytes of bodies and answers are shared: a tenant has a quarter, a key half, and words name the setting', () => {
  const { requests, bytes } = nothingUnderWay(loadConfig({ MAX_BYTES_IN_FLIGHT: '40000000' }))
  const [one, other] = [requests.enter('a', 'one'), requests.enter('b', 'one')]
  one.holdAnswer(9_000_000, true)
  expect(refusal(() => other.holdAnswer(2_000_000, true))).toMatchObject({
    ...{ status: 429, retryAfterSeconds: 1, message: expect.stringContaining('a quarter of MAX_BYTES_IN_FLIGHT') },
  })
  // What has been done already is answered all the same.
  other.holdAnswer(2_000_000, false)
  requests.enter('a', 'two').holdAnswer(8_000_000, true)
  expect(refusal(() => requests.enter('a', 'three').holdAnswer(4_000_000, true))).toMatchObject({
    ...{ status: 429, message: expect.stringContaining('half of MAX_BYTES_IN_FLIGHT') },
  })
  requests.enter('c', 'four').holdAnswer(20_000_000, true)
  expect(refusal(() => requests.enter('d', 'five').holdAnswer(2_000_000, true))).toMatchObject({
    ...{ status: 503, message: expect.stringContaining('MAX_BYTES_IN_FLIGHT') },
  })
  expect(bytes.all).toBe(39_000_000)
})

test('SEC-15 a body counts several times until the answer is there, and one that is larger than all shares passes alone', () => {
  const { requests, bytes } = nothingUnderWay(loadConfig({ MAX_BYTES_IN_FLIGHT: '40000000' }))
  const large = requests.enter('a', 'one')
  large.holdBody(10_000_000)
  large.holdBody(10_000_000)
  expect(bytes.all).toBe(50_000_000)
  expect(refusal(() => requests.enter('b', 'two').holdBody(20_000))).toMatchObject({ status: 503 })
  requests.enter('b', 'two').holdBody(10_000)
  large.answered('POST', undefined)
  expect([bytes.all, bytes.parties]).toEqual([0, 0])
  // Of a body without a length, as much is counted as may come.
  const unannounced = requests.enter('a', 'one')
  unannounced.holdBody(1_000, 1_000_000)
  unannounced.holdBody(20_000, 1_000_000)
  expect(bytes.all).toBe(5_000_000)
  unannounced.leave()
  unannounced.holdBody(20_000)
  unannounced.holdAnswer(1_000_000, true)
  expect([bytes.all, bytes.parties]).toEqual([0, 0])
})

test('SEC-15 a large answer is counted until it is sent or its connection is gone, and moves within its time', () => {
  for (const last of ['outgoing', 'socket'] as const) {
    const { requests, bytes } = nothingUnderWay(loadConfig({ SEND_TIMEOUT_SECONDS: '7' }))
    const times: number[] = []
    const socket = Object.assign(new EventEmitter(), { destroyed: false, setTimeout: (ms: number) => times.push(ms) })
    const outgoing = new EventEmitter()
    const passage = requests.enter('a', 'one')
    passage.holdAnswer(100_000, true)
    passage.answered('GET', { incoming: { socket }, outgoing } as unknown as Parameters<typeof passage.answered>[1])
    expect([requests.count, bytes.all, times]).toEqual([1, 100_000, [7_000]])
    ;({ outgoing, socket })[last].emit('close')
    expect([requests.count, bytes.all, bytes.parties]).toEqual([0, 0, 0])
    expect([socket.listenerCount('close'), outgoing.listenerCount('close')]).toEqual([0, 0])
  }
})

test.each([
  ['a container of 512 MB', 16e9, 512e6, 260e6, 128e6],
  ['a machine of 16 GB without a limit', 16e9, 1.8e19, 4.3e9, 2.15e9],
  ['a small heap on it', 16e9, 0, 128e6, 64e6],
  ['hardly anything', 64e6, 64e6, 64e6, 33_554_432],
])('bytes for bodies and answers fit the memory: %s', (_what, machine, container, heap, bytes) => {
  expect(bytesForRequests(machine, container || machine, heap)).toBe(bytes)
})
