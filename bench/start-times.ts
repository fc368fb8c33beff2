import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from './measure.ts'
import type { Options } from './options.ts'
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
  databaseUrl: string,
  { gateway, quick }: Options,
  progress: Progress,
): Promise<StartResult> {
  const times = async (what: string, env: (i: number) => Record<string, string>) => {
    const each: number[] = []
    for (let i = 0; i < (quick ? 1 : 3); i++) {
      progress.note(`start: ${what}`)
      const server = await startGateway(env(i), gateway)
      each.push(server.startMs)
      await server.stop()
    }
    return median(each)
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
