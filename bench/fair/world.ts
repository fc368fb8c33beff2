import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from '../../src/db/database.ts'
import { openPglite } from '../../src/db/pglite.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { analyze, fillDirectly } from '../../test/support/instances.ts'
import { startPostgres } from '../../test/support/postgres-server.ts'
import { ADMIN_KEY, adminAt } from '../admin.ts'
import { type Server, startGateway } from '../processes.ts'

/** Tenants that are measured, users of each, and tenants that only hold streams. */
const [QUIET, QUIET_USERS, FOLLOWED] = [4, 20, 10]
/** What a statement may take that fills tables, which on a busy machine is more than one of a request. */
const FILLS_MS = 120_000
const ENVIRONMENT = '/api/v1/projects/default/environments/dev'

export type Engine = 'postgres' | 'embedded'
export const ENGINES: readonly Engine[] = ['postgres', 'embedded']

/** A tenant as its client knows it. */
export interface FairTenant {
  /** Base URL of SCIM. */
  readonly base: string
  /** The tenant in the admin API. */
  readonly admin: string
  readonly headers: Readonly<Record<string, string>>
}

/** What a loud and the quiet tenants have; plain data, as it goes to another process. */
export interface FairWorld {
  readonly loud: FairTenant
  readonly quiet: readonly (FairTenant & { readonly users: readonly string[] })[]
  /** Tenants whose events are followed. */
  readonly followed: readonly FairTenant[]
  readonly adminHeaders: Readonly<Record<string, string>>
  readonly users: number
  readonly groups: number
  /** The group of all users of the loud tenant. */
  readonly largeGroup: string
}

/** A gateway with all that, of its own. */
export interface FairGateway {
  readonly server: Server
  readonly world: FairWorld
  stop(): Promise<void>
}

/** Starts a gateway on an engine, and fills a loud tenant of `users` users, past the gateway, and quiet ones. */
export async function openFair(engine: Engine, users: number, main: string | undefined): Promise<FairGateway> {
  const store = await openStore(engine)
  // Room for the load of hanging webhooks; all other limits are the defaults.
  const room = { ENDPOINTS_PER_PLACE: '200', DELIVERY_NETWORKS: '127.0.0.0/8' }
  const env = { ...store.env, ...room, ADMIN_KEY, LOG_LEVEL: 'silent' }
  let server = await startGateway(env, main)
  try {
    const loud = await makeTenants(server, ['loud'])
    await server.stop()
    const groups = Math.ceil(users / 10)
    // One process alone has an embedded folder.
    const largeGroup = await store.fill((database) => fillLoud(database, loud[0]?.id ?? '', users, groups))
    server = await startGateway(env, main)
    const names = (label: string, count: number) => Array.from({ length: count }, (_, i) => `${label}-${i}`)
    const quiet = await makeTenants(server, names('quiet', QUIET))
    const followed = await makeTenants(server, names('followed', FOLLOWED))
    const world: FairWorld = {
      loud: { ...(loud[0] as MadeTenant), ...at(server, 'loud') },
      quiet: await Promise.all(quiet.map(async (tenant) => ({ ...tenant, users: await makeUsers(tenant) }))),
      followed,
      adminHeaders: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      ...{ users, groups, largeGroup },
    }
    const stop = async () => {
      await server.stop()
      await store.stop()
    }
    return { server, world, stop }
  } catch (error) {
    await server.stop().catch(() => {})
    await store.stop()
    throw error
  }
}

interface Store {
  readonly env: Readonly<Record<string, string>>
  /** Opens the database while no gateway runs. */
  fill<T>(work: (database: Database) => Promise<T>): Promise<T>
  stop(): Promise<void>
}

async function openStore(engine: Engine): Promise<Store> {
  const filled = async <T>(open: () => Promise<Database>, work: (database: Database) => Promise<T>) => {
    const database = await open()
    try {
      return await work(database)
    } finally {
      await database.close()
    }
  }
  if (engine === 'embedded') {
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-fair-'))
    return {
      env: { DATA_DIR: folder },
      fill: (work) =>
        filled(
          () => openPglite({ dataDir: folder, requestTimeoutMs: FILLS_MS }, () => {}, { statementTimeoutMs: FILLS_MS }),
          work,
        ),
      stop: async () => rmSync(folder, { recursive: true, force: true }),
    }
  }
  const server = await startPostgres({ fsync: true, settings: ['shared_buffers=512MB', 'max_wal_size=4GB'] })
  return {
    env: { DATABASE_URL: server.url },
    fill: (work) =>
      filled(
        () =>
          openPostgres({ databaseUrl: server.url, databasePool: 1, databasePrepare: true, requestTimeoutMs: FILLS_MS }),
        work,
      ),
    stop: () => server.stop(),
  }
}

/** Users each in one group of its own and in the first one, which gives groups of ten and one of all. */
async function fillLoud(database: Database, tenantId: string, users: number, groups: number): Promise<string> {
  const { groupId, userId } = await fillDirectly(database, tenantId, { users, groups })
  await database.transaction(async (tx) => {
    await tx.run('set local session_replication_role = replica', [], { prepare: false })
    await tx.run(
      `insert into memberships (tenant_id, group_id, member_id)
       select $1::uuid, $2::uuid, ($3::text || lpad(to_hex(n), 12, '0'))::uuid from generate_series(1, $4::int) n
       on conflict do nothing`,
      [tenantId, groupId(1), userId(1).slice(0, -12), users],
      { prepare: false },
    )
  })
  await analyze(database)
  return groupId(1)
}

type MadeTenant = FairTenant & { readonly id: string }

const at = ({ origin }: Server, name: string) => ({
  base: `${origin}/scim/v2/default/dev/v2/${name}`,
  admin: `${origin}${ENVIRONMENT}/tenants/${name}`,
})

async function makeTenants(server: Server, names: readonly string[]): Promise<MadeTenant[]> {
  const admin = adminAt(server.origin)
  const made: MadeTenant[] = []
  for (const name of names) {
    const { id } = await admin<{ id: string }>('POST', '/tenants', { key: name })
    const permissions = ['scim:read', 'scim:write', 'directory:read']
    const { key } = await admin<{ key: string }>('POST', `/tenants/${name}/api-keys`, { name: 'fair', permissions })
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/scim+json' }
    made.push({ id, ...at(server, name), headers })
  }
  return made
}

async function makeUsers({ base, headers }: FairTenant): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < QUIET_USERS; i++) {
    const answer = await fetch(`${base}/Users`, { method: 'POST', headers, body: userBody(`quiet-${i}`) })
    ids.push(((await answer.json()) as { id: string }).id)
  }
  return ids
}

/** A user as clients send it. */
export const userBody = (userName: string): string =>
  JSON.stringify({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
    ...{ userName, displayName: userName, emails: [{ value: `${userName}@fair.test`, primary: true }] },
  })
