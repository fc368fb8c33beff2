import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { erasureStep } from '../../src/erasure/worker.ts'
import { historyStep } from '../../src/repositories/history/step.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { ENTERPRISE_USER_SCHEMA, PATCH_OP, USER_SCHEMA } from '../../src/scim/urn.ts'
import { adminSender } from '../support/admin-sender.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { erase, eraseToTheEnd, type Receipt, tablesWith } from '../support/erasing.ts'
import type { TestTenant } from '../support/gateway.ts'
import { writeHistory } from '../support/histories.ts'
import { bulkBody, groupBody, type Instance, idIn, openInstance, userBody } from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'

const ADMIN = 'an-admin-key-for-the-erasure-of-people'

let database: Database
let instance: Instance
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database, { ADMIN_KEY: ADMIN })
})
afterAll(async () => {
  await instance.close()
  expect(instance.errors).toEqual([])
  await database.close()
})

const admin = <Body>(method: string, path: string, body?: object, headers?: Record<string, string>) =>
  adminSender(() => instance, ADMIN)<Body>(method, path, body, headers)

/** Does the steps of an erasure that come before a place. */
async function stepUntil(tenant: TestTenant, erasure: string, place: string): Promise<void> {
  const at = 'select place from erasures where id = $1::uuid'
  while ((await database.run<{ place: string }>(at, [erasure]))[0]?.place !== place)
    await erasureStep(database, tenant.id, erasure)
}

/** A person whose every value has a mark that stands nowhere else. */
const marked = (mark: string, more: object = {}) => ({
  schemas: [USER_SCHEMA, ENTERPRISE_USER_SCHEMA],
  userName: `${mark}@acme.example`,
  externalId: `ext-${mark}`,
  displayName: `Given ${mark}`,
  nickName: `Nick${mark}`,
  name: { givenName: 'Given', familyName: mark, formatted: `Dr. Given ${mark}` },
  emails: [{ value: `${mark}@acme.example`, type: 'work', primary: true }, { value: `${mark}@home.example` }],
  phoneNumbers: [{ value: `+49 ${mark}` }],
  addresses: [{ streetAddress: `${mark} street` }],
  active: true,
  ...more,
})

/** Sends all that leaves traces of a person: created, searched, renamed, in groups and bulks with others, deactivated. */
async function livedIn(tenant: TestTenant, mark: string): Promise<{ id: string; other: string; group: string }> {
  const { scim } = tenant
  const id = idIn(await scim('POST', '/Users', marked(mark)))
  const other = idIn(await scim('POST', '/Users', userBody(`other-of-${tenant.name}`)))
  const group = idIn(await scim('POST', '/Groups', groupBody('Staff', [other])))
  await scim('PATCH', `/Groups/${group}`, {
    schemas: [PATCH_OP],
    Operations: [{ op: 'add', path: 'members', value: [{ value: id, display: `Given ${mark}` }] }],
  })
  await scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${mark}@ACME.example"`)}`)
  await scim('GET', `/Users?filter=${encodeURIComponent(`displayName eq "Given ${mark}"`)}`)
  await scim('GET', '/Users?count=100')
  await scim('GET', `/Users/${id}`)
  await scim('POST', '/Users', marked(mark))
  await scim(
    'POST',
    '/Bulk',
    bulkBody([
      {
        method: 'PATCH',
        path: `/Users/${id}`,
        data: { schemas: [PATCH_OP], Operations: [{ op: 'replace', path: 'title', value: `chief ${mark}` }] },
      },
      {
        method: 'PATCH',
        path: `/Users/${other}`,
        data: { schemas: [PATCH_OP], Operations: [{ op: 'replace', path: 'title', value: 'stays there' }] },
      },
    ]),
  )
  await scim('PATCH', `/Users/${other}`, {
    schemas: [PATCH_OP],
    Operations: [
      { op: 'replace', path: `${ENTERPRISE_USER_SCHEMA}:manager`, value: { value: id, displayName: `Given ${mark}` } },
    ],
  })
  await scim('PATCH', `/Users/${id}`, {
    schemas: [PATCH_OP],
    Operations: [
      { op: 'replace', path: 'userName', value: `${mark}-married@acme.example` },
      { op: 'replace', path: 'name.familyName', value: `New${mark}` },
    ],
  })
  await scim('PATCH', `/Users/${id}`, {
    schemas: [PATCH_OP],
    Operations: [{ op: 'replace', value: { active: false } }],
  })
  await instance.requestLog.flush()
  return { id, other, group }
}

