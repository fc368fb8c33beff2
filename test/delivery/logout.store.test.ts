import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { idIn, ORIGIN, userBody } from '../support/instances.ts'
import { type LogoutProvider, openLogoutProvider } from '../support/logout.ts'
import { placeOf } from '../support/readers.ts'
import { openReceiver, type Receiver } from '../support/receiver.ts'
import { openStreams, type Streams } from '../support/streams.ts'

const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

let database: Database
let streams: Streams
let hooks: Receiver
let provider: LogoutProvider
beforeAll(async () => {
  database = await openFreshDatabase()
  ;[streams, hooks, provider] = await Promise.all([openStreams(database), openReceiver(), openLogoutProvider()])
})
afterAll(async () => {
  await Promise.all([streams.close(), hooks.close(), provider.close()])
  await database.close()
})

const until = <T>(what: () => T | Promise<T>) => expect.poll(what, { interval: 20 })

test('EV-12 a logout becomes a webhook and a signal that the session is revoked, with a reason, and nothing else', async () => {
  const tenant = await streams.here.newTenant({ settings: { logoutIssuers: [provider.registered] } })
  const emails = [{ value: 'ada@x.example', primary: true }]
  const id = idIn(await tenant.scim('POST', '/Users', userBody('ada', { emails })))
  const place = placeOf(tenant)
  // A reader sees what was committed before: the creation has its position, and goes to no endpoint that is made from here on.
  await streams.admin('GET', `${place}/events`)
  const pushed = await streams.stream(tenant, { signals: ['caep', 'risc'], subject: 'email' })
  // The first key takes a second to make: a stream has it before there is anything to sign.
  expect(await database.run('select 1 from rsa_signing_keys', [])).toHaveLength(1)
  const polled = await streams.stream(tenant, { method: 'poll', signals: ['caep'] })
  const without = await streams.stream(tenant)
  await streams.admin('POST', `${place}/webhooks`, { url: `${hooks.origin}/hook`, events: ['user.*'] })

  const url = `${tenant.base.replace(ORIGIN, streams.origin)}/.global-token-revocation`
  const answer = await fetch(url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${await provider.token(url)}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ sub_id: { format: 'email', email: 'ada@x.example' } }),
  })
  expect(answer.status).toBe(204)

  await until(() => hooks.taken('/hook').map(({ type, resource }) => [type, resource])).toEqual([
    ['user.sessions_revoked', id],
  ])
  expect(JSON.parse(hooks.taken('/hook')[0]?.text ?? '').data).toMatchObject({
    ...{
      type: 'user.sessions_revoked',
      resource: { type: 'User', id, version: 1 },
      actor: 'issuer:okta:application-1',
    },
    changes: { issuer: { name: 'okta', url: provider.url }, subjectFormat: 'email' },
  })

  await until(() => streams.receiver.taken(pushed.path).map(({ uri }) => uri)).toEqual([SESSION_REVOKED])
  const [set] = streams.receiver.taken(pushed.path)
  expect(set?.claims.sub_id).toEqual({ format: 'email', email: 'ada@x.example' })
  expect(set?.event).toEqual({
    event_timestamp: expect.any(Number),
    reason_admin: { en: 'An identity provider asked to end all sessions of the user.' },
  })
  const { sets } = (await polled.poll()).body as unknown as { sets: Record<string, string> }
  expect(Object.keys(sets)).toHaveLength(1)

  // Receivers of changes alone hear nothing: the user is as before.
  await tenant.scim('DELETE', `/Users/${id}`)
  await until(() => streams.receiver.taken(without.path).map(({ uri }) => uri.replace(/.*:/, ''))).toEqual(['delete'])
  const app = await streams.admin('GET', `${place}/changes?after=0`)
  expect(app.body.items.map(({ id: changed }) => changed)).toEqual([id])
})
