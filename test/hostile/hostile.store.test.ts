import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BaseForm } from '../../src/tenancy/scim-path.ts'
import { faultsOf, watchRefusals } from '../support/explanations.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { casesIn, configurationOf, offers, runCase } from '../support/hostile.ts'
import type { Received, Target } from '../support/hostile-client.ts'

const folder = join(import.meta.dirname, '../fixtures/hostile')
// The addresses are for deliveries, which there are none of yet.
const files = readdirSync(folder).filter((file) => file !== 'delivery-addresses.json')
const cases = files.flatMap((file) =>
  casesIn(JSON.parse(readFileSync(join(folder, file), 'utf8'))).map(
    (each) => [file.replace('.json', ''), each.name, each] as const,
  ),
)
const onTheWire = cases.filter(([file]) => file === 'wire')
const others = cases.filter(([file]) => file !== 'wire')

let gateway: Gateway
let refusals: ReturnType<typeof watchRefusals>
let prepared: Target['prepared']
let other: Target['other']
let key: string

beforeAll(async () => {
  refusals = watchRefusals()
  gateway = await openGateway()
  const otherTenant = await gateway.newTenant()
  other = otherTenant
  // A key of the environment would be good for the other tenant too.
  key = await gateway.mintKey({ tenant: gateway.tenant })
  const revokedToken = await gateway.mintKey()
  await gateway.revoke(revokedToken)
  prepared = {
    otherTenant: otherTenant.name,
    readOnlyToken: await gateway.mintKey({ permissions: ['scim:read'] }),
    expiredToken: await gateway.mintKey({ expiresAt: new Date(Date.now() - 1000) }),
    revokedToken,
    otherProjectToken: await gateway.keyOfAnotherProject(),
  }
})
afterAll(() => gateway.close())

test('every case is here', () => expect([files.length, cases.length]).toEqual([15, 241]))

const forms: BaseForm[] = ['legacy', 'default', 'tenant']
describe.each(forms)('hostile requests at the base URL of form %s', (form) => {
  let target: Target
  let configuration: Received
  beforeAll(async () => {
    const own = { base: gateway.bases[form], key }
    target = { own, other, prepared, tenantTemplate: `${gateway.bases.default}/{tenant}` }
    configuration = await configurationOf(target)
  })

  test('every feature that a case requires is offered, so that none is passed over', () => {
    const required = new Set(cases.flatMap(([, , { requires }]) => requires ?? []))
    expect([...required].filter((feature) => !offers(configuration, feature))).toEqual([])
  })

  test.each(others)('%s: %s', async (_file, _name, hostile) => {
    expect(await runCase(hostile, target, configuration)).toEqual([])
  })

  // Together, because most of them are about waiting.
  test.concurrent.each(onTheWire)('%s: %s', async (_file, _name, hostile) => {
    expect(await runCase(hostile, target, configuration)).toEqual([])
  })
})

test('each refusal of it is explained in plain words, with a remedy', () => {
  const seen = refusals()
  expect(new Set(seen.map(({ reason }) => reason)).size).toBeGreaterThan(40)
  expect(seen.flatMap(faultsOf)).toEqual([])
})

test('nothing of it was an error of ours', () => expect(gateway.errors).toEqual([]))