/** The same in a tenant whose history follows its log. Nothing has a position yet of what is left. */
async function livedWithHistory(mark: string) {
  const tenant = await instance.newTenant({ settings: { history: true } })
  await writeHistory(database, tenant.id)
  return { tenant, ...(await livedIn(tenant, mark)) }
}

/** The database as an instance has it that dies before one of its next transactions. */
function dyingAfter(transactions: number): Database {
  let begun = 0
  return new Proxy(database, {
    get(target, name) {
      const value = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name !== 'transaction') return value.bind(target)
      return (...work: Parameters<Database['transaction']>) => {
        if (begun++ >= transactions) throw new Error('died')
        return target.transaction(...work)
      }
    },
  })
}

async function eventsOf(tenant: TestTenant) {
  const items: { position: number; type: string; erased?: true; changes: object; resource: { id: string } }[] = []
  for (let after = 0; ; ) {
    const { body } = await admin<{ items: typeof items; next: number }>(
      'GET',
      `${placeOf(tenant)}/events?limit=500&after=${after}`,
    )
    items.push(...body.items)
    if (body.next === after) return items
    after = body.next
  }
}

describe('A person who is erased', () => {
  test('stands in no column of any table, and others lose nothing', async () => {
    const tenant = await instance.newTenant({ settings: { history: true } })
    const mark = 'zqplantedone'
    const { id, other, group } = await livedIn(tenant, mark)
    await writeHistory(database, tenant.id)
    await admin('POST', `${placeOf(tenant)}/api-keys`, {
      name: `laptop of ${mark}`,
      permissions: ['scim:read'],
      user: id,
    })
    const before = await eventsOf(tenant)
    expect((await tablesWith(database, mark)).toSorted()).toEqual(
      expect.arrayContaining([
        ...['api_keys', 'audit_entries', 'events', 'history_states', 'request_log', 'resources', 'search_documents'],
      ]),
    )
    const refused = await admin('POST', `${placeOf(tenant)}/erasures`, { user: id })
    expect(refused.status).toBe(409)
    expect(refused.text).toContain('is in the directory')

    const receipt = await erase(instance, ADMIN, tenant, { user: id, delete: true, reference: 'DSR-17' })
    expect(receipt).toMatchObject({ state: 'done', user: id, reference: 'DSR-17', progress: null })
    expect(receipt.storage).toBe(database.engine === 'pglite' ? 'rewritten' : 'vacuumed')
    expect(Object.fromEntries(receipt.erased.map(({ table, rows }) => [table, rows]))).toMatchObject({ resources: 1 })
    expect(await tablesWith(database, mark)).toEqual([])

    const after = await eventsOf(tenant)
    expect(after.map(({ position }) => position)).toEqual(after.map((_, i) => i + 1))
    expect(after.length).toBeGreaterThan(before.length)
    for (const event of after) {
      expect(event.erased === true).toBe(event.resource.id === id)
      if (event.erased) expect(event.changes).toEqual({})
    }
    expect(after.filter(({ type }) => type === 'user.deleted').map(({ resource }) => resource.id)).toEqual([id])
    // What was not about the person is as it was.
    const others = (events: typeof before) => events.filter(({ resource }) => resource.id === other)
    expect(others(after)).toEqual(others(before))
    const found = await tenant.scim('GET', `/Groups/${group}`)
    expect(found.body).toMatchObject({ members: [{ value: other }] })
    expect((await tenant.scim('GET', '/Users')).body).toMatchObject({ totalResults: 1 })
    const [counts] = await database.run<{ n: number }>(
      `select total::int + coalesce((select sum(total_delta) from waiting_events w where w.tenant_id = c.tenant_id and w.resource_type = 'User'), 0)::int as n
       from resource_counts c where c.tenant_id = $1::uuid and c.resource_type = 'User'`,
      [tenant.id],
    )
    expect(counts).toEqual({ n: 1 })
    const bulk = await database.run<{ bodies: string }>(
      `select bodies from request_log where tenant_id = $1::uuid and operation = 'bulk'`,
      [tenant.id],
    )
    expect(bulk[0]?.bodies).toContain('stays there')
    expect(bulk[0]?.bodies).toContain('erased')
  })

  test('is a new user when the identity provider sends the person again, and is not erased with the one before', async () => {
    const tenant = await instance.newTenant()
    const mark = 'zqplantedagain'
    const { id } = await livedIn(tenant, mark)
    const { body } = await admin<Receipt>('POST', `${placeOf(tenant)}/erasures`, { user: id, delete: true })
    const again = await tenant.scim('POST', '/Users', marked(mark))
    expect(again.status).toBe(201)
    expect(idIn(again)).not.toBe(id)
    await instance.requestLog.flush()
    await eraseToTheEnd(database, tenant.id, body.id)
    expect((await tenant.scim('GET', `/Users/${idIn(again)}`)).body).toMatchObject({ displayName: `Given ${mark}` })
    const events = await eventsOf(tenant)
    expect(events.find(({ resource, type }) => resource.id === idIn(again) && type === 'user.created')).toMatchObject({
      changes: { after: { displayName: `Given ${mark}` } },
    })
    // All that is left of the mark is of the new user.
    await erase(instance, ADMIN, tenant, { user: idIn(again), delete: true })
    expect(await tablesWith(database, mark)).toEqual([])
  })

  test('may have been deleted before, kept or not, and is found by the id', async () => {
    for (const settings of [{}, { onDelete: 'deactivate', keepDeletedDays: 30 } as const]) {
      const tenant = await instance.newTenant({ settings })
      const mark = `zqplantedgone${'onDelete' in settings ? 'kept' : ''}`
      const { id } = await livedIn(tenant, mark)
      await tenant.scim('DELETE', `/Users/${id}`)
      expect(await tablesWith(database, mark)).toContain('onDelete' in settings ? 'kept_users' : 'events')
      await erase(instance, ADMIN, tenant, { user: id })
      expect(await tablesWith(database, mark)).toEqual([])
      const own = (await eventsOf(tenant)).filter(({ resource }) => resource.id === id)
      expect(own.at(-1)).toMatchObject({ type: 'user.deleted', erased: true })
    }
  })

  test('may never have been a user, and is found by names', async () => {
    const tenant = await instance.newTenant()
    const mark = 'zqplantednever'
    await tenant.scim('POST', '/Users', marked(mark, { emails: 'not a list' }))
    await tenant.scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${mark}@acme.example"`)}`)
    await instance.requestLog.flush()
    expect(await tablesWith(database, mark)).toEqual(['request_log'])
    await erase(instance, ADMIN, tenant, { names: [`${mark}@acme.example`] })
    expect(await tablesWith(database, mark)).toEqual([])
    const { id } = await livedIn(tenant, mark)
    const refused = await admin('POST', `${placeOf(tenant)}/erasures`, { names: [`${mark}@home.example`] })
    expect(refused.status).toBe(409)
    expect(refused.text).toContain(id)
  })

  test('takes the copy of the account along, and events about the link', async () => {
    const tenant = await instance.newTenant()
    const mark = 'zqplantedaccount'
    const accounts = [
      {
        id: `acc-${tenant.name}`,
        externalId: `ext-${mark}`,
        userName: mark,
        displayName: `Given ${mark}`,
        addresses: [`${mark}@acme.example`],
      },
    ]
    expect((await admin('POST', `${placeOf(tenant)}/accounts`, { accounts })).status).toBe(200)
    const { id } = await livedIn(tenant, mark)
    expect(await tablesWith(database, mark)).toEqual(expect.arrayContaining(['accounts', 'account_keys']))
    await erase(instance, ADMIN, tenant, { user: id, delete: true })
    expect(await tablesWith(database, mark)).toEqual([])
  })
})

