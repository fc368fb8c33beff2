import { NEEDS, type Needs, whyNotServed } from './compatibility.ts'
import type { Database } from './database.ts'
import { lastApplied, migrationsIn } from './migrations.ts'
import { notInForce, SETTINGS_IN_FORCE, sessionSettings } from './session-settings.ts'

/** What a look at a database shows. */
export interface Inspection {
  /** Of the server, such as `18.1`. */
  readonly version: string
  readonly majorVersion: number
  /** Its clock less ours, in ms; what the question took is the error. */
  readonly aheadMs: number
  /** The name of the last migration that it has; undefined where this build does not know it. */
  readonly migration: string | undefined
  /** Migrations of this build that it does not have. */
  readonly missing: number
  /** Whether it has migrations that this build does not know. */
  readonly newer: boolean
  /** Why this build cannot serve it, though; undefined where it can. */
  readonly notServed: string | undefined
  /** Settings that its sessions lack, on PostgreSQL. */
  readonly lacking: readonly string[]
}

/** Looks at a database and changes nothing. */
export async function inspectDatabase(database: Database): Promise<Inspection> {
  const asked = Date.now()
  const [server] = await database.run<{ version: string; number: number; now: number }>(
    `select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
       (extract(epoch from clock_timestamp()) * 1000)::float8 as now`,
    [],
  )
  const answered = Date.now()
  const last = await lastApplied((statement) => database.run<object>(statement, []))
  const migrations = migrationsIn()
  const known = migrations.map(({ madeAt }) => madeAt)
  return {
    version: server?.version ?? '',
    majorVersion: Math.floor((server?.number ?? 0) / 10_000),
    aheadMs: Math.round((server?.now ?? 0) - (asked + answered) / 2),
    migration: migrations.find(({ madeAt }) => madeAt === last)?.name,
    missing: known.filter((made) => made > last).length,
    newer: known.every((made) => made < last),
    notServed: await notServed(database),
    lacking: database.engine === 'postgres' ? await lacking(database) : [],
  }
}

async function notServed(database: Database): Promise<string | undefined> {
  const [table] = await database.run<{ there: boolean }>(
    `select to_regclass('schema_compatibility') is not null as there`,
    [],
  )
  if (!table?.there) return undefined
  const [needs] = await database.run<Needs>(NEEDS, [])
  return needs && whyNotServed(needs)
}

async function lacking(database: Database): Promise<string[]> {
  const [row] = await database.run<{ settings: Record<string, string> }>(SETTINGS_IN_FORCE, [])
  return notInForce(row?.settings ?? {}, sessionSettings(database.distributed))
}
