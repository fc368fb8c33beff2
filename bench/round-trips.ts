import { countingProxy } from '../test/support/counting-proxy.ts'
import type { Bench } from './measure.ts'
import { gatewayEnv } from './prepare.ts'
import { startGateway } from './processes.ts'
import type { Progress } from './progress.ts'
import { workloads } from './workloads/index.ts'

/** How often the gateway waits for PostgreSQL in one request; the lowest of single ones. */
export interface RoundTrips {
  readonly workload: string
  readonly title: string
  readonly case: string
  readonly perRequest: number
}

/**
 * Requests before and while it is counted: enough for each connection of the pool to have prepared its statements. Fewer of
 * those that take long; a quick run may count the preparing of these.
 */
const REQUESTS = { whole: { warmUp: 60, counted: 40, slow: 10 }, quick: { warmUp: 30, counted: 10, slow: 2 } }

/** Counts, between the gateway's driver and PostgreSQL, what each kind of request waits for; once everything is prepared. */
export async function measureRoundTrips(
  { load, options, world }: Bench,
  databaseUrl: string,
  progress: Progress,
): Promise<RoundTrips[]> {
  const counter = await countingProxy(databaseUrl)
  const gateway = await startGateway(gatewayEnv(counter.url), options.gateway)
  const results: RoundTrips[] = []
  // What can be done once, and a mixture, have no number of their own.
  const counted = workloads.filter(({ name, cases }) => name !== 'day' && cases(world)[0]?.requests === undefined)
  progress.begin(counted.length)
  for (const { name, title, longer, cases } of counted) {
    const [one] = cases(world)
    if (one === undefined) continue
    progress.step(`round trips: ${name}`)
    const run = (perConnection: number) =>
      load.run({
        ...{ workload: name, case: one.name, side: 'ours', origin: gateway.origin },
        ...{ connections: 1, durationMs: 60_000, perConnection },
      })
    const { slow, ...usual } = REQUESTS[options.quick ? 'quick' : 'whole']
    const requests = longer === undefined ? usual : { warmUp: slow, counted: slow }
    await run(requests.warmUp)
    // One at a time: what the gateway asks now and then for itself is not in all of them.
    const counts: number[] = []
    for (let i = 0; i < requests.counted; i++) {
      const before = counter.roundTrips()
      await run(1)
      counts.push(counter.roundTrips() - before)
    }
    results.push({ workload: name, title, case: one.name, perRequest: Math.min(...counts) })
  }
  await gateway.stop()
  counter.stop()
  return results
}
