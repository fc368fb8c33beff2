import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { webhookReceiver } from '../../src/receiver/index.ts'
import type * as Testing from '../../src/testing/index.ts'
import { built } from '../support/built.ts'

const exported = (name: string) => join(dirname(built.main()), 'testing', name)
let testing: typeof Testing
let gateway: Testing.TestGateway
beforeAll(async () => {
  testing = await import(pathToFileURL(exported('index.js')).href)
  gateway = await testing.startGateway()
})
afterAll(() => gateway.stop())

test('in vitest: seed, play, and expect events', async () => {
  const { users } = await gateway.seed({
    users: [{ userName: 'ada@acme.example', title: 'Engineer' }],
    groups: [{ displayName: 'Sales', members: ['ada@acme.example'] }],
  })
  const created = await gateway.expectEvent('user.created', ({ resource }) => resource.id === users['ada@acme.example'])
  expect(created.changes.after).toMatchObject({ userName: 'ada@acme.example', title: 'Engineer' })
  expect(await gateway.expectEvent('role.assigned')).toMatchObject({ changes: { role: 'seller' } })

  const played = await gateway.play('entra', 'leaver', { userName: 'ada@acme.example' })
  expect(played.map(({ title }) => title)).toContain('Deactivates the user')
  expect((await gateway.expectEvent('user.deactivated')).resource.id).toBe(users['ada@acme.example'])
})

test('a handler of Fetch gets what happens from now on, signed, and again what it refused', async () => {
  const secret = testing.testSecret()
  const types: string[] = []
  const { fetch } = webhookReceiver({ secret, on: { '*': ({ type }) => types.push(type) } })
  let refused = 0
  let taken: () => void
  const deactivated = new Promise<void>((resolve) => {
    taken = resolve
  })
  await gateway.forwardTo(async (request) => {
    if (refused === 0) {
      refused++
      return new Response(null, { status: 503 })
    }
    const answer = await fetch(request)
    if (types.includes('user.deactivated')) taken()
    return answer
  }, secret)
  await gateway.play('okta')
  await deactivated
  expect(types).toEqual(expect.arrayContaining(['user.created', 'user.updated', 'user.deactivated']))
})

test('what does not come is an error that says what came, and what is refused is one too', async () => {
  await expect(gateway.expectEvent('tenant.paused', undefined, { timeoutMs: 1 })).rejects.toThrow(
    /no tenant\.paused has come in 1 ms: there are .*group\.member_added/,
  )
  await expect(gateway.play('okta', 'mover', { userName: 'nobody' })).rejects.toThrow(/there is no user nobody/)
})

/** A test with an API that all runners share, but for the names of `test` and of the assertion. */
const bodyOf = (equal: string) => `async () => {
  const gateway = await startGateway({ people: true })
  await gateway.play('okta', 'joiner', { userName: 'eve@acme.example' })
  const event = await gateway.expectEvent('user.created', ({ changes }) => changes.after.userName === 'eve@acme.example')
  ${equal}
  await gateway.stop()
}`

test('in node:test', () => {
  const folder = mkdtempSync(join(dirname(built.main()), 'node-test-'))
  try {
    writeFileSync(
      join(folder, 'joiner.test.mjs'),
      `import { test } from 'node:test'
       import assert from 'node:assert/strict'
       import { startGateway } from '${pathToFileURL(exported('index.js')).href}'
       test('somebody joins', ${bodyOf("assert.equal(event.resource.type, 'User')")})`,
    )
    const said = execFileSync(process.execPath, ['--test', '--test-reporter=tap', folder], {
      encoding: 'utf8',
      env: withoutRunner(),
    })
    expect(said).toMatch(/^# pass 1$/m)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** Of this process, without what tells Node that a runner of tests is above. */
function withoutRunner(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env
  return env
}

test('by require, as jest loads what it tests', () => {
  const program = `
    const { startGateway } = require(${JSON.stringify(exported('index.cjs'))})
    const run = ${bodyOf('console.log(event.type)')}
    run()`
  expect(execFileSync(process.execPath, ['--eval', program], { encoding: 'utf8' })).toBe('user.created\n')
})

// jest is larger than all that it would test here: `JEST` names its `bin/jest.js` where it is installed.
const { JEST: jest } = process.env
if (jest === undefined) console.log('skipped: rollcall/testing in jest, since JEST names no jest')
test.skipIf(jest === undefined)('in jest', () => {
  const folder = mkdtempSync(join(dirname(built.main()), 'jest-'))
  try {
    writeFileSync(join(folder, 'package.json'), '{ "jest": { "testTimeout": 600000 } }')
    writeFileSync(
      join(folder, 'joiner.test.js'),
      `const { startGateway } = require(${JSON.stringify(exported('index.cjs'))})
       test('somebody joins', ${bodyOf("expect(event.resource.type).toBe('User')")})`,
    )
    const options = { cwd: folder, encoding: 'utf8', env: withoutRunner(), stdio: 'pipe' } as const
    const said = execFileSync(process.execPath, [jest ?? '', '--json'], options)
    expect(JSON.parse(said)).toMatchObject({ numPassedTests: 1, numFailedTests: 0 })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
