import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { streamQueueOf } from '../../src/repositories/delivery/stream-queue.ts'
import { webhookQueueOf } from '../../src/repositories/delivery/webhook-queue.ts'
import { engineName, openFreshDatabase } from '../support/engines.ts'
import { holdBy, untilWaiting } from '../support/held.ts'
import { idIn, userBody } from '../support/instances.ts'
import { openStreams, type Streams } from '../support/streams.ts'

let database: Database
let streams: Streams
beforeAll(async () => {
  database = await openFreshDatabase()
  streams = await openStreams(database)
})
afterAll(async () => {
  await streams.close()
  await database.close()
})

/** A stream that is off, and in its queue one event that was claimed. */
async function claimed() {
  const tenant = await streams.here.newTenant()
  const stream = await streams.stream(tenant)
  await stream.admin('PATCH', '', { enabled: false })
  idIn(await tenant.scim('POST', '/Users', userBody('ann')))
  await expect
    .poll(async () => (await stream.admin('POST', '/replay', { since: '2020-01-01T00:00:00Z' })).body)
    .toEqual({ queued: 1 })
  const queue = webhookQueueOf(database, tenant.id, stream.id)
  const [{ attempts, event } = expect.fail('nothing to claim')] = await queue.claim(1)
  const rows = () =>
    database.run<{ due: boolean }>(
      'select due_at <= now() as due from webhook_deliveries where tenant_id = $1::uuid and endpoint_id = $2::uuid',
      [tenant.id, stream.id],
    )
  expect(await rows()).toEqual([{ due: false }])
  /** As the numbering of a later event of somebody who leaves does it, at this moment. */
  const raise = () =>
    holdBy(
      database,
      'update webhook_deliveries set urgent = true where tenant_id = $1::uuid and endpoint_id = $2::uuid',
      [tenant.id, stream.id],
    )
  return { tenant, stream, queue, attempts, position: event.position, rows, raise }
}

// One connection has no such moments.
describe.skipIf(engineName() === 'pglite')('an event that becomes urgent at this moment', () => {
  test('EV-15 is settled all the same, so that the next one of its resource need not wait', async () => {
    const { queue, attempts, position, rows, raise } = await claimed()
    const raising = await raise()
    const done = queue.delivered([{ position, attempts }])
    await untilWaiting(database)
    await raising.release()
    await done
    expect(await rows()).toEqual([])
  })

  test('EV-15 is put back all the same', async () => {
    const { tenant, stream, position, rows, raise } = await claimed()
    const raising = await raise()
    const done = streamQueueOf(database, tenant.id, stream.id).putBack([position])
    await untilWaiting(database)
    await raising.release()
    await done
    expect(await rows()).toEqual([{ due: true }])
  })
})
