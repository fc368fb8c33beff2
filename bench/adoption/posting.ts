import type { TestTenant } from '../../test/support/gateway.ts'
import { type Account, same, seconds, type World } from './world.ts'

/** Part of the accounts that is posted before the run is interrupted. */
const FIRST_PART = 0.6

/**
 * Posts a part of the accounts in a run, resumes it with the rest, and posts all of them once more in that run and again in another: each
 * is there once, and none goes.
 */
export async function postTwice(world: World, tenant: TestTenant, accounts: readonly Account[]): Promise<void> {
  const { post } = world
  const finish = async (run: string) =>
    (JSON.parse(await world.admin('POST', tenant, `/account-runs/${run}/finish`)) as { gone: number }).gone
  const all = accounts.length
  const part = Math.floor(all * FIRST_PART)

  const begun = performance.now()
  const first = await post(tenant, 'first', accounts.slice(0, part))
  const rest = await post(tenant, 'first', accounts.slice(part))
  const took = performance.now() - begun
  same('created by the first run', first.created + rest.created, all)
  const again = await post(tenant, 'first', accounts)
  same('created by the same lines of the same run', again.created, 0)
  same('gone by the first run', await finish('first'), 0)

  const repeated = performance.now()
  const second = await post(tenant, 'second', accounts)
  const tookAgain = performance.now() - repeated
  same('the second run', [second.created, second.changed, await finish('second')], [0, all, 0])
  const [row] = await world.database.run<{ n: number }>(
    'select count(*)::int as n from accounts where tenant_id = $1::uuid',
    [tenant.id],
  )
  same('accounts that are there', row?.n, all)
  console.log(
    `${all.toLocaleString('en')} accounts, in one run that was resumed: ${seconds(took)}; all of them again: ${seconds(tookAgain)}`,
  )
}
