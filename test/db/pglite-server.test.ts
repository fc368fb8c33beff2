import { expect, test } from 'vitest'
import type { EnginePort } from '../../src/db/pglite-port.ts'
import { PgliteServer } from '../../src/db/pglite-server.ts'

const READY = { idle: 'Z\0\0\0\x05I', inTransaction: 'Z\0\0\0\x05T' }
const CANCEL_REQUEST = Buffer.from([0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 0, 0, 0, 0, 0])

/** An engine whose answers the test gives, one at a time. */
function engine() {
  const asked: string[] = []
  const answers: ((text: string) => void)[] = []
  let cancelled = 0
  const port: EnginePort = {
    ask: (messages) =>
      new Promise((resolve) => {
        asked.push(Buffer.from(messages).toString('latin1'))
        answers.push((text) => resolve(Buffer.from(text, 'latin1')))
      }),
    cancel: () => {
      cancelled++
    },
    close: async () => {},
  }
  /** Answers what was asked last, and waits until that is delivered. */
  const answer = async (text: string) => {
    answers.shift()?.(text)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { port, asked, answer, cancelled: () => cancelled }
}

const heardOn = (connection: ReturnType<PgliteServer['connect']>) => {
  const heard: string[] = []
  connection.on('data', (bytes: Buffer) => heard.push(bytes.toString('latin1')))
  return heard
}

test('a transaction keeps the session until its end; others wait, and nothing of theirs gets in between', async () => {
  const { port, asked, answer } = engine()
  const server = new PgliteServer(port, 1000)
  const [one, other] = [server.connect(), server.connect()]
  const heard = heardOn(other)
  one.write('begin')
  other.write('theirs')
  await answer(READY.inTransaction)
  one.write('commit')
  await answer(READY.idle)
  await answer(READY.idle)
  expect(asked).toEqual(['begin', 'commit', 'theirs'])
  expect(heard).toEqual([READY.idle])
})

test('a connection that ends in a transaction has it rolled back before anything else is done', async () => {
  const { port, asked, answer } = engine()
  const server = new PgliteServer(port, 1000)
  const [one, other] = [server.connect(), server.connect()]
  one.write('begin')
  await answer(READY.inTransaction)
  other.write('theirs')
  one.destroy()
  await answer(READY.idle)
  await answer(READY.idle)
  expect(asked).toEqual(['begin', 'Q\0\0\0\rrollback\0', 'theirs'])
})

test('one that ends while its statement runs has what that began rolled back', async () => {
  const { port, asked, answer } = engine()
  const server = new PgliteServer(port, 1000)
  const [one, other] = [server.connect(), server.connect()]
  one.write('begin')
  one.write('more')
  other.write('theirs')
  one.destroy()
  await answer(READY.inTransaction)
  await answer(READY.idle)
  await answer(READY.idle)
  expect(asked).toEqual(['begin', 'Q\0\0\0\rrollback\0', 'theirs'])
})

test('a request to cancel reaches the engine while a statement runs, and only then', async () => {
  const { port, answer, cancelled } = engine()
  const server = new PgliteServer(port, 1000)
  server.connect().write(CANCEL_REQUEST)
  expect(cancelled()).toBe(0)
  server.connect().write('long')
  server.connect().write(CANCEL_REQUEST)
  expect(cancelled()).toBe(1)
  await answer(READY.idle)
})

test('an engine that has stopped ends the connection whose statement ran', async () => {
  const port: EnginePort = {
    ask: () => Promise.reject(new Error('it has stopped')),
    cancel: () => {},
    close: async () => {},
  }
  const connection = new PgliteServer(port, 1000).connect()
  const failed = new Promise<Error>((resolve) => connection.once('error', resolve))
  connection.write('a statement')
  expect((await failed).message).toBe('it has stopped')
})
