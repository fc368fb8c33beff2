import { and, asc, eq, gt, isNull, lte, ne, or, sql } from 'drizzle-orm'
import type { FormerAddress, LedTo } from '../../context/control-store.ts'
import type { Database } from '../../db/database.ts'
import { environments, formerAddresses, projects, tenants, webhookEndpoints } from '../../db/schema.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'
import { foldKey, isUuid } from '../../tenancy/scim-path.ts'
import type { TenantSettings } from '../../tenancy/settings.ts'
import { hasId } from '../sql/place-ids.ts'

/** From where a tenant moves, where it is afterwards, and what it has of its own there. */
export interface TenantMove {
  readonly from: EnvironmentId
  readonly to: { readonly projectId: ProjectId; readonly environmentId: EnvironmentId }
  readonly key: string
  readonly settings: TenantSettings
}

/** References of two columns are checked at the end of a statement. So one statement moves all rows that have the place in them. */
const MOVE = `with moved as (
    update tenants set environment_id = $3::uuid, key = $5::text, key_folded = $6::text, settings = $7::text::jsonb,
      deleting = false
    where id = $1::uuid and environment_id = $2::uuid
  ), keys as (
    update api_keys set project_id = $4::uuid, environment_id = $3::uuid where tenant_id = $1::uuid
  ), links as (
    update setup_links set project_id = $4::uuid, environment_id = $3::uuid where tenant_id = $1::uuid
  ), domains as (
    update tenant_domains set environment_id = $3::uuid where tenant_id = $1::uuid
  ), schemas as (
    update schema_definitions set environment_id = $3::uuid where tenant_id = $1::uuid
  ), catalogue as (
    update catalogues set environment_id = $3::uuid where tenant_id = $1::uuid returning id
  ), written as (
    -- Users keep what they were given. Without a catalogue, nothing would be told of that.
    insert into catalogues (id, environment_id, tenant_id)
    select $1::uuid, $3::uuid, $1::uuid
    where exists (select 1 from written_roles where tenant_id = $1::uuid) and not exists (select 1 from catalogue)
  ), catalogue_work as (
    update catalogue_work set environment_id = $3::uuid where tenant_id = $1::uuid
  ), endpoints as (
    update webhook_endpoints set environment_id = $3::uuid where environment_id = $2::uuid and tenant_id = $1::uuid
  ), connections as (
    update connections set environment_id = $3::uuid where tenant_id = $1::uuid
  ), history as (
    update histories set environment_id = $3::uuid where tenant_id = $1::uuid
  ), work as (
    update role_rule_work set environment_id = $3::uuid where tenant_id = $1::uuid
  ), stretches as (
    delete from waiting_stretches where tenant_id = $1::uuid
  )
  update event_logs set environment_id = $3::uuid, fed = head where tenant_id = $1::uuid`

/**
 * Moves a tenant with its keys, set-up links, schemas and endpoints. The caller holds the rows of both environments and of the tenant, and its
 * log. No resource, event or position is touched, so writes go on meanwhile. The feed of the new environment has the tenant's events
 * from here on.
 */
export async function moveTenantRows(tx: Database, id: TenantId, move: TenantMove): Promise<void> {
  const { from, to, key, settings } = move
  await tx.run(`select set_config('rollcall.moves', 'on', true)`, [])
  const values = [id, from, to.environmentId, to.projectId, key, foldKey(key), JSON.stringify(settings)]
  await tx.run(MOVE, values)
  await tx.run(`select set_config('rollcall.moves', '', true)`, [])
}

/**
 * Holds the log of a tenant until the end of the transaction. Whoever gives events their positions holds it too, and looks for
 * endpoints by the environment. So nothing is queued for the old environment after the move.
 */
export async function holdLog(tx: Database, id: TenantId): Promise<void> {
  await tx.run('insert into event_logs (tenant_id) values ($1::uuid) on conflict do nothing', [id])
  await tx.run('select 1 from event_logs where tenant_id = $1::uuid for update', [id])
}

