import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runNode } from '../support/children.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

test('a tenant is on-boarded with four calls, provisioned, its key rotated under way without a failed request, and off-boarded', async () => {
  const program = join(import.meta.dirname, '../../examples/onboarding.ts')
  const env = { ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey }
  const example = runNode('onboarding', ['--import', 'tsx', program], env)
  expect([await example.ended(), example.stderr()]).toEqual([0, ''])
  const lines = example.stdout().trim().split('\n')
  expect(lines).toEqual([
    expect.stringMatching(/^on-boarded with 4 calls: http:\S+\/v2\/acme$/),
    expect.stringMatching(/^replayed 6 recordings of Okta: \d+ requests, 0 failed$/),
    expect.stringMatching(/^rotated the key under way: \d+ requests by now, 0 failed$/),
    'the old key is answered with 401, the new one with 200',
    'off-boarded: its key is answered with 401',
  ])
  const [before, after] = [1, 2].map((line) => Number(/(\d+) requests/.exec(lines[line] ?? '')?.[1]))
  expect(after).toBeGreaterThan(before ?? 0)
  expect(gateway.errors).toEqual([])
})
