import type { Database, Reader } from '../db/database.ts'
import { attributesOf, type MappingTenant, mapperFor } from '../mapping/mapped.ts'
import type { EnvironmentId, TenantId } from '../place-ids.ts'
import { accountsOfUsers } from '../repositories/accounts/links.ts'
import { eventLogOf } from '../repositories/log/event-log.ts'
import { type StoredResource, snapshotOf } from '../repositories/resources/snapshot.ts'
import { rolesOf } from '../repositories/roles/roles.ts'
import type { Resource } from '../scim/resource.ts'
import type { SchemaRegistry } from '../scim/schema/resource-type.ts'
import { secretPaths, withoutSecrets } from '../scim/schema/secrets.ts'
import type { Mapped } from '../tenancy/mapping/compile.ts'
import type { TenantContext } from '../tenancy/tenant.ts'

/**
 * Everything that a tenant has, as lines of JSON, in constant memory:
 *
 * - `start` names the position from which to follow the log;
 * - `resource` is one resource with its version, and without what is never returned; a user with the `account` it has, and with
 *   what the tenant's mapping makes of it;
 * - `members` are some of a group's members;
 * - `role` are some of the users who have a role, with the role's version;
 * - `end` comes last; without it the export is not whole. Its position is how far the log went by then.
 *
 * Nothing is locked meanwhile, so a line may be ahead of `start`. A reader passes over events whose version is not above
 * the one it has of the resource, and reads members and users as sets. Its copy is exact at the position of `end`.
 */
export async function* exportTenant(db: Database, tenant: ExportedTenant, reader?: Reader): AsyncGenerator<string> {
  const { id } = tenant
  yield line({ kind: 'start', tenant: id, position: await position(db, id), time: new Date() })
  yield* tenantLines(db, tenant, reader)
  yield line({ kind: 'end', tenant: id, position: await position(db, id) })
}

/** What the resources of a tenant are read by. */
type ExportedTenant = Pick<TenantContext, 'hasAccounts'> & MappingTenant

/** A tenant by its names. */
export interface NamedTenant {
  readonly id: TenantId
  readonly key: string
  readonly name: string
}

/** What is exported of one tenant in an environment. */
export interface TenantExport extends ExportedTenant, NamedTenant {}

/**
 * The same of all tenants of an environment, one after the other: `tenant` begins the lines of each. `start` and `end` have cursors of
 * the environment's feed.
 *
 * @param end gives a cursor at the end of the feed, with all that was committed before
 * @param tenants those without a registry are named alone, without what they have
 */
export async function* exportEnvironment(
  db: Database,
  environmentId: EnvironmentId,
  end: () => Promise<string>,
  tenants: AsyncIterable<TenantExport | NamedTenant>,
  reader?: Reader,
): AsyncGenerator<string> {
  yield line({ kind: 'start', environment: environmentId, cursor: await end(), time: new Date() })
  for await (const tenant of tenants) {
    yield line({ kind: 'tenant', tenant: tenant.id, key: tenant.key, name: tenant.name })
    if ('registry' in tenant) yield* tenantLines(db, tenant, reader)
  }
  yield line({ kind: 'end', environment: environmentId, cursor: await end() })
}

/** The resources of a tenant with their members, page by page, and its roles. */
async function* tenantLines(
  db: Database,
  { id: tenantId, registry, mapping, hasAccounts }: ExportedTenant,
  reader: Reader | undefined,
): AsyncGenerator<string> {
  const stored = snapshotOf(db, tenantId, reader)
  for (let after: string | undefined; ; ) {
    const page = await stored.resources(after)
    if (page.length === 0) break
    const users = page.flatMap(({ id, type }) => (type === 'User' ? [id] : []))
    const accounts = hasAccounts ? await accountsOfUsers(db, tenantId, users) : undefined
    const mapper = await mapperFor(db, { id: tenantId, registry, mapping }, users)
    for (const resource of page) {
      // Agents of a tenant that has switched them off.
      if (!registry.byName.has(resource.type)) continue
      const isUser = resource.type === 'User'
      yield resourceLine(resource, registry, {
        account: accounts?.get(resource.id),
        mapped: isUser ? mapper?.(resource.id, attributesOf(resource, registry)) : undefined,
      })
      if (resource.type !== 'Group') continue
      yield* memberLines(resource.id, (from) => stored.members(resource.id, from))
      yield* memberLines(resource.id, (from) => stored.deferredMembers(resource.id, from))
    }
    after = page.at(-1)?.id
  }
  yield* roleLines(db, tenantId)
}

/** The log's head, once what was committed before has got its position. */
async function position(db: Database, tenantId: TenantId): Promise<number> {
  const log = eventLogOf(db, tenantId)
  await log.numberWritten()
  return (await log.read(0, 1, { types: [], nouns: [] })).head
}

function resourceLine(
  { id, type, version, active, document }: StoredResource,
  registry: SchemaRegistry,
  { account, mapped }: { readonly account: string | undefined; readonly mapped: Mapped | undefined },
): string {
  const state = {
    ...(active !== null && { active }),
    ...(account !== undefined && { account }),
    ...(mapped !== undefined && { mapped }),
  }
  const head = { kind: 'resource', resource: { type, id, version }, ...state }
  return `${JSON.stringify(head).slice(0, -1)},"attributes":${shown(document, type, registry)}}\n`
}

/** A stored document without what is never returned, as JSON text. */
export function shown(document: string, typeName: string, registry: SchemaRegistry): string {
  const type = registry.byName.get(typeName)
  // Which attributes of an unregistered type are secret is not known any more.
  if (type === undefined) return '{}'
  return secretPaths(type).length === 0
    ? document
    : JSON.stringify(withoutSecrets(type, JSON.parse(document) as Resource))
}

async function* memberLines(
  group: string,
  membersAfter: (after: string | undefined) => Promise<readonly string[]>,
): AsyncGenerator<string> {
  for (let after: string | undefined; ; ) {
    const members = await membersAfter(after)
    if (members.length === 0) return
    yield line({ kind: 'members', group, members })
    after = members.at(-1)
  }
}

const AT_ONCE = 1_000

async function* roleLines(db: Database, tenantId: TenantId): AsyncGenerator<string> {
  const stored = rolesOf(db, { tenantId })
  for (let after: string | undefined; ; ) {
    // The versions are read before the users, so the users may be newer.
    const roles = await stored.list({ after, limit: AT_ONCE })
    for (const { id, key, version } of roles) {
      for (let last: string | undefined; ; ) {
        const users = await stored.users(id, last, AT_ONCE)
        if (users.length === 0) break
        yield line({ kind: 'role', resource: { type: 'Role', id, version }, role: key, users })
        last = users.at(-1)
      }
    }
    after = roles.at(-1)?.key
    if (after === undefined) return
  }
}

const line = (value: object): string => `${JSON.stringify(value)}\n`
