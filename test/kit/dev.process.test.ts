import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, expect, test } from 'vitest'
import { built } from '../support/built.ts'
import { type Child, freePort, runNode } from '../support/children.ts'
import { openReceiver, type Receiver } from '../support/receiver.ts'

// Where a gateway notes itself, apart from one that a developer may run.
const folder = mkdtempSync(join(tmpdir(), 'rollcall-dev-'))
afterAll(() => rmSync(folder, { recursive: true }))
const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  runNode(`rollcall ${args[0]}`, [built.cli(), ...args], { TMPDIR: folder, ...env })

let [dev, receiver]: [Child | undefined, Receiver | undefined] = [undefined, undefined]
afterEach(async () => {
  dev?.process.kill('SIGKILL')
  await receiver?.close()
})

test('one command runs a gateway, plays an identity provider and forwards signed events, and leaves nothing behind', async () => {
  receiver = await openReceiver()
  const port = await freePort()
  const args = ['dev', '--port', String(port), '--play', 'okta', '--forward-to', `${receiver.origin}/webhooks`]
  dev = run(args, {
    DATABASE_URL: 'postgres://nowhere.invalid',
    NODE_ENV: 'production',
  })
  await dev.says('user.deactivated')
  const [, secret = ''] = /Webhook secret {2}(\S+)/.exec(dev.stderr()) ?? []
  const types = receiver.messages.map(({ text, headers, type }) => {
    expect(new Webhook(secret).verify(text, headers as Record<string, string>)).toMatchObject({ type })
    return type
  })
  expect(types).toEqual(expect.arrayContaining(['user.created', 'group.member_added', 'role.assigned']))
  // What was seeded before is no news.
  expect(types.filter((type) => type === 'tenant.created')).toEqual([])
  // Who it is about shows masked.
  expect(/user\.created.*$/m.exec(dev.stdout())?.[0]).toMatch(/\(•+\.•+\.•+@••••\.•••••••\)/)

  dev.process.kill('SIGTERM')
  expect(await dev.ended()).toBe(0)
})

test('play and listen find the gateway of rollcall dev, by its note', async () => {
  receiver = await openReceiver()
  const port = await freePort()
  dev = run(['dev', '--port', String(port), '--json'])
  await dev.says('"appKey"')
  const played = run(['play', 'entra', 'joiner', '--user', 'eve@acme.example'])
  expect([await played.ended(), played.stderr()]).toEqual([0, ''])
  expect(played.stdout()).toContain('Creates the user (eve@acme.example)')

  const state = ['--after', '0', '--events', 'user.created']
  const listening = run(['listen', `${receiver.origin}/webhooks`, ...state])
  await listening.says('#17')
  listening.process.kill('SIGINT')
  expect(await listening.ended()).toBe(0)
  expect(receiver.messages.map(({ type }) => type)).toEqual(Array.from({ length: 6 }, () => 'user.created'))
})

test('a port that is taken is a fault in one line', async () => {
  receiver = await openReceiver()
  dev = run(['dev', '--port', new URL(receiver.origin).port])
  expect(await dev.ended()).toBe(4)
  expect(dev.stderr()).toMatch(
    /^rollcall: port \d+ on 127\.0\.0\.1 is taken by another program; set --port to a free one\n$/,
  )
})
