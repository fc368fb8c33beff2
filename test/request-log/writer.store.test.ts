import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ControlPlane } from '../../src/context/control-plane.ts'
import type { Database } from '../../src/db/database.ts'
import { ConnectionLost } from '../../src/db/errors.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import type { Exchange, LoggingTenant } from '../../src/request-log/exchange.ts'
import { idAt } from '../../src/request-log/ids.ts'
import { Overload } from '../../src/request-log/overload.ts'
import { RequestLogWriter } from '../../src/request-log/writer.ts'
import { builtInRegistry } from '../../src/scim/schema/registry.ts'
import { DEFAULT_SETTINGS } from '../../src/tenancy/settings.ts'
import { adminSender } from '../support/admin-sender.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { type Instance, openInstance, userBody } from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'
import { recordStatements, withRun } from '../support/statements.ts'

const ADMIN = 'an-admin-key-for-the-writer-of-requests'

let database: Database
let instance: Instance
let control: ControlPlane
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database, { ADMIN_KEY: ADMIN })
  control = new ControlPlane(controlStore(database))
})
afterAll(async () => {
  await control.stop()
  await instance.close()
  await database.close()
})

const tenantOf = ({ id }: TestTenant): LoggingTenant => ({ id, settings: DEFAULT_SETTINGS, registry: builtInRegistry })

function exchange(tenant: TestTenant, more: Partial<Exchange> = {}): Exchange {
  const requestId = idAt(Date.now())
  return {
    ...{ belongs: { tenant: tenantOf(tenant), keyId: 'k' }, requestId, isOurs: true, inEvents: requestId },
    ...{ at: Date.now(), ms: 1, method: 'GET', segments: ['Users'], query: '', userAgent: undefined, status: 200 },
    ...{
      refusal: undefined,
      deviations: [],
      body: undefined,
      answer: undefined,
      location: undefined,
      userId: undefined,
    },
    ...more,
  }
}

/** A writer whose database is away for as long as the test says. */
function writer(bounds = { entries: 100, bytes: 1_000_000 }, overload = new Overload()) {
  let error: Error | undefined
  const failures: unknown[] = []
  let statements = 0
  const broken = withRun(database, (handle, text, values, options) => {
    statements++
    if (error !== undefined) throw error
    return handle.run(text, values, options)
  })
  const failed = (failure: unknown) => failures.push(failure)
  const made = new RequestLogWriter({ database: broken, control, bounds, overload, failed })
  return {
    ...{ made, failures },
    statements: () => statements,
    fail: (failure: Error | undefined) => {
      error = failure
    },
  }
}

const rowsOf = async ({ id }: TestTenant) =>
  (await database.run<{ operation: string; entry: string }>(
    'select r.operation, r.entry from request_log r where r.tenant_id = $1::uuid order by r.id',
    [id],
  )) as { operation: string; entry: string }[]

