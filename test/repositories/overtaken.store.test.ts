import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { engineName, openFreshDatabase } from '../support/engines.ts'
import { holdBy, untilWaiting } from '../support/held.ts'
import { type Instance, idIn, openInstance, userBody } from '../support/instances.ts'

let database: Database
let here: Instance
beforeAll(async () => {
  database = await openFreshDatabase()
  here = await openInstance(database)
})
afterAll(async () => {
  await here.close()
  await database.close()
})

// One connection has no such moments.
describe.skipIf(engineName() === 'pglite')('a delete that waits for another change of the user', () => {
  test('leaves nothing of the user behind', async () => {
    const tenant = await here.newTenant()
    const id = idIn(await tenant.scim('POST', '/Users', userBody('ann')))
    const changing = await holdBy(
      database,
      `with changed as (update resources set version = version + 1 where tenant_id = $1::uuid and id = $2::uuid)
       update search_documents set search = search where tenant_id = $1::uuid and resource_id = $2::uuid`,
      [tenant.id, id],
    )
    const deleting = tenant.scim('DELETE', `/Users/${id}`)
    await untilWaiting(database)
    await changing.release()
    expect((await deleting).status).toBe(204)
    const [left] = await database.run<{ n: number }>(
      'select count(*)::int as n from search_documents where tenant_id = $1::uuid',
      [tenant.id],
    )
    expect(left).toEqual({ n: 0 })
  })
})