/** Endpoints that the environment $2 has for all of its tenants. */
const SHARED_ENDPOINTS =
  'select w.id from webhook_endpoints w where w.environment_id = $2::uuid and w.tenant_id is null'

/**
 * Rows of a queue are read in the order of the key, and only as many as are asked for. A plan for a table that was never analysed
 * would rather read the whole queue and sort it.
 */
const inKeyOrder = (tx: Database) => tx.run(`select set_config('enable_bitmapscan', 'off', true)`, [])

/** How many deliveries of a tenant wait for the endpoints that its environment has for all tenants, up to `most`; dead letters too. */
export async function countSharedDeliveries(
  tx: Database,
  id: TenantId,
  environmentId: EnvironmentId,
  most: number,
): Promise<number> {
  await inKeyOrder(tx)
  const [row] = await tx.run<{ count: number }>(
    `select count(*)::int as count from (
       select 1 from (${SHARED_ENDPOINTS}) w cross join lateral (
         select 1 from webhook_deliveries d where d.tenant_id = $1::uuid and d.endpoint_id = w.id order by d.position limit $3::int
       ) d limit $3::int
     ) x`,
    [id, environmentId, most],
    { prepare: false },
  )
  return row?.count ?? 0
}

/** Deletes all of them; gives how many. The caller holds the tenant and its log, so that nothing is queued meanwhile. */
export async function dropSharedDeliveries(tx: Database, id: TenantId, environmentId: EnvironmentId): Promise<number> {
  const [row] = await tx.run<{ count: number }>(
    `with gone as (
       delete from webhook_deliveries d where d.tenant_id = $1::uuid and d.endpoint_id = any(array(${SHARED_ENDPOINTS})) returning 1
     ) select count(*)::int as count from gone`,
    [id, environmentId],
  )
  return row?.count ?? 0
}

/** One step drops so many. */
const DROPPED_AT_ONCE = 2_000

/**
 * Deletes them in steps, each a transaction of its own; gives how many. It waits for nobody: deliveries that are being claimed or
 * settled at this moment are left, and so is what is queued meanwhile.
 */
export async function dropSharedDeliveriesInSteps(
  db: Database,
  id: TenantId,
  environmentId: EnvironmentId,
): Promise<number> {
  const endpoints = await db.orm
    .select({ id: webhookEndpoints.id })
    .from(webhookEndpoints)
    .where(and(eq(webhookEndpoints.environmentId, environmentId), isNull(webhookEndpoints.tenantId)))
  let dropped = 0
  for (const endpoint of endpoints)
    for (let after: number | null = 0; after !== null; ) {
      const step: Dropped | undefined = await db.transaction(async (tx) => {
        await inKeyOrder(tx)
        return (await tx.run<Dropped>(DROP_STEP, [id, endpoint.id, after], { prepare: false }))[0]
      })
      dropped += step?.count ?? 0
      after = step?.last ?? null
    }
  return dropped
}

interface Dropped {
  readonly count: number
  /** The highest position that was found; null where there was nothing. */
  readonly last: number | null
}

const DROP_STEP = `with found as materialized (
    select d.ctid as at, d.position from webhook_deliveries d
    where d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid and d.position > $3::bigint
    order by d.position limit ${DROPPED_AT_ONCE} for update of d skip locked
  ), gone as (
    delete from webhook_deliveries d where (d.tenant_id = $1::uuid) is true and d.ctid = any(array(select at from found)) returning 1
  )
  select (select count(*)::int from gone) as count, (select max(position)::float8 from found) as last`

/** Whether groups of the tenant do not give yet what its role rules say, by rules of its own or of its environment. */
export async function followsRules(tx: Database, id: TenantId): Promise<boolean> {
  const [row] = await tx.run<{ follows: boolean }>(
    `select t.ends_roles or e.ends_roles or exists (
       select 1 from role_rule_work w where w.tenant_id = t.id and w.finished_at is null
     ) as follows from tenants t join environments e on e.id = t.environment_id where t.id = $1::uuid`,
    [id],
  )
  return row?.follows ?? false
}

