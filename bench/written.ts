import postgres from 'postgres'
import { type Bench, median } from './measure.ts'
import { gatewayEnv } from './prepare.ts'
import { startGateway } from './processes.ts'
import type { Progress } from './progress.ts'
import { workloads } from './workloads/index.ts'

/** What PostgreSQL writes to its log of changes for one request that sends a whole list of members, in bytes. */
export interface Written {
  /** Such as `10k, 1 exchanged`. */
  readonly case: string
  readonly bytes: number
}

const REQUESTS = 9

/** Measures what a replacement of a list of members writes, for each number of those that are exchanged; medians. */
export async function measureWritten(
  { load, options, world }: Bench,
  databaseUrl: string,
  progress: Progress,
): Promise<Written[]> {
  const sql = postgres(databaseUrl, { max: 1 })
  const position = async () => {
    const [row] = await sql.unsafe<{ bytes: string }[]>(`select pg_current_wal_lsn() - '0/0' as bytes`)
    return Number(row?.bytes)
  }
  const gateway = await startGateway(gatewayEnv(databaseUrl), options.gateway)
  try {
    // The next one is far off then: after each, the first change of a page writes all of it.
    await sql.unsafe('checkpoint')
    const written: Written[] = []
    const cases = workloads.find((one) => one.name === 'member-replace')?.cases(world) ?? []
    progress.begin(cases.length)
    for (const { name } of cases) {
      progress.step(`written: replace members, ${name}`)
      const bytes: number[] = []
      for (let i = 0; i < REQUESTS; i++) {
        const before = await position()
        const one = { workload: 'member-replace', case: name, side: 'ours', origin: gateway.origin } as const
        await load.run({ ...one, durationMs: 60_000, perConnection: 1 })
        bytes.push((await position()) - before)
      }
      written.push({ case: name, bytes: median(bytes) })
    }
    return written
  } finally {
    await gateway.stop()
    await sql.end()
  }
}
