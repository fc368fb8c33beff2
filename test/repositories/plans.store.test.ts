import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { builtIn } from '../../src/provisioning/look-up.ts'
import type { MembershipQuery } from '../../src/repositories/memberships/membership-pages.ts'
import { forTenant, type Repositories } from '../../src/repositories/tenant-scope.ts'
import { builtInRegistry } from '../../src/scim/schema/registry.ts'
import { ENTERPRISE_USER_SCHEMA } from '../../src/scim/urn.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  analyze,
  type Filled,
  fillDirectly,
  groupBody,
  type Instance,
  idIn,
  json,
  listedIds,
  openInstance,
  patchBody,
  removeMember,
  userBody,
  valuesOf,
} from '../support/instances.ts'
import { genericPlan, nodesOf, type PlanNode } from '../support/statements.ts'

// A database of its own: what the planner knows must not depend on the other tests.
let database: Database
let instance: Instance
let tenant: TestTenant
let filled: Filled

const USERS = 100_000
const GROUPS = 2_000

beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database)
  tenant = await instance.newTenant()
  filled = await fillDirectly(database, tenant.id, { users: USERS, groups: GROUPS })
  for (let i = 0; i < 5; i++) {
    const other = await instance.newTenant()
    await fillDirectly(database, other.id, { users: 500 * (i + 1), groups: 20 })
  }
  // A log as long as the tenant is large, from before what the tests change.
  await database.run(
    `insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
     select tenant_id, 'user.created', resource_type, id, 1, 'filled', 'filled', now() - interval '1 day', '{}'
     from resources where tenant_id = $1::uuid`,
    [tenant.id],
  )
  await analyze(database)
  // The first cursor asks for the secret that seals them.
  await tenant.scim('GET', '/Users?cursor=&count=1')
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

/** More rows than any hot path has to look at: pages have up to 100, and a prefix may match some. */
const FEW_ROWS = 500

interface Cost {
  readonly node: string
  readonly on: string
  readonly rows: number
}

const costOf = (node: PlanNode): Cost => ({
  node: node['Node Type'],
  on: node['Relation Name'] ?? node['Index Name'] ?? '',
  rows: ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) * (node['Actual Loops'] ?? 1),
})

/** Sends a request, and gives what its statements look at when run with the plans for all values. */
async function costs(method: string, path: string, body?: object, by = tenant.scim) {
  const { result, statements, transactions } = await instance.recorder.during(() => by(method, path, body))
  expect(result.status).toBeLessThan(300)
  const plans: Cost[] = []
  for (const statement of statements) {
    plans.push(...nodesOf(await genericPlan(database, statement, { analyze: true })).map(costOf))
  }
  return { answer: result, roundTrips: statements.length, transactions, plans }
}

// A function scan over one document, or the counts of two types, may be called a scan.
const tooMuch = ({ node, on, rows }: Cost) =>
  rows > FEW_ROWS || (node === 'Seq Scan' && ['resources', 'search_documents', 'memberships', 'events'].includes(on))

const users = (filter: string) => `/Users?filter=${encodeURIComponent(filter)}`
const groups = (filter: string) => `/Groups?filter=${encodeURIComponent(filter)}&excludedAttributes=members`

