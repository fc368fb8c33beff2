import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { membershipsOf } from '../../src/repositories/memberships/memberships.ts'
import { resourcesOf } from '../../src/repositories/resources/resources.ts'
import { lockRoles, roleBindingsOf } from '../../src/repositories/roles/role-bindings.ts'
import type { RepositoryScope } from '../../src/repositories/scope.ts'
import type { RoleRule } from '../../src/tenancy/role-rules.ts'
import { engineName, openDatabases } from '../support/engines.ts'
import type { Scim, TestTenant } from '../support/gateway.ts'
import { holdOpen, untilWaiting } from '../support/held.ts'
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
let rules: RoleRule[]

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
  rules = roleRules
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

// On the embedded engine, which has one session, no statement waits for another.
const sideBySide = engineName() === 'pglite' ? describe.skip : describe

test('who joins both groups of a role at the same moment gets it once', async () => {
  const people = await times(12, (n) => user(`u${n}`))
  const groups = [await group('admins 1'), await group('admins 2')]
  await Promise.all(people.flatMap((id) => groups.map((at, n) => via(n)('PATCH', `/Groups/${at}`, addMembers(id)))))
  expect(await roleEvents(database(), tenant.id)).toEqual(people.map(() => 'role.assigned admin 1'))
  await whole()
})

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

sideBySide('while another statement for one user is not committed', () => {
  /** By this scope a statement follows roles by itself. */
  const scope = (): RepositoryScope => ({
    ...{ tenantId: tenant.id, baseUrl: '', requestId: 'r', actor: 'a', defersReferences: false, hasRoles: true },
    roleRules: rules,
  })
  const held = (groupId: string, members: { readonly add?: string[]; readonly remove?: string[] }) =>
    holdOpen(database(), async (tx) => {
      const change = { groupId, expectedVersion: null, clear: false, add: [], remove: [], ...members }
      const { outcome } = await membershipsOf(tx.asTenant(tenant.id), scope()).change([change])
      expect(outcome).toBe('done')
    })
  /** Sends a change, which must wait for the one that is held. */
  const waits = async (send: () => ReturnType<Scim>, { release }: Awaited<ReturnType<typeof held>>) => {
    const sent = send()
    await untilWaiting(database())
    await release()
    expect((await sent).status).toBeLessThan(300)
    await whole()
  }
  const patch = (at: string, body: object) => via(1)('PATCH', `/Groups/${at}`, body)
  const events = () => roleEvents(database(), tenant.id)

  test('the same user’s next membership sees it: a role comes once', async () => {
    const [someone, one, two] = [await user('u'), await group('admins 1'), await group('admins 2')]
    const first = await held(one, { add: [someone] })
    await waits(() => patch(two, addMembers(someone)), first)
    expect(await events()).toEqual(['role.assigned admin 1'])
  })

  test('a role goes once, with the last membership or with the user', async () => {
    const [someone, other] = [await user('u'), await user('o')]
    const [one, two] = [await group('admins 1', [someone]), await group('admins 2', [someone, other])]
    await waits(() => patch(two, removeMember(someone)), await held(one, { remove: [someone] }))
    await waits(() => via(1)('DELETE', `/Users/${other}`), await held(one, { add: [other] }))
    expect((await events()).slice(2)).toEqual(['role.unassigned admin 1', 'role.unassigned admin 1'])
  })

  test('a membership waits for the end of a user who is being deleted', async () => {
    const someone = await user('u')
    const [one, two] = [await group('admins 1', [someone]), await group('admins 2')]
    const type = { name: 'User' } as Parameters<ReturnType<typeof resourcesOf>['remove']>[0]['type']
    const { release } = await holdOpen(database(), (tx) =>
      resourcesOf(tx.asTenant(tenant.id), scope()).remove({
        ...{ type, targets: [{ id: someone, expectedVersion: null }], eventNoun: 'user', keepDays: 1 },
      }),
    )
    const sent = patch(two, addMembers(someone))
    await untilWaiting(database())
    await release()
    expect((await sent).status).toBe(400)
    expect(await events()).toEqual(['role.assigned admin 1', 'role.unassigned admin 1'])
    expect((await patch(one, removeMember(someone))).status).toBeLessThan(300)
    await whole()
  })

  test('a group that joins a group waits for it, and it for the group', async () => {
    const [someone, next] = [await user('u'), await user('v')]
    const [admins, inner] = [await group('admins'), await group('inner')]
    await waits(() => patch(admins, addMembers(inner)), await held(inner, { add: [someone] }))
    expect(await events()).toEqual(['role.assigned admin 1'])
    const leaving = await holdOpen(database(), async (tx) => {
      await lockRoles(tx, tenant.id)
      const { roleRules: _, ...locked } = scope()
      const change = { groupId: admins, expectedVersion: null, clear: false, add: [], remove: [inner] }
      await membershipsOf(tx.asTenant(tenant.id), locked).change([change])
      await tx.asTenant(tenant.id).run('delete from role_bindings where tenant_id = $1::uuid', [tenant.id])
    })
    const sent = patch(inner, addMembers(next))
    await untilWaiting(database())
    await leaving.release()
    expect((await sent).status).toBeLessThan(300)
    expect(await events()).toEqual(['role.assigned admin 1'])
  })

  test('a role that a group gives since the statement began has its event', async () => {
    const [someone, inner] = [await user('u'), await group('inner')]
    const { release } = await holdOpen(database(), async (tx) => {
      await lockRoles(tx, tenant.id)
      const bindings = roleBindingsOf(tx, tenant.id)
      const bound = { groupId: inner, label: 'inner', role: 'fresh', rule: 'a rule' }
      await bindings.bind([bound], await bindings.roleIds(['fresh']))
    })
    await waits(() => patch(inner, addMembers(someone)), { release })
    expect(await events()).toEqual(['role.assigned fresh 1'])
  })

  test('other users join and leave other groups of other roles, and are created, changed and deleted', async () => {
    await begin([{ everyGroup: true }])
    const people = await times(4, (n) => user(`u${n}`))
    const [id, other, third, fourth] = people as [string, string, string, string]
    const [one, two] = [await group('one'), await group('two', [third])]
    const { release } = await held(one, { add: [id] })
    await patch(two, addMembers(other))
    await patch(two, removeMember(third))
    await user('v')
    expect((await via(1)('DELETE', `/Users/${fourth}`)).status).toBe(204)
    expect(await events()).toEqual(['role.assigned two 1', 'role.assigned two 1', 'role.unassigned two 1'])
    await release()
    await whole()
  })
})

