import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { RoleWorker } from '../../src/administration/roles/role-work.ts'
import type { Database } from '../../src/db/database.ts'
import type { RoleRule } from '../../src/tenancy/role-rules.ts'
import { engineName, openTestDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  type Filled,
  fillDirectly,
  groupBody,
  type Instance,
  idIn,
  openInstance,
  type Place,
  removeMember,
  userBody,
} from '../support/instances.ts'
import { roleEvents, rolesByLog, rolesByRows, setRules } from '../support/roles.ts'
import { withRun } from '../support/statements.ts'

// On the embedded engine all tenants wait for a transaction. A group may have all users of a tenant.

const USERS = 1_700
const AT_ONCE = 500
const embedded = engineName() === 'pglite'

let database: Database
/** The same, of which it is noted what it is asked. */
let watched: Database
let instance: Instance
let place: Place
let tenant: TestTenant
let filled: Filled
/** How many people each statement about holders was about, and pages of a group. */
let people: number[] = []
let pages = 0
/** What happens after the page with this number, from 1 on. */
let afterPage: (page: number) => Promise<unknown> = async () => {}

beforeAll(async () => {
  database = await openTestDatabase()
  watched = withRun(database, async (handle, text, values, options) => {
    const rows = await handle.run(text, values, options)
    if (options?.name === 'roles-holders')
      people.push((rows as { roles: string | null }[]).filter((row) => row.roles === null).length)
    if (text.includes('order by m.member_id limit')) await afterPage(++pages)
    return rows
  })
  instance = await openInstance(database)
})
beforeEach(async () => {
  place = await instance.newPlace()
  tenant = await instance.newTenant({ place })
  ;[people, pages, afterPage] = [[], 0, async () => {}]
})
afterAll(() => instance.close())

const failures: unknown[] = []
async function followed(rules: RoleRule[] | null): Promise<void> {
  await setRules(watched, place, tenant, rules)
  const worker = new RoleWorker(watched, (error) => failures.push(error))
  while (await worker.pass());
}
/** Rows and log say the same. */
const agree = async () => {
  expect(await rolesByLog(database, tenant.id)).toEqual(await rolesByRows(database, tenant.id))
  expect([...failures, ...instance.errors]).toEqual([])
}
const few = { group: { displayName: 'Few' }, role: 'everyone' }
const everyone = [{ group: { displayName: 'Group 1' }, role: 'everyone' }]
/** A group of all users beside what some have by another group. */
const fill = async (groups = 1) => {
  filled = await fillDirectly(database, tenant.id, { users: USERS, groups })
}
/** An empty group in the large one. */
async function innerGroup(): Promise<string> {
  const inner = idIn(await tenant.scim('POST', '/Groups', groupBody('Inner')))
  await ok(tenant.scim('PATCH', `/Groups/${filled.groupId(1)}`, addMembers(inner)))
  return inner
}
const ok = async (answer: Promise<{ status: number }>) => expect((await answer).status).toBeLessThan(300)

test('SEC-15 no statement is about all users of a large group, and other tenants come between, on the embedded engine', async () => {
  await fill()
  const other = await instance.newTenant()
  let answered = 0
  afterPage = async () => {
    await ok(other.scim('POST', '/Users', userBody(`between-${pages}`)))
    answered++
  }
  await ok(tenant.scim('POST', '/Groups', groupBody('Few', [1, 2, 3].map(filled.userId))))
  await followed([few])
  await followed([few, ...everyone])
  expect(await roleEvents(database, tenant.id)).toEqual([
    'role.assigned everyone 3',
    ...['role.assigned everyone 1000', 'role.assigned everyone 697'],
  ])
  await followed([few])
  expect((await roleEvents(database, tenant.id)).slice(3)).toEqual([
    ...['role.unassigned everyone 1000', 'role.unassigned everyone 697'],
  ])
  expect(Math.max(...people) <= AT_ONCE).toBe(embedded)
  expect({ pages, answered }).toEqual(embedded ? { pages: 8, answered: 8 } : { pages: 0, answered: 0 })
  await agree()
})

