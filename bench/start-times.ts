import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bench, median } from './measure.ts'
import { gatewayEnv } from './prepare.ts'
import { startGateway } from './processes.ts'
import type { Progress } from './progress.ts'

/** Median milliseconds from the start of the process to its first answer. */
export interface StartResult {
  readonly postgresMs: number
  readonly newFolderMs: number
  readonly existingFolderMs: number
}

/** Starts and stops the gateway on the database and on embedded folders, new ones and one that is there. */
export async function measureStart(
  { options: { gateway, quick } }: Bench,
  databaseUrl: string,
  progress: Progress,
): Promise<StartResult> {
  const each = quick ? 1 : 3
  progress.begin(3 * each)
  const times = async (what: string, env: (i: number) => Record<string, string>) => {
    const taken: number[] = []
    for (let i = 0; i < each; i++) {
      progress.step(`start: ${what}`)
      const server = await startGateway(env(i), gateway)
      taken.push(server.startMs)
      await server.stop()
    }
    return median(taken)
  }
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
  try {
    const postgresMs = await times('PostgreSQL', () => gatewayEnv(databaseUrl))
    const newFolderMs = await times('a new folder', (i) => ({ DATA_DIR: join(folder, `${i}`) }))
    const existingFolderMs = await times('a folder that is there', () => ({ DATA_DIR: join(folder, '0') }))
    return { postgresMs, newFolderMs, existingFolderMs }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
