import { afterAll, beforeAll, expect, test } from 'vitest'
import { streamLog } from '../../src/delivery/event-stream.ts'
import { LogWatch } from '../../src/delivery/log-watch.ts'
import { tenantLog } from '../../src/delivery/read-log.ts'
import { adminOf } from '../provisioning/registered.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'
import { idIn, patchBody, userBody } from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'

const SECRETIVE = 'urn:example:secretive:2.0:User'

let gateway: Gateway
let key: string
beforeAll(async () => {
  gateway = await openGateway()
  key = await gateway.mintKey({ permissions: ['directory:read'] })
})
afterAll(() => gateway.close())

interface Message {
  readonly id: string
  readonly data: { readonly type: string; readonly position: number } | undefined
}

/** A reader over a real connection. */
async function open(
  place: string,
  query = '',
  headers: Record<string, string> = {},
  by = key,
  origin = gateway.origin,
) {
  const gone = new AbortController()
  const response = await fetch(`${origin}/api/v1${place}/events/stream${query}`, {
    headers: { Authorization: `Bearer ${by}`, ...headers },
    signal: gone.signal,
  })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    response,
    leave: () => gone.abort(),
    /** The next message; undefined at a clean end. */
    async next(): Promise<Message | undefined> {
      while (!text.includes('\n\n')) {
        const { value, done } = (await reader?.read()) ?? { value: undefined, done: true }
        if (done) return undefined
        text += value
      }
      const end = text.indexOf('\n\n')
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => line.split(/: (.*)/s) as [string, string]),
      )
      text = text.slice(end + 2)
      const data = fields.get('data')
      return { id: fields.get('id') ?? '', data: data === undefined ? undefined : JSON.parse(data) }
    },
  }
}

test('sends what is there, then what happens; a reader that comes back goes on where it was', async () => {
  const tenant = await gateway.newTenant()
  const id = idIn(await tenant.scim('POST', '/Users', userBody('streamed')))
  const stream = await open(placeOf(tenant))
  expect(stream.response.headers.get('content-type')).toBe('text/event-stream')
  expect(await stream.next()).toEqual({ id: '', data: undefined })
  expect(await stream.next()).toMatchObject({ id: '1', data: { type: 'user.created', position: 1 } })
  const waiting = stream.next()
  await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
  expect(await waiting).toMatchObject({ id: '2', data: { type: 'user.deactivated', position: 2 } })
  stream.leave()

  await tenant.scim('DELETE', `/Users/${id}`)
  const again = await open(placeOf(tenant), '?after=0', { 'Last-Event-ID': '2' })
  await again.next()
  expect(await again.next()).toMatchObject({ id: '3', data: { type: 'user.deleted' } })
  again.leave()
  const only = await open(placeOf(tenant), '?types=user.deleted')
  await only.next()
  expect(await only.next()).toMatchObject({ id: '3' })
  only.leave()
})

test('410 and 400 are said before the stream begins', async () => {
  const tenant = await gateway.newTenant()
  expect((await open(placeOf(tenant), '', { 'Last-Event-ID': '7' })).response.status).toBe(410)
  expect((await open(placeOf(tenant), '', { 'Last-Event-ID': 'seven' })).response.status).toBe(400)
  expect((await open(placeOf(tenant), '', {}, tenant.key)).response.status).toBe(403)
})

test('SEC-13 ends when the key is revoked', async () => {
  const tenant = await gateway.newTenant()
  const revoked = await gateway.mintKey({ permissions: ['directory:read'], tenant })
  // That the key was made and revoked stands in the log too.
  const stream = await open(placeOf(tenant), '?types=user.*', {}, revoked)
  await stream.next()
  await gateway.revoke(revoked)
  // Before its next beat, which would be a message.
  expect(await stream.next()).toBeUndefined()
})

test('SEC-13 ends when the tenant moves away from the environment of the key, and not for keys of its own', async ({
  skip,
}) => {
  if (gateway.database.distributed) return skip('on Citus no tenant moves to another environment')
  const tenant = await gateway.newTenant()
  const api = (method: string, path: string, body: object) =>
    fetch(`${gateway.origin}/api/v1${path}`, {
      ...{ method, body: JSON.stringify(body) },
      headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' },
    })
  await api('POST', `/projects/${gateway.project}/environments`, { key: 'elsewhere' })
  const theirs = await open(placeOf(tenant), '?types=user.*')
  const own = await open(
    placeOf(tenant),
    '?types=user.*',
    {},
    await gateway.mintKey({ permissions: ['directory:read'], tenant }),
  )
  await Promise.all([theirs.next(), own.next()])
  const [ends, goesOn] = [theirs.next(), own.next()]
  expect((await api('POST', `${placeOf(tenant)}/move`, { environment: 'elsewhere' })).status).toBe(200)
  expect(await ends).toBeUndefined()
  await tenant.scim('POST', '/Users', userBody('after-the-move'))
  expect(await goesOn).toMatchObject({ data: { type: 'user.created' } })
  own.leave()
})

