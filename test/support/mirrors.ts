import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { inject } from 'vitest'
import { createApiKey } from '../../src/administration/keys/api-keys.ts'
import { CONFIGURED_ADMIN } from '../../src/auth/principal.ts'
import type { Database } from '../../src/db/database.ts'
import { type MirrorOptions, openMirror } from '../../src/mirror/index.ts'
import { administrationOn } from './administration.ts'
import { engineName } from './engines.ts'
import { type Instance, ORIGIN, type Place } from './instances.ts'
import { onDatabase, startPostgres } from './postgres-server.ts'

/** The application's own PostgreSQL: a database that no other test has. */
export interface ApplicationDatabase {
  readonly url: string
  readonly sql: postgres.Sql
  close(): Promise<void>
}

/** A database on the run's PostgreSQL; beside the embedded engine, on a server of its own. */
export async function openApplicationDatabase(): Promise<ApplicationDatabase> {
  const own = engineName() === 'pglite' ? await startPostgres() : undefined
  const server = own?.url ?? inject('postgres').url
  const name = `application_${randomBytes(5).toString('hex')}`
  const admin = postgres(server, { max: 1, onnotice: () => {} })
  await admin.unsafe(`create database ${name}`)
  const url = onDatabase(server, name)
  const sql = postgres(url, { max: 2, onnotice: () => {} })
  return {
    ...{ url, sql },
    async close() {
      await sql.end()
      await admin.unsafe(`drop database ${name} with (force)`)
      await admin.end()
      await own?.stop()
    },
  }
}

/** The application of an environment: its key, and what it asks of the gateway. */
export async function applicationOf(database: Database, at: Pick<Instance, 'send'>, { base, ...ids }: Place) {
  const scope = { kind: 'environment', ...ids } as const
  const permissions = ['directory:read'] as const
  const { key } = await createApiKey(administrationOn(database), scope, { name: 'app', permissions }, CONFIGURED_ADMIN)
  const [project = '', environment = ''] = base.split('/').slice(-2)
  const url = `${ORIGIN}/api/v1/projects/${project}/environments/${environment}`
  const ask = (path: string) => at.send(new Request(url + path, { headers: { Authorization: `Bearer ${key}` } }))
  const gateway = { origin: ORIGIN, key, project, environment, fetch: (request: Request) => at.send(request) }
  return { ask, gateway }
}

/** What a mirror is to be, and what it is, in the same form. */
export interface Picture {
  readonly users: Readonly<Record<string, unknown>>
  readonly groups: Readonly<Record<string, unknown>>
  readonly memberships: readonly string[]
  readonly others: readonly string[]
  readonly roles: readonly string[]
}

interface SnapshotLine {
  readonly kind: string
  readonly resource: { readonly type: string; readonly id: string; readonly version: number }
  readonly active?: boolean
  readonly account?: string
  readonly attributes: object
  readonly mapped?: object
  readonly group: string
  readonly members: readonly string[]
  readonly role: string
  readonly users: readonly string[]
}

/** What tenants have, as their snapshots tell. */
export async function directoryOf(
  ask: (path: string) => Promise<Response>,
  tenants: readonly { readonly id: string }[],
): Promise<Picture> {
  const users: Record<string, unknown> = {}
  const groups: Record<string, unknown> = {}
  const members: string[] = []
  const roles: string[] = []
  for (const { id: tenant } of tenants) {
    const text = await (await ask(`/tenants/${tenant}/snapshot`)).text()
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as SnapshotLine)
    if (lines.at(-1)?.kind !== 'end') throw new Error(`the snapshot is not whole: ${text.slice(0, 200)}`)
    for (const { kind, resource, active, account = null, attributes, mapped, ...line } of lines) {
      if (kind === 'resource' && resource.type === 'User')
        users[`${tenant} ${resource.id}`] = { active, account, attributes, ...(mapped && { mapped }) }
      if (kind === 'resource' && resource.type === 'Group') groups[`${tenant} ${resource.id}`] = { attributes }
      if (kind === 'members') members.push(...line.members.map((member) => `${tenant} ${line.group} ${member}`))
      if (kind === 'role') roles.push(...line.users.map((user) => `${tenant} ${user} ${line.role}`))
    }
  }
  const isUser = (member: string) => {
    const [tenant, , id] = member.split(' ')
    return `${tenant} ${id}` in users
  }
  return {
    ...{
      users,
      groups,
      memberships: members.filter(isUser).sort(),
      others: members.filter((one) => !isUser(one)).sort(),
    },
    roles: roles.sort(),
  }
}

/** What a mirror has. */
export async function mirrored(sql: postgres.Sql, schema = 'rollcall'): Promise<Picture> {
  const read = async <Row extends object>(statement: string) => [...(await sql.unsafe<Row[]>(statement))]
  const keyed = (rows: { key: string; value: unknown }[]) =>
    Object.fromEntries(rows.map(({ key, value }) => [key, value]))
  const texts = async (columns: string, table: string) =>
    (await read<{ text: string }>(`select concat_ws(' ', ${columns}) as text from ${schema}.${table}`))
      .map(({ text }) => text)
      .sort()
  return {
    users: keyed(
      await read(
        `select concat_ws(' ', tenant_id, id) as key, jsonb_build_object('active', active, 'account', account, 'attributes', attributes)
           || case when mapped is null then '{}' else jsonb_build_object('mapped', mapped) end as value
         from ${schema}.users where deleted_at is null`,
      ),
    ),
    groups: keyed(
      await read(
        `select concat_ws(' ', tenant_id, id) as key, jsonb_build_object('attributes', attributes) as value
         from ${schema}.groups where deleted_at is null`,
      ),
    ),
    memberships: await texts('tenant_id, group_id, user_id', 'memberships'),
    others: await texts('tenant_id, group_id, member', 'other_members'),
    roles: await texts('tenant_id, user_id, role', 'roles'),
  }
}

/** Brings a mirror up to date once, and closes it. */
export async function mirrorOnce(options: MirrorOptions): Promise<void> {
  const mirror = openMirror(options)
  await mirror.catchUp().finally(() => mirror.close())
}
