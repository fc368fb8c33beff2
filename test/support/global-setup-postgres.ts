import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import type { TestProject } from 'vitest/node'
import { migratePostgres } from '../../src/db/migrate.ts'
import './provided.ts'
import { findPgbouncer, startPgbouncer, versionOf } from './pgbouncer.ts'
import { onDatabase, startPostgres } from './postgres-server.ts'

/** The project whose tenants are bound by row-level security. */
const UNDER_POLICIES = 'postgres-rls'
/** The project whose gateways reach the server through PgBouncer in transaction mode, with its defaults. */
const POOLED = 'postgres-pooled'

/** Where a run's databases are. */
interface Server {
  readonly url: string
  readonly description: string
  /** Projects that have not ended yet. */
  users: number
  stop(): Promise<void>
}

// On the global object: each project has a copy of this module, and one server serves them all.
const run = globalThis as { rollcallPostgres?: Promise<Server> }

/**
 * Provides a migrated template on the run's server: the one at TEST_DATABASE_URL, else one of our own. Fails the run where
 * there is neither, so that a green run has seen both engines.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  run.rollcallPostgres ??= openServer()
  const server = await run.rollcallPostgres
  server.users++
  const prefix = `rollcall_test_${randomBytes(4).toString('hex')}`
  // Roles belong to the server: another run on it has its own.
  const tenantRole = project.name === UNDER_POLICIES ? `${prefix}_tenant` : undefined
  const admin = postgres(server.url, { max: 1, onnotice: () => {} })
  const drop = async () => {
    // Workers name their databases after the template.
    const left = await admin<
      { name: string }[]
    >`select datname as name from pg_database where starts_with(datname, ${prefix})`
    for (const { name } of left) await admin.unsafe(`drop database if exists ${name} with (force)`)
    if (tenantRole !== undefined) await admin.unsafe(`drop role if exists ${tenantRole}`)
  }
  const leave = async () => {
    await admin.end()
    if (--server.users === 0) await server.stop()
  }
  const program = project.name === POOLED ? findPgbouncer() : undefined
  const pooler = program === undefined ? undefined : await startPgbouncer(program, server.url)
  const pooledUrl = pooler?.through(server.url)
  try {
    await admin.unsafe(`create database ${prefix}`)
    const databaseUrl = onDatabase(pooledUrl ?? server.url, prefix)
    await migratePostgres({ databaseUrl, databaseTenantRole: tenantRole })
    // A database is copied while no session is in it, and the pooler keeps some.
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${prefix}`
  } catch (error) {
    await pooler?.stop()
    await leave()
    throw error
  }
  const how = program === undefined ? '' : `, behind PgBouncer ${versionOf(program)}`
  console.log(`engine: ${server.description}${tenantRole === undefined ? '' : ', under row-level security'}${how}`)
  project.provide('postgres', { url: server.url, pooledUrl, template: prefix, tenantRole, citus: false })
  return async () => {
    await pooler?.stop()
    await drop()
    await leave()
  }
}

async function openServer(): Promise<Server> {
  const given = process.env.TEST_DATABASE_URL
  if (given === undefined) return { ...(await startPostgres()), users: 0 }
  const admin = postgres(given, { max: 1 })
  const [row] = await admin<{ version: string }[]>`select current_setting('server_version') as version`
  await admin.end()
  return { url: given, description: `PostgreSQL ${row?.version} (TEST_DATABASE_URL)`, users: 0, stop: async () => {} }
}