test('many groups that are large together are followed in several steps', async () => {
  await fill(20)
  await followed([{ group: { pattern: 'Group *' }, role: 'r' }])
  await followed([{ group: { pattern: 'Group 1*' }, role: 's' }])
  expect(Math.max(...people) <= AT_ONCE).toBe(embedded)
  expect(pages).toBe(0)
  await agree()
})

test('who joins, leaves, goes or gets the role otherwise while a large group is looked at is told once', async () => {
  await fill()
  const fewId = idIn(await tenant.scim('POST', '/Groups', groupBody('Few', [filled.userId(7)])))
  const inner = await innerGroup()
  const late = idIn(await tenant.scim('POST', '/Users', userBody('late')))
  await followed([few])
  afterPage = async (page) => {
    if (page !== 2) return
    await ok(tenant.scim('PATCH', `/Groups/${inner}`, addMembers(late, filled.userId(1))))
    await ok(tenant.scim('PATCH', `/Groups/${fewId}`, addMembers(filled.userId(2), filled.userId(1_690))))
    await ok(tenant.scim('DELETE', `/Users/${filled.userId(3)}`))
  }
  await followed([few, ...everyone])
  await agree()
  // Four pages of the group and one of the group in it: looked at once.
  const has = (await rolesByRows(database, tenant.id)).length
  expect([pages, has]).toEqual(embedded ? [5, USERS] : [0, USERS])
  pages = 0
  afterPage = async (page) => {
    if (page !== 2) return
    await ok(tenant.scim('PATCH', `/Groups/${inner}`, removeMember(late)))
    await ok(tenant.scim('PATCH', `/Groups/${fewId}`, removeMember(filled.userId(2))))
    await ok(tenant.scim('DELETE', `/Users/${filled.userId(4)}`))
  }
  await followed([few])
  await agree()
  expect([pages, (await rolesByRows(database, tenant.id)).length]).toEqual(embedded ? [5, 2] : [0, 1])
})

test('a group that comes below a large one while it is looked at has it looked at anew, in the end all at once', async () => {
  await fill()
  const inner = await innerGroup()
  const innermost = idIn(await tenant.scim('POST', '/Groups', groupBody('Innermost', [filled.userId(1)])))
  let times = 0
  afterPage = async (page) => {
    if (page % 3 !== 2) return
    const patch = times++ % 2 === 0 ? addMembers(innermost) : removeMember(innermost)
    await ok(tenant.scim('PATCH', `/Groups/${inner}`, patch))
  }
  await followed(everyone)
  await agree()
  expect(Math.max(...people)).toBe(USERS)
  expect(times >= 3).toBe(embedded)
})

test('rules that change again and again while a large group is looked at make no statement about all of its users', async () => {
  await fill()
  let changes = 0
  afterPage = async (page) => {
    if (page % 2 === 1 || changes === 5) return
    changes++
    await setRules(database, place, tenant, [...everyone, { group: { displayName: `Change ${changes}` }, role: 'few' }])
  }
  await followed(everyone)
  await agree()
  expect((await rolesByRows(database, tenant.id)).length).toBe(USERS)
  expect(Math.max(...people) <= AT_ONCE).toBe(embedded)
  expect(changes).toBe(embedded ? 5 : 0)
})

test('a large group that is deleted, or rules that change, while it is looked at give nothing', async () => {
  await fill()
  afterPage = async (page) => {
    if (page === 2) await setRules(database, place, tenant, [])
  }
  await followed(everyone)
  await agree()
  if (embedded) expect(await roleEvents(database, tenant.id)).toEqual([])
  await followed([])
  pages = 0
  afterPage = async (page) => {
    if (page === 2) await ok(tenant.scim('DELETE', `/Groups/${filled.groupId(1)}`))
  }
  await followed(everyone)
  await agree()
  if (embedded) expect(await rolesByRows(database, tenant.id)).toEqual([])
})