test('SEC-13 a request that waits ends when its key is revoked, and when its tenant is deleted', async () => {
  const other = await openGateway()
  const wait = (tenant: TestTenant, key: string) =>
    fetch(`${other.origin}/api/v1${placeOf(tenant)}/events?wait=30&types=group.*`, {
      headers: { Authorization: `Bearer ${key}` },
    })
  const [silent, mine, deleted] = [await other.newTenant(), await other.newTenant(), await other.newTenant()]
  const keys = [
    await other.mintKey({ permissions: ['directory:read'] }),
    await other.mintKey({ permissions: ['directory:read'] }),
  ]
  await deleted.scim('POST', '/Users', userBody('there'))
  const first = wait(silent, keys[0] ?? '').then(() => 'was told first')
  await expect.poll(() => other.underWay.streams.count).toBe(1)
  const others = [wait(mine, keys[1] ?? ''), wait(deleted, keys[0] ?? '')]
  await expect.poll(() => other.underWay.streams.count).toBe(3)
  await other.revoke(keys[1] ?? '')
  const gone = await fetch(`${other.origin}/api/v1${placeOf(deleted)}`, {
    ...{ method: 'DELETE', headers: { Authorization: `Bearer ${other.adminKey}` } },
  })
  expect(gone.status).toBeLessThan(300)
  const told = await Promise.race([first, Promise.all(others)])
  expect(Array.isArray(told) && told.map(({ status }) => status)).toEqual([403, 410])
  await other.close()
  await first
})

test('ends cleanly when the instance stops, and holds nothing up', async () => {
  const other = await openGateway()
  const tenant = await other.newTenant()
  const mine = await other.mintKey({ permissions: ['directory:read'] })
  const stream = await open(placeOf(tenant), '', {}, mine, other.origin)
  await stream.next()
  const end = stream.next()
  await other.close()
  expect(await end).toBeUndefined()
})

test('a silent stream beats, and carries the position past events of other types', async () => {
  const tenant = await gateway.newTenant()
  const watch = new LogWatch(gateway.database, () => {})
  const log = tenantLog(gateway.database, watch, tenant.id)
  const types = { types: ['user.deleted'], nouns: [] }
  const gone = new AbortController()
  const reader = { types, signal: gone.signal, beatMs: 20 }
  const stream = streamLog(log, await log.read(0, 10, types), reader)
  expect((await stream.next()).value).toContain('retry')
  await tenant.scim('POST', '/Users', userBody('silent'))
  // How many beats come before the event has its position is up to the machine.
  let beat = await stream.next()
  while (beat.value === 'id: 0\n\n') beat = await stream.next()
  expect(beat.value).toBe('id: 1\n\n')
  expect((await stream.next()).value).toBe('id: 1\n\n')
  gone.abort()
  expect((await stream.next()).done).toBe(true)
  await watch.stop()
})

test('EV-10 comes with resources as they are now, where that is asked for, without what is never returned', async () => {
  const tenant = await gateway.newTenant()
  const attributes = [{ name: 'colour' }, { name: 'pin', returned: 'never' }]
  const put = await adminOf(gateway)(
    'PUT',
    `/schema-extensions/${encodeURIComponent(SECRETIVE)}`,
    {
      ...{ resourceType: 'User', schema: { id: SECRETIVE, name: 'Secretive', attributes } },
    },
    tenant,
  )
  expect(put.status, put.text).toBeLessThan(300)
  const body = userBody('vaulted', { [SECRETIVE]: { colour: 'red', pin: 'Zq-7731' } })
  const id = idIn(await tenant.scim('POST', '/Users', { ...body, schemas: [...body.schemas, SECRETIVE] }))
  await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'title', value: 'Dr' }))
  const stream = await open(placeOf(tenant), '?snapshot=true')
  await stream.next()
  const [first, second] = [await stream.next(), await stream.next()]
  stream.leave()
  for (const message of [first, second])
    expect(message?.data).toMatchObject({
      snapshot: { version: 2, attributes: { userName: 'vaulted', title: 'Dr', [SECRETIVE]: { colour: 'red' } } },
    })
  expect(JSON.stringify([first, second])).not.toContain('Zq-7731')
})
