import { randomBytes } from 'node:crypto'
import { cpSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import postgres from 'postgres'
import { inject } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { ensureImage } from '../../src/db/image.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { openPgliteInMemory } from '../../src/db/pglite.ts'
import { openPostgres, type PostgresSettings } from '../../src/db/postgres.ts'
import { newCitusDatabase } from './citus.ts'
import { onDatabase } from './postgres-server.ts'
import './provided.ts'
import { newStoreFolder } from './store-folder.ts'

/** The engine that this run of the test is for. */
export function engineName(): 'pglite' | 'postgres' {
  return inject('engine')
}

/** The role under which this run's tenants are; undefined where it is without row-level security. */
export function tenantRole(): string | undefined {
  return engineName() === 'postgres' ? inject('postgres').tenantRole : undefined
}

/** Whether the run's PostgreSQL is a Citus. */
export function onCitus(): boolean {
  return engineName() === 'postgres' && inject('postgres').citus
}

// On the global object: a worker keeps it from one test file to the next, whatever becomes of the modules.
const opened = globalThis as { rollcallTestDatabases?: Map<string, Promise<Database>> }

/**
 * The worker's database: migrated, and shared by all test files that run there. So a test makes a tenant of its own, looks
 * at nothing else, and never closes it.
 */
export function openTestDatabase(): Promise<Database> {
  opened.rollcallTestDatabases ??= new Map()
  const kind = tenantRole() ?? engineName()
  const database = opened.rollcallTestDatabases.get(kind) ?? openFreshDatabase()
  opened.rollcallTestDatabases.set(kind, database)
  return database
}

/**
 * How long statements may take where a test says nothing of it: as long as the configuration allows. By default a statement has
 * eight seconds, which those that fill or read large tables need on a busy machine.
 */
export const PATIENT = { readTimeoutMs: 30_000, requestTimeoutMs: 60_000 } as const

/** The same for instances of the gateway, as variables of their environment. */
export const PATIENCE: Readonly<Record<string, string>> = {
  READ_TIMEOUT_MS: String(PATIENT.readTimeoutMs),
  REQUEST_TIMEOUT_MS: String(PATIENT.requestTimeoutMs),
}

/** The migrated image; unpacked once, since a worker opens many databases from it. */
let image: Promise<Blob> | undefined
const unpackedImage = async () => new Blob([gunzipSync(await readFile(await ensureImage()))])

/** A database of one's own, migrated and empty; the test closes it. */
export async function openFreshDatabase(): Promise<Database> {
  if (engineName() === 'pglite') {
    image ??= unpackedImage()
    return openPgliteInMemory(await image, PATIENT)
  }
  return openPostgres(await freshPostgres(10))
}

/**
 * Two databases on one migrated, empty store, as two instances have them; the test closes them. The embedded engine has one
 * process, so there it is one.
 */
export async function openDatabases(databasePool = 10): Promise<readonly [Database, ...Database[]]> {
  if (engineName() === 'pglite') return [await openFreshDatabase()]
  const settings = await freshPostgres(databasePool)
  return [await openPostgres(settings), await openPostgres(settings)]
}

/** How to open a migrated, empty database on the run's PostgreSQL, as often as is wanted. */
export async function freshPostgres(databasePool: number): Promise<PostgresSettings> {
  const databaseUrl = await freshPostgresUrl()
  return { ...PATIENT, databaseUrl, databasePool, databaseTenantRole: tenantRole() }
}

/** URL of a migrated, empty database on the run's PostgreSQL; it goes when the run ends. */
export async function freshPostgresUrl(): Promise<string> {
  const { url, pooledUrl, template, citus } = inject('postgres')
  const name = `${template}_${randomBytes(4).toString('hex')}`
  if (citus) return newCitusDatabase(url, name)
  const admin = postgres(url, { max: 1 })
  try {
    await admin.unsafe(`create database ${name} template ${template}`)
  } finally {
    await admin.end()
  }
  if (pooledUrl === undefined) return onDatabase(url, name)
  const databaseUrl = onDatabase(pooledUrl, name)
  // What a role is given belongs to one database, and is not copied with it.
  await migratePostgres({ databaseUrl })
  return databaseUrl
}

/** Environment variables for a store of one's own, migrated and empty, that no process has open; and what removes it. */
export async function ownStore(): Promise<{ readonly env: Record<string, string>; remove(): void }> {
  const url: Record<string, string> =
    engineName() === 'postgres'
      ? { DATABASE_URL: await freshPostgresUrl(), DATABASE_TENANT_ROLE: tenantRole() ?? '' }
      : {}
  const folder = newStoreFolder()
  if (engineName() === 'pglite') cpSync(inject('emptyStore'), folder, { recursive: true })
  return { env: { ...url, DATA_DIR: folder }, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
