import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { RequestWatch } from '../../src/request-log/watch.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { type Instance, ORIGIN, openInstance, userBody } from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'
import { recordStatements } from '../support/statements.ts'

const ADMIN = 'an-admin-key-for-those-who-follow'

let database: Database
let instance: Instance
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database, { ADMIN_KEY: ADMIN })
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

/** What a stream has sent, as the reader takes it. */
async function* followed(path: string, signal: AbortSignal): AsyncGenerator<Record<string, unknown>> {
  const headers = { Authorization: `Bearer ${ADMIN}` }
  const response = await instance.send(new Request(`${ORIGIN}/api/v1${path}`, { headers, signal }))
  expect(response.status).toBe(200)
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    const messages = text.split('\n\n')
    text = messages.pop() ?? ''
    for (const message of messages) {
      const data = /^data: (.*)$/m.exec(message)?.[1]
      if (data !== undefined) yield JSON.parse(data)
    }
  }
}

describe('the log is followed as it is written', () => {
  test('each request comes once, masked, in the order of time; with a filter only what it lets through', async () => {
    const tenant = await instance.newTenant()
    await tenant.scim('POST', '/Users', userBody('before'))
    const ended = new AbortController()
    const all = followed(`${placeOf(tenant)}/requests/stream`, ended.signal)
    const failures = followed(`${placeOf(tenant)}/requests/stream?status=4xx`, ended.signal)
    const first = all.next()
    const refused = failures.next()
    await tenant.scim('POST', '/Users', userBody('ada'))
    await tenant.scim('POST', '/Users', userBody('ada'))
    await instance.requestLog.flush()
    const seen = [(await first).value, (await all.next()).value, (await all.next()).value]
    const statuses = seen.map((item) => item?.status)
    expect(statuses).toEqual([201, 201, 409])
    expect(new Set(seen.map((item) => item?.id)).size).toBe(3)
    expect((await refused).value).toMatchObject({ status: 409, scimType: 'uniqueness' })
    expect(JSON.stringify(seen)).not.toContain('"ada"')
    ended.abort()
    expect((await all.next()).done).toBe(true)
  })

  test('those who wait ask by one statement together, and nobody asks where nobody waits', async () => {
    const recorder = recordStatements(database)
    const watch = new RequestWatch(recorder.database, () => {})
    const tenants = [await instance.newTenant(), await instance.newTenant()]
    const waits = tenants.flatMap(({ id }) =>
      Array.from({ length: 50 }, () => watch.wait(id, undefined, 60_000, new AbortController().signal)),
    )
    await tenants[0]?.scim('GET', '/Users')
    await instance.requestLog.flush()
    const woken = await Promise.all(waits.slice(0, 50))
    expect(woken.every(({ woken }) => woken)).toBe(true)
    const asked = recorder.statements.length
    expect(asked).toBeLessThan(50)
    expect(recorder.statements.every(({ text }) => text === recorder.statements[0]?.text)).toBe(true)
    await watch.stop()
    expect((await Promise.all(waits)).length).toBe(100)
    expect(watch.drained).toBe(true)
  })
})
