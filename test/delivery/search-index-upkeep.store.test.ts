import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { SearchIndexUpkeep } from '../../src/delivery/search-index-upkeep.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { type Instance, idIn, listedIds, openInstance, userBody } from '../support/instances.ts'

let database: Database
let instance: Instance
let tenant: TestTenant

beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database)
  tenant = await instance.newTenant()
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

const make = async (n: number) =>
  idIn(await tenant.scim('POST', '/Users', userBody(`user${n}`, { title: `title ${n}` })))
const titled = async (n: number) =>
  listedIds(await tenant.scim('GET', `/Users?filter=${encodeURIComponent(`title eq "title ${n}"`)}`))

/** How many pages of index entries waited; none waits afterwards. */
async function waiting(): Promise<number> {
  const [row] = await database.run<{ pages: number }>(
    "select gin_clean_pending_list('search_documents_search')::int as pages",
    [],
  )
  return row?.pages ?? -1
}

describe('Q-29 the index on search documents', () => {
  test('finds a resource while its entries wait, and after they were put in place', async () => {
    await waiting()
    const id = await make(1)
    expect(await titled(1)).toEqual([id])
    expect(await waiting()).toBeGreaterThan(0)
    expect(await titled(1)).toEqual([id])
  })

  test('gets the entries of writes a while after them', async () => {
    await waiting()
    const failed = vi.fn()
    const upkeep = new SearchIndexUpkeep(instance.recorder.database, failed, 1)
    await make(2)
    const { statements } = await instance.recorder.during(async () => {
      upkeep.noticed()
      upkeep.noticed()
      await expect.poll(() => instance.recorder.statements.at(-1)?.text).toContain('gin_clean_pending_list')
      await upkeep.stop()
    })
    expect(statements).toHaveLength(1)
    expect(failed).not.toHaveBeenCalled()
    expect(await waiting()).toBe(0)
  })

  test('is left alone once the instance stops', async () => {
    const upkeep = new SearchIndexUpkeep(instance.recorder.database, () => {}, 0)
    upkeep.noticed()
    const { statements } = await instance.recorder.during(() => upkeep.stop())
    upkeep.noticed()
    expect(statements).toEqual([])
  })
})
