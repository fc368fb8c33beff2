import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { onCitus, openDatabases } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { addMembers, groupBody, type Instance, idIn, openInstance, patchBody, userBody } from '../support/instances.ts'
import { type EventList, type ReadEvent, reader } from '../support/readers.ts'
import { type Recorder, recordStatements, untilAsked } from '../support/statements.ts'

// Two instances where the engine allows it.
let databases: readonly [Database, ...Database[]]
let here: Instance
let there: Instance
/** What the second instance asks its database, also for readers that wait. */
let asked: Recorder

beforeAll(async () => {
  databases = await openDatabases(8)
  here = await openInstance(databases[0])
  asked = recordStatements(databases.at(-1) as Database)
  there = await openInstance(asked.database)
})
afterAll(async () => {
  await here.close()
  await there.close()
  for (const one of databases) await one.close()
})

/** Settles once an instance, by default the second one, looks for events for a reader of the tenant that waits. */
const untilWaiting = ({ id }: TestTenant, by = asked) =>
  untilAsked(by, `from event_logs h where h.tenant_id = ${onCitus() ? 'any(' : 'x.id'}`, id)

/** A reader that waits for half a minute for what does not happen. What is faster has not waited until its time was over. */
async function silentReader() {
  const tenant = await here.newTenant()
  const gone = new AbortController()
  let over = false
  const waiting = untilWaiting(tenant)
  const answer = reader(there, tenant)
    .ask('/events?wait=30', { signal: gone.signal })
    .finally(() => {
      over = true
    })
  await waiting
  return {
    isOver: () => over,
    leave: async () => {
      gone.abort()
      await answer
    },
  }
}

const makeUser = async (tenant: TestTenant, name: string, rest: object = {}) =>
  idIn(await tenant.scim('POST', '/Users', userBody(name, rest)))

