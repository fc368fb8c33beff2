import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { analyze, fillDirectly, type Instance, json, openInstance, valuesOf } from '../support/instances.ts'
import { genericPlan, nodesOf } from '../support/statements.ts'

// Where most tenants are small, the planner takes every tenant for one, and to read all that one has for the least work.
const SMALL_TENANTS = 5_000
const USERS = 3_000
/** Index entries and rows that a page of 100 may look at in one place. */
const FEW = 500

let database: Database
let instance: Instance
let tenant: TestTenant
/** Everybody is in `inner`, which is in `outer`. */
let inner: string
let outer: string

beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database)
  tenant = await instance.newTenant()
  const filled = await fillDirectly(database, tenant.id, { users: USERS, groups: 2 })
  inner = filled.groupId(1)
  outer = filled.groupId(2)
  await database.transaction(async (tx) => {
    await tx.run('set local session_replication_role = replica', [], { prepare: false })
    await tx.run(
      `insert into memberships (tenant_id, group_id, member_id)
       select $1::uuid, $2::uuid, id from resources where tenant_id = $1::uuid and resource_type = 'User'
       union all select $1::uuid, $3::uuid, $2::uuid
       union all select gen_random_uuid(), gen_random_uuid(), gen_random_uuid() from generate_series(1, ${SMALL_TENANTS})
       on conflict do nothing`,
      [tenant.id, inner, outer],
      { prepare: false },
    )
  })
  await analyze(database)
  await tenant.scim('GET', '/Users?cursor=&count=1')
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

const filter = (text: string) => `/Users?count=100&filter=${encodeURIComponent(text)}`

test.each([
  ['the first page', '/Users?count=100'],
  ['a page far from the start', `/Users?startIndex=${USERS / 2}&count=100`],
  ['the first page by cursor', '/Users?cursor=&count=100'],
  ['a page that is sorted', filter('userName sw "user12"').concat('&sortBy=title')],
  ['a page of those who match', filter('userName sw "user12"')],
])('%s looks at no membership but those of its users', async (_, path) => {
  const { result, statements } = await instance.recorder.during(() => tenant.scim('GET', path))
  const { Resources: found = [] } = json(result) as { Resources?: { groups?: object[] }[] }
  expect(found.length).toBe(100)
  for (const user of found) expect(valuesOf(user.groups).sort()).toEqual([inner, outer].sort())
  const looked: { readonly index: string; readonly rows: number }[] = []
  for (const statement of statements) {
    for (const node of nodesOf(await genericPlan(database, statement, { analyze: true }))) {
      const index = node['Index Name'] ?? ''
      const rows = ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) * (node['Actual Loops'] ?? 1)
      if (index.startsWith('memberships')) looked.push({ index, rows })
    }
  }
  expect(looked.length).toBeGreaterThan(0)
  expect(looked.filter(({ rows }) => rows > FEW)).toEqual([])
})
