import { afterAll, beforeAll, expect, test } from 'vitest'
import { BACKGROUND, requestOf } from '../../src/db/caller.ts'
import type { Database } from '../../src/db/database.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { engineName, freshPostgres, openFreshDatabase } from '../support/engines.ts'
import { placeId } from '../support/place-ids.ts'

const CONNECTIONS = 4
/** Takes so long that a machine with much else to do has answered others meanwhile: a sleep costs it nothing. */
const SLOW = engineName() === 'pglite' ? 'select count(*) from generate_series(1, 60000) as n' : 'select pg_sleep(0.08)'
const [loud, quiet] = [1, 2].map((n) => placeId<TenantId>(`00000000-0000-7000-8000-00000000000${n}`))

let database: Database
beforeAll(async () => {
  database =
    engineName() === 'pglite' ? await openFreshDatabase() : await openPostgres(await freshPostgres(CONNECTIONS))
})
afterAll(() => database.close())

/** Has so many slow things done at once; how many are done already, and when all are. */
function busyWith(count: number, work: () => Promise<unknown>) {
  const busy = { done: 0, all: Promise.resolve() as Promise<unknown> }
  busy.all = Promise.all(Array.from({ length: count }, () => work().then(() => busy.done++)))
  return busy
}

const as = (tenantId: TenantId | undefined, keyId = 'key') =>
  database.for(requestOf(keyId)).asTenant(tenantId ?? placeId(''))

test.each<[what: string, work: () => Promise<unknown>]>([
  ['statements', () => as(loud).run(SLOW, [])],
  ['transactions', () => as(loud).transaction((tx) => tx.run(SLOW, []))],
  ['reads', () => as(loud).run(SLOW, [], { reader: { signal: undefined } })],
])('a tenant with few statements is answered while another has most of its %s waiting', async (_what, work) => {
  const busy = busyWith(60, work)
  for (let n = 0; n < 5; n++) await as(quiet).run('select 1', [])
  expect(busy.done).toBeLessThan(20)
  await busy.all
})

test('so is a key of the same tenant that asks for little', async () => {
  const busy = busyWith(60, () => as(loud).run(SLOW, []))
  for (let n = 0; n < 5; n++) await as(loud, 'another key').run('select 1', [])
  expect(busy.done).toBeLessThan(30)
  await busy.all
})

test('so is the control plane, and the work behind the requests', async () => {
  const busy = busyWith(60, () => as(loud).run(SLOW, []))
  await database.run('select 1', [])
  expect(busy.done).toBeLessThan(10)
  await database.for(BACKGROUND).run('select 1', [])
  expect(busy.done).toBeLessThan(30)
  await busy.all
})

test('the work behind the requests holds up no tenant, however much of it there is', async () => {
  const busy = busyWith(60, () =>
    database
      .for(BACKGROUND)
      .asTenant(loud ?? placeId(''))
      .run(SLOW, []),
  )
  for (let n = 0; n < 5; n++) await as(quiet).run('select 1', [])
  expect(busy.done).toBeLessThan(20)
  await busy.all
})

// The embedded engine has one session, of which there are no shares.
test.skipIf(engineName() === 'pglite')(
  'a tenant has its share of the connections, by the server’s own count',
  async () => {
    const busy = busyWith(30, () => as(loud).run(SLOW, []))
    const of = `select count(*)::int as n from pg_stat_activity
    where datname = current_database() and state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()`
    const counts: number[] = []
    while (busy.done < 20) counts.push((await database.run<{ n: number }>(of, []))[0]?.n ?? 0)
    await busy.all
    expect(Math.max(...counts)).toBe(CONNECTIONS / 2)
  },
)
