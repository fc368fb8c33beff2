import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Administration } from '../../src/administration/change.ts'
import { changeEnvironment } from '../../src/administration/environments.ts'
import { createApiKey, findApiKey, revokeApiKey } from '../../src/administration/keys/api-keys.ts'
import { roleStep } from '../../src/administration/roles/role-step.ts'
import { RoleWorker } from '../../src/administration/roles/role-work.ts'
import { changeTenant } from '../../src/administration/tenants.ts'
import { CONFIGURED_ADMIN } from '../../src/auth/principal.ts'
import type { Database } from '../../src/db/database.ts'
import { recorded } from '../../src/repositories/control/control-revision.ts'
import { roleProgressOf } from '../../src/repositories/roles/role-rule-work.ts'
import { forTenant } from '../../src/repositories/tenant-scope.ts'
import type { RoleRule } from '../../src/tenancy/role-rules.ts'
import { adminSender, environmentPath } from '../support/admin-sender.ts'
import { administrationOn } from '../support/administration.ts'
import { engineName, openDatabases } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { holdOpen } from '../support/held.ts'
import {
  addMembers,
  bulkBody,
  fillDirectly,
  groupBody,
  type Instance,
  idIn,
  inconsistencies,
  openInstance,
  type Place,
  patchBody,
  removeMember,
  userBody,
} from '../support/instances.ts'
import { roleEvents, rolesByLog, rolesByRows, setRules } from '../support/roles.ts'

// On the embedded engine, which has one session, no client is in the middle of anything while another one asks.
const sideBySide = engineName() === 'pglite' ? test.skip : test

const ADMIN_KEY = 'test-admin-key-with-some-length'

let database: Database
/** Of another instance. */
let other: Database
let instance: Instance
let place: Place
let tenant: TestTenant
const failures: unknown[] = []
const admin = adminSender(() => instance, ADMIN_KEY)
const worker = (of: Database = other) => new RoleWorker(of, (error) => failures.push(error))
/** The scope of a writer who has not heard of any roles. */
const unaware = () => ({
  ...{ tenantId: tenant.id, baseUrl: '', requestId: 'r', actor: 'a' },
  ...{ defersReferences: false, hasRoles: false },
})

beforeAll(async () => {
  ;[database, other = database] = await openDatabases()
  instance = await openInstance(database, { ADMIN_KEY })
})
beforeEach(async () => {
  place = await instance.newPlace()
  tenant = await instance.newTenant({ place })
})
afterAll(async () => {
  await instance.close()
  await database.close()
  if (other !== database) await other.close()
})

/** Commits a change and dies: what is to follow is not done. */
const thenDies = (change: (administration: Administration) => Promise<unknown>): Promise<unknown> =>
  database.transaction((tx) => {
    const administration = administrationOn(tx)
    return recorded(tx, administration.author, (record) => change({ ...administration, record }))
  })
const rulesOnly = (roleRules: RoleRule[] | null, { id } = tenant) =>
  thenDies((administration) => changeTenant(administration, place, id, { settings: { roleRules } }))
const progress = () => roleProgressOf(database, tenant.id)
/** Lets every instance's work be done. */
async function finish(by = worker()): Promise<number> {
  let passes = 1
  while ((await by.pass()) && passes < 1_000) passes++
  return passes
}
const user = async (name: string) => idIn(await tenant.scim('POST', '/Users', userBody(name)))
const group = async (name: string, members: string[] = []) =>
  idIn(await tenant.scim('POST', '/Groups', groupBody(name, members)))
/** Imports a member, through the admin API. */
const importMember = (groupId: string, member: string, headers: Readonly<Record<string, string>> = {}) => {
  const items = [{ kind: 'member', group: groupId, member }]
  return admin('POST', `${environmentPath(place)}/tenants/${tenant.id}/import`, { items }, headers)
}
/** The log tells the same as the rows. */
const agree = async () => {
  expect(await rolesByLog(database, tenant.id)).toEqual(await rolesByRows(database, tenant.id))
  expect([...failures, ...instance.errors]).toEqual([])
}
const whole = async () => {
  await agree()
  expect(await inconsistencies(database, tenant.id)).toEqual([])
}
const flags = async () => {
  const [row] = await database.run<{ tenant: boolean; environment: boolean }>(
    `select t.ends_roles as tenant, e.ends_roles as environment from tenants t join environments e on e.id = t.environment_id
     where t.id = $1::uuid`,
    [tenant.id],
  )
  return row
}

