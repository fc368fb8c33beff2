import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import type { TestProject } from 'vitest/node'
import { migratePostgres } from '../../src/db/migrate.ts'
import './provided.ts'
import { onDatabase, startPostgres } from './postgres-server.ts'

/** The project whose tenants are bound by row-level security. */
const UNDER_POLICIES = 'postgres-rls'

/**
 * Provides a server with a migrated template: the one at TEST_DATABASE_URL, else one of our own. Fails the run where there
 * is neither, so that a green run has seen both engines.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TEST_DATABASE_URL
  const server = given === undefined ? await startPostgres() : undefined
  const url = given ?? server?.url ?? ''
  const prefix = `rollcall_test_${randomBytes(4).toString('hex')}`
  // Roles belong to the server: another run on it has its own.
  const tenantRole = project.name === UNDER_POLICIES ? `${prefix}_tenant` : undefined
  const admin = postgres(url, { max: 1, onnotice: () => {} })
  const drop = async () => {
    // Workers name their databases after the template.
    const left = await admin<
      { name: string }[]
    >`select datname as name from pg_database where starts_with(datname, ${prefix})`
    for (const { name } of left) await admin.unsafe(`drop database if exists ${name} with (force)`)
    if (tenantRole !== undefined) await admin.unsafe(`drop role if exists ${tenantRole}`)
  }
  try {
    await admin.unsafe(`create database ${prefix}`)
    await migratePostgres({ databaseUrl: onDatabase(url, prefix), databaseTenantRole: tenantRole })
    const [row] = await admin<{ version: string }[]>`select current_setting('server_version') as version`
    console.log(
      `engine: ${server?.description ?? `PostgreSQL ${row?.version} (TEST_DATABASE_URL)`}${tenantRole === undefined ? '' : ', under row-level security'}`,
    )
  } catch (error) {
    await admin.end()
    await server?.stop()
    throw error
  }
  project.provide('postgres', { url, template: prefix, tenantRole })
  return async () => {
    if (server === undefined) await drop()
    await admin.end()
    await server?.stop()
  }
}
