import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type AdminAnswer, openAdminApi, type TestAdminApi } from '../../support/admin-api.ts'

const ENVIRONMENT = '/projects/shop/environments/prod'
const TENANT = `${ENVIRONMENT}/tenants/acme`

let api: TestAdminApi
/** Of keys with `admin` alone, and with `directory:read` beside it. */
let alone: string
let both: string
beforeAll(async () => {
  api = await openAdminApi()
  await api.send('POST', '/projects', { key: 'shop' })
  await api.send('POST', '/projects/shop/environments', { key: 'prod' })
  await api.send('POST', `${ENVIRONMENT}/tenants`, { key: 'acme' })
  alone = await api.keyFor('', ['admin'])
  both = await api.keyFor('', ['admin', 'directory:read'])
})
afterAll(() => api.close())

interface Endpoint {
  readonly id: string
  readonly enabled: boolean
}
const WEBHOOK = { url: 'https://hooks.example.com/rollcall' }
const PUSHED = { method: 'push', ...WEBHOOK, audience: 'urn:receiver' }
const POLLED = { method: 'poll', audience: 'urn:receiver' }
const MADE = { webhooks: [WEBHOOK], streams: [PUSHED, POLLED, { ...POLLED, format: 'full' }] }
/** What changes where people's data goes, what of it, or whether it does. */
const MORE = {
  webhooks: [{ url: 'https://other.example.com/' }, { events: ['user.*'] }, { snapshot: true }, { enabled: true }],
  streams: [
    ...[{ url: 'https://other.example.com/' }, { events: ['user.*'] }, { enabled: true }, { format: 'full' }],
    ...[
      { subject: 'email' },
      { subjectIssuer: 'https://idp.example.com' },
      { signals: ['caep'] },
      { audience: 'urn:x' },
    ],
  ],
}
/** What does not, or ends it. */
const LESS = {
  webhooks: [{ description: 'that of the shop' }, { enabled: false }],
  streams: [{ description: 'that of the shop' }, { enabled: false }, { token: 'another' }, { token: null }],
}

const refused = {
  status: 403,
  body: { status: 403, title: 'Forbidden', detail: 'The API key lacks the permission "directory:read".' },
}
const expectRefusal = ({ status, headers, body }: AdminAnswer<object>, what: string) => {
  expect({ status, body }, what).toMatchObject(refused)
  expect(headers.get('www-authenticate'), what).toContain('error="insufficient_scope", scope="directory:read"')
}

for (const kind of ['webhooks', 'streams'] as const)
  for (const place of [ENVIRONMENT, TENANT]) {
    const at = `${place}/${kind}`
    let made: Endpoint
    let one: string
    beforeEach(async () => {
      if (made !== undefined) return
      made = (await api.send<Endpoint>('POST', at, MADE[kind][0], both)).body
      one = `${at}/${made.id}`
    })
    const stored = async () => (await api.send(`GET`, one)).body

    test(`SEC-13 SEC-04 ${at}: only who may read people has them sent anywhere`, async () => {
      const before = await stored()
      for (const input of MADE[kind]) {
        expectRefusal(await api.send('POST', at, input, alone), JSON.stringify(input))
        const { status, body } = await api.send<Endpoint>('POST', at, input, both)
        expect(status).toBe(201)
        expect((await api.send('DELETE', `${at}/${body.id}`, undefined, alone)).status).toBe(204)
      }
      for (const input of MORE[kind]) {
        expectRefusal(await api.send('PATCH', one, input, alone), JSON.stringify(input))
        expectRefusal(await api.send('PATCH', one, { ...input, description: 'x' }, alone), JSON.stringify(input))
      }
      expectRefusal(await api.send('POST', `${one}/replay`, { dead: true }, alone), 'replay')
      expect(await stored()).toEqual(before)
      for (const input of MORE[kind]) expect((await api.send('PATCH', one, input, both)).status).toBe(200)
      expect(await api.send('POST', `${one}/replay`, { dead: true }, both)).toMatchObject({ status: 202 })
    })

    test(`SEC-13 ${at}: who has \`admin\` alone sees what is there, and ends it`, async () => {
      for (const path of [at, one, `${one}/deliveries`])
        expect((await api.send('GET', path, undefined, alone)).status, path).toBe(200)
      for (const input of LESS[kind])
        expect(await api.send('PATCH', one, input, alone), JSON.stringify(input)).toMatchObject({ status: 200 })
      expect(await stored()).toMatchObject({ enabled: false })
      if (kind === 'webhooks') expect((await api.send('POST', `${one}/rotate-secret`, {}, alone)).status).toBe(200)
      expect((await api.send('DELETE', one, undefined, alone)).status).toBe(204)
    })
  }

test('SEC-13 a key with `admin` alone gives no key the permission that it lacks', async () => {
  const key = await api.keyFor(TENANT, ['admin'])
  expectRefusal(await api.send('POST', `${TENANT}/webhooks`, WEBHOOK, key), 'a narrower key')
  // No key gives itself what it lacks.
  const wider = { name: 'k', permissions: ['admin', 'directory:read'] }
  expect((await api.send('POST', `${TENANT}/api-keys`, wider, key)).status).toBe(403)
})
