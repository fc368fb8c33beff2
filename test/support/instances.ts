import { randomBytes } from 'node:crypto'
import { createEnvironment } from '../../src/administration/environments.ts'
import { createProject } from '../../src/administration/projects.ts'
import { createApp } from '../../src/app.ts'
import type { Permission } from '../../src/auth/principal.ts'
import { loadConfig } from '../../src/config.ts'
import { ConnectionNotes } from '../../src/connections/noting.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import { BACKGROUND } from '../../src/db/caller.ts'
import type { Database } from '../../src/db/database.ts'
import { openDeliveries } from '../../src/delivery/deliveries.ts'
import type { RetrySchedule } from '../../src/delivery/sending/retries.ts'
import { createLogger } from '../../src/observability/logger.ts'
import type { EnvironmentId, ProjectId } from '../../src/place-ids.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import { RequestLogWriter } from '../../src/request-log/writer.ts'
import {
  BULK_REQUEST,
  ENTERPRISE_USER_SCHEMA,
  GROUP_SCHEMA,
  PATCH_OP,
  SEARCH_REQUEST,
  USER_SCHEMA,
} from '../../src/scim/urn.ts'
import type { TenantSettings } from '../../src/tenancy/settings.ts'
import { openTraces } from '../../src/traces.ts'
import { administrationOn, tenantWithKey } from './administration.ts'
import { PATIENCE } from './engines.ts'
import type { Answer, Scim, TestTenant } from './gateway.ts'
import { jsonIn } from './http-client.ts'
import { type Recorder, recordStatements } from './statements.ts'

/** An environment of a project, both made for the test. */
export interface Place {
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  /** Base URL of the environment, without `/v2`. */
  readonly base: string
}

/** The app without a socket, over a database whose statements are noted; several may share one database. */
export interface Instance {
  readonly database: Database
  readonly recorder: Recorder
  /** What was logged as an error. */
  readonly errors: readonly string[]
  /** All lines of the log. */
  readonly log: readonly string[]
  /** What was noted of requests, which `flush` writes. */
  readonly connections: ConnectionNotes
  /** Writes the provisioning log behind the requests. */
  readonly requestLog: RequestLogWriter
  newPlace(): Promise<Place>
  /** Another environment of the same project. */
  newEnvironment(beside: Place): Promise<Place>
  newTenant(options?: { readonly settings?: TenantSettings; readonly place?: Place }): Promise<TestTenant>
  /** A tenant of another instance on the same database, through this one. */
  reach(tenant: Pick<TestTenant, 'base' | 'key'>): Scim
  /** `env` as a server gives it, where there is one around. */
  send(request: Request, env?: object): Promise<Response>
  close(): Promise<void>
}

export const ORIGIN = 'http://scim.test'

/**
 * Starts an instance over `database`, with `env` for its configuration. The control plane, and what is written behind the
 * requests, go past the recorder, over `controlDatabase`. With `retries` it also sends webhooks, by that schedule.
 */
export async function openInstance(
  database: Database,
  env: Readonly<Record<string, string>> = {},
  retries?: RetrySchedule,
  controlDatabase: Database = database,
): Promise<Instance> {
  const config = loadConfig({ ...PATIENCE, ...env })
  const errors: string[] = []
  const log: string[] = []
  const write = (line: string) => {
    log.push(line)
    if (line.includes('"level":"error"')) errors.push(line)
  }
  const logger = createLogger('info', { write }, config.instance)
  const tracing = await openTraces(config, logger)
  const seen = (one: Database) => (tracing === undefined ? one : one.watched(tracing.statement))
  const control = new ControlPlane(controlStore(seen(controlDatabase)), { adminKey: config.adminKey })
  const recorder = recordStatements(seen(database))
  const deliveries = openDeliveries(
    seen(database),
    { ...config, ...(retries ? { retries } : {}), tracing },
    {
      failed: (error, task) => errors.push(`${task}: ${error}`),
      disabled: () => {},
    },
  )
  if (retries) deliveries.start()
  const connections = new ConnectionNotes(seen(controlDatabase), (error) => errors.push(`noting connections: ${error}`))
  const requestLog = new RequestLogWriter({
    ...{ database: controlDatabase.for(BACKGROUND), control },
    failed: (error) => errors.push(`writing the provisioning log: ${error}`),
  })
  const app = createApp({
    ...{ database: recorder.database, control, config, connections, logger, deliveries, tracing, requestLog },
  })
  const administration = administrationOn(database, control)
  const send: Instance['send'] = async (request, env) => app.fetch(request, env)
  const environmentIn = async (projectId: ProjectId, projectKey: string): Promise<Place> => {
    const key = `e-${randomBytes(5).toString('hex')}`
    const { id } = await createEnvironment(administration, projectId, { key })
    return { projectId, environmentId: id, base: `${ORIGIN}/scim/v2/${projectKey}/${key}` }
  }
  const newPlace = async () => {
    const project = await createProject(administration, { key: `p-${randomBytes(5).toString('hex')}` })
    return environmentIn(project.id, project.key)
  }
  let own: Promise<Place> | undefined

  return {
    ...{ database, recorder, errors, log, connections, requestLog, newPlace, send },
    newEnvironment: ({ projectId, base }) => environmentIn(projectId, base.split('/').at(-2) ?? ''),
    newTenant: async ({ settings, place } = {}) => {
      own ??= newPlace()
      const { base: environment, ...at } = place ?? (await own)
      const name = `t-${randomBytes(6).toString('hex')}`
      const permissions: readonly Permission[] = ['scim:read', 'scim:write', 'directory:read']
      const { id, key } = await tenantWithKey(administration, at, name, { settings, permissions })
      const base = `${environment}/v2/${name}`
      return { id, name, base, key, scim: scimOver(send, base, key) }
    },
    reach: ({ base, key }) => scimOver(send, base, key),
    close: async () => {
      connections.stop()
      await deliveries.stop()
      await requestLog.stop()
      await control.stop()
      await tracing?.stop()
    },
  }
}