const isAddress = (environmentId: EnvironmentId, key: string) =>
  and(eq(formerAddresses.environmentId, environmentId), eq(formerAddresses.keyFolded, foldKey(key)))
const NOT_OVER = gt(formerAddresses.endsAt, sql`now()`)

/** Where one tenant was, as far as those addresses still lead to it. */
export function formerAddressesOf({ orm }: Database, tenantId: TenantId) {
  const own = eq(formerAddresses.tenantId, tenantId)
  return {
    /** Those that lead to it, the ones that end first before the others. */
    async list(): Promise<FormerAddress[]> {
      const rows = await orm
        .select({
          ...{ projectId: projects.id, project: projects.key, environmentId: environments.id },
          ...{ environment: environments.key, tenant: formerAddresses.key, endsAt: formerAddresses.endsAt },
        })
        .from(formerAddresses)
        .innerJoin(environments, eq(environments.id, formerAddresses.environmentId))
        .innerJoin(projects, eq(projects.id, environments.projectId))
        .where(and(own, NOT_OVER))
        .orderBy(asc(formerAddresses.endsAt))
      return rows.map(({ endsAt, ...names }) => ({ ...names, endsAt: endsAt.getTime() }))
    },

    /** Adds one. Where another tenant was there before, its time is over, or this one could not have got the name. */
    async add(environmentId: EnvironmentId, key: string, endsAt: Date): Promise<void> {
      await orm.delete(formerAddresses).where(isAddress(environmentId, key))
      await orm.insert(formerAddresses).values({ tenantId, environmentId, key, keyFolded: foldKey(key), endsAt })
    },

    /** Ends all of them. */
    async end(): Promise<void> {
      await orm.delete(formerAddresses).where(own)
    },

    /** Makes way for the tenant itself at this address, and deletes those whose time is over. */
    async clear(environmentId: EnvironmentId, key: string): Promise<void> {
      const isOver = lte(formerAddresses.endsAt, sql`now()`)
      await orm.delete(formerAddresses).where(and(own, or(isAddress(environmentId, key), isOver)))
    },
  }
}

/** The tenant that is still reached from an environment where it was, by its key there or its id. */
export async function tenantLedFrom(
  { orm }: Database,
  environmentId: EnvironmentId,
  tenant: string,
): Promise<LedTo | undefined> {
  const isKey = eq(formerAddresses.keyFolded, foldKey(tenant))
  const names = isUuid(tenant) ? or(isKey, hasId(formerAddresses.tenantId, tenant)) : isKey
  const [row] = await orm
    .select({
      ...{ projectId: environments.projectId, environmentId: environments.id },
      ...{ tenantId: tenants.id, endsAt: formerAddresses.endsAt },
    })
    .from(formerAddresses)
    .innerJoin(tenants, eq(tenants.id, formerAddresses.tenantId))
    .innerJoin(environments, eq(environments.id, tenants.environmentId))
    .where(and(eq(formerAddresses.environmentId, environmentId), names, NOT_OVER))
    .limit(1)
  return row && { ...row, endsAt: row.endsAt.getTime() }
}

/**
 * Whether a tenant that has moved is still reached under this key. The caller holds the environment's row, as whoever moves a tenant
 * does.
 *
 * @param id of the tenant that may be reached under it
 */
export async function isFormerAddress(
  { orm }: Database,
  environmentId: EnvironmentId,
  key: string,
  id?: TenantId,
): Promise<boolean> {
  const address = isAddress(environmentId, key)
  const others = id === undefined ? undefined : ne(formerAddresses.tenantId, id)
  const found = orm
    .select({ id: formerAddresses.tenantId })
    .from(formerAddresses)
    .where(and(address, others, NOT_OVER))
  return (await found).length > 0
}