test('rules that come and go while eight clients change members, groups and users lose and repeat nothing', async () => {
  await begin([])
  const people = await times(6, (n) => user(`u${n}`))
  const groups = [await group('admins', people), await group('one', people.slice(0, 3)), await group('two')]
  let going = true
  const statuses: number[] = []
  /** Whether each instance has sent a statement since by which it knows that there are rules, or that there are none. */
  const learnt = (since: readonly number[], isAny: boolean) =>
    instances.every(({ recorder }, n) =>
      recorder.statements
        .slice(since[n])
        .some(({ text }) => text.includes(isAny ? 'roles_by_membership' : 'ends_roles')),
    )
  const changing = (async () => {
    for (let n = 0; going; n++) {
      const isAny = n % 3 !== 2
      await setRules(
        database(),
        place,
        tenant,
        isAny ? [{ group: { pattern: n % 2 ? 'admins' : '*' }, role: 'r' }] : [],
      )
      const [since, answers] = [instances.map(({ recorder }) => recorder.statements.length), statuses.length]
      // Instances learn of rules within half a second of a real clock: some rules last until then, most do not. At
      // the latest they are over with the clients.
      const isOver = () => !going || (n % 4 === 0 ? learnt(since, isAny) : statuses.length > answers)
      await vi.waitUntil(isOver, { timeout: 600_000, interval: 10 })
    }
  })()
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
      statuses.push(...answers.map(({ status }) => status))
    }
  }).finally(() => {
    going = false
  })
  await changing
  expect(statuses.every((status) => status < 300)).toBe(true)
  await setRules(database(), place, tenant, [{ group: { pattern: '*' }, role: 'r' }])
  await whole()
})