describe('pulling events', () => {
  test('EV-15 shows at once what was answered before, page by page', async () => {
    const tenant = await here.newTenant()
    const { events } = reader(there, tenant)
    expect(await events()).toEqual({ items: [], next: 0, more: false })
    const ids = []
    for (const name of ['a', 'b', 'c']) ids.push(await makeUser(tenant, name, { active: name !== 'b' }))
    const first = await events('?limit=2')
    expect(first).toMatchObject({ next: 2, more: true })
    expect(first.items.map(({ position, type, resource }) => [position, type, resource.id])).toEqual([
      [1, 'user.created', ids[0]],
      [2, 'user.created', ids[1]],
    ])
    expect(first.items.map(({ changes }) => (changes.after as { active: boolean }).active)).toEqual([true, false])
    const second = await events(`?after=${first.next}&limit=2`)
    expect(second).toMatchObject({
      items: [{ position: 3, resource: { id: ids[2], version: 1 } }],
      next: 3,
      more: false,
    })
    await tenant.scim('DELETE', `/Users/${ids[1]}`)
    const gone = await events('?after=3')
    expect(gone.items).toMatchObject([
      { type: 'user.deleted', resource: { id: ids[1] }, changes: { before: { active: false } } },
    ])
    expect(await events('?types=user.deleted')).toMatchObject({ items: [{ position: 4 }], next: 4 })
    expect(await events('?types=group.*,role.*&after=1')).toEqual({ items: [], next: 4, more: false })
  })

  test('comes with each resource as it is now, where that is asked for, without secrets and members', async () => {
    const tenant = await here.newTenant()
    const { events } = reader(there, tenant)
    const id = await makeUser(tenant, 'shown', { active: true, password: 'Correct-Horse-1' })
    const gone = await makeUser(tenant, 'gone')
    const group = idIn(await tenant.scim('POST', '/Groups', groupBody('Shown', [id])))
    await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'title', value: 'Dr' }))
    await tenant.scim('DELETE', `/Users/${gone}`)
    expect((await events()).items.some((event) => 'snapshot' in event)).toBe(false)
    const { items } = await events('?snapshot=true')
    const schemas = [expect.any(String)]
    const now = { version: 2, active: true, attributes: { schemas, userName: 'shown', title: 'Dr' } }
    expect(items.filter(({ resource }) => resource.id === id).map(({ snapshot }) => snapshot)).toEqual([now, now])
    expect(items.filter(({ resource }) => resource.id === gone).map(({ snapshot }) => snapshot)).toEqual([null, null])
    expect(items.filter(({ resource }) => resource.id === group)[1]?.snapshot).toEqual({
      ...{ version: 1, attributes: { schemas, displayName: 'Shown' } },
    })
  })

  test('waits for an event of another instance, and has it before the time to wait is over', async () => {
    const tenant = await here.newTenant()
    await makeUser(tenant, 'before')
    const { events } = reader(there, tenant)
    await events('?wait=0.01&after=1')
    const silent = await silentReader()
    for (let after = 1; after < 9; after++) {
      const begun = untilWaiting(tenant)
      const waiting = events(`?after=${after}&wait=30`)
      await begun
      await makeUser(tenant, `next${after}`)
      expect((await waiting).items.map(({ position }) => position)).toEqual([after + 1])
      expect(silent.isOver()).toBe(false)
    }
    await silent.leave()
  })

  test('gives up waiting in time, when its reader has left, and when the instance stops', async () => {
    const tenant = await here.newTenant()
    const silent = await silentReader()
    const own = recordStatements(databases[0])
    const instance = await openInstance(own.database)
    const waits = () => untilWaiting(tenant, own)
    const { events, ask } = reader(instance, tenant)
    expect(await events('?wait=0.05')).toEqual({ items: [], next: 0, more: false })
    const gone = new AbortController()
    let begun = waits()
    const aborted = ask('/events?wait=30', { signal: gone.signal })
    await begun
    gone.abort()
    expect((await aborted).status).toBe(200)
    begun = waits()
    const waiting = events('?wait=30')
    await begun
    await instance.close()
    expect(await waiting).toEqual({ items: [], next: 0, more: false })
    expect(silent.isOver()).toBe(false)
    await silent.leave()
  })

  test.each([
    ['?after=-1', 'after'],
    ['?after=x', 'after'],
    ['?limit=0', 'limit'],
    ['?limit=501', 'limit'],
    ['?wait=31', 'wait'],
    ["?types=user.created'--", 'types'],
    ['?types=user', 'types'],
  ])('refuses %s', async (query, path) => {
    const tenant = await here.newTenant()
    const response = await reader(here, tenant).ask(`/events${query}`)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ errors: [{ path }] })
  })

  test('410 where the log cannot be followed: deleted for age, or ahead of a store that was put back', async () => {
    const tenant = await here.newTenant()
    for (const name of ['a', 'b', 'c']) await makeUser(tenant, name)
    const { events, ask } = reader(here, tenant)
    await events()
    await here.database.run('delete from event_positions where tenant_id = $1::uuid and position <= 2', [tenant.id])
    await here.database.run('update event_logs set trimmed = 2 where tenant_id = $1::uuid', [tenant.id])
    for (const after of [0, 1, 4]) {
      const response = await ask(`/events?after=${after}`)
      expect([after, response.status]).toEqual([after, 410])
      expect(await response.json()).toMatchObject({ detail: expect.stringContaining('snapshot') })
    }
    expect((await events('?after=2')).items).toHaveLength(1)
    expect((await events()).items).toMatchObject([{ position: 3 }])
  })

  test('TEN-05 needs directory:read, and a key of this tenant', async () => {
    const [tenant, other] = [await here.newTenant(), await here.newTenant()]
    for (const path of ['/events', '/snapshot']) {
      expect((await reader(here, tenant).ask(path)).status).toBe(200)
      expect((await reader(here, tenant, other.key).ask(path)).status).toBe(403)
      expect((await reader(here, tenant, 'nonsense').ask(path)).status).toBe(401)
      // A reader's key reaches nothing else of the admin API.
      const admin = await reader(here, tenant).ask('')
      expect([admin.status, admin.headers.get('www-authenticate')]).toEqual([
        403,
        expect.stringContaining('scope="admin"'),
      ])
    }
  })
})

type Line =
  | { kind: 'start' | 'end'; position: number }
  | { kind: 'resource'; resource: ReadEvent['resource']; active?: boolean; attributes: Record<string, unknown> }
  | { kind: 'members'; group: string; members: string[] }

/** A reader's own picture of a tenant, kept as the documentation says. */
class Picture {
  readonly users = new Map<string, { version: number; title: unknown }>()
  readonly groups = new Map<string, { version: number; members: Set<string> }>()

  take(lines: readonly Line[]): void {
    for (const line of lines) {
      if (line.kind === 'members') for (const member of line.members) this.groups.get(line.group)?.members.add(member)
      if (line.kind !== 'resource') continue
      const { type, id, version } = line.resource
      if (type === 'User') this.users.set(id, { version, title: line.attributes.title })
      else this.groups.set(id, { version, members: new Set() })
    }
  }