describe('The work of an erasure', () => {
  test('goes on where an instance died, and is taken by one at a time', async () => {
    const tenant = await instance.newTenant()
    const mark = 'zqplantedsteps'
    const { id } = await livedIn(tenant, mark)
    const { body } = await admin<Receipt>('POST', `${placeOf(tenant)}/erasures`, { user: id, delete: true })
    expect(body).toMatchObject({ state: 'running', progress: { step: 1 }, erased: [{ table: 'resources', rows: 1 }] })
    // Who asks again while it goes on is shown the same erasure.
    const twice = await admin<Receipt>('POST', `${placeOf(tenant)}/erasures`, { user: id })
    expect([twice.status, twice.body.id]).toEqual([202, body.id])
    // Two instances at once: each step is done once, and what one has begun in a transaction that ends is as if it never was.
    const step = () => erasureStep(database, tenant.id, body.id)
    await step()
    await database
      .transaction(async (tx) => {
        await tx.run(`update erasures set place = 'storage', after = 'lost' where id = $1::uuid`, [body.id])
        throw new Error('killed')
      })
      .catch(() => {})
    await Promise.all([step(), step()])
    const shown = await admin<Receipt>('GET', `${placeOf(tenant)}/erasures/${body.id}`)
    expect(shown.body.progress?.step).toBeLessThan(5)
    await eraseToTheEnd(database, tenant.id, body.id)
    expect(await tablesWith(database, mark)).toEqual([])
    expect(await step()).toBe(false)
  })

  test('leaves a receipt that counts what was erased once, wherever an instance died in the history', async () => {
    const receipts: (readonly object[])[] = []
    for (const after of [0, 1, 2, 3, 4, 5, 6, 7]) {
      const tenant = await instance.newTenant({ settings: { history: true } })
      const { id } = await livedIn(tenant, `zqplanteddies${after}`)
      await writeHistory(database, tenant.id)
      const { body } = await admin<Receipt>('POST', `${placeOf(tenant)}/erasures`, { user: id, delete: true })
      await stepUntil(tenant, body.id, 'history')
      // The first life does all of it.
      if (after > 0) await erasureStep(dyingAfter(after), tenant.id, body.id).catch(() => {})
      await eraseToTheEnd(database, tenant.id, body.id)
      const shown = await admin<Receipt>('GET', `${placeOf(tenant)}/erasures/${body.id}`)
      receipts.push(shown.body.erased.filter(({ table }) => table.startsWith('history')))
    }
    expect(receipts[0]).toEqual([
      { table: 'history_states', rows: expect.any(Number) },
      { table: 'history_subjects', rows: 1 },
    ])
    for (const receipt of receipts) expect(receipt).toEqual(receipts[0])
  })

  test('waits for no history that cannot be written', async () => {
    const mark = 'zqplantedfails'
    const { tenant, id, other } = await livedWithHistory(mark)
    await eventLogOf(database, tenant.id).numberWritten()
    await database.run(
      `update events set changes = 'broken' where tenant_id = $1::uuid and resource_id = $2::uuid and type = 'user.created'`,
      [tenant.id, other],
    )
    await expect(historyStep(database, tenant.id)).rejects.toThrow('JSON')
    expect(await erase(instance, ADMIN, tenant, { user: id, delete: true })).toMatchObject({ state: 'done' })
    expect(await tablesWith(database, mark)).toEqual([])
    // What the history takes later names nobody.
    await database.run(`update events set changes = '{"after":{}}' where tenant_id = $1::uuid and changes = 'broken'`, [
      tenant.id,
    ])
    await writeHistory(database, tenant.id)
    expect(await tablesWith(database, mark)).toEqual([])
  })

  test('takes what is in no order yet into the history first, so that it names nobody later', async () => {
    const mark = 'zqplantedunnumbered'
    const { tenant, id } = await livedWithHistory(mark)
    // No numbering runs here: the log has these events without positions.
    const { body } = await admin<Receipt>('POST', `${placeOf(tenant)}/erasures`, { user: id, delete: true })
    await stepUntil(tenant, body.id, 'events')
    await writeHistory(database, tenant.id)
    expect(await tablesWith(database, mark)).not.toContain('history_states')
    await eraseToTheEnd(database, tenant.id, body.id)
    expect(await tablesWith(database, mark)).toEqual([])
  })

  test('goes through the history again where it was written between its look and that at the events', async () => {
    const mark = 'zqplantedbetween'
    const { tenant, id, other } = await livedWithHistory(mark)
    await eventLogOf(database, tenant.id).numberWritten()
    const rewrite = `update events set changes = $3 where tenant_id = $1::uuid and resource_id = $2::uuid and type = 'user.created'`
    const created = await database.run<{ changes: string }>(
      `select changes from events where tenant_id = $1::uuid and resource_id = $2::uuid and type = 'user.created'`,
      [tenant.id, other],
    )
    await database.run(rewrite, [tenant.id, other, 'broken'])
    const { body } = await admin<Receipt>('POST', `${placeOf(tenant)}/erasures`, { user: id, delete: true })
    await stepUntil(tenant, body.id, 'events')
    await database.run(rewrite, [tenant.id, other, created[0]?.changes ?? ''])
    await writeHistory(database, tenant.id)
    expect(await tablesWith(database, mark)).toContain('history_states')
    await eraseToTheEnd(database, tenant.id, body.id)
    expect(await tablesWith(database, mark)).toEqual([])
    const subjects = 'select 1 from history_subjects where tenant_id = $1::uuid and ref = $2::uuid'
    expect(await database.run(subjects, [tenant.id, id])).toEqual([])
  })

  test('finds what an instance wrote of a request only after all was looked through', async () => {
    const tenant = await instance.newTenant()
    const mark = 'zqplantedlate'
    const { id } = await livedIn(tenant, mark)
    const [late] = await database.run<Record<string, string>>(
      `delete from request_log where tenant_id = $1::uuid and operation = 'create' and bodies like '%' || $2::text || '%'
       returning tenant_id::text, id::text, entry, bodies`,
      [tenant.id, mark],
    )
    const { body } = await admin<Receipt>('POST', `${placeOf(tenant)}/erasures`, { user: id, delete: true })
    while (await erasureStep(database, tenant.id, body.id)) {}
    const waiting = await admin<Receipt>('GET', `${placeOf(tenant)}/erasures/${body.id}`)
    expect(waiting.body.progress?.name).toBe('late-requests')
    await database.run(
      `insert into request_log (tenant_id, id, operation, status, key_id, terms, entry, bodies)
       values ($1::uuid, $2::uuid, 'create', 201, '', '{}', $3::text, $4::text)`,
      [tenant.id, late?.id ?? '', late?.entry ?? '', late?.bodies ?? ''],
    )
    expect(await tablesWith(database, mark)).toContain('request_log')
    await eraseToTheEnd(database, tenant.id, body.id)
    expect(await tablesWith(database, mark)).toEqual([])
  })

  test('is asked for once for each Idempotency-Key, and its receipts and audit entries name nobody', async () => {
    const tenant = await instance.newTenant()
    const mark = 'zqplantedtwice'
    const { id } = await livedIn(tenant, mark)
    const key = { 'Idempotency-Key': `erase-${tenant.name}` }
    const ask = () => admin<Receipt>('POST', `${placeOf(tenant)}/erasures`, { user: id, delete: true }, key)
    const [first, second] = [await ask(), await ask()]
    expect(second.body).toEqual(first.body)
    expect(second.headers.get('Idempotency-Replayed')).toBe('true')
    await eraseToTheEnd(database, tenant.id, first.body.id)
    const list = await admin<{ items: Receipt[] }>('GET', `${placeOf(tenant)}/erasures`)
    expect(list.body.items).toHaveLength(1)
    const trail = await admin<{ items: { action: string }[] }>('GET', `${placeOf(tenant)}/audit-log`)
    expect(trail.body.items.map(({ action }) => action).slice(0, 2)).toEqual(['erasure.finished', 'erasure.begun'])
    expect(`${list.text}${trail.text}`).not.toContain(mark)
  })
})

