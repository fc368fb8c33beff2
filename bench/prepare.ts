import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { cursorSealer, queryFingerprint } from '../src/provisioning/cursor.ts'
import { parseQuery } from '../src/scim/search-request.ts'
import { ADMIN_KEY, adminAt } from './admin.ts'
import { filler } from './fill.ts'
import type { Options } from './options.ts'
import { idOf } from './population.ts'
import { parentOf, type Server, startGateway } from './processes.ts'
import type { Progress } from './progress.ts'
import type { Filling } from './workloads/workload.ts'
import {
  type BenchTenant,
  CROWD_TEAM,
  CROWD_TEAMS,
  type Crowd,
  DAY_USERS,
  GROUP_INDEX,
  PAGE,
  SPARE,
  type World,
} from './world.ts'

const CURSOR_KEY = randomBytes(32).toString('hex')

/** The gateway as it is measured: with its defaults, but for room for a bulk of 1,000 whole users. */
export const gatewayEnv = (databaseUrl: string): Record<string, string> => ({
  DATABASE_URL: databaseUrl,
  ADMIN_KEY,
  CURSOR_KEY,
  BULK_MAX_PAYLOAD_BYTES: '10485760',
})

/** Process id of the PostgreSQL server behind `databaseUrl`, whose children are its sessions. */
export async function postgresPid(databaseUrl: string): Promise<number> {
  const sql = postgres(databaseUrl, { max: 1 })
  const [row] = await sql.unsafe<{ pid: number }[]>('select pg_backend_pid() as pid')
  const pid = parentOf(row?.pid ?? 0)
  await sql.end()
  return pid
}

/** Starts the gateway on an empty database, makes tenants and a key by its admin API, and fills by SQL what is to be filled. */
export async function prepare(
  databaseUrl: string,
  options: Options,
  parts: ReadonlySet<Filling>,
  progress: Progress,
): Promise<{ world: World; gateway: Server }> {
  const gateway = await startGateway(gatewayEnv(databaseUrl), options.gateway)
  const admin = adminAt(gateway.origin)
  const newTenant = async (key: string, users: number): Promise<BenchTenant> => {
    const { id } = await admin<{ id: string }>('POST', '/tenants', { key })
    return { id, key, users }
  }
  const { key: apiKey } = await admin<{ key: string }>('POST', '/api-keys', { name: 'bench' })

  const sizes: BenchTenant[] = []
  for (const users of parts.has('sizes') ? options.sizes : []) sizes.push(await newTenant(`users-${users}`, users))
  const firstSpare = options.groups.at(-1) ?? 0
  const groupTenant = await newTenant('grouped', firstSpare + SPARE)
  const groups = options.groups.map((members, i) => ({ id: idOf(groupTenant.id, GROUP_INDEX + i), members }))
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  const fill = await filler(sql)
  for (const tenant of [...sizes, ...(parts.has('groups') ? [groupTenant] : [])]) {
    await fill.users(tenant, (made) => progress.portion(`filling ${tenant.key}: users`, made, tenant.users))
    await fill.verify(tenant)
  }
  if (parts.has('groups')) await fill.groups(groupTenant, groups)
  const day: BenchTenant[][] = []
  for (const count of parts.has('day') ? options.dayTenants : []) {
    const tenants = await fill.tenants(groupTenant, `day-${count}`, count, DAY_USERS)
    await fill.usersOfMany(tenants, (made) => progress.portion(`filling ${count} small tenants`, made, count))
    for (const tenant of tenants) {
      await fill.groups(tenant, [{ id: idOf(tenant.id, GROUP_INDEX), members: DAY_USERS / 2 }])
    }
    for (const tenant of tenants.slice(-1)) await fill.verify(tenant)
    day.push(tenants)
  }
  const crowds: Crowd[] = []
  for (const users of parts.has('crowds') ? options.crowds : []) {
    progress.note(`filling tenants of ${users} users in one group`)
    const of = async (name: string) => newTenant(`${name}-${users}`, users)
    const crowd = { users, deletes: await of('deletes'), plain: await of('plain'), ruled: await of('ruled') }
    for (const tenant of [crowd.deletes, crowd.plain, crowd.ruled]) {
      await fill.users(tenant)
      await fill.groups(tenant, crowdGroups(tenant))
    }
    crowds.push(crowd)
  }
  progress.note('the tables of the bare ceiling')
  await fill.bare([...sizes, groupTenant])
  progress.note('vacuum and checkpoint')
  await fill.settle()
  await sql.end()

  const world: World = {
    apiKey,
    basePath: '/scim/v2/default/dev/v2',
    sizes,
    groups: { tenant: groupTenant, all: groups, firstSpare },
    cursors: Object.fromEntries(await Promise.all(sizes.map(async (tenant) => [tenant.key, await cursorsOf(tenant)]))),
    sync: {
      ...options.sync,
      tenants: { ours: await newTenant('sync-ours', 0), ceiling: await newTenant('sync-ceiling', 0) },
    },
    ...{ day, crowds },
  }
  // The peers' client fills it through the interface, as it does with every other server.
  await newTenant('peers', 0)
  return { world, gateway }
}

/** The group of everybody, and the teams. */
const crowdGroups = (tenant: BenchTenant) =>
  Array.from({ length: 1 + CROWD_TEAMS }, (_, i) => ({
    ...{ id: idOf(tenant.id, GROUP_INDEX + i), members: i === 0 ? tenant.users : CROWD_TEAM },
  }))

/** Cursors as the gateway would have given them to a client that walked so far: walking 10,000 pages would take too long. */
async function cursorsOf(tenant: BenchTenant) {
  const sealer = cursorSealer(async () => CURSOR_KEY)
  const limits = { defaultPageSize: PAGE, maxPageSize: 2 * PAGE }
  const request = parseQuery(new URLSearchParams(`cursor=&count=${PAGE}`), limits)
  const query = queryFingerprint([tenant.id, ['User'], { ...request, paging: undefined }])
  const after = (index: number) => {
    const expiresAt = Date.now() + 86_400_000
    return sealer.seal({ query, count: PAGE, sort: null, id: idOf(tenant.id, index), backward: false, expiresAt })
  }
  return { middle: await after(tenant.users / 2 - 1), last: await after(tenant.users - PAGE - 1) }
}