function scimOver(send: (request: Request) => Promise<Response>, base: string, key: string): Scim {
  return async (method, path, body, headers = {}) => {
    const sent = new Headers({ Authorization: `Bearer ${key}` })
    if (body !== undefined) sent.set('Content-Type', 'application/scim+json')
    for (const [name, value] of Object.entries(headers)) sent.set(name, value)
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const init = { method, headers: sent, ...(body === undefined ? {} : { body: text }) }
    const response = await send(new Request(base + path, init))
    const answered = await response.text()
    return { status: response.status, headers: response.headers, text: answered, body: jsonIn(answered) }
  }
}

// ---- Messages

export const userBody = (userName: string, rest: object = {}) => ({ schemas: [USER_SCHEMA], userName, ...rest })

export const groupBody = (displayName: string, members?: readonly string[]) => ({
  schemas: [GROUP_SCHEMA],
  displayName,
  ...(members ? { members: members.map((value) => ({ value })) } : {}),
})

export const patchBody = (...Operations: readonly object[]) => ({ schemas: [PATCH_OP], Operations })
export const bulkBody = (Operations: readonly object[], rest: object = {}) => ({
  schemas: [BULK_REQUEST],
  ...rest,
  Operations,
})
export const searchBody = (rest: object = {}) => ({ schemas: [SEARCH_REQUEST], ...rest })

/** PATCH operations on a group's members. */
export const addMembers = (...ids: readonly string[]) =>
  patchBody({ op: 'add', path: 'members', value: ids.map((value) => ({ value })) })
export const removeMember = (id: string) => patchBody({ op: 'remove', path: `members[value eq "${id}"]` })

// ---- Answers

/** A resource, a list or an error as JSON; members are looked up, never trusted. */
export type Json = Readonly<Record<string, unknown>>

export const json = (answer: Answer): Json => {
  if (typeof answer.body !== 'object' || answer.body === null) throw new Error(`no JSON object: ${answer.text}`)
  return answer.body as Json
}

/** The id in an answer that has to be a success. */
export function idIn(answer: Answer): string {
  if (answer.status >= 300) throw new Error(`${answer.status}: ${answer.text}`)
  return String(json(answer).id)
}

