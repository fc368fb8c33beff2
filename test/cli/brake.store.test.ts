import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXIT } from '../../src/cli/failure.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { rollcall, rollcallJson } from '../support/cli.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { idIn, patchBody, userBody } from '../support/instances.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

test('who would leave is shown by name, and let go with a note', async () => {
  const env = {
    ...{ ROLLCALL_PROJECT: gateway.project, ROLLCALL_ENVIRONMENT: gateway.environment },
    ...{ ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey },
  }
  const tenant = await gateway.newTenant()
  await rollcallJson(env, 'tenant', 'settings', tenant.name, 'leaverBrake={"mode":"hold","count":1}')
  for (const name of ['anna', 'bert']) {
    const id = idIn(await tenant.scim('POST', '/Users', userBody(name)))
    await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
  }
  await eventLogOf(gateway.database, tenant.id).number()
  expect(await rollcallJson(env, 'brake', 'show', tenant.name)).toMatchObject({
    ...{ mode: 'hold', state: 'engaged', held: 2 },
    items: [{ who: { userName: 'anna' } }, { who: { userName: 'bert' } }],
  })
  const { out } = await rollcall(env, 'brake', 'show', tenant.name)
  expect(out).toMatch(/state +engaged/)
  expect(out).toMatch(/user\.deactivated +anna\b/)
  const released = await rollcall(env, 'brake', 'release', tenant.name, '--note', 'end of the season')
  expect(released).toMatchObject({ exitCode: 0, out: '2 events were released\n' })
  await eventLogOf(gateway.database, tenant.id).number()
  expect(await rollcallJson(env, 'brake', 'show', tenant.name)).toMatchObject({ state: 'watching', held: 0, items: [] })
  expect((await rollcall(env, 'brake', 'release', tenant.name)).exitCode).toBe(EXIT.refused)
})
