import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Child, runGateway } from '../support/children.ts'
import { ownStore } from '../support/engines.ts'
import { openReceiver, type Receiver } from '../support/receiver.ts'

const ADMIN_KEY = 'a-key-of-more-than-twenty-letters'
const tenant = '/api/v1/projects/default/environments/dev/tenants/default'

let store: Awaited<ReturnType<typeof ownStore>>
let receiver: Receiver
let gateway: Child
let origin: string

beforeAll(async () => {
  store = await ownStore()
  receiver = await openReceiver()
  // A folder with nothing in it: a first start makes the database from the image that is delivered.
  const env = {
    ...store.env,
    DATA_DIR: join(store.env.DATA_DIR ?? '', 'first'),
    PORT: '0',
    ADMIN_KEY,
    DELIVERY_NETWORKS: '127.0.0.0/8',
  }
  gateway = runGateway(env)
  await gateway.says('/scim/v2/')
  origin = /http:\/\/(?:localhost|127\.0\.0\.1):\d+/.exec(gateway.stdout())?.[0] ?? ''
})
afterAll(async () => {
  gateway.process.kill('SIGTERM')
  await gateway.ended()
  await receiver.close()
  store.remove()
})

const send = async (path: string, body: unknown) => {
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }
  const response = await fetch(origin + path, { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: response.status, body: (await response.json()) as { readonly id: string } }
}

test('the program as it is built takes a user and tells a webhook, which needs what is loaded late', async () => {
  expect((await send(`${tenant}/webhooks`, { url: `${receiver.origin}/built` })).status).toBe(201)
  const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User']
  const made = await send('/scim/v2/default/dev/Users', { schemas, userName: 'ada' })
  expect(made).toMatchObject({ status: 201, body: { userName: 'ada' } })
  await expect.poll(() => receiver.taken('/built').map(({ resource }) => resource)).toContain(made.body.id)
})

test('at / it names addresses that are there', async () => {
  const { adminApi, operations } = (await (await fetch(origin)).json()) as Record<string, Record<string, string>>
  const headers = { authorization: `Bearer ${ADMIN_KEY}` }
  for (const path of [adminApi?.docs, adminApi?.openapi, ...Object.values(operations ?? {})])
    expect([path, (await fetch(origin + path, { headers })).status]).toEqual([path, 200])
  const browser = await fetch(origin, { headers: { accept: 'text/html' }, redirect: 'manual' })
  expect([browser.status, browser.headers.get('location')]).toEqual([302, '/console'])
})

test.each([['/api/docs'], ['/console'], ['/docs/modes'], ['/api/v1/openapi.json'], ['/readyz']])(
  'it answers at %s',
  async (path) => {
    const { status } = await fetch(origin + path, { headers: { authorization: `Bearer ${ADMIN_KEY}` } })
    expect(status).toBe(200)
  },
)