/** The resources of a list. */
export const listed = (answer: Answer): Json[] => {
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`)
  return json(answer).Resources as Json[]
}
export const listedIds = (answer: Answer): string[] => listed(answer).map((resource) => String(resource.id))
export const etag = (answer: Answer): string => answer.headers.get('etag') ?? ''

/** `value` of every element of `members` or `groups`, sorted. */
export const valuesOf = (list: unknown): string[] =>
  Array.isArray(list) ? list.map((element: Json) => String(element.value)).sort() : []

// ---- What is stored

/** A row of `events`, in the order of writing. */
export interface LoggedEvent {
  readonly type: string
  readonly resource_type: string
  readonly resource_id: string
  readonly version: number
  readonly request_id: string
  readonly actor: string
  readonly changes: string
}

export const eventsOf = (database: Database, tenantId: string, resourceId?: string): Promise<LoggedEvent[]> =>
  database.run<LoggedEvent>(
    `select type, resource_type, resource_id::text, version::int, request_id, actor, changes from events
     where tenant_id = $1::uuid and ($2::uuid is null or resource_id = $2::uuid) order by seq`,
    [tenantId, resourceId ?? null],
  )

/** The tables of tenants, by looking at the database. */
export async function tenantTables(database: Database): Promise<string[]> {
  const rows = await database.run<{ name: string }>(
    `select c.table_name as name from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
     where c.table_schema = 'public' and c.column_name = 'tenant_id' and t.table_type = 'BASE TABLE' order by 1`,
    [],
  )
  return rows.map((row) => row.name)
}

/**
 * What does not fit together in a tenant's rows, in words; empty when all is whole: keys and references for every resource,
 * counts that match, and a trail of versions in the events for each resource.
 */
export async function inconsistencies(database: Database, tenantId: string): Promise<string[]> {
  const ask = (statement: string) => database.run<{ what: string }>(statement, [tenantId])
  const found = await Promise.all([
    ask(`select 'count of ' || resource_type || ' is ' || counted || ' for ' || there as what from (
      select resource_type, sum(counted) as counted, sum(there) as there from (
        select resource_type, total as counted, 0 as there from resource_counts where tenant_id = $1::uuid
        union all select resource_type, total_delta, 0 from waiting_events where tenant_id = $1::uuid
        union all select resource_type, 0, count(*) from resources where tenant_id = $1::uuid group by 1
      ) x group by 1) y where counted <> there`),
    ask(`select case when s.search is null then 'no search document of ' else 'a search document of nothing, ' end || id as what
      from (select resource_type, id, version from resources where tenant_id = $1::uuid) r
      full join (select resource_type, resource_id as id, search from search_documents where tenant_id = $1::uuid) s
        using (resource_type, id) where r.version is null or s.search is null`),
    ask(`select 'e-mail values of ' || r.id || ' are ' || r.emails::text || ', searched by ' || s.emails::text as what from (
        select id, array(select lower(e->>'value') from jsonb_array_elements(document::jsonb->'emails') e order by 1) as emails
        from resources where tenant_id = $1::uuid and resource_type = 'User') r
      join (select resource_id as id, array(
          select e->>'value' from jsonb_array_elements(search #> array[tenant_id::text, 'emails']) e order by 1) as emails
        from search_documents where tenant_id = $1::uuid) s using (id) where r.emails <> s.emails`),
    ask(`select 'title of ' || r.id || ' is ' || r.document || ', searched by ' || s.search::text as what from resources r
      join search_documents s on s.tenant_id = r.tenant_id and s.resource_id = r.id where r.tenant_id = $1::uuid
      and lower(r.document::jsonb->>'title') is distinct from s.search #>> array[s.tenant_id::text, 'title']
      and coalesce(r.document::jsonb->>'title', '') ~ '^[ -~]*$'`),
    ask(`select 'version ' || r.version || ' of ' || r.id || ', events up to ' || coalesce(max(e.version), 0) || ' in '
      || count(distinct e.version) as what from resources r left join events e on e.tenant_id = r.tenant_id and e.resource_id = r.id
      where r.tenant_id = $1::uuid group by r.id, r.version
      having coalesce(max(e.version), 0) <> r.version or count(distinct e.version) <> r.version`),
    ask(`select 'unique key of ' || r.id || ' is not its name' as what from resources r
      where r.tenant_id = $1::uuid and r.resource_type = 'User'
      and r.document::jsonb->>'userName' ~ '^[ -~]*$' and r.unique_key is distinct from lower(r.document::jsonb->>'userName')`),
  ])
  return found.flat().map((row) => row.what)
}

// ---- Many at once

/** What `fillDirectly` has put there: the nth user and the nth group, counted from 1. */
export interface Filled {
  readonly userId: (n: number) => string
  readonly groupId: (n: number) => string
}

/**
 * Puts users and groups into a tenant past the gateway, as it would have stored them, but quickly: user n is `user<n>`, has
 * two e-mail values, a title and a department of its own, and is in group `n % groups + 1`. Needs a superuser, who may pass
 * over the references.
 *
 * @param options.searchable whether users are found by what they hold; without, a large tenant is there in half the time
 */
export async function fillDirectly(
  database: Database,
  tenantId: string,
  {
    users,
    groups,
    searchable = true,
  }: { readonly users: number; readonly groups: number; readonly searchable?: boolean },
): Promise<Filled> {
  const seed = randomBytes(4).toString('hex')
  const idOf = (kind: number) => (n: number) => `${seed}-0000-7000-800${kind}-${n.toString(16).padStart(12, '0')}`
  const [userId, groupId] = [idOf(1), idOf(2)]
  const idSql = (kind: number, n: string) => `('${seed}-0000-7000-800${kind}-' || lpad(to_hex(${n}), 12, '0'))::uuid`
  const put = (tx: Database, statement: string, ...values: number[]) =>
    tx.run(statement, [tenantId, ...values], { prepare: false })
  await database.transaction(async (tx) => {
    await tx.run('set local session_replication_role = replica', [], { prepare: false })
    // Large tables on a busy machine take longer than any statement of a request may.
    await tx.run('set local statement_timeout = 0', [], { prepare: false })
    await put(
      tx,
      `insert into resources (tenant_id, id, resource_type, external_id, unique_key, display_key, label, active, document, created_at, modified_at)
       select $1::uuid, ${idSql(1, 'n')}, 'User', 'ext' || n, 'user' || n, 'person ' || n, 'Person ' || n, true,
         jsonb_build_object('schemas', jsonb_build_array('${USER_SCHEMA}', '${ENTERPRISE_USER_SCHEMA}'), 'userName', 'user' || n,
           'externalId', 'ext' || n, 'displayName', 'Person ' || n, 'title', 'Title ' || n, 'emails', e,
           '${ENTERPRISE_USER_SCHEMA}', jsonb_build_object('department', 'Department ' || n))::text,
         now() - interval '1 day', now() - interval '1 day' + n * interval '1 millisecond'
       from generate_series(1, $2::int) n cross join lateral (select jsonb_build_array(
         jsonb_build_object('type', 'work', 'value', 'user' || n || '@work.test', 'primary', true),
         jsonb_build_object('type', 'home', 'value', 'user' || n || '@home.test')) as e) x`,
      users,
    )
    await put(
      tx,
      `insert into search_documents (tenant_id, resource_type, resource_id, search)
       select $1::uuid, 'User', ${idSql(1, 'n')},
         jsonb_build_object($1::text, jsonb_build_object('schemas', jsonb_build_array('${USER_SCHEMA}', '${ENTERPRISE_USER_SCHEMA}'),
           'title', 'title ' || n, '${ENTERPRISE_USER_SCHEMA}', jsonb_build_object('department', 'department ' || n),
           'emails', jsonb_build_array(
             jsonb_build_object('type', 'work', 'value', 'user' || n || '@work.test', 'primary', true),
             jsonb_build_object('type', 'home', 'value', 'user' || n || '@home.test'))))
       from generate_series(1, $2::int) n`,
      searchable ? users : 0,
    )
    await put(
      tx,
      `insert into resources (tenant_id, id, resource_type, unique_key, display_key, label, document, created_at, modified_at)
       select $1::uuid, ${idSql(2, 'n')}, 'Group', 'group ' || n, 'group ' || n, 'Group ' || n,
         jsonb_build_object('schemas', jsonb_build_array('${GROUP_SCHEMA}'), 'displayName', 'Group ' || n)::text, now(), now()
       from generate_series(1, $2::int) n`,
      groups,
    )
    await put(
      tx,
      `insert into search_documents (tenant_id, resource_type, resource_id, search)
       select $1::uuid, 'Group', ${idSql(2, 'n')},
         jsonb_build_object($1::text, jsonb_build_object('schemas', jsonb_build_array('${GROUP_SCHEMA}')))
       from generate_series(1, $2::int) n`,
      groups,
    )
    await put(
      tx,
      `insert into memberships (tenant_id, group_id, member_id) select $1::uuid, ${idSql(2, 'n % $3::int + 1')}, ${idSql(1, 'n')}
       from generate_series(1, $2::int) n where $3::int > 0`,
      users,
      groups,
    )
    await put(
      tx,
      `insert into resource_counts (tenant_id, resource_type, total, active)
       values ($1::uuid, 'User', $2::int, $2::int), ($1::uuid, 'Group', $3::int, 0)`,
      users,
      groups,
    )
  })
  return { userId, groupId }
}

/** Brings the planner's statistics up to date, as the server does by itself now and then. */
export async function analyze(database: Database): Promise<void> {
  for (const table of await tenantTables(database)) await database.run(`analyze ${table}`, [], { prepare: false })
}
