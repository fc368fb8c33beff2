import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BaseForm } from '../../src/tenancy/scim-path.ts'
import { faultsOf, watchRefusals } from '../support/explanations.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { catalogueAt, play, type Scenario, titleOf } from '../support/traffic.ts'

const folder = join(import.meta.dirname, '../fixtures/idp-traffic')
const scenarios = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file): [string, Scenario] => {
    const scenario = JSON.parse(readFileSync(join(folder, file), 'utf8'))
    return [titleOf(scenario), scenario]
  })

let gateway: Gateway
let refusals: ReturnType<typeof watchRefusals>
beforeAll(async () => {
  refusals = watchRefusals()
  gateway = await openGateway()
})
afterAll(() => gateway.close())

test('every recording is here', () => expect(scenarios).toHaveLength(43))

const forms: BaseForm[] = ['legacy', 'default', 'tenant']
describe.each(forms)('recorded traffic at the base URL of form %s', (form) => {
  test.each(scenarios)('%s', async (_, scenario) => {
    expect(await play(scenario, gateway.bases[form], gateway.key, catalogueAt(gateway))).toEqual([])
  })
})

test('each refusal of it is explained in plain words, with a remedy', () => {
  const seen = refusals()
  expect(new Set(seen.map(({ reason }) => reason)).size).toBeGreaterThan(2)
  expect(seen.flatMap(faultsOf)).toEqual([])
})

test('nothing of it was an error of ours', () => expect(gateway.errors).toEqual([]))
