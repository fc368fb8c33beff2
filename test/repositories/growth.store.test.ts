import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keepStatistics } from '../../src/administration/statistics.ts'
import type { Database } from '../../src/db/database.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { analyzeGrown, grownTables } from '../../src/repositories/control/statistics.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { engineName, freshPostgres, openFreshDatabase } from '../support/engines.ts'
import type { Answer, TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  fillDirectly,
  groupBody,
  type Instance,
  type Json,
  openInstance,
  patchBody,
  removeMember,
  userBody,
} from '../support/instances.ts'

// A tenant's first sync begins on a database that no statistics describe. The one session here makes its plans while the tables
// are empty, those of foreign keys' checks included, and keeps them while the tenant grows.
const GROWN = 4_000
/** Rows that one operation may read, in all tables of tenants. Ten are enough; without statistics a read takes 4,062. */
const FEW = 40

let database: Database
let instance: Instance
let tenant: TestTenant

beforeAll(async () => {
  database = engineName() === 'pglite' ? await openFreshDatabase() : await openPostgres(await freshPostgres(1))
  // Autovacuum must not help: it looks at a table once a minute at the best, and may be off.
  for (const name of await tenantTables())
    await database.run(`alter table ${name} set (autovacuum_enabled = false)`, [], { prepare: false })
  instance = await openInstance(database)
  tenant = await instance.newTenant()
  // PostgreSQL keeps the plan of a foreign key's check from its sixth run on.
  for (let round = 0; round < 8; round++) for (const operation of Object.values(OPERATIONS)) await rowsReadBy(operation)
  await fillDirectly(database, tenant.id, { users: GROWN, groups: 100 })
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

let made = 0
const send = async (method: string, path: string, body?: object): Promise<Answer> => {
  const answer = await tenant.scim(method, path, body)
  expect(answer.status, answer.text).toBeLessThan(300)
  return answer
}
const created = async (path: string, body: object) => String(((await send('POST', path, body)).body as Json).id)
const newUser = (rest: object = {}) => created('/Users', userBody(`new-${made++}`, { active: true, ...rest }))
const newGroup = () => created('/Groups', groupBody(`new-${made++}`))
const title = patchBody({ op: 'replace', path: 'title', value: 'Engineer' })
const inactive = patchBody({ op: 'replace', path: 'active', value: false })

/** What a sync does: each makes what it needs, and gives the one request that counts. */
const OPERATIONS: Readonly<Record<string, () => Promise<() => Promise<unknown>>>> = {
  'a create': async () => () => newUser({ emails: [{ value: `new-${made}@work.test`, type: 'work', primary: true }] }),
  'a deactivation': async () => {
    const id = await newUser()
    return () => send('PATCH', `/Users/${id}`, inactive)
  },
  'a PATCH of an attribute': async () => {
    const id = await newUser()
    return () => send('PATCH', `/Users/${id}`, title)
  },
  'a deletion': async () => {
    const id = await newUser()
    return () => send('DELETE', `/Users/${id}`)
  },
  'a group': async () => newGroup,
  'one member more': async () => {
    const [user, group] = [await newUser(), await newGroup()]
    return () => send('PATCH', `/Groups/${group}`, addMembers(user))
  },
  'one member less': async () => {
    const [user, group] = [await newUser(), await newGroup()]
    await send('PATCH', `/Groups/${group}`, addMembers(user))
    return () => send('PATCH', `/Groups/${group}`, removeMember(user))
  },
  'a look-up': async () => () => send('GET', `/Users?filter=${encodeURIComponent(`userName eq "new-${made - 1}"`)}`),
  'a read': async () => {
    const id = await newUser()
    return () => send('GET', `/Users/${id}`)
  },
  'the numbering of an event': async () => {
    await eventLogOf(database, tenant.id).number()
    await newUser()
    return () => eventLogOf(database, tenant.id).number()
  },
}

/** Rows that the session reads for one operation, whether they fit or not. */
async function rowsReadBy(operation: () => Promise<() => Promise<unknown>>): Promise<number> {
  const run = await operation()
  const before = await rowsRead()
  await run()
  return (await rowsRead()) - before
}

async function rowsRead(): Promise<number> {
  await database.run('select pg_stat_force_next_flush()::text', [], { prepare: false })
  const [row] = await database.run<{ read: number }>(
    `select sum(t.seq_tup_read + coalesce(t.idx_tup_fetch, 0))::float8 as read from pg_stat_user_tables t
     where t.relname = any($1::text::text[])`,
    [`{${(await tenantTables()).join()}}`],
    { prepare: false },
  )
  return row?.read ?? 0
}

async function tenantTables(): Promise<string[]> {
  const rows = await database.run<{ name: string }>(
    `select c.relname::text as name from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relrowsecurity`,
    [],
    { prepare: false },
  )
  return rows.map(({ name }) => name)
}

describe('a tenant that has grown on a database without statistics', () => {
  test('has its tables analyzed, once, by whichever instance notices', async () => {
    const due = await grownTables(database)
    expect(due).toEqual(expect.arrayContaining(['resource_keys', 'resources']))
    const stop = keepStatistics(database, (error) => expect.unreachable(String(error)), 5)
    await expect.poll(() => grownTables(database), { timeout: 60_000, interval: 5 }).toEqual([])
    await stop()
    expect(await analyzeGrown(database)).toEqual({ due: [], analyzed: [] })
  })

  test.each(Object.entries(OPERATIONS))('%s reads no more rows than in a small one', async (_, operation) => {
    expect(await rowsReadBy(operation)).toBeLessThan(FEW)
  })
})
