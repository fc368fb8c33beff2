import type { Database, Reader } from '../../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../../place-ids.ts'
import { fold } from '../../../scim/comparable.ts'
import { FIRST_ID } from '../../sql/ids.ts'
import { Parameters } from '../../sql/parameters.ts'
import { TENANTS_SEARCHED } from './find.ts'

// No index has people without their tenant: each create would write its entry. Every index begins with the tenant, so a search names
// the tenants of the environment, some hundred in one statement. To look into one of them takes microseconds.

/**
 * Tenants of one statement. For e-mail addresses, PostgreSQL's work before the first look-up grows with the square of the number.
 */
const TENANTS_AT_ONCE = 500
/** Users of one tenant with the same externalId. */
const MOST_OF_ONE = 100

/** What a user must have, all of it; letter case counts as in SCIM. At least one is there. */
export interface UserIdentifiers {
  readonly userName?: string | undefined
  readonly externalId?: string | undefined
  readonly email?: string | undefined
}

/** A user of a tenant; also a place in a list of them. */
export interface UserPlace {
  readonly tenantId: TenantId
  readonly id: string
}

/** Users in the order of tenants and ids. */
export interface UsersFound {
  readonly users: readonly UserPlace[]
  /** The tenants after this one were not looked at; undefined where all were. */
  readonly searchedTo: TenantId | undefined
}

/** Up to `limit` users of an environment's tenants, after one of them; of 10,000 tenants at the most. */
export async function findUsers(
  db: Database,
  environmentId: EnvironmentId,
  wanted: UserIdentifiers,
  after: UserPlace | undefined,
  limit: number,
  reader: Reader,
): Promise<UsersFound> {
  const users: UserPlace[] = []
  for (let searched = 0, from: string = after?.tenantId ?? FIRST_ID, first = true; ; first = false) {
    const tenants = await db.run<{ id: TenantId }>(
      // The first tenant may have more users behind the last one.
      `select t.id::text as id from tenants t where t.environment_id = $1::uuid and t.id ${first ? '>=' : '>'} $2::uuid
       order by t.environment_id, t.id limit ${TENANTS_AT_ONCE}`,
      [environmentId, from],
      { reader },
    )
    const ids = tenants.map(({ id }) => id)
    if (ids.length > 0) users.push(...(await usersOf(db, ids, wanted, after, limit - users.length, reader)))
    searched += ids.length
    from = ids.at(-1) ?? from
    if (ids.length < TENANTS_AT_ONCE || users.length >= limit) return { users, searchedTo: undefined }
    if (searched >= TENANTS_SEARCHED) return { users, searchedTo: from as TenantId }
  }
}

async function usersOf(
  db: Database,
  tenants: readonly TenantId[],
  { userName, externalId, email }: UserIdentifiers,
  after: UserPlace | undefined,
  limit: number,
  reader: Reader,
): Promise<UserPlace[]> {
  const parameters = new Parameters()
  const byColumn = userName !== undefined || externalId !== undefined
  const users = byColumn ? ofColumns() : ofAddresses(email ?? '')
  const behind =
    after === undefined
      ? ''
      : `where (u.tenant_id, u.id) > (${parameters.bind(after.tenantId, 'uuid')}, ${parameters.bind(after.id, 'uuid')})`
  return db.run<UserPlace>(
    // `offset 0`: the order must not lead the plan through all users.
    `select u.tenant_id::text as "tenantId", u.id::text as id from (${users} offset 0) u ${behind}
     order by u.tenant_id, u.id limit ${Math.trunc(limit)}`,
    parameters.values,
    { prepare: false, reader },
  )

  /** By the indexes of `resources`, tenant by tenant. */
  function ofColumns(): string {
    const ids = parameters.array(tenants, 'uuid')
    const conditions = [
      `r.resource_type = 'User'`,
      ...(userName === undefined ? [] : [`r.unique_key = ${parameters.bind(fold(userName), 'text')}`]),
      ...(externalId === undefined ? [] : [`r.external_id = ${parameters.bind(externalId, 'text')}`]),
    ].join(' and ')
    const found = db.distributed
      ? `select r.tenant_id, r.id from resources r where r.tenant_id = any(${ids}) and ${conditions}`
      : `select r.tenant_id, r.id from unnest(${ids}) t(id) cross join lateral (
           select r.tenant_id, r.id from resources r where r.tenant_id = t.id and ${conditions} limit ${MOST_OF_ONE}
         ) r`
    if (email === undefined) return found
    const address = `json_build_object(s.tenant_id::text, ${parameters.json({ emails: [{ value: fold(email) }] })})::jsonb`
    return `select f.tenant_id, f.id from (${found} offset 0) f join search_documents s
      on s.tenant_id = f.tenant_id and s.resource_type = 'User' and s.resource_id = f.id where (s.search @> ${address}) is true`
  }

  /** By the index of search documents, in which paths begin with the tenant: one scan for all tenants. */
  function ofAddresses(address: string): string {
    const value = JSON.stringify(fold(address))
    const path = parameters.bind(tenants.map((id) => `$."${id}".emails[*].value == ${value}`).join(' || '))
    return `select s.tenant_id, s.resource_id as id from search_documents s
      where s.search @@ ${path}::text::jsonpath and (s.resource_type = 'User') is true`
  }
}