describe('Q-29 reads stay small in a tenant of 100,000 users', () => {
  test.each<[string, () => string, number]>([
    ['retrieve by id', () => `/Users/${filled.userId(777)}`, 1],
    ['id eq', () => users(`id eq "${filled.userId(777)}"`), 1],
    ['userName eq', () => users('userName eq "USER777"'), 1],
    ['userName sw', () => users('userName sw "user7777"'), 11],
    ['externalId eq', () => users('externalId eq "ext777"'), 1],
    ['emails.value eq', () => users('emails.value eq "User777@work.test"'), 1],
    ['emails[type and value eq]', () => users('emails[type eq "work" and value eq "user777@work.test"]'), 1],
    ['displayName eq, users', () => users('displayName eq "Person 777"'), 1],
    ['displayName sw, users', () => users('displayName sw "Person 7777"'), 11],
    ['displayName eq, groups', () => groups('displayName eq "GROUP 777"'), 1],
    ['displayName sw, groups', () => groups('displayName sw "Group 77"'), 11],
    ['members.value eq', () => groups(`members.value eq "${filled.userId(777)}"`), 1],
    ['members eq', () => groups(`members eq "${filled.userId(777)}"`), 1],
    ['title eq', () => users('title eq "title 777"'), 1],
    ['an extension attribute eq', () => users(`${ENTERPRISE_USER_SCHEMA}:department eq "Department 777"`), 1],
    ['userName eq and active', () => users('userName eq "user777" and active eq true'), 1],
    ['page 1', () => '/Users?count=100', USERS],
    ['the last page', () => `/Users?startIndex=${USERS - 99}&count=100`, USERS],
    ['page 1 by cursor', () => '/Users?cursor&count=100', USERS],
    ['a group with its members', () => `/Groups/${filled.groupId(7)}`, 1],
    ['a group without its members', () => `/Groups/${filled.groupId(7)}?excludedAttributes=members`, 1],
    ['page 1 of groups', () => '/Groups?count=100&excludedAttributes=members', GROUPS],
  ])('%s', async (_, path, total) => {
    const { answer, roundTrips, plans } = await costs('GET', path())
    if ('totalResults' in json(answer)) expect(json(answer).totalResults).toBe(total)
    expect(plans.filter(tooMuch)).toEqual([])
    expect(roundTrips).toBe(1)
  })

  test("a user's groups, direct and indirect, where groups are large", async () => {
    const crowded = await instance.newTenant()
    const everybody = await fillDirectly(database, crowded.id, { users: 3_000, groups: 2 })
    const [inner, outer] = [everybody.groupId(1), everybody.groupId(2)]
    const join = `insert into memberships (tenant_id, group_id, member_id)
      select tenant_id, $2::uuid, id from resources where tenant_id = $1::uuid and (resource_type = 'User' or id = $3::uuid)
      on conflict do nothing`
    await database.run(join, [crowded.id, inner, null])
    await database.run(join, [crowded.id, outer, inner])
    await analyze(database)
    const { answer, roundTrips, plans } = await costs('GET', `/Users/${everybody.userId(7)}`, undefined, crowded.scim)
    expect(valuesOf(json(answer).groups).sort()).toEqual([inner, outer].sort())
    expect(plans.filter(tooMuch)).toEqual([])
    expect(roundTrips).toBe(1)
  })

  test('the next page by cursor', async () => {
    const first = json(await tenant.scim('GET', '/Users?cursor=&count=100'))
    const { answer, roundTrips, plans } = await costs('GET', `/Users?cursor=${first.nextCursor}&count=100`)
    expect(json(answer).itemsPerPage).toBe(100)
    expect(plans.filter(tooMuch)).toEqual([])
    expect(roundTrips).toBe(1)
  })

  test('Q-29 meta.lastModified ge, by the events of late', async () => {
    const changed = await tenant.scim(
      'PATCH',
      `/Users/${filled.userId(4_000)}`,
      patchBody({ op: 'add', path: 'nickName', value: 'n' }),
    )
    const { lastModified } = json(changed).meta as { lastModified: string }
    const { answer, plans } = await costs('GET', users(`meta.lastModified ge "${lastModified}"`))
    expect(json(answer).totalResults).toBe(1)
    expect(plans.filter(tooMuch)).toEqual([])
  })
})