describe('what is written behind the requests', () => {
  test('many requests of many tenants are few statements, and each is there once', async () => {
    const tenants = [await instance.newTenant(), await instance.newTenant(), await instance.newTenant()]
    const { made, statements } = writer({ entries: 1_000, bytes: 1_000_000 })
    for (let n = 0; n < 64; n++) made.note(exchange(tenants[n % 3] as TestTenant))
    await made.flush()
    expect(statements()).toBe(1)
    const counts = await Promise.all(tenants.map(async (tenant) => (await rowsOf(tenant)).length))
    expect(counts).toEqual([22, 21, 21])
    expect(made.numbers).toMatchObject({ written: 64, waiting: 0, waitingBytes: 0 })
    await made.stop()
  })

  test('while the database is away they wait up to a bound; beyond it they are counted, and the log shows the gap', async () => {
    const tenant = await instance.newTenant()
    const { made, fail, failures } = writer({ entries: 10, bytes: 1_000_000 })
    fail(new ConnectionLost('gone'))
    const refused = { status: 404 }
    for (let n = 0; n < 10; n++) made.note(exchange(tenant, refused))
    await made.flush()
    expect(made.numbers).toMatchObject({ written: 0, dropped: { full: 0, failed: 0, guesses: 0 } })
    // The batch that was tried waits apart from the queue; both have their bound.
    for (let n = 0; n < 25; n++) made.note(exchange(tenant, refused))
    const { waiting, dropped } = made.numbers
    expect(waiting + dropped.full).toBe(35)
    expect(waiting).toBeLessThanOrEqual(20)
    fail(undefined)
    await made.flush()
    const rows = await rowsOf(tenant)
    expect(rows.filter(({ operation }) => operation === 'list').length).toBe(waiting)
    const gap = rows.find(({ operation }) => operation === 'gap')
    expect(JSON.parse(gap?.entry ?? '{}')).toMatchObject({ dropped: dropped.full })
    expect(failures).toEqual([])
    const { body } = await adminSender(() => instance, ADMIN)<{
      items: { operation: string; dropped: number | null }[]
    }>('GET', `${placeOf(tenant)}/requests?operation=gap`)
    expect(body.items.map((item) => item.dropped)).toEqual([dropped.full])
    await made.stop()
  })

  test('requests that succeeded are left out first: refusals find room where those do not, and what is left out is told', async () => {
    const tenant = await instance.newTenant()
    const { made } = writer({ entries: 40, bytes: 1_000_000 })
    const come = (status: number, count: number) =>
      Array.from({ length: count }, () => {
        const taken = made.takes(tenant.id, status)
        if (taken) made.note(exchange(tenant, { status }))
        return taken
      }).filter(Boolean).length
    expect(come(200, 50)).toBe(30)
    expect(come(409, 5)).toBe(5)
    expect(come(200, 5)).toBe(0)
    expect(come(401, 10)).toBe(5)
    expect(made.numbers).toMatchObject({ waiting: 40, dropped: { full: 30 } })
    await made.flush()
    const rows = await rowsOf(tenant)
    expect(rows.filter(({ operation }) => operation === 'list').length).toBe(40)
    const gap = rows.find(({ operation }) => operation === 'gap')
    expect(JSON.parse(gap?.entry ?? '{}')).toMatchObject({ dropped: 30 })
    await made.stop()
  })

  test('while the instance is overloaded, requests that succeeded have a quarter of the queue, and refusals all of it', async () => {
    const tenant = await instance.newTenant()
    const overload = { request: () => {}, is: true } as Overload
    const { made } = writer({ entries: 40, bytes: 1_000_000 }, overload)
    const taken = (status: number) => {
      const takes = made.takes(tenant.id, status)
      if (takes) made.note(exchange(tenant, { status }))
      return takes
    }
    expect(Array.from({ length: 20 }, () => taken(200)).filter(Boolean).length).toBe(10)
    expect(Array.from({ length: 40 }, () => taken(400)).filter(Boolean).length).toBe(30)
    await made.stop()
    expect(made.numbers).toMatchObject({ waiting: 0, dropped: { full: 20 } })
  })

  test('what the database refuses is left out and told, and the next is written', async () => {
    const tenant = await instance.newTenant()
    const { made, fail, failures } = writer()
    fail(new Error('refused'))
    made.note(exchange(tenant))
    await made.flush()
    fail(undefined)
    made.note(exchange(tenant))
    await made.flush()
    expect(made.numbers).toMatchObject({ written: 1, dropped: { failed: 1 }, waiting: 0 })
    expect(failures.length).toBe(1)
    await made.stop()
  })

  test('a request waits for none of it: with the log away SCIM answers, by as many statements as ever', async () => {
    const away = await instance.newTenant()
    const kept = recordStatements(database)
    const broken = withRun(kept.database, (handle, text, values, options) => {
      if (text.includes('request_log') || text.includes('request_terms')) throw new ConnectionLost('gone')
      return handle.run(text, values, options)
    })
    const other = await openInstance(broken)
    const scim = other.reach(away)
    expect((await scim('POST', '/Users', userBody('ada'))).status).toBe(201)
    const { statements } = await other.recorder.during(() => scim('GET', '/Users?filter=userName eq "ada"'))
    expect(statements.filter(({ text }) => text.includes('request_')).length).toBe(0)
    expect(statements.length).toBe(1)
    expect(other.requestLog.numbers.waiting).toBe(2)
    await other.close()
    expect(other.errors).toEqual([])
  })

  test('a zero character, half a character and a text that is no UTF-8 are stored as what can be', async () => {
    const tenant = await instance.newTenant()
    const { made, failures } = writer()
    for (const content of ['{"a":"\\u0000"}', '{"a":"\0"}', '{"a":"\ud800"}', Buffer.from([0x22, 0xff, 0xfe, 0x22])])
      made.note(exchange(tenant, { body: { content, length: content.length } }))
    await made.flush()
    expect(failures).toEqual([])
    expect(made.numbers).toMatchObject({ written: 4, dropped: { failed: 0 } })
    await made.stop()
  })

  test('keys that are guessed at fill no log: so many a minute are kept, the others counted', async () => {
    const tenant = await instance.newTenant()
    const wrong = instance.reach({ base: tenant.base, key: 'nonsense' })
    const before = instance.requestLog.numbers.dropped.guesses
    for (let n = 0; n < 40; n++) await wrong('GET', '/Users')
    await instance.requestLog.flush()
    const rows = await rowsOf(tenant)
    const dropped = instance.requestLog.numbers.dropped.guesses - before
    expect(rows.length + dropped).toBe(40)
    // Two minutes of the clock may lie within the test.
    expect(rows.length).toBeLessThanOrEqual(60)
    expect(rows.length).toBeGreaterThanOrEqual(30)
  })

  test('a stop writes what waits', async () => {
    const tenant = await instance.newTenant()
    const { made } = writer()
    made.note(exchange(tenant))
    await made.stop()
    expect((await rowsOf(tenant)).length).toBe(1)
    made.note(exchange(tenant))
    expect(made.numbers.waiting).toBe(0)
  })
})

describe('a request is answered alike, whether or not its place is there', () => {
  test('an unknown key at a tenant that is there and at one that is not: the same bytes, by the same statements', async () => {
    const tenant = await instance.newTenant()
    const nowhere = { base: `${tenant.base}-not-there`, key: 'nonsense' }
    const answers = []
    for (const at of [{ base: tenant.base, key: 'nonsense' }, nowhere]) {
      // What is written behind an earlier request is not counted with this one.
      await instance.requestLog.flush()
      const { result, statements } = await instance.recorder.during(() => instance.reach(at)('GET', '/Users'))
      const headers = Object.fromEntries([...result.headers].filter(([name]) => name !== 'x-request-id'))
      answers.push({ status: result.status, headers, text: result.text, statements: statements.length })
    }
    expect(answers[0]).toEqual(answers[1])
  })
})
