import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Schemas } from '../../src/client/index.ts'
import type { Database } from '../../src/db/database.ts'
import type { EventType } from '../../src/events/types.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { appendTenantEvents } from '../../src/repositories/log/tenant-events.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { addMembers, groupBody, type Instance, idIn, openInstance, patchBody, userBody } from '../support/instances.ts'
import { reader } from '../support/readers.ts'

let database: Database
let instance: Instance
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database)
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

type Changed = Schemas['ChangedResource']
interface Changes {
  readonly items: readonly Changed[]
  readonly next: number
  readonly more: boolean
}
async function changes(tenant: TestTenant, after: number, query = ''): Promise<Changes> {
  const response = await reader(instance, tenant).ask(`/changes?after=${after}${query}`)
  expect(response.status).toBe(200)
  return (await response.json()) as Changes
}
const makeUser = async (tenant: TestTenant, name: string) => idIn(await tenant.scim('POST', '/Users', userBody(name)))
const replace = (path: string, value: unknown) => patchBody({ op: 'replace', path, value })

test('EV-15 what changed comes once, as it is now; what was deleted is said to be', async () => {
  const tenant = await instance.newTenant()
  const [ada, bob] = [await makeUser(tenant, 'ada'), await makeUser(tenant, 'bob')]
  const first = await changes(tenant, 0)
  expect(first.items.map(({ id, deleted, resource }) => [id, deleted, resource?.userName])).toEqual([
    [ada, false, 'ada'],
    [bob, false, 'bob'],
  ])
  expect(await changes(tenant, first.next)).toEqual({ items: [], next: first.next, more: false })
  for (const title of ['a', 'b']) await tenant.scim('PATCH', `/Users/${ada}`, replace('title', title))
  await tenant.scim('PATCH', `/Users/${ada}`, replace('password', 'a secret word'))
  await tenant.scim('DELETE', `/Users/${bob}`)
  const second = await changes(tenant, first.next)
  expect(second.items).toMatchObject([
    { type: 'User', id: ada, deleted: false, kept: false, resource: { title: 'b', meta: { version: 'W/"4"' } } },
    { type: 'User', id: bob, deleted: true, kept: false, resource: null },
  ])
  expect(JSON.stringify(second)).not.toMatch(/secret word|scrypt/)
})

test('what is told of the tenant itself changes no resource, and is passed', async () => {
  const tenant = await instance.newTenant()
  const { next } = await changes(tenant, 0)
  const of = (type: EventType) => ({ type, changes: {} })
  const doer = { actor: 'a', requestId: null }
  await appendTenantEvents(database, tenant.id, doer, [of('tenant.paused'), of('api_key.created')])
  expect(await changes(tenant, next)).toEqual({ items: [], next: next + 2, more: false })
})

test('EV-15 of a group it says who came and went', async () => {
  const tenant = await instance.newTenant()
  const users = [await makeUser(tenant, 'a'), await makeUser(tenant, 'b'), await makeUser(tenant, 'c')]
  const [a, b, c] = users as [string, string, string]
  const group = idIn(await tenant.scim('POST', '/Groups', groupBody('all', [a, b])))
  const { next } = await changes(tenant, 0)
  await tenant.scim('PATCH', `/Groups/${group}`, addMembers(c))
  await tenant.scim('PATCH', `/Groups/${group}`, patchBody({ op: 'remove', path: `members[value eq "${a}"]` }))
  const { items } = await changes(tenant, next)
  expect(items).toMatchObject([
    { type: 'Group', id: group, resource: { displayName: 'all' }, members: { added: [c], removed: [a] } },
  ])
})

test('a deleted user who is kept is neither there nor gone', async () => {
  const tenant = await instance.newTenant({ settings: { onDelete: 'deactivate' } })
  const ada = await makeUser(tenant, 'ada')
  await tenant.scim('DELETE', `/Users/${ada}`)
  const { items } = await changes(tenant, 0)
  expect(items).toEqual([{ type: 'User', id: ada, deleted: false, kept: true, resource: null }])
})

test('EV-15 a copy that follows page by page, while many write, is the directory in the end', async () => {
  const tenant = await instance.newTenant()
  const copy = new Map<string, string>()
  const members = new Map<string, Set<string>>()
  let [after, more] = [0, false]
  const follow = async () => {
    const page = await changes(tenant, after, '&limit=7')
    for (const { id, deleted, resource, members: moved } of page.items) {
      if (deleted || resource === null) copy.delete(id)
      else copy.set(id, JSON.stringify(resource))
      const those = members.get(id) ?? new Set()
      for (const member of moved?.added ?? []) those.add(member)
      for (const member of moved?.removed ?? []) those.delete(member)
      members.set(id, those)
    }
    after = page.next
    more = page.more
  }
  const group = idIn(await tenant.scim('POST', '/Groups', groupBody('all')))
  const writer = async (name: string) => {
    for (let i = 0; i < 5; i++) {
      const id = await makeUser(tenant, `${name}${i}`)
      await tenant.scim('PATCH', `/Groups/${group}`, addMembers(id))
      await tenant.scim('PATCH', `/Users/${id}`, replace('title', name))
      if (i % 2 === 0) await tenant.scim('DELETE', `/Users/${id}`)
    }
  }
  let writing = true
  const writers = Promise.all(['a', 'b', 'c', 'd'].map(writer)).finally(() => {
    writing = false
  })
  while (writing) await follow()
  await writers
  do await follow()
  while (more)
  const there = await Promise.all(
    ['users', 'groups'].map(async (name) => {
      const answer = await reader(instance, tenant).ask(`/${name}?limit=100`)
      return ((await answer.json()) as { items: { id: string }[] }).items
    }),
  )
  expect([...copy].sort()).toEqual(
    there
      .flat()
      .map((one) => [one.id, JSON.stringify(one)])
      .sort(),
  )
  const answer = await reader(instance, tenant).ask(`/memberships?group=${group}&limit=100`)
  const { items } = (await answer.json()) as { items: { memberId: string }[] }
  const joined = [...(members.get(group) ?? [])].filter((id) => copy.has(id))
  expect(joined.sort()).toEqual(items.map(({ memberId }) => memberId).sort())
  expect(joined).toHaveLength(8)
})

test('EV-15 410 where the events are gone or were never there, from the beginning without a position', async () => {
  const tenant = await instance.newTenant()
  await makeUser(tenant, 'ada')
  await changes(tenant, 0)
  const status = async (query: string) => (await reader(instance, tenant).ask(`/changes${query}`)).status
  expect(await status('?after=2')).toBe(410)
  const whole = await reader(instance, tenant).ask('/changes')
  expect([whole.status, (await whole.json()) as object]).toEqual([200, await changes(tenant, 0)])
  await database.run(`update events set occurred_at = now() - interval '100 days' where tenant_id = $1::uuid`, [
    tenant.id,
  ])
  await eventLogOf(database, tenant.id).trim(90)
  expect([await status('?after=0'), await status('')]).toEqual([410, 410])
  expect(await status('?after=1')).toBe(200)
})