describe('What an erasure may not do', () => {
  test('it takes the permission of its own, and the trail is changed by nothing else', async () => {
    const tenant = await instance.newTenant()
    const { id } = await livedIn(tenant, 'zqplantedpermission')
    const made = await admin<{ key: string }>('POST', `${placeOf(tenant)}/api-keys`, {
      ...{ name: 'an administrator', permissions: ['admin', 'directory:read'] },
    })
    const asking = adminSender(() => instance, made.body.key)
    expect((await asking('POST', `${placeOf(tenant)}/erasures`, { user: id, delete: true })).status).toBe(403)
    expect((await asking('GET', `${placeOf(tenant)}/erasures`)).status).toBe(200)
    expect((await tenant.scim('GET', `/Users/${id}`)).status).toBe(200)
    const changing = (setting: string, what: string) =>
      database.transaction(async (tx) => {
        await tx.run(`select set_config('rollcall.erasing', $1::text, true)`, [setting])
        await tx.run(`update audit_entries set ${what} where tenant_id = $1::uuid`, [tenant.id])
      })
    const refused = 'only ever appended to'
    await expect(changing('', 'after = null')).rejects.toThrow(refused)
    // Nobody is being erased here.
    await expect(changing(tenant.id, 'after = null')).rejects.toThrow(refused)
    await admin('POST', `${placeOf(tenant)}/erasures`, { user: id, delete: true })
    await expect(changing(tenant.id, `actor = 'nobody'`)).rejects.toThrow(refused)
  })

  test('a group, a foreign user and nobody at all are refused, and another tenant keeps its own', async () => {
    const [tenant, beside] = [await instance.newTenant(), await instance.newTenant()]
    const mark = 'zqplantedbeside'
    const { id, group } = await livedIn(tenant, mark)
    const twin = await livedIn(beside, mark)
    const path = `${placeOf(tenant)}/erasures`
    expect((await admin('POST', path, { user: group, delete: true })).status).toBe(404)
    expect((await admin('POST', path, {})).status).toBe(400)
    expect((await admin('POST', path, { user: id, names: ['x@acme.example'] })).status).toBe(400)
    expect((await admin('POST', path, { user: id, delete: true, reference: 'ada@acme.example' })).status).toBe(400)
    const before = await eventsOf(beside)
    await erase(instance, ADMIN, tenant, { user: twin.id })
    await erase(instance, ADMIN, tenant, { user: id, delete: true })
    expect(await eventsOf(beside)).toEqual(before)
    expect((await beside.scim('GET', `/Users/${twin.id}`)).body).toMatchObject({ displayName: `Given ${mark}` })
    expect(await tablesWith(database, mark)).toContain('request_log')
    await erase(instance, ADMIN, beside, { user: twin.id, delete: true })
    expect(await tablesWith(database, mark)).toEqual([])
  })
})
