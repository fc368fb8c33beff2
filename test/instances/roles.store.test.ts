import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import type { RoleRule } from '../../src/tenancy/role-rules.ts'
import { openDatabases } from '../support/engines.ts'
import type { Scim, TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  bulkBody,
  groupBody,
  type Instance,
  idIn,
  inconsistencies,
  openInstance,
  type Place,
  removeMember,
  userBody,
} from '../support/instances.ts'
import { roleEvents, rolesByLog, rolesByRows, setRules } from '../support/roles.ts'

// Two instances with connections of their own; on the embedded engine, which has one process, two clients of one.
let databases: readonly [Database, ...Database[]]
let instances: Instance[]
let place: Place
let tenant: TestTenant
let each: Scim[]

beforeAll(async () => {
  databases = await openDatabases()
  instances = await Promise.all(databases.map((database) => openInstance(database)))
  place = await (instances[0] as Instance).newPlace()
})
afterAll(async () => {
  for (const instance of instances) await instance.close()
  for (const database of databases) await database.close()
})
beforeEach(() => begin([{ group: { pattern: 'admins*' }, role: 'admin' }]))

async function begin(roleRules: RoleRule[]): Promise<void> {
  tenant = await (instances[0] as Instance).newTenant({ place, settings: { roleRules } })
  each = instances.map((instance) => instance.reach(tenant))
}
const via = (n: number): Scim => each[n % each.length] as Scim
const database = () => databases[0]
const user = async (name: string) => idIn(await via(0)('POST', '/Users', userBody(name)))
const group = async (name: string, members: string[] = []) =>
  idIn(await via(0)('POST', '/Groups', groupBody(name, members)))
const times = <T>(count: number, work: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => work(n)))
const whole = async () => {
  expect(await rolesByLog(database(), tenant.id)).toEqual(await rolesByRows(database(), tenant.id))
  expect(await inconsistencies(database(), tenant.id)).toEqual([])
  expect(instances.flatMap(({ errors }) => errors)).toEqual([])
}

test('who leaves both groups of a role at the same moment loses it once', async () => {
  const people = await times(12, (n) => user(`u${n}`))
  const groups = [await group('admins 1', people), await group('admins 2', people)]
  const before = (await roleEvents(database(), tenant.id)).length
  await Promise.all(people.flatMap((id) => groups.map((at, n) => via(n)('PATCH', `/Groups/${at}`, removeMember(id)))))
  const lost = (await roleEvents(database(), tenant.id)).slice(before)
  expect(lost).toEqual(people.map(() => 'role.unassigned admin 1'))
  await whole()
})

test('a user who joins a group while it joins one that gives a role gets the role once', async () => {
  for (let round = 0; round < 15; round++) {
    const [admins, inner, innermost] = [
      await group(`admins ${round}`),
      await group(`a${round}`),
      await group(`b${round}`),
    ]
    const someone = await user(`u${round}`)
    await Promise.all([
      via(0)('PATCH', `/Groups/${innermost}`, addMembers(someone)),
      via(1)('PATCH', `/Groups/${inner}`, addMembers(innermost)),
      via(2)('PATCH', `/Groups/${admins}`, addMembers(inner)),
    ])
  }
  expect(await roleEvents(database(), tenant.id)).toHaveLength(15)
  await whole()
})

test('rules that come and go while eight clients change members, groups and users lose and repeat nothing', async () => {
  await begin([])
  const people = await times(6, (n) => user(`u${n}`))
  const groups = [await group('admins', people), await group('one', people.slice(0, 3)), await group('two')]
  let going = true
  const changing = (async () => {
    for (let n = 0; going; n++) {
      const rules = n % 3 === 2 ? [] : [{ group: { pattern: n % 2 ? 'admins' : '*' }, role: 'r' }]
      await setRules(database(), place, tenant, rules)
      // Instances learn of rules within half a second of a real clock: some rules last longer than that, most do not.
      await new Promise((resolve) => setTimeout(resolve, n % 4 === 0 ? 600 : 40))
    }
  })()
  const statuses = new Set<number>()
  await times(8, async (client) => {
    for (let i = 0; i < 8; i++) {
      const [at, inner] = [groups[(client + i) % 3] ?? '', groups[(client + i + 1) % 3] ?? '']
      const [id, fresh] = [people[(client * 5 + i) % 6] ?? '', `c${client}i${i}`]
      const name = ['admins', 'one', 'two'][groups.indexOf(inner)] ?? ''
      const bulk = [
        { method: 'POST', path: '/Users', bulkId: 'x', data: userBody(fresh) },
        { method: 'POST', path: '/Groups', bulkId: 'y', data: groupBody(fresh, ['bulkId:x']) },
      ]
      const answers = [
        await via(client)('PATCH', `/Groups/${at}`, i % 2 ? addMembers(id, inner) : removeMember(id)),
        await via(client)('PUT', `/Groups/${inner}`, groupBody(name, [id])),
        await via(client)('POST', '/Bulk', bulkBody(bulk)),
      ]
      for (const { status } of answers) statuses.add(status)
    }
  }).finally(() => {
    going = false
  })
  await changing
  expect([...statuses].every((status) => status < 300)).toBe(true)
  await setRules(database(), place, tenant, [{ group: { pattern: '*' }, role: 'r' }])
  await whole()
})
