import { ensureImage } from '../../src/db/image.ts'

/** Makes the migrated image once, before the workers ask for it together. */
export default async function setup(): Promise<void> {
  await ensureImage()
  console.log('engine: PGlite, in memory')
  if (process.env.SKIP_POSTGRES === '1') console.log('engine: PostgreSQL SKIPPED (SKIP_POSTGRES=1)')
}
