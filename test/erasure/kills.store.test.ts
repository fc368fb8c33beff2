import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openPglite } from '../../src/db/pglite.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { erasureStep } from '../../src/erasure/worker.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { ENTERPRISE_USER_SCHEMA, USER_SCHEMA } from '../../src/scim/urn.ts'
import { type Child, freePort, runGateway, runMain } from '../support/children.ts'
import { engineName, ownStore } from '../support/engines.ts'
import { eraseToTheEnd, type Receipt, tablesWith } from '../support/erasing.ts'
import { addMembers, groupBody, patchBody, userBody } from '../support/instances.ts'

/** `ERASURE_KILLS=50` for more. */
const KILLS = Number(process.env.ERASURE_KILLS ?? 6)
/** More than one step looks at, so that a kill comes between two pages of the events. */
const RENAMES = 520
const ADMIN_KEY = randomBytes(20).toString('hex')

let store: Awaited<ReturnType<typeof ownStore>>
beforeAll(async () => {
  store = await ownStore()
})
afterAll(() => store.remove())

/** A gateway as a process on the store, which no other process has open. */
async function start(): Promise<{ readonly gateway: Child; readonly origin: string }> {
  return runMain(gatewayEnv())
}

const gatewayEnv = () => ({ ...store.env, HOST: '127.0.0.1', ADMIN_KEY, LOG_LEVEL: 'silent' })

/** Opens the store while no gateway runs. */
async function inStore<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const { DATA_DIR = '', DATABASE_URL: databaseUrl = '', DATABASE_TENANT_ROLE } = store.env
  const failed = (reason: string) => {
    throw new Error(reason)
  }
  const databaseTenantRole = DATABASE_TENANT_ROLE || undefined
  const database = await (engineName() === 'pglite'
    ? openPglite({ dataDir: DATA_DIR }, failed)
    : openPostgres({ databaseUrl, databasePool: 4, databaseTenantRole }))
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

type Answer = { readonly status: number; readonly body: Record<string, unknown> & { readonly id: string } }

const sender =
  (base: string) =>
  async (method: string, path: string, body?: object): Promise<Answer> => {
    const response = await fetch(base + path, {
      method,
      headers: {
        Authorization: `Bearer ${ADMIN_KEY}`,
        'Content-Type': base.includes('/scim/') ? 'application/scim+json' : 'application/json',
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.status >= 500) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
  }

const placeIn = (origin: string) => `${origin}/api/v1/projects/default/environments/dev`

/** Somebody lives in a tenant, with a mark that stands nowhere else: an account, groups, many events, a manager of others. */
async function live(origin: string, tenant: string, mark: string): Promise<string> {
  const admin = sender(placeIn(origin))
  await admin('POST', '/tenants', { key: tenant, settings: { history: true, onDelete: 'deactivate' } })
  // What it tells of somebody depends on when it began.
  const history = async () => (await admin('GET', `/tenants/${tenant}/history/status`)).body.state
  await expect.poll(history).toBe('on')
  const accounts = [{ id: `acc-${tenant}`, externalId: `ext-${mark}`, userName: mark, displayName: `Given ${mark}` }]
  await admin('POST', `/tenants/${tenant}/accounts`, { accounts })
  const scim = sender(`${origin}/scim/v2/default/dev/v2/${tenant}`)
  const person = {
    schemas: [USER_SCHEMA],
    ...{ userName: `${mark}@acme.example`, externalId: `ext-${mark}`, displayName: `Given ${mark}`, active: true },
    ...{ name: { familyName: mark }, emails: [{ value: `${mark}@acme.example`, primary: true }] },
  }
  const { id } = (await scim('POST', '/Users', person)).body
  const other = (await scim('POST', '/Users', userBody(`other-of-${tenant}`))).body.id
  const manager = { op: 'add', path: `${ENTERPRISE_USER_SCHEMA}:manager`, value: { value: id } }
  await scim('PATCH', `/Users/${other}`, patchBody(manager))
  for (const name of ['Staff', 'Leads', 'Berlin']) {
    const group = (await scim('POST', '/Groups', groupBody(name, [other]))).body.id
    await scim('PATCH', `/Groups/${group}`, addMembers(id))
  }
  await scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${mark}@acme.example"`)}`)
  await scim('POST', '/Users', person)
  const rename = (n: number) => ({ op: 'replace', path: 'nickName', value: `Nick${n} ${mark}` })
  for (let n = 0; n < RENAMES; n += 20)
    await Promise.all(Array.from({ length: 20 }, (_, i) => scim('PATCH', `/Users/${id}`, patchBody(rename(n + i)))))
  await scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'userName', value: `${mark}-2@acme.example` }))
  // Deleted, and kept.
  await scim('DELETE', `/Users/${id}`)
  return id
}