describe('groups follow rules step by step', () => {
  test('200 rules over 3,000 groups: in many steps, with progress; others take over from a worker that dies', async () => {
    await fillDirectly(database, tenant.id, { users: 300, groups: 3_000 })
    // Each rule matches the groups whose number begins with its own: fifteen to some hundred of them.
    const rules = Array.from({ length: 200 }, (_, n) => ({
      group: { pattern: `Group ${n + 1}*` },
      role: `r${(n + 1) % 7}`,
    }))
    const key = await createApiKey(
      administrationOn(database),
      { kind: 'project', projectId: (await instance.newPlace()).projectId },
      { name: 'k' },
      CONFIGURED_ADMIN,
    )
    await rulesOnly(rules)
    expect(await progress()).toMatchObject({ state: 'waiting', groups: null, groupsDone: 0, finishedAt: null })
    expect(await rolesByRows(database, tenant.id)).toEqual([])
    await worker(database).pass()
    const counts: number[] = []
    for (let step = 0; step < 3; step++) {
      expect(await roleStep(database, tenant.id)).toBe(true)
      const now = await progress()
      expect(now).toMatchObject({ state: 'applying', groups: 3_000, finishedAt: null })
      counts.push(now?.groupsDone ?? -1)
    }
    expect(counts.every((count, i) => count > (counts[i - 1] ?? 0) && count < 3_000)).toBe(true)
    expect(await rolesByLog(database, tenant.id)).toEqual(await rolesByRows(database, tenant.id))

    // A key of another project is revoked in the middle of the work.
    await revokeApiKey(administrationOn(other), key.scope, key.id, new Date())
    expect((await findApiKey(database, key.scope, key.id))?.revokedAt).not.toBeNull()
    expect(await progress()).toMatchObject({ state: 'applying', groupsDone: counts.at(-1) })

    // A worker that dies in the middle of a step has done nothing.
    const before = await rolesByRows(database, tenant.id)
    const dying: Database = Object.assign(Object.create(database), {
      transaction: (work: (tx: Database) => Promise<unknown>) =>
        database.transaction(async (tx) => {
          await work(tx)
          throw new Error('killed')
        }),
    })
    await expect(roleStep(dying, tenant.id)).rejects.toThrow('killed')
    expect(await progress()).toMatchObject({ groupsDone: counts.at(-1) })
    expect(await rolesByRows(database, tenant.id)).toEqual(before)

    const passes = await finish()
    expect(passes).toBeGreaterThan(5)
    const done = await progress()
    expect(done).toMatchObject({ state: 'done', groups: 3_000, groupsDone: 3_000, problem: null })
    expect(done?.finishedAt).not.toBeNull()
    const bound = await database.run<{ n: number }>(
      'select count(*)::int as n from role_bindings where tenant_id = $1::uuid',
      [tenant.id],
    )
    // Group 1234 is matched by the rules 1, 12 and 123.
    const expected = Array.from({ length: 3_000 }, (_, n) => String(n + 1)).flatMap((name) =>
      rules.filter((_, n) => name.startsWith(String(n + 1))),
    )
    expect(bound[0]?.n).toBe(expected.length)
    await agree()
  })

  test('a change of rules in a small tenant is done when it is answered', async () => {
    await group('Sales', [await user('a')])
    await setRules(database, place, tenant, [{ group: { displayName: 'Sales' }, role: 'seller' }])
    expect(await progress()).toMatchObject({ state: 'done', groups: 1, groupsDone: 1 })
    expect(await roleEvents(database, tenant.id)).toEqual(['role.assigned seller 1'])
    await whole()
  })

  test('newer rules take the place of those that are being followed, and nothing is told twice', async () => {
    await fillDirectly(database, tenant.id, { users: 50, groups: 500 })
    await rulesOnly([{ group: { pattern: 'Group *' }, role: 'one' }])
    await worker().pass()
    expect(await roleStep(database, tenant.id)).toBe(true)
    expect(await rolesByRows(database, tenant.id)).not.toEqual([])
    await rulesOnly([{ group: { pattern: 'Group 1*' }, role: 'two' }])
    await finish()
    const roles = new Set((await rolesByRows(database, tenant.id)).map((pair) => pair.split(' ')[0]))
    expect([...roles]).toEqual(['two'])
    await rulesOnly([])
    await finish()
    expect(await rolesByRows(database, tenant.id)).toEqual([])
    await agree()
  })

  test('who has a role before and after keeps it all the while', async () => {
    await fillDirectly(database, tenant.id, { users: 50, groups: 700 })
    await setRules(database, place, tenant, [{ group: { pattern: 'Group *' }, role: 'r' }])
    await finish()
    const before = await roleEvents(database, tenant.id)
    await rulesOnly([{ group: { pattern: 'Group*' }, role: 'r' }])
    expect(await finish()).toBeGreaterThan(2)
    expect(await roleEvents(database, tenant.id)).toEqual(before)
    await agree()
  })

  test('a group that changes before its turn comes gives the role at once, and once', async () => {
    await fillDirectly(database, tenant.id, { users: 5, groups: 450 })
    const someone = await user('late')
    const last = await group('Group last', [await user('a')])
    await rulesOnly([{ group: { pattern: 'Group *' }, role: 'r' }])
    await worker().pass()
    expect(await roleStep(database, tenant.id)).toBe(true)
    expect((await tenant.scim('PATCH', `/Groups/${last}`, addMembers(someone))).status).toBeLessThan(300)
    expect(await rolesByRows(database, tenant.id)).toContain(`r ${someone}`)
    await group('Group new', [someone])
    await finish()
    await agree()
  })

  test('names that came to fall together are not merged, and the progress says which', async () => {
    await group('Sales EU', [await user('a')])
    const second = await group('Other', [await user('b')])
    await rulesOnly([{ everyGroup: true }])
    await database.run(
      `update resources set label = 'sales_eu', display_key = 'sales_eu' where tenant_id = $1::uuid and id = $2::uuid`,
      [tenant.id, second],
    )
    await finish()
    expect(await progress()).toMatchObject({
      state: 'done',
      problem: 'the groups "Sales EU" and "sales_eu" would both be the role "sales-eu"; give one of them another name',
    })
    expect(await rolesByRows(database, tenant.id)).toHaveLength(1)
  })

  test('the admin API tells how far a tenant is, and how many of an environment', async () => {
    const ask = async (path: string) => {
      const answer = await admin('GET', `${environmentPath(place)}${path}/role-progress`)
      expect(answer.status).toBe(200)
      return answer.body
    }
    expect(await ask(`/tenants/${tenant.id}`)).toEqual({
      ...{ state: 'done', groups: null, groupsDone: 0, since: null, finishedAt: null, resumesAt: null, problem: null },
    })
    expect(await ask('')).toEqual({ state: 'done', tenants: 0, tenantsDone: 0, since: null })
    await fillDirectly(database, tenant.id, { users: 10, groups: 250 })
    await rulesOnly([{ group: { pattern: '*' }, role: 'r' }])
    await worker().pass()
    await roleStep(database, tenant.id)
    const begun = { state: 'applying', groups: 250, groupsDone: 100, finishedAt: null }
    expect(await ask(`/tenants/${tenant.id}`)).toMatchObject(begun)
    expect(await ask('')).toMatchObject({ state: 'applying', tenants: 1, tenantsDone: 0, since: expect.any(String) })
    await finish()
    const done = { state: 'done', groups: 250, groupsDone: 250, finishedAt: expect.any(String) }
    expect(await ask(`/tenants/${tenant.id}`)).toMatchObject(done)
    expect(await ask('')).toEqual({ state: 'done', tenants: 1, tenantsDone: 1, since: null })
  })

  test('a step that fails is told of, and tried again later by small steps where it took too long', async () => {
    await group('Sales', [await user('a')])
    await group('Sales too', [await user('b')])
    await rulesOnly([{ group: { pattern: '*' }, role: 'r' }])
    await worker().pass()
    const told: unknown[] = []
    let fails = true
    const failing: Database = Object.assign(Object.create(database), {
      transaction: (work: (tx: Database) => Promise<unknown>) =>
        fails ? Promise.reject(Object.assign(new Error('cancelled'), { code: '57014' })) : database.transaction(work),
    })
    const by = new RoleWorker(failing, (error) => told.push(error))
    await by.pass()
    expect(told).toHaveLength(1)
    expect((await progress())?.resumesAt?.getTime()).toBeGreaterThan(Date.now())
    fails = false
    // No worker goes on before its time.
    await by.pass()
    expect(await progress()).toMatchObject({ state: 'applying', groupsDone: 0 })
    await database.run(`update role_rule_work set due_at = now() - interval '1 second' where tenant_id = $1::uuid`, [
      tenant.id,
    ])
    expect(await finish(by)).toBeGreaterThan(2)
    expect(await roleEvents(database, tenant.id)).toEqual(['role.assigned r 1', 'role.assigned r 1'])
    await whole()
  })

  test('a tenant that is deleted leaves no work', async () => {
    await rulesOnly([{ everyGroup: true }])
    await database.run('delete from api_keys where tenant_id = $1::uuid', [tenant.id])
    await database.run('delete from tenants where id = $1::uuid', [tenant.id])
    await finish()
    expect(await progress()).toBeUndefined()
  })
})

