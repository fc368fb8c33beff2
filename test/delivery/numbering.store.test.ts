import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { LogWatch } from '../../src/delivery/log-watch.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { eventLogOf, unnumberedTenants } from '../../src/repositories/log/event-log.ts'
import { logHeads } from '../../src/repositories/log/heads.ts'
import { NUMBERED_AT_ONCE, numberMany } from '../../src/repositories/log/numbering.ts'
import { engineName, openDatabases } from '../support/engines.ts'
import { appending } from '../support/events.ts'
import { type Instance, openInstance, userBody } from '../support/instances.ts'
import { recordStatements } from '../support/statements.ts'

// The pools of two instances; the embedded engine has one process.
let databases: readonly [Database, ...Database[]]
let database: Database
let instance: Instance
beforeAll(async () => {
  databases = await openDatabases(6)
  database = databases[0]
  instance = await openInstance(database)
})
afterAll(async () => {
  await instance.close()
  for (const one of databases) await one.close()
})

const HOLD = { mode: 'hold', count: 1, windowMinutes: 60, releaseAfterHours: 1 } as const

const append = (tenantId: string, count: number) =>
  database.run(
    appending(`insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
     select $1::uuid, 'user.updated', 'User', $2::uuid, n, 'r', 'a', now(), '{}' from generate_series(1, $3::int) n`),
    [tenantId, randomUUID(), count],
  )
const heads = async (tenants: readonly TenantId[]) => {
  const found = await logHeads(database, tenants)
  return tenants.map((id) => found.get(id) ?? 0)
}
const newTenants = async (count: number): Promise<TenantId[]> => {
  const made: TenantId[] = []
  for (let n = 0; n < count; n++) made.push((await instance.newTenant()).id)
  return made
}