test(`killed up to ${KILLS} times while it erases a person, the gateway ends the erasure, nothing is left, and the receipt is right`, async () => {
  const [mark, twin] = ['zqplantedkills', 'zqplantedtwin']
  const first = await start()
  const [user, twinUser] = [await live(first.origin, 'killed', mark), await live(first.origin, 'twin', twin)]
  const admin = sender(placeIn(first.origin))
  // The same erasure where nobody is killed says what the receipt has to be.
  const asked = (await admin('POST', '/tenants/twin/erasures', { user: twinUser })).body.id
  const tenants = (await admin('GET', '/tenants')).body.items as { readonly id: TenantId; readonly key: string }[]
  const idOf = (key: string) => tenants.find((tenant) => tenant.key === key)?.id as TenantId
  first.gateway.process.kill('SIGTERM')
  await first.gateway.ended()
  await inStore(async (database) => {
    expect(await tablesWith(database, mark)).toEqual(
      expect.arrayContaining(['accounts', 'events', 'history_states', 'kept_users', 'request_log']),
    )
    await eraseToTheEnd(database, idOf('twin'), asked)
    expect(await tablesWith(database, twin)).toEqual([])
  })

  const dueNow = (database: Database) =>
    database.run('update erasures set due_at = now() where finished_at is null', [])
  const places = new Set<string>()
  /** Ends a gateway as it is, and gives how far the erasure is by then; undefined where it is done. */
  const kill = async (gateway: Child): Promise<string | undefined> => {
    gateway.process.kill('SIGKILL')
    await gateway.ended()
    const [left] = await inStore(async (database) => {
      await dueNow(database)
      return database.run<{ place: string; erased: string; after: string | null }>(
        'select place, after, erased::text as erased from erasures where finished_at is null',
        [],
      )
    })
    if (left !== undefined) places.add(left.place)
    return left && JSON.stringify(left)
  }
  // The first kill comes as soon as the erasure has begun its work, the others about when the next life goes on with it.
  const began = performance.now()
  const { gateway, origin } = await start()
  const startMs = performance.now() - began
  const ask = sender(placeIn(origin))
  const { id } = (await ask('POST', '/tenants/killed/erasures', { user })).body
  type Progress = { readonly name: string } | null
  const step = async () => ((await ask('GET', `/tenants/killed/erasures/${id}`)).body.progress as Progress)?.name
  await expect.poll(step, { interval: 1 }).not.toBe('writers')
  await pause(randomInt(0, 40))
  let left = await kill(gateway)
  // A life that did nothing was too short: the next one is longer.
  let lifeMs = Math.max(0, Math.round(startMs) - 100)
  for (let kills = 1; kills < KILLS && left !== undefined; kills++) {
    const next = runGateway({ NODE_ENV: '', PORT: String(await freePort()), ...gatewayEnv() })
    await pause(lifeMs + randomInt(0, 30))
    const before = left
    left = await kill(next)
    if (left === before) lifeMs += 50
  }
  // By itself it goes on to where it waits for late requests, or to its end.
  const last = await start()
  const receipt = async (of: string, at: string) =>
    (await sender(placeIn(last.origin))('GET', `/tenants/${of}/erasures/${at}`)).body as unknown as Receipt
  const isThere = async () => {
    const { state, progress } = await receipt('killed', id)
    return state === 'done' ? 'done' : progress?.name
  }
  await expect.poll(isThere, { timeout: 120_000, interval: 200 }).toMatch(/^(?:done|late-requests)$/)
  last.gateway.process.kill('SIGKILL')
  await last.gateway.ended()
  await inStore(dueNow)
  const end = await start()
  Object.assign(last, end)
  await expect.poll(isThere, { timeout: 120_000, interval: 200 }).toBe('done')
  const [shown, wanted] = [await receipt('killed', id), await receipt('twin', asked)]
  end.gateway.process.kill('SIGTERM')
  await end.gateway.ended()

  // A kill came in the midst of it.
  expect([...places].some((one) => one !== 'writers' && one !== 'storage')).toBe(true)
  expect(shown.erased).toEqual(wanted.erased)
  expect(Object.fromEntries(shown.erased.map(({ table, rows }) => [table, rows]))).toMatchObject({
    ...{ kept_users: 1, history_subjects: 1, accounts: 1 },
    events: expect.toSatisfy((rows: number) => rows > RENAMES),
  })
  await inStore(async (database) => {
    expect(await tablesWith(database, mark)).toEqual([])
    expect(await erasureStep(database, idOf('killed'), id)).toBe(false)
    const [log] = await database.run<{ dense: boolean }>(
      `select count(*) = max(position) and min(position) = 1 as dense from event_positions where tenant_id = $1::uuid`,
      [idOf('killed')],
    )
    expect(log).toEqual({ dense: true })
  })
})
