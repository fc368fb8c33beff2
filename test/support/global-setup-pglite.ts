/** Says which engine runs; the migrated image is there already, since the built programs hold it. */
export default function setup(): void {
  console.log('engine: PGlite, in memory')
  if (process.env.SKIP_POSTGRES === '1') console.log('engine: PostgreSQL SKIPPED (SKIP_POSTGRES=1)')
}