describe('EV-15 events of many tenants', () => {
  test('get their positions in one transaction, of which a loud tenant has its share', async () => {
    const [loud, ...quiet] = await newTenants(10)
    if (loud === undefined) throw new Error('not made')
    await append(loud, 3 * NUMBERED_AT_ONCE)
    for (const id of quiet) await append(id, 3)
    const recorder = recordStatements(database)
    const { result, transactions } = await recorder.during(() => numberMany(recorder.database, [loud, ...quiet]))
    expect(transactions).toBe(1)
    expect(result).toEqual({ numbered: NUMBERED_AT_ONCE / 10 + 27, braked: [], more: true, fed: false })
    expect(await heads([loud, ...quiet])).toEqual([NUMBERED_AT_ONCE / 10, ...quiet.map(() => 3)])
  })

  test('are all numbered where nobody has more than a share, however many tenants there are', async () => {
    const tenants = await newTenants(30)
    for (const id of tenants) await append(id, 2)
    // More than the share of one, together.
    expect(await numberMany(database, tenants)).toEqual({ numbered: 60, braked: [], more: false, fed: false })
  })

  test('are in the order of writing, without a gap, in each log', async () => {
    const tenants = await newTenants(3)
    for (let round = 0; round < 3; round++) {
      for (const id of tenants) await append(id, 2)
      await numberMany(database, tenants)
    }
    for (const tenantId of tenants) {
      const rows = await database.run<{ position: number }>(
        `select p.position::int from event_positions p where p.tenant_id = $1::uuid order by p.seq`,
        [tenantId],
      )
      expect(rows.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6])
    }
  })

  test('are looked for from tenant to tenant, so that everybody has a turn', async () => {
    const tenants = (await newTenants(5)).sort()
    for (const id of tenants) await append(id, 1)
    const seen: TenantId[] = []
    for (let after: TenantId | undefined; ; after = seen.at(-1)) {
      const page = await unnumberedTenants(database, after, 2)
      seen.push(...page)
      if (page.length < 2) break
    }
    expect(seen).toEqual([...new Set(seen)].sort())
    expect(seen).toEqual(expect.arrayContaining(tenants))
  })

  test('leave those of a tenant with a brake to be decided about one by one', async () => {
    const braked = await instance.newTenant({ settings: { leaverBrake: HOLD } })
    const off = await instance.newTenant({ settings: { leaverBrake: { ...HOLD, mode: 'off' } } })
    for (const { id } of [braked, off]) await append(id, 2)
    expect(await numberMany(database, [braked.id, off.id])).toEqual({
      numbered: 2,
      braked: [braked.id],
      more: false,
      fed: false,
    })
    const watch = new LogWatch(database, () => {})
    watch.start()
    await expect.poll(() => heads([braked.id, off.id])).toEqual([2, 2])
    await watch.stop()
  })

  test('cost an instance as many transactions for thirty tenants as for one', async () => {
    const tenants = await newTenants(30)
    const recorder = recordStatements(database)
    const watch = new LogWatch(recorder.database, () => {})
    while ((await unnumberedTenants(database, undefined, 1)).length > 0) await numberAll()
    for (const id of tenants) await append(id, 1)
    const { transactions } = await recorder.during(async () => {
      watch.start()
      await expect.poll(() => heads(tenants)).toEqual(tenants.map(() => 1))
      await watch.stop()
    })
    expect(transactions).toBe(1)
  })

  test('of which one fails are numbered for all others, and the failure is told', async () => {
    const [broken, ...others] = await newTenants(3)
    if (broken === undefined) throw new Error('not made')
    for (const id of [broken, ...others]) await append(id, 1)
    // A position that is taken already is a fault that no code of ours makes.
    await database.run('insert into event_positions (tenant_id, position, seq) values ($1::uuid, 1, 0)', [broken])
    const failures: unknown[] = []
    const watch = new LogWatch(database, (error) => failures.push(error))
    watch.start()
    await expect.poll(() => heads(others)).toEqual([1, 1])
    await watch.stop()
    expect(await heads([broken])).toEqual([0])
    expect(failures).not.toEqual([])
    await database.run('delete from event_positions where tenant_id = $1::uuid', [broken])
    expect(await eventLogOf(database, broken).number()).toBe(1)
  })

  /** Whether a watch got on between its first failed pass and its last of three. */
  async function gotOn(over: Database): Promise<boolean> {
    const failures: number[] = []
    const watch = new LogWatch(over, () => failures.push(performance.now()))
    watch.start()
    await expect.poll(() => failures.length).toBeGreaterThanOrEqual(3)
    const sinceFirst = performance.now() - (failures[0] ?? 0)
    const { standstillMs } = watch.progress
    await watch.stop()
    expect(watch.progress.standstillMs).toBe(0)
    return standstillMs < sinceFirst
  }

  test('get on although those of one tenant, the only ones there are, cannot be numbered', async () => {
    await numberAll()
    const [broken] = (await newTenants(1)) as [TenantId]
    await append(broken, 1)
    await database.run('insert into event_positions (tenant_id, position, seq) values ($1::uuid, 1, 0)', [broken])
    expect(await gotOn(database)).toBe(true)
    // The statements themselves fail, as behind a pooler that mixes up their names.
    const transaction = () => Promise.reject(Object.assign(new Error('no such statement'), { code: '26000' }))
    const over = (parts: object): Database => Object.assign(Object.create(database), parts)
    const asTenant = () => over({ run: transaction, transaction })
    expect(await gotOn(over({ transaction, asTenant }))).toBe(false)
    await database.run('delete from event_positions where tenant_id = $1::uuid', [broken])
  })

  test.runIf(engineName() === 'postgres')('do not wait for a log that somebody has locked', async () => {
    const [locked, free] = (await newTenants(2)) as [TenantId, TenantId]
    for (const id of [locked, free]) {
      await append(id, 1)
      await eventLogOf(database, id).number()
      await append(id, 1)
    }
    await (databases[1] as Database).transaction(async (tx) => {
      await tx.run('select 1 from event_logs where tenant_id = $1::uuid for update', [locked])
      expect(await numberMany(database, [locked, free])).toMatchObject({ numbered: 1 })
    })
    expect(await heads([locked, free])).toEqual([1, 2])
  })

  test.runIf(engineName() === 'postgres')('do not wait for an endpoint of others that is being deleted', async () => {
    const [one, other] = [await instance.newTenant(), await instance.newTenant()]
    const [endpoint] = await database.run<{ id: string }>(
      `insert into webhook_endpoints (id, environment_id, tenant_id, url, description, event_types, secret)
       select gen_random_uuid(), t.environment_id, t.id, 'https://hooks.test/', '', '{}', '' from tenants t where t.id = $1::uuid
       returning id::text`,
      [one.id],
    )
    for (const { id } of [one, other]) await append(id, 1)
    const watch = new LogWatch(database, () => {})
    await (databases[1] as Database).transaction(async (tx) => {
      await tx.run('select 1 from webhook_endpoints where id = $1::uuid for update', [endpoint?.id ?? ''])
      watch.start()
      await expect.poll(() => heads([other.id])).toEqual([1])
      expect(await heads([one.id])).toEqual([0])
    })
    await expect.poll(() => heads([one.id])).toEqual([1])
    await watch.stop()
  })

  async function numberAll(): Promise<void> {
    const tenants = await unnumberedTenants(database, undefined, 200)
    const { braked } = await numberMany(database, tenants)
    for (const id of braked) await eventLogOf(database, id).number()
  }
})

describe('EV-15 what events change is counted', () => {
  test('once, whether they wait, are held or have their positions', async () => {
    const tenant = await instance.newTenant({ settings: { leaverBrake: HOLD } })
    const ids: string[] = []
    for (const name of ['a', 'b', 'c'])
      ids.push(String(((await tenant.scim('POST', '/Users', userBody(name))).body as { id: string }).id))
    const total = async () =>
      ((await tenant.scim('GET', '/Users?count=0')).body as { totalResults: number }).totalResults
    const rows = async () => {
      const [row] = await database.run<{ n: number }>(
        'select coalesce(sum(total), 0)::int as n from resource_counts where tenant_id = $1::uuid',
        [tenant.id],
      )
      return row?.n
    }
    expect([await total(), await rows()]).toEqual([3, 0])
    await eventLogOf(database, tenant.id).number()
    expect([await total(), await rows()]).toEqual([3, 3])
    for (const id of ids.slice(0, 2)) await tenant.scim('DELETE', `/Users/${id}`)
    expect([await total(), await rows()]).toEqual([1, 3])
    // Both are held now.
    await eventLogOf(database, tenant.id).number()
    const held = () => database.run('select 1 from held_events where tenant_id = $1::uuid', [tenant.id])
    expect(await held()).toHaveLength(2)
    expect([await total(), await rows()]).toEqual([1, 1])
    await database.run("update event_logs set held_until = now() - interval '1 second' where tenant_id = $1::uuid", [
      tenant.id,
    ])
    await eventLogOf(database, tenant.id).number()
    expect(await held()).toEqual([])
    expect([await total(), await rows()]).toEqual([1, 1])
  })
})
