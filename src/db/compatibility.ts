import { VERSION } from '../package.ts'
import { CannotOpen } from './errors.ts'
import { APPLIED, journalIn, type RunStatement } from './migrations.ts'

/** What a database asks of the builds that serve it. */
export interface Needs {
  /** The name of a migration that the build has to know. */
  readonly needsMigration: string
  /** The first release that knows it. */
  readonly needsRelease: string
}

/** Reads what the database asks. */
export const NEEDS =
  'select needs_migration as "needsMigration", needs_release as "needsRelease" from schema_compatibility'

let known: ReadonlySet<string> | undefined

/** Why this build cannot serve the database, in words for the operator; undefined where it can. */
export function whyNotServed({ needsMigration, needsRelease }: Needs): string | undefined {
  known ??= new Set(journalIn().map(({ name }) => name))
  if (known.has(needsMigration)) return undefined
  return (
    `the database has tables of Rollcall ${needsRelease}, which this build (${VERSION}) cannot serve, ` +
    `since it does not know the migration ${needsMigration}; run Rollcall ${needsRelease} or later`
  )
}

/**
 * Whether the tables are just those of this build: no migration is missing, and none asks for a later build. In one statement,
 * since nearly every start finds it so.
 *
 * @throws as the database does, also where it has no such tables
 */
export async function isUpToDate(run: RunStatement): Promise<boolean> {
  const [found] = (await run(
    `select needs_migration as "needsMigration", needs_release as "needsRelease",
       (select max(created_at)::float8 from ${APPLIED}) as last from schema_compatibility`,
  )) as [(Needs & { last: number | null }) | undefined]
  const newest = journalIn().at(-1)?.madeAt ?? 0
  return found !== undefined && (found.last ?? 0) >= newest && whyNotServed(found) === undefined
}

/** Makes sure that this build can serve the database as it is. @throws {CannotOpen} where it cannot */
export async function refuseNewer(run: RunStatement): Promise<void> {
  const [table] = (await run(`select to_regclass('schema_compatibility') is not null as there`)) as [{ there: boolean }]
  if (!table.there) return
  const [needs] = (await run(NEEDS)) as [Needs | undefined]
  const reason = needs && whyNotServed(needs)
  if (reason !== undefined) throw new CannotOpen(`${reason}, or restore the backup of before its migrations`)
}