describe('rules that end', () => {
  test('are followed by writers who see none any more, until nothing is given by them', async () => {
    const [a, b, c] = [await user('a'), await user('b'), await user('c')]
    const sales = await group('Sales', [a, b])
    await setRules(database, place, tenant, [{ group: { displayName: 'Sales' }, role: 'seller' }])
    await rulesOnly([])
    expect(await flags()).toEqual({ tenant: true, environment: false })
    const at = unaware()
    const change = { groupId: sales, expectedVersion: null, clear: false }
    const blind = () => forTenant(database, at)
    expect(await blind().memberships.change([{ ...change, add: [], remove: [a] }])).toEqual({ outcome: 'roles-apply' })
    expect((await tenant.scim('PATCH', `/Groups/${sales}`, removeMember(a))).status).toBeLessThan(300)
    expect((await importMember(sales, c)).status).toBe(200)
    expect((await tenant.scim('DELETE', `/Users/${b}`)).status).toBe(204)
    await finish()
    expect(await roleEvents(database, tenant.id)).toEqual([
      'role.assigned seller 2',
      'role.unassigned seller 1',
      'role.assigned seller 1',
      'role.unassigned seller 1',
      'role.unassigned seller 1',
    ])
    expect(await flags()).toEqual({ tenant: false, environment: false })
    await blind().memberships.change([{ ...change, add: [a], remove: [] }])
    await whole()
  })

  test('are followed by every kind of write, alone or in a transaction', async () => {
    const [a, b, c, d, e] = [await user('a'), await user('b'), await user('c'), await user('d'), await user('e')]
    const sales = await group('Sales', [a, b])
    const inner = await group('Inner', [d])
    await setRules(database, place, tenant, [{ group: { displayName: 'Sales' }, role: 'seller' }])
    await rulesOnly([])
    const events = () => roleEvents(database, tenant.id)
    const before = (await events()).length
    const log = async () => (await events()).slice(before)

    const replaced = await tenant.scim('PUT', `/Groups/${sales}`, groupBody('Sales', [b, inner]))
    expect(replaced.status).toBe(200)
    expect(await log()).toEqual(['role.unassigned seller 1', 'role.assigned seller 1'])
    const renamed = { op: 'replace', path: 'displayName', value: 'Inside' }
    const mixed = patchBody(renamed, { op: 'add', path: 'members', value: [{ value: e }] })
    expect((await tenant.scim('PATCH', `/Groups/${inner}`, mixed)).status).toBeLessThan(300)
    expect((await log()).slice(2)).toEqual(['role.assigned seller 1'])
    await group('Empty', [c])
    const bulk = await tenant.scim(
      'POST',
      '/Bulk',
      bulkBody([
        { method: 'POST', path: '/Groups', bulkId: 'g', data: groupBody('Bulk', [c]) },
        { method: 'PATCH', path: `/Groups/${sales}`, data: addMembers(c) },
        { method: 'PATCH', path: `/Groups/${inner}`, data: removeMember(d) },
        { method: 'DELETE', path: `/Users/${e}` },
      ]),
    )
    expect((bulk.body as { Operations: { status: string }[] }).Operations.map(({ status }) => status)).toEqual([
      '201',
      '200',
      '200',
      '204',
    ])
    expect((await importMember(inner, d, { 'Idempotency-Key': tenant.id })).status).toBe(200)
    expect((await log()).slice(3).sort()).toEqual([
      'role.assigned seller 1',
      'role.assigned seller 1',
      'role.unassigned seller 1',
      'role.unassigned seller 1',
    ])
    await agree()
    await finish()
    expect(await rolesByRows(database, tenant.id)).toEqual([])
    await whole()
  })

  test('an environment notes it once all of its tenants are done', async () => {
    const second = await instance.newTenant({ place })
    for (const each of [tenant, second])
      await each.scim('POST', '/Groups', groupBody('Sales', [idIn(await each.scim('POST', '/Users', userBody('x')))]))
    const set = (roleRules: RoleRule[] | null) =>
      thenDies((administration) =>
        changeEnvironment(administration, place.projectId, place.environmentId, { settings: { roleRules } }),
      )
    await set([{ group: { displayName: 'Sales' }, role: 'seller' }])
    await finish()
    expect(await roleEvents(database, second.id)).toEqual(['role.assigned seller 1'])
    await set(null)
    expect(await flags()).toEqual({ tenant: false, environment: true })
    expect(await roleStep(database, tenant.id)).toBe(true)
    await worker().pass()
    await worker().pass()
    expect(await flags()).toEqual({ tenant: false, environment: false })
    expect(await roleEvents(database, second.id)).toEqual(['role.assigned seller 1', 'role.unassigned seller 1'])
    await whole()
  })
})

