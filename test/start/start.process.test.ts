import { rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Child, runGateway, runProgram } from '../support/children.ts'
import { newStoreFolder } from '../support/store-folder.ts'

let parent: string
beforeAll(() => {
  parent = newStoreFolder()
})
afterAll(() => rmSync(parent, { recursive: true, force: true }))

const start = (env: NodeJS.ProcessEnv = {}, dataDir = join(parent, 'data')) =>
  runProgram('gateway', [], { PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'info', DATABASE_URL: '', ...env })
const portOf = async (gateway: Child) => {
  await gateway.says('port ')
  return Number(/^port (\d+)$/m.exec(gateway.stdout())?.[1])
}

test('SIGTERM lets the request under way finish, takes no other, stops the app and closes the database', async () => {
  const gateway = start()
  const port = await portOf(gateway)
  const slow = fetch(`http://127.0.0.1:${port}/?ms=1000`).then((response) => response.text())
  await gateway.says('request 1000')
  gateway.process.kill('SIGTERM')
  await gateway.logs('stopping')
  const outcome = () =>
    fetch(`http://127.0.0.1:${port}/?ms=0`).then(
      () => 'answered',
      () => 'refused',
    )
  await expect.poll(outcome, { interval: 5 }).toBe('refused')
  expect(await slow).toBe('answered')
  const answered = performance.now()
  expect(await gateway.ended()).toBe(0)
  // The connection was kept alive; it must not be waited for. Only a clock tells: the client closes it after four seconds.
  expect(performance.now() - answered).toBeLessThan(3000)
  expect(gateway.stdout()).toMatch(/app stopped\n$/)
  expect(JSON.parse(gateway.stderr().split('\n')[0] ?? '')).toMatchObject({
    level: 'info',
    signal: 'SIGTERM',
    msg: 'stopping',
  })
})

test('a second signal ends the process at once', async () => {
  const gateway = start()
  const port = await portOf(gateway)
  void fetch(`http://127.0.0.1:${port}/?ms=20000`).catch(() => {})
  await gateway.says('request 20000')
  gateway.process.kill('SIGINT')
  await gateway.logs('stopping')
  gateway.process.kill('SIGINT')
  // 0 would say that it had waited for the request.
  expect(await gateway.ended()).toBe(1)
})

test('after kill -9 it starts again by itself', async () => {
  const killed = start()
  await portOf(killed)
  killed.process.kill('SIGKILL')
  await killed.ended()
  const next = start()
  await portOf(next)
  next.process.kill('SIGTERM')
  expect(await next.ended()).toBe(0)
})

/** Ends with exit code 1 and nothing on standard error but these lines. */
async function refuses(gateway: Child, lines: RegExp): Promise<void> {
  expect(await gateway.ended()).toBe(1)
  expect(gateway.stderr()).toMatch(lines)
  expect(gateway.stdout()).toBe('')
}

test('a port that is taken is one line, and the folder is free again', async () => {
  const taken: Server = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const address = taken.address()
  const port = typeof address === 'object' ? address?.port : 0
  await refuses(
    start({ PORT: String(port) }),
    new RegExp(`^rollcall: port ${port} on 127.0.0.1 is taken by another program; set PORT to a free one\\n$`),
  )
  taken.close()
})

test('a folder in use is one line', async () => {
  const first = start()
  await portOf(first)
  await refuses(start(), /^rollcall: the data folder \S+ is in use by another process \(pid \d+ there\)\. .*\n$/)
  first.process.kill('SIGTERM')
  await first.ended()
})

test('a folder that cannot be written is one line', async () => {
  const file = join(parent, 'file')
  writeFileSync(file, '')
  await refuses(start({}, join(file, 'data')), /^rollcall: the data folder \S+ cannot be used \(DATA_DIR\): .*\n$/)
})

test.runIf(process.platform === 'linux')('a folder where the system makes none is one line', async () => {
  await refuses(start({}, '/proc/none/data'), /^rollcall: the data folder \S+ cannot be used \(DATA_DIR\): ENOENT.*\n$/)
})

test('a folder behind a link to nowhere is one line', async () => {
  const link = join(parent, 'link')
  symlinkSync(join(parent, 'nowhere'), link)
  await refuses(start({}, link), /^rollcall: the data folder \S+ cannot be used \(DATA_DIR\): ENOENT.*\n$/)
})

test('a database that does not answer is one line', async () => {
  await refuses(
    start({ DATABASE_URL: 'postgres://someone:hush@127.0.0.1:1/there' }),
    /^rollcall: PostgreSQL at 127\.0\.0\.1:1\/there cannot be used: (?!.*hush).*ECONNREFUSED.*\n$/,
  )
})

test('production that leaves things to chance is a line each', async () => {
  const bare = runGateway({ NODE_ENV: 'production', PUBLIC_URL: 'https://a.example' })
  await refuses(bare, /^rollcall: SECRETS_KEY is not set; make one: .*\nrollcall: TRUST_PROXY is not set; .*\n$/)
})

test('wrong variables are a line each', async () => {
  await refuses(start({ PORT: 'x', ADMIN_KEY: 'x' }), /^rollcall: PORT takes .*\nrollcall: ADMIN_KEY takes .*\n$/)
})

test('an address that is not ours is one line', async () => {
  await refuses(start({ HOST: '203.0.113.1' }), /^rollcall: 203\.0\.113\.1 is not an address of this machine; .*\n$/)
})
