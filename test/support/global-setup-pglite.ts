import { rmSync } from 'node:fs'
import type { TestProject } from 'vitest/node'
import { openPglite } from '../../src/db/pglite.ts'
import './provided.ts'
import { newStoreFolder } from './store-folder.ts'

/** Makes a migrated, empty data folder once, which tests copy for stores of their own. */
export default async function setup(project: TestProject): Promise<() => void> {
  const dataDir = newStoreFolder()
  const database = await openPglite({ dataDir }, (reason) => console.error(reason))
  await database.close()
  project.provide('emptyStore', dataDir)
  console.log('engine: PGlite, in memory')
  if (process.env.SKIP_POSTGRES === '1') console.log('engine: PostgreSQL SKIPPED (SKIP_POSTGRES=1)')
  return () => rmSync(dataDir, { recursive: true, force: true })
}
