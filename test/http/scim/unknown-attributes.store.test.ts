import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { bulkBody, idIn, patchBody, userBody } from '../../support/instances.ts'

let gateway: Gateway

beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

type Answers = Record<'post' | 'put' | 'patch' | 'patchPath' | 'bulk', number>
const TAKEN: Answers = { post: 201, put: 200, patch: 200, patchPath: 200, bulk: 201 }
const REFUSED: Answers = { post: 400, put: 400, patch: 400, patchPath: 400, bulk: 400 }

describe.each([
  ['lenient', 'by-mode', TAKEN],
  ['standard', 'by-mode', { ...TAKEN, patch: 400, patchPath: 400 }],
  ['strict', 'by-mode', REFUSED],
  ['lenient', 'refuse', REFUSED],
  ['standard', 'ignore', TAKEN],
  ['standard', 'refuse', REFUSED],
  ['strict', 'ignore', TAKEN],
  ['interop', 'ignore', TAKEN],
] as const)('A-19 in mode %s with unknownAttributes %s', (mode, unknownAttributes, expected) => {
  let tenant: TestTenant

  beforeAll(async () => {
    tenant = await gateway.newTenant()
    await gateway.setSettings(tenant, { mode, unknownAttributes })
  })

  test('POST, PUT, PATCH and bulk do what the setting says, and nothing unknown is kept', async () => {
    const odd = (name: string) => ({ ...userBody(name), shoeSize: 44 })
    const id = idIn(await tenant.scim('POST', '/Users', userBody('ada')))
    const bulk = await tenant.scim(
      'POST',
      '/Bulk',
      bulkBody([{ method: 'POST', path: '/Users', bulkId: 'a', data: odd('bo') }]),
    )
    const inBulk = (bulk.body as { Operations: { status: string }[] }).Operations[0]
    const answers = {
      post: await tenant.scim('POST', '/Users', odd('cy')),
      put: await tenant.scim('PUT', `/Users/${id}`, odd('ada')),
      patch: await tenant.scim(
        'PATCH',
        `/Users/${id}`,
        patchBody({ op: 'add', path: 'name', value: { shoeSize: 44 } }),
      ),
      patchPath: await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'add', path: 'shoeSize', value: 44 })),
    }
    const statuses = Object.entries(answers).map(([name, { status }]) => [name, status])
    expect({ ...Object.fromEntries(statuses), bulk: Number(inBulk?.status) }).toEqual(expected)
    const all = await tenant.scim('GET', '/Users')
    expect(JSON.stringify(all.body)).not.toContain('shoeSize')
  })
})