describe('where many have the same name', () => {
  let crowded: Database
  let gateway: Instance
  let few: TestTenant
  beforeAll(async () => {
    crowded = await openFreshDatabase()
    gateway = await openInstance(crowded)
    few = await gateway.newTenant()
    await fillDirectly(crowded, few.id, { users: 20_000, groups: 2 })
    await crowded.run(`update resources set display_key = 'one of ' || (abs(hashtext(id::text)) % 20)`, [])
    await analyze(crowded)
  })
  afterAll(async () => {
    await gateway.close()
    await crowded.close()
  })

  // The planner believes that any name is a thousand users', whom it would find soonest in the order of the page.
  test('a name that no user has is looked up without a look at every user', async () => {
    const path = users('displayName eq "somebody else"')
    const { result, statements } = await gateway.recorder.during(() => few.scim('GET', path))
    expect(json(result).totalResults).toBe(0)
    expect(statements).toHaveLength(1)
    for (const statement of statements) {
      const plan = nodesOf(await genericPlan(crowded, statement, { analyze: true })).map(costOf)
      expect(plan.filter(tooMuch)).toEqual([])
    }
  })

  test('those with one are counted, and the page is of the first ones', async () => {
    const read = (paging: string) => few.scim('GET', `${users('displayName eq "one of 7"')}&attributes=id&${paging}`)
    const [whole, counted] = [await read('count=7&startIndex=1'), await read('count=0')]
    const [{ n, first } = { n: 0, first: '' }] = await crowded.run<{ n: number; first: string }>(
      `select count(*)::int as n, min(id::text) as first from resources
       where tenant_id = $1::uuid and resource_type = 'User' and display_key = 'one of 7'`,
      [few.id],
    )
    expect(json(whole)).toMatchObject({ totalResults: n, itemsPerPage: 7 })
    expect(listedIds(whole)[0]).toBe(first)
    expect(json(counted)).toMatchObject({ totalResults: n, itemsPerPage: 0 })
    expect(n).toBeGreaterThan(500)
  })
})

describe('lists of memberships stay small', () => {
  const third = { groupId: () => filled.groupId(3), memberId: () => filled.userId(3) }
  test.each<[string, () => Partial<MembershipQuery>]>([
    ['all', () => ({})],
    ['all, further on', () => ({ after: { groupId: third.groupId(), memberId: third.memberId() } })],
    ['of a group', () => ({ groupId: third.groupId() })],
    [
      'of a group, further on',
      () => ({ groupId: third.groupId(), after: { groupId: third.groupId(), memberId: third.memberId() } }),
    ],
    ['of a member', () => ({ memberId: third.memberId() })],
    ['of one in one', () => ({ groupId: third.groupId(), memberId: third.memberId() })],
  ])('%s', async (_, query) => {
    const scope = {
      tenantId: tenant.id,
      baseUrl: '',
      requestId: '',
      actor: '',
      defersReferences: false,
      hasRoles: false,
    }
    const { membershipPages } = forTenant(instance.recorder.database, scope)
    const asked = { groupId: undefined, memberId: undefined, after: undefined, limit: 100, ...query() }
    const { statements } = await instance.recorder.during(() => membershipPages.list(asked))
    expect(statements).toHaveLength(1)
    for (const statement of statements) {
      const plan = nodesOf(await genericPlan(database, statement, { analyze: true })).map(costOf)
      expect(plan.filter(tooMuch)).toEqual([])
    }
  })
})

