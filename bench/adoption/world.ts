import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open.ts'
import type { TestTenant } from '../../test/support/gateway.ts'
import { type Instance, ORIGIN, openInstance, type Place } from '../../test/support/instances.ts'
import { startPostgres } from '../../test/support/postgres-server.ts'

/** Accounts in one request. */
const LINES = 5_000
const ADMIN = 'bench-admin-key-with-some-length'

/** An account as an application posts it. */
export type Account = { readonly id: string } & Readonly<Record<string, unknown>>

/** An instance in this process, on an engine of its own. */
export interface World {
  readonly database: Database
  readonly instance: Instance
  readonly place: Place
  /** Asks the admin API about a tenant. @throws for an answer that is no success */
  admin(method: string, tenant: TestTenant, path: string, body?: string, type?: string): Promise<string>
  /** Posts accounts as lines, in as many requests as end in time on a busy machine too. @returns what their answers count */
  post(tenant: TestTenant, run: string, accounts: readonly Account[]): Promise<Posted>
  close(): Promise<void>
}

/** What became of accounts that were posted. */
export interface Posted {
  readonly accounts: number
  readonly created: number
  readonly changed: number
  readonly linked: number
  readonly queued: number
}

/** @param engine a private PostgreSQL, or the embedded engine over a new folder */
export async function openWorld(engine: 'postgres' | 'pglite'): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
  const server = engine === 'postgres' ? await startPostgres() : undefined
  const env = server === undefined ? { DATA_DIR: join(folder, 'data') } : { DATABASE_URL: server.url }
  const database = await openDatabase(loadConfig(env), () => {})
  const instance = await openInstance(database, { ADMIN_KEY: ADMIN })
  const place = await instance.newPlace()
  const [project, environment] = place.base.split('/').slice(-2)

  const admin: World['admin'] = async (method, tenant, path, body, type = 'application/json') => {
    const url = `${ORIGIN}/api/v1/projects/${project}/environments/${environment}/tenants/${tenant.name}${path}`
    const headers = { Authorization: `Bearer ${ADMIN}`, ...(body === undefined ? {} : { 'Content-Type': type }) }
    const answer = await instance.send(new Request(url, { method, headers, ...(body === undefined ? {} : { body }) }))
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text
  }
  return {
    ...{ database, instance, place, admin },
    post: async (tenant, run, accounts) => {
      const sum = { accounts: 0, created: 0, changed: 0, linked: 0, queued: 0 }
      for (let from = 0; from < accounts.length; from += LINES) {
        const some = accounts.slice(from, from + LINES)
        const lines = some.map((one) => JSON.stringify(one)).join('\n')
        const answer = await admin('POST', tenant, `/accounts?run=${run}`, lines, 'application/x-ndjson')
        const done = JSON.parse(answer) as Posted
        for (const name of Object.keys(sum) as (keyof Posted)[]) sum[name] += done[name]
      }
      return sum
    },
    close: async () => {
      await instance.close()
      await database.close()
      await server?.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Ends the benchmark where two things differ that have to be the same. */
export function same(what: string, found: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)]
  if (one !== other) throw new Error(`${what}: ${one.slice(0, 500)} where it should be ${other.slice(0, 500)}`)
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