describe('the first rules of a tenant', () => {
  sideBySide('wait for writers who have seen none, and hold up no writer', async () => {
    const [a, b] = [await user('a'), await user('b')]
    const sales = await group('Sales', [a])
    const others = await instance.newTenant({ place })
    const someone = idIn(await others.scim('POST', '/Users', userBody('x')))
    const elsewhere = idIn(await others.scim('POST', '/Groups', groupBody('G')))
    const at = unaware()
    const writer = await holdOpen(other, (tx) =>
      forTenant(tx, at).memberships.change([
        { groupId: sales, expectedVersion: null, clear: false, add: [b], remove: [] },
      ]),
    )
    const setting = setRules(database, place, tenant, [{ group: { displayName: 'Sales' }, role: 'seller' }])
    await expect.poll(async () => (await progress())?.state).toBe('waiting')
    const added = await others.scim('PATCH', `/Groups/${elsewhere}`, addMembers(someone))
    expect(added.status).toBeLessThan(300)
    // The answer does not wait for the writer either.
    await setting
    expect(await progress()).toMatchObject({ state: 'waiting', groupsDone: 0 })
    const by = worker()
    await by.pass()
    await by.pass()
    expect(await progress()).toMatchObject({ state: 'waiting' })
    await writer.release()
    await finish(by)
    expect(await roleEvents(database, tenant.id)).toEqual(['role.assigned seller 2'])
    await whole()
  })
})