describe('looking for roles stays small', () => {
  const scope = { requestId: '', actor: '', baseUrl: '', defersReferences: false, hasRoles: true }
  let role: string
  beforeAll(async () => {
    const [made] = await database.run<{ id: string }>(
      `insert into roles (tenant_id, id, key) values ($1::uuid, gen_random_uuid(), 'r') returning id::text`,
      [tenant.id],
    )
    role = made?.id ?? ''
    await database.run(
      `insert into role_bindings (tenant_id, group_id, role_id, rule) select $1::uuid, g.id, $2::uuid, 'x' from resources g
       where g.tenant_id = $1::uuid and g.resource_type = 'Group' and g.id <= $3::uuid`,
      [tenant.id, role, filled.groupId(40)],
    )
    for (const table of ['roles', 'role_bindings']) await database.run(`analyze ${table}`, [], { prepare: false })
  })

  const join =
    (group: number, user: number) =>
    ({ memberships }: Repositories) =>
      memberships.change([
        { groupId: filled.groupId(group), expectedVersion: null, clear: false, add: [filled.userId(user)], remove: [] },
      ])
  const end =
    (user: number) =>
    ({ resources }: Repositories) =>
      resources.remove({
        type: builtIn(builtInRegistry, 'User'),
        targets: [{ id: filled.userId(user), expectedVersion: null }],
        eventNoun: 'user',
        keepDays: undefined,
      })

  // Users are found from the groups that may be in others, for which every group is looked at, and of each a page at most.
  test.each<[string, number, (of: Repositories, alone: Repositories) => Promise<unknown>]>([
    ['roles', FEW_ROWS, ({ roles }) => roles.list({ after: undefined, limit: 100 })],
    ['roles of a user', FEW_ROWS, ({ roles }) => roles.ofUser(filled.userId(3))],
    ['groups that give one', FEW_ROWS, ({ roles }) => roles.groups(role, undefined, 100)],
    ['users who have one', GROUPS + 40 * 100, ({ roles }) => roles.users(role, undefined, 100)],
    ['users who have one, further on', GROUPS + 40 * 100, ({ roles }) => roles.users(role, filled.userId(50_000), 100)],
    ['a member comes', FEW_ROWS, join(6, 105)],
    ['a member comes, in one statement', FEW_ROWS, (_, alone) => join(6, 107)(alone)],
    ['a user goes', FEW_ROWS, end(106)],
    ['a user goes, in one statement', FEW_ROWS, (_, alone) => end(108)(alone)],
  ])('%s', async (_, most, work) => {
    const repositories = forTenant(instance.recorder.database, { ...scope, tenantId: tenant.id })
    const alone = forTenant(instance.recorder.database, { ...scope, tenantId: tenant.id, roleRules: [] })
    const { result, statements } = await instance.recorder.during(() => work(repositories, alone))
    expect(result).toBeDefined()
    for (const statement of statements) {
      const plan = nodesOf(await genericPlan(database, statement, { analyze: true })).map(costOf)
      expect(plan.filter((cost) => cost.rows > most || (tooMuch(cost) && cost.node === 'Seq Scan'))).toEqual([])
    }
  })
})

describe('writes stay small, and take the fewest round trips', () => {
  const small = async (most: number, method: string, path: string, body?: object) => {
    const { answer, roundTrips, transactions, plans } = await costs(method, path, body)
    expect(plans.filter(tooMuch)).toEqual([])
    expect({ roundTrips, few: roundTrips <= most, transactions }).toMatchObject({ few: true, transactions: 0 })
    return answer
  }

  test('create', async () => {
    const rest = {
      externalId: 'x',
      emails: [{ value: 'new@x.test' }],
      [ENTERPRISE_USER_SCHEMA]: { manager: { value: filled.userId(1) } },
    }
    // The statement cannot be run a second time with the same id, so that it is looked at unrun.
    const { statements } = await instance.recorder.during(() =>
      tenant.scim('POST', '/Users', userBody('brand new', rest)),
    )
    expect(statements).toHaveLength(1)
    for (const statement of statements) {
      const nodes = nodesOf(await genericPlan(database, statement)).map(
        (node) => `${node['Node Type']} ${node['Relation Name'] ?? ''}`,
      )
      expect(nodes.filter((node) => /^Seq Scan (resources|memberships|search_documents)$/.test(node))).toEqual([])
    }
  })

  test('PATCH active', async () => {
    const patch = patchBody({ op: 'replace', path: 'active', value: false })
    await small(2, 'PATCH', `/Users/${filled.userId(100)}`, patch)
  })

  test('PATCH of attributes and e-mail', async () => {
    const patch = patchBody({ op: 'replace', value: { title: 'x', emails: [{ value: 'changed@x.test' }] } })
    await small(2, 'PATCH', `/Users/${filled.userId(101)}`, patch)
  })

  test('PUT', async () => {
    await small(2, 'PUT', `/Users/${filled.userId(105)}`, userBody('user105', { title: 'y' }))
  })

  test('delete', async () => {
    await small(1, 'DELETE', `/Users/${filled.userId(102)}`)
  })

  test('add and remove one member', async () => {
    const id = filled.groupId(5)
    const path = `/Groups/${id}`
    await small(1, 'PATCH', path, addMembers(filled.userId(103)))
    await small(1, 'PATCH', path, removeMember(filled.userId(103)))
  })

  test('add a member to an empty group', async () => {
    const id = idIn(await tenant.scim('POST', '/Groups', groupBody('An empty one')))
    await small(2, 'PATCH', `/Groups/${id}`, addMembers(filled.userId(104)))
  })
})