  apply({ type, resource: { id, version }, changes }: ReadEvent, seen: Set<string>): void {
    const user = this.users.get(id)
    if (type === 'user.created' && !user)
      this.users.set(id, { version, title: (changes.after as { title: unknown }).title })
    if (type === 'user.deleted') this.users.delete(id)
    if (type === 'user.updated' && user && version > user.version) {
      const title = (changes.changed as { path: string; after?: unknown }[]).find(({ path }) => path === 'title')
      this.users.set(id, { version, title: title ? title.after : user.title })
    }
    const group = this.groups.get(id)
    if (type === 'group.created' && !group) this.groups.set(id, { version, members: new Set() })
    // One version may come as several events: what is passed over is what the snapshot had.
    if (!group || (version <= group.version && !seen.has(`${id} ${version}`))) return
    seen.add(`${id} ${version}`)
    group.version = version
    for (const member of (changes.members as string[] | undefined) ?? [])
      if (type === 'group.member_added') group.members.add(member)
      else group.members.delete(member)
  }
}

describe('the snapshot', () => {
  const linesOf = async (tenant: TestTenant, instance = here): Promise<Line[]> => {
    const response = await reader(instance, tenant).ask('/snapshot')
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    const text = await response.text()
    expect(text.endsWith('\n')).toBe(true)
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line)
  }

  test('has every resource once, members in pages, and names the position', async () => {
    const tenant = await here.newTenant({ settings: { deferReferenceChecks: true } })
    const ids: string[] = []
    for (let n = 0; n < 3; n++)
      ids.push(await makeUser(tenant, `s${n}`, { title: `T${n}`, password: 'sEcret-9', active: n > 0 }))
    const group = idIn(await tenant.scim('POST', '/Groups', groupBody('All', [...ids, 'nobody-yet'])))
    const lines = await linesOf(tenant)
    const at = { tenant: tenant.id, position: (await reader(here, tenant).events()).next }
    expect(lines[0]).toEqual({ kind: 'start', ...at, time: expect.any(String) })
    expect(lines.at(-1)).toEqual({ kind: 'end', ...at })
    expect(lines.slice(1, 4)).toMatchObject(
      ids.map((id, n) => ({
        kind: 'resource',
        resource: { type: 'User', id, version: 1 },
        active: n > 0,
        attributes: { title: `T${n}` },
      })),
    )
    expect(lines.slice(4, -1)).toMatchObject([
      { kind: 'resource', resource: { type: 'Group', id: group } },
      { kind: 'members', group, members: [...ids].sort() },
      { kind: 'members', group, members: ['nobody-yet'] },
    ])
    expect(JSON.stringify(lines)).not.toContain('sEcret')
  })

  test('followed from its position while everybody writes, it comes to the state that is stored', async () => {
    const tenant = await here.newTenant()
    const users: string[] = []
    for (let n = 0; n < 30; n++) users.push(await makeUser(tenant, `w${n}`))
    const groups: string[] = []
    for (let n = 0; n < 3; n++)
      groups.push(idIn(await tenant.scim('POST', '/Groups', groupBody(`G${n}`, users.slice(0, 9)))))
    let writing = true
    let rounds = 0
    const writers = [0, 1, 2, 3].map(async (w) => {
      for (let i = 0; writing; i++) {
        // The embedded engine answers without a turn of the event loop; timers would never have one.
        await turn()
        const user = users[(w * 7 + i * 5) % users.length] as string
        const group = `/Groups/${groups[i % 3]}`
        await tenant.scim('PATCH', group, addMembers(user))
        await tenant.scim('PATCH', `/Users/${user}`, patchBody({ op: 'replace', path: 'title', value: `${w}.${i}` }))
        if (i % 4 === 0) await tenant.scim('PATCH', group, patchBody({ op: 'remove', path: 'members' }))
        if (i % 5 === 0) await tenant.scim('DELETE', `/Users/${await makeUser(tenant, `short${w}-${i}`)}`)
        if (i % 9 === 0) await makeUser(tenant, `more${w}-${i}`)
        rounds++
      }
    })
    await expect.poll(() => rounds, { interval: 5 }).toBeGreaterThan(writers.length * 2)
    const [lines, second] = [await linesOf(tenant, there), await linesOf(tenant)]
    writing = false
    await Promise.all(writers)
    for (const export_ of [lines, second]) {
      const picture = new Picture()
      picture.take(export_)
      let list: EventList = { items: [], next: (export_[0] as { position: number }).position, more: true }
      const seen = new Set<string>()
      while (list.more) {
        list = await reader(there, tenant).events(`?after=${list.next}`)
        for (const event of list.items) picture.apply(event, seen)
      }
      const now = new Picture()
      now.take(await linesOf(tenant))
      expect(picture).toEqual(now)
      expect(picture.users.size).toBeGreaterThan(30)
    }
  })
})
