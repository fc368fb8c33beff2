import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { changeTenant } from '../../src/administration/tenants.ts'
import { historyOf } from '../../src/repositories/history/histories.ts'
import { historyStep } from '../../src/repositories/history/step.ts'
import { administrationOn } from '../support/administration.ts'
import { openTestDatabase } from '../support/engines.ts'
import { anything, loggedEvents, pictureAt, randomNumbers, replayed, writeHistory } from '../support/histories.ts'
import { type Instance, openInstance } from '../support/instances.ts'

let instance: Instance
beforeAll(async () => {
  instance = await openInstance(await openTestDatabase())
})
afterAll(() => instance.close())

const ROLES = { roleRules: [{ group: { pattern: 'Team*' }, role: 'member' }] }

describe('answers as of a moment equal a replay of the log', () => {
  test.each([
    ['where deleted users go', {}],
    ['where deleted users are kept', { onDelete: 'deactivate' as const }],
  ])('%s: at 500 random moments each', async (_, rest) => {
    const { database } = instance
    const random = randomNumbers(19)
    const tenant = await instance.newTenant({ settings: { ...ROLES, ...rest } })
    const act = anything(tenant, random)
    for (let i = 0; i < 80; i++) await act()
    // Switched on while the identity provider goes on; the picture is taken in between.
    await switchHistory(tenant, true)
    for (let i = 0; i < 40; i++) {
      await act()
      await historyStep(database, tenant.id)
    }
    await writeHistory(database, tenant.id)
    for (let i = 0; i < 260; i++) {
      await act()
      if (random() < 0.1) await historyStep(database, tenant.id)
    }
    await writeHistory(database, tenant.id)
    const events = await loggedEvents(database, tenant.id)
    const begin = (await historyOf(database, tenant.id))?.startedAt ?? 0
    const end = Math.max(...events.map(({ at }) => at)) + 1
    expect(begin).toBeGreaterThan(0)
    for (let i = 0; i < 500; i++) {
      const at = Math.round(begin + random() * (end - begin))
      expect(await pictureAt(database, tenant.id, at), String(at)).toEqual(replayed(events, at))
    }
  })
})

async function switchHistory(tenant: { readonly id: string }, history: boolean): Promise<void> {
  const { database } = instance
  const [place] = await database.run<{ projectId: string; environmentId: string }>(
    `select e.project_id::text as "projectId", e.id::text as "environmentId" from tenants t
     join environments e on e.id = t.environment_id where t.id = $1::uuid`,
    [tenant.id],
  )
  await changeTenant(administrationOn(database), place as never, tenant.id as never, { settings: { history } })
}
