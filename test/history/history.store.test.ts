import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { changeEnvironment } from '../../src/administration/environments.ts'
import { moveTenant } from '../../src/administration/tenant-moves.ts'
import { changeTenant, deleteTenant } from '../../src/administration/tenants.ts'
import { tellsOf, toldBy } from '../../src/history/asking.ts'
import { HistoryWorker } from '../../src/history/history-worker.ts'
import { quarterOf } from '../../src/history/quarter.ts'
import { type CountErased, eraseFromHistory } from '../../src/repositories/history/erasing.ts'
import { historyOf } from '../../src/repositories/history/histories.ts'
import { historyStep } from '../../src/repositories/history/step.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { HELD_FOR_HISTORY_DAYS, trimAll, trimHistories } from '../../src/retention/retention.ts'
import { verifyDetached } from '../../src/signing/detached.ts'
import { administrationOn } from '../support/administration.ts'
import { onCitus, openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { pictureAt, writeHistory } from '../support/histories.ts'
import {
  addMembers,
  groupBody,
  type Instance,
  idIn,
  openInstance,
  type Place,
  patchBody,
  removeMember,
  userBody,
} from '../support/instances.ts'
import { earlier } from '../support/moments.ts'
import { reader } from '../support/readers.ts'
import { recordStatements, withRun } from '../support/statements.ts'

let instance: Instance
beforeAll(async () => {
  instance = await openInstance(await openFreshDatabase())
})
afterAll(async () => {
  await instance.close()
  await instance.database.close()
})

interface Change {
  readonly time: string
  readonly requestId: string
  readonly actor: string
}
interface Item {
  readonly id: string | null
  readonly number: number
  readonly name: string | null
  readonly active: boolean
  readonly kind: string
  readonly granted: Change | null
  readonly taken: Change | null
}
interface List {
  readonly states: readonly Item[]
  readonly items: readonly Item[]
  readonly next: string | null
}

/** Asks for the history of a tenant. */
function historian(tenant: TestTenant) {
  const { ask } = reader(instance, tenant)
  const get = async (path: string): Promise<{ status: number; text: string }> => {
    const response = await ask(`/history${path}`)
    return { status: response.status, text: await response.text() }
  }
  return {
    get,
    async list(path: string): Promise<List> {
      const { status, text } = await get(path)
      if (status !== 200) throw new Error(`${status}: ${text}`)
      return JSON.parse(text) as List
    },
    async refusal(path: string): Promise<string> {
      const { status, text } = await get(path)
      return `${status} ${(JSON.parse(text) as { detail: string }).detail}`
    },
  }
}

/** A moment that is over before anything else happens. */
async function momentOver(): Promise<string> {
  const now = Date.now()
  while (Date.now() <= now + 1) await new Promise((resolve) => setTimeout(resolve, 1))
  return new Date(now + 1).toISOString()
}
const ROLES = { roleRules: [{ group: { displayName: 'Team' }, role: 'editor' }] }
const switchTo = (place: Place, tenant: TestTenant, history: boolean) =>
  changeTenant(administrationOn(instance.database), place, tenant.id, { settings: { history } })
const join = async (tenant: TestTenant, name: string) => idIn(await tenant.scim('POST', '/Users', userBody(name)))
const count = async (table: string, { id }: TestTenant): Promise<number> => {
  const [row] = await instance.database.run<{ n: number }>(
    `select count(*)::int as n from ${table} where tenant_id = $1::uuid`,
    [id],
  )
  return row?.n ?? -1
}
const TABLES = ['histories', 'waiting_histories', 'history_subjects', 'history_states', 'history_grants']

describe('who had which access', () => {
  test('is told of any time since it was switched on, with the requests that granted and took it', async () => {
    const place = await instance.newPlace()
    const tenant = await instance.newTenant({ place, settings: ROLES })
    const ada = await join(tenant, 'ada')
    const team = idIn(await tenant.scim('POST', '/Groups', groupBody('Team', [ada])))
    const { list, refusal, get } = historian(tenant)
    expect(await refusal(`?at=${await momentOver()}`)).toMatch(/^404 The tenant has no history/)
    while ((await eventLogOf(instance.database, tenant.id).number()) > 0);
    await switchTo(place, tenant, true)
    expect(JSON.parse((await get('/status')).text)).toMatchObject({ state: 'beginning', since: null })
    expect(await refusal(`?at=${await momentOver()}`)).toMatch(/^409 The starting picture/)
    await writeHistory(instance.database, tenant.id)

    const first = await momentOver()
    const bob = await join(tenant, 'bob')
    const added = await tenant.scim('PATCH', `/Groups/${team}`, addMembers(bob))
    const second = await momentOver()
    const removed = await tenant.scim('PATCH', `/Groups/${team}`, removeMember(bob))
    await tenant.scim('PATCH', `/Users/${ada}`, patchBody({ op: 'replace', path: 'active', value: false }))
    await tenant.scim('PATCH', `/Users/${bob}`, patchBody({ op: 'replace', path: 'userName', value: 'robert' }))
    const third = await momentOver()
    await tenant.scim('DELETE', `/Users/${ada}`)
    await tenant.scim('DELETE', `/Groups/${team}`)
    const last = await momentOver()

    const people = async (at: string) => (await list(`?at=${at}`)).items.map(({ name, active }) => [name, active])
    expect(await people(first)).toEqual([['ada', true]])
    expect(await people(second)).toEqual([
      ['ada', true],
      ['bob', true],
    ])
    expect(await people(third)).toEqual([
      ['ada', false],
      ['robert', true],
    ])
    expect(await people(last)).toEqual([['robert', true]])
    const named = async (path: string) => (await list(path)).items.map(({ name }) => name).sort()
    expect(await named(`/groups/${team}?at=${first}`)).toEqual(['ada'])
    expect(await named(`/groups/${team}?at=${second}`)).toEqual(['ada', 'bob'])
    expect(await named(`/roles/editor?at=${second}`)).toEqual(['ada', 'bob'])
    expect(await named(`/roles/editor?at=${third}`)).toEqual(['ada'])
    expect(await named(`/groups/${team}?at=${last}`)).toEqual([])
    expect(await named(`?at=${second}&kind=groups`)).toEqual(['Team'])
    expect(await named(`?at=${second}&kind=roles`)).toEqual(['editor'])

    const { items } = await list(`/users/${bob}?at=${second}`)
    const by = (answer: typeof added) => ({
      requestId: answer.headers.get('x-request-id'),
      actor: tenant.key.split('_')[1],
    })
    expect(items).toMatchObject([
      { kind: 'group', name: 'Team', granted: by(added), taken: by(removed) },
      { kind: 'role', name: 'editor', granted: by(added), taken: by(removed) },
    ])
    expect(items.every(({ granted }) => Date.parse(granted?.time ?? '') <= Date.parse(second))).toBe(true)
    // What was there before has no request. All of a person's time has each name, and what is over.
    const all = await list(`/users/${ada}`)
    expect(all.states.map(({ name, active, granted }) => [name, active, granted === null])).toEqual([
      ['ada', true, true],
      ['ada', false, false],
    ])
    expect(all.items).toMatchObject([
      { name: 'Team', granted: null },
      { name: 'editor', granted: null },
    ])
    expect((await get(`/users/${team}?at=${second}`)).status).toBe(404)
    expect((await get(`/users/nobody?at=${second}`)).status).toBe(404)
    expect((await get(`?at=${new Date(Date.now() + 60_000).toISOString()}`)).status).toBe(400)
  })

  test('comes in pages, of which each looks at a bounded number of rows', async () => {
    const tenant = await instance.newTenant({ settings: { history: true } })
    const users: string[] = []
    for (let i = 0; i < 7; i++) users.push(await join(tenant, `u${i}`))
    const group = idIn(await tenant.scim('POST', '/Groups', groupBody('All', users)))
    await writeHistory(instance.database, tenant.id)
    const at = await momentOver()
    const { list } = historian(tenant)
    for (const path of [`?at=${at}`, `/groups/${group}?at=${at}`]) {
      const names: (string | null)[] = []
      let pages = 0
      for (let next: string | null = ''; next !== null; pages++) {
        const page: List = await list(`${path}&limit=3${next && `&after=${next}`}`)
        names.push(...page.items.map(({ name }) => name))
        next = page.next
      }
      expect([names.sort(), pages]).toEqual([users.map((_, i) => `u${i}`), 3])
    }
  })

  test('follows the setting of the environment, tenant by tenant, and of a tenant that is made later', async () => {
    const place = await instance.newPlace()
    const [one, own] = [
      await instance.newTenant({ place }),
      await instance.newTenant({ place, settings: { history: false } }),
    ]
    await changeEnvironment(administrationOn(instance.database), place.projectId, place.environmentId, {
      settings: { history: true },
    })
    const later = await instance.newTenant({ place })
    const failures: unknown[] = []
    const worker = new HistoryWorker(instance.database, (error) => failures.push(error))
    while (await worker.round());
    const states = await Promise.all([one, own, later].map(({ id }) => historyOf(instance.database, id)))
    expect(states.map((state) => state?.phase)).toEqual(['following', undefined, 'following'])
    await join(one, 'ada')
    while ((await eventLogOf(instance.database, one.id).number()) > 0);
    while (await worker.round());
    expect([await count('history_states', one), await count('waiting_histories', one), failures]).toEqual([1, 0, []])
  })
})

test('a question reads once how far the history is, and is answered for that', async () => {
  const tenant = await instance.newTenant({ settings: { history: true } })
  await join(tenant, 'ada')
  await writeHistory(instance.database, tenant.id)
  const recorder = recordStatements(instance.database)
  const now = Date.parse(await momentOver())
  const { statements } = await recorder.during(async () => {
    const told = await toldBy(recorder.database, tenant.id, 365)
    await tellsOf(recorder.database, tenant.id, told, { from: now, until: now })
  })
  const reads = statements.filter(({ options, text }) => options.name === 'history-read' && /from histories/.test(text))
  expect(reads).toHaveLength(1)
})

describe('a history that is switched off', () => {
  test('answers for its time, and goes on without a gap while the log has what happened since', async () => {
    const place = await instance.newPlace()
    const tenant = await instance.newTenant({ place, settings: { history: true } })
    const ada = await join(tenant, 'ada')
    await writeHistory(instance.database, tenant.id)
    const before = await momentOver()
    await switchTo(place, tenant, false)
    const off = await momentOver()
    const { list, refusal } = historian(tenant)
    const names = async (at: string) => (await list(`?at=${at}`)).items.map(({ name }) => name)
    expect(await names(before)).toEqual(['ada'])
    expect(await refusal(`?at=${off}`)).toMatch(/^409 The history was switched off at/)
    await tenant.scim('DELETE', `/Users/${ada}`)
    await switchTo(place, tenant, true)
    await writeHistory(instance.database, tenant.id)
    expect([await names(off), await names(await momentOver())]).toEqual([['ada'], []])
  })

  test('has a gap where the log has not, and begins with a new picture', async () => {
    const { database } = instance
    const place = await instance.newPlace()
    const tenant = await instance.newTenant({ place, settings: { history: true } })
    const [ada, bob] = [await join(tenant, 'ada'), await join(tenant, 'bob')]
    const group = idIn(await tenant.scim('POST', '/Groups', groupBody('All', [ada, bob])))
    await writeHistory(database, tenant.id)
    const before = await momentOver()
    await switchTo(place, tenant, false)
    const off = await momentOver()
    await tenant.scim('DELETE', `/Users/${ada}`)
    while ((await eventLogOf(database, tenant.id).number()) > 0);
    await database.run(
      `update events set occurred_at = ${earlier('occurred_at', '99 days')} where tenant_id = $1::uuid`,
      [tenant.id],
    )
    await database.run("update event_logs set oldest_at = now() - interval '99 days' where tenant_id = $1::uuid", [
      tenant.id,
    ])
    await trimAll(database)
    const eve = await join(tenant, 'eve')
    const { list, refusal } = historian(tenant)
    const namesAt = async (at: string) => (await list(`?at=${at}`)).items.map(({ name }) => name)
    // A question meanwhile takes nothing of what comes after the events that are gone.
    expect(await namesAt(before)).toEqual(['ada', 'bob'])
    await switchTo(place, tenant, true)
    await writeHistory(database, tenant.id)
    // Who came in the gap was not there before it.
    expect([await namesAt(before), await namesAt(await momentOver())]).toEqual([
      ['ada', 'bob'],
      ['bob', 'eve'],
    ])
    expect((await list(`/users/${eve}`)).states).toMatchObject([{ name: 'eve', granted: null }])
    const members = async (at: string) => (await list(`/groups/${group}?at=${at}`)).items.map(({ name }) => name)
    expect([await members(before), await members(await momentOver())]).toEqual([['ada', 'bob'], ['bob']])
    expect(await refusal(`?at=${off}`)).toMatch(/^409 The history has a gap from .* until .*switched off/)
  })
})

describe('the retention of events', () => {
  test('deletes nothing that the history has not taken', async () => {
    const { database } = instance
    const tenant = await instance.newTenant({ settings: { history: true } })
    await writeHistory(database, tenant.id)
    await join(tenant, 'ada')
    const log = eventLogOf(database, tenant.id)
    while ((await log.number()) > 0);
    await database.run("update events set occurred_at = now() - interval '99 days' where tenant_id = $1::uuid", [
      tenant.id,
    ])
    await database.run("update event_logs set oldest_at = now() - interval '99 days' where tenant_id = $1::uuid", [
      tenant.id,
    ])
    await trimAll(database)
    expect([await log.trim(90), await count('events', tenant)]).toEqual([undefined, 1])
    await writeHistory(database, tenant.id)
    await trimAll(database)
    expect([await count('events', tenant), await count('history_states', tenant)]).toEqual([0, 1])
  })

  test('waits for a history that cannot be written for 30 days more, and then the history has a gap and says so', async () => {
    const { database } = instance
    const tenant = await instance.newTenant({ settings: { ...ROLES, history: true } })
    const [ada, bob] = [await join(tenant, 'ada'), await join(tenant, 'bob')]
    const team = idIn(await tenant.scim('POST', '/Groups', groupBody('Team', [ada, bob])))
    await writeHistory(database, tenant.id)
    const before = await momentOver()
    await tenant.scim('DELETE', `/Users/${ada}`)
    const lost = await momentOver()
    await join(tenant, 'eve')
    const log = eventLogOf(database, tenant.id)
    while ((await log.number()) > 0);
    const age = async (days: number, { id } = tenant) => {
      const ago = `now() - interval '${days} days'`
      await database.run(`update events set occurred_at = ${ago} where tenant_id = $1::uuid`, [id])
      await database.run(`update event_logs set oldest_at = ${ago} where tenant_id = $1::uuid`, [id])
    }
    // All that the history has taken goes, and the rest is held.
    await age(90 + HELD_FOR_HISTORY_DAYS - 1)
    await trimAll(database)
    const held = await count('events', tenant)
    expect(held).toBeGreaterThan(0)
    expect(await historyOf(database, tenant.id)).toMatchObject({ phase: 'following', gaps: [] })
    await age(90 + HELD_FOR_HISTORY_DAYS + 1)
    await database.run(`update histories set started_at = now() - interval '400 days' where tenant_id = $1::uuid`, [
      tenant.id,
    ])
    // A failure of one history is told of when all others are done.
    const other = await instance.newTenant()
    await join(other, 'old')
    while ((await eventLogOf(database, other.id).number()) > 0);
    await age(91, other)
    const failing = withRun(database, (handle, ...statement) =>
      statement[0].startsWith('update histories h set phase')
        ? Promise.reject(new Error('planted'))
        : handle.run(...statement),
    )
    await expect(trimAll(failing)).rejects.toThrow('planted')
    expect([await count('events', tenant), await count('events', other)]).toEqual([held, 0])
    await trimAll(database)
    expect(await count('events', tenant)).toBe(0)
    const { list, refusal, get } = historian(tenant)
    expect(await refusal('')).toMatch(/^409 The history has a gap from .* until now, /)
    await writeHistory(database, tenant.id)

    const [gap] = (JSON.parse((await get('/status')).text) as { gaps: { from: string; until: string }[] }).gaps
    expect(Date.parse(gap?.from ?? '')).toBeLessThan(Date.now() - 119 * 86_400_000)
    expect(await refusal(`?at=${lost}`)).toMatch(/^409 The history has a gap from .* until .*could not be written/)
    // It goes on with what there is, and an export of the time names the gap.
    const now = await momentOver()
    expect((await list(`?at=${now}`)).items.map(({ name }) => name)).toEqual(['bob', 'eve'])
    expect((await list(`/groups/${team}?at=${now}`)).items.map(({ name }) => name)).toEqual(['bob'])
    const from = new Date(Date.parse(gap?.from ?? '') - 1_000).toISOString()
    const csv = (await get(`/export?from=${from}&until=${now}`)).text.split('\r\n')
    expect(csv[1]).toBe(`gap,,,,,,,${gap?.from},,,${gap?.until},,`)
    const json = JSON.parse((await get(`/export?from=${from}&until=${before}&format=json`)).text) as { spans: object[] }
    expect(json.spans[0]).toMatchObject({ kind: 'gap', from: gap?.from, until: '' })
  })

  test('of the history itself is another: what is over goes, and what lasts stays', async () => {
    const { database } = instance
    const place = await instance.newPlace()
    const tenant = await instance.newTenant({ place, settings: { history: true } })
    const [ada, bob] = [await join(tenant, 'ada'), await join(tenant, 'bob')]
    await tenant.scim('POST', '/Groups', groupBody('All', [ada, bob]))
    await tenant.scim('DELETE', `/Users/${ada}`)
    await writeHistory(database, tenant.id)
    await changeEnvironment(administrationOn(database), place.projectId, place.environmentId, {
      settings: { historyRetentionDays: 120 },
    })
    await trimHistories(database)
    expect([await count('history_states', tenant), await count('history_grants', tenant)]).toEqual([3, 2])
    for (const table of ['history_states', 'history_grants'])
      await database.run(
        `update ${table} set from_at = ${earlier('from_at', '130 days')}, to_at = ${earlier('to_at', '121 days')} where tenant_id = $1::uuid`,
        [tenant.id],
      )
    await database.run(
      `update histories set oldest_end = ${earlier('oldest_end', '121 days')}, started_at = ${earlier('started_at', '130 days')} where tenant_id = $1::uuid`,
      [tenant.id],
    )
    await trimHistories(database)
    // The id of somebody of whom nothing is left goes too.
    expect([await count('history_states', tenant), await count('history_grants', tenant)]).toEqual([2, 1])
    expect(await count('history_subjects', tenant)).toBe(2)
    const old = new Date(Date.now() - 125 * 86_400_000).toISOString()
    expect(await historian(tenant).refusal(`?at=${old}`)).toMatch(/^410 The environment keeps the history from/)
  })
})

describe('a person who is erased', () => {
  test('is a number from then on; what was said of others stays', async () => {
    const { database } = instance
    const tenant = await instance.newTenant({ settings: { ...ROLES, history: true } })
    await writeHistory(database, tenant.id)
    const [ada, bob] = [await join(tenant, 'ada-lovelace'), await join(tenant, 'bob')]
    const team = idIn(await tenant.scim('POST', '/Groups', groupBody('Team', [ada, bob])))
    await tenant.scim('PATCH', `/Users/${ada}`, patchBody({ op: 'replace', path: 'userName', value: 'ada-byron' }))
    await writeHistory(database, tenant.id)
    const then = await momentOver()
    const before = await pictureAt(database, tenant.id, Date.parse(then))
    const by = { requestId: 'r-erasure', actor: 'key' }
    // Also without a deletion before: nothing lasts of somebody who is erased.
    const erased = { history_subjects: 0, history_states: 0 }
    const count: CountErased = async (_, { history_subjects = 0, history_states = 0 }) => {
      erased.history_subjects += history_subjects
      erased.history_states += history_states
    }
    for (const _ of ['once', 'and again']) {
      await eraseFromHistory(database, tenant.id, ada, by, count)
      expect(erased).toEqual({ history_subjects: 1, history_states: 2 })
    }
    for (const table of TABLES) {
      const rows = await database.run<{ row: string }>(
        `select to_json(t)::text as row from ${table} t where t.tenant_id = $1::uuid`,
        [tenant.id],
      )
      expect(rows.filter(({ row }) => row.includes(ada) || /ada-/.test(row))).toEqual([])
    }
    const { list, get } = historian(tenant)
    const members = (await list(`/groups/${team}?at=${then}`)).items
    expect(members).toHaveLength(2)
    expect(members).toContainEqual(expect.objectContaining({ id: null, name: null }))
    expect(members).toContainEqual(expect.objectContaining({ id: bob, name: 'bob' }))
    const after = await pictureAt(database, tenant.id, Date.parse(then))
    expect([after.states.length, after.grants.length]).toEqual([before.states.length, before.grants.length])
    expect((await get(`/users/${ada}`)).status).toBe(404)
    expect((await list(`/groups/${team}?at=${await momentOver()}`)).items.map(({ name }) => name)).toEqual(['bob'])
  })
})

describe('a tenant', () => {
  test('that is deleted takes its history with it', async () => {
    const { database } = instance
    const place = await instance.newPlace()
    const tenant = await instance.newTenant({ place, settings: { history: true } })
    const ada = await join(tenant, 'ada')
    await tenant.scim('POST', '/Groups', groupBody('All', [ada]))
    await writeHistory(database, tenant.id)
    await join(tenant, 'bob')
    while ((await eventLogOf(database, tenant.id).number()) > 0);
    expect(await Promise.all(TABLES.map((table) => count(table, tenant)))).toEqual([1, 1, 2, 2, 1])
    await deleteTenant(administrationOn(database), place, tenant.id)
    expect(await Promise.all(TABLES.map((table) => count(table, tenant)))).toEqual([0, 0, 0, 0, 0])
  })

  // On Citus no tenant moves to another environment: docs/scale.md.
  test.skipIf(onCitus())('that moves keeps it, and with it the setting', async () => {
    const { database } = instance
    const [from, to] = [await instance.newPlace(), await instance.newPlace()]
    await changeEnvironment(administrationOn(database), from.projectId, from.environmentId, {
      settings: { history: true },
    })
    const tenant = await instance.newTenant({ place: from })
    const ada = await join(tenant, 'ada')
    await writeHistory(database, tenant.id)
    const then = Date.parse(await momentOver())
    await moveTenant(administrationOn(database), from, tenant.id, { to, key: tenant.name, keepFormerUrlDays: 30 })
    const [row] = await database.run<{ id: string }>(
      'select environment_id::text as id from histories where tenant_id = $1::uuid',
      [tenant.id],
    )
    expect([await historyOf(database, tenant.id), row?.id]).toMatchObject([
      { endedAt: null, gaps: [] },
      to.environmentId,
    ])
    await changeTenant(administrationOn(database), to, tenant.id, { settings: { history: null } })
    expect(await historyOf(database, tenant.id)).toMatchObject({ endedAt: expect.any(Number) })
    expect((await pictureAt(database, tenant.id, then)).states).toEqual([`${ada} ada true`])
  })
})

describe('an export', () => {
  test('has each span of the time, as CSV and JSON, and a signed manifest of the same bytes', async () => {
    const { database } = instance
    const tenant = await instance.newTenant({ settings: { ...ROLES, history: true } })
    await writeHistory(database, tenant.id)
    const ada = await join(tenant, '=ada,"x"')
    const from = new Date((await historyOf(database, tenant.id))?.startedAt ?? 0).toISOString()
    const team = idIn(await tenant.scim('POST', '/Groups', groupBody('Team', [ada])))
    const until = await momentOver()
    await tenant.scim('DELETE', `/Users/${ada}`)
    const { get, refusal } = historian(tenant)
    const csv = await get(`/export?from=${from}&until=${until}`)
    const lines = csv.text.trimEnd().split('\r\n')
    expect(lines[0]).toBe(
      'kind,subject,subjectKind,subjectName,active,object,objectName,from,fromRequest,fromActor,until,untilRequest,untilActor',
    )
    const name = `"'=ada,""x"""`
    expect(lines.slice(1).map((line) => line.split(/,(?=\d{4}-)/)[0])).toEqual([
      `account,${ada},User,${name},true,,`,
      `group,${ada},User,${name},,${team},Team`,
      expect.stringMatching(new RegExp(`^role,${ada},User,.*,editor$`)),
    ])
    // What ended after the time lasts still, as far as it goes. So the export is the same whenever it is made.
    expect(lines.slice(1).every((line) => line.endsWith(',,,'))).toBe(true)
    const json = JSON.parse((await get(`/export?from=${from}&until=${until}&format=json`)).text) as { spans: object[] }
    expect(json.spans).toHaveLength(3)

    const signed = JSON.parse((await get(`/export/manifest?from=${from}&until=${until}`)).text) as Record<
      string,
      string
    >
    const { manifest = '', signature = '', kid } = signed
    expect(JSON.parse(manifest)).toMatchObject({
      ...{ kind: 'rollcall-history', lines: 3, bytes: Buffer.byteLength(csv.text), format: 'csv' },
      sha256: createHash('sha256').update(csv.text).digest('hex'),
    })
    const keys = await instance.send(new Request('http://scim.test/.well-known/history-keys.json'))
    const { keys: published } = (await keys.json()) as { keys: object[] }
    expect(await verifyDetached(signature, manifest, published)).toBe(kid)
    expect(await verifyDetached(signature, manifest.replace('"lines":3', '"lines":2'), published)).toBeUndefined()
    const forged = published.map((key) => ({ ...key, x: (key as { y: string }).y }))
    expect(await verifyDetached(signature, manifest, forged)).toBeUndefined()

    expect(await refusal('/export?quarter=1999-Q1')).toMatch(/^409 The history begins/)
    expect(await refusal(`/export?from=${until}`)).toMatch(/^400 The query must have/)
    expect((await get('/export')).text.split('\r\n')).toHaveLength(5)
    expect(await refusal('/export?quarter=2999-Q1')).toMatch(/^400 The history cannot tell of a time to come/)
  })

  test('of a quarter has its first and its last moment', () => {
    const period = quarterOf('2026-Q4')
    expect(period && [new Date(period.from).toISOString(), new Date(period.until).toISOString()]).toEqual([
      '2026-10-01T00:00:00.000Z',
      '2026-12-31T23:59:59.999Z',
    ])
    expect(quarterOf('2026-Q5')).toBeUndefined()
  })
})

test('two instances that write the same history write each span once', async () => {
  const { database } = instance
  const tenant = await instance.newTenant({ settings: { history: true } })
  const users: string[] = []
  for (let i = 0; i < 20; i++) users.push(await join(tenant, `u${i}`))
  await Promise.all([writeHistory(database, tenant.id), writeHistory(database, tenant.id)])
  const group = idIn(await tenant.scim('POST', '/Groups', groupBody('All', users)))
  await tenant.scim('DELETE', `/Groups/${group}`)
  while ((await eventLogOf(database, tenant.id).number()) > 0);
  await Promise.all(
    [1, 2, 3].map(async () => {
      while ((await historyStep(database, tenant.id, true)) === 'more');
    }),
  )
  expect([await count('history_states', tenant), await count('history_grants', tenant)]).toEqual([21, 20])
  const open = await database.run('select 1 from history_grants where tenant_id = $1::uuid and to_at is null', [
    tenant.id,
  ])
  expect(open).toEqual([])
})
