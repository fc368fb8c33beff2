import { and, asc, count, eq, gt, isNotNull, isNull, type SQL } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { webhookEndpoints } from '../../db/schema.ts'
import type { SetFormat, StreamSettings } from '../../events/security-events.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { type Hold, holding, type ListPage } from '../sql/lists.ts'
import { Parameters } from '../sql/parameters.ts'

type StoredRow = typeof webhookEndpoints.$inferSelect

/** An endpoint as stored; its secrets are sealed. `stream` is null for a webhook. */
export type EndpointRow = Omit<StoredRow, 'stream'> & { readonly stream: StreamSettings | null }

/** One to which Security Event Tokens go. */
export type StreamRow = EndpointRow & { readonly stream: StreamSettings }

/** Where endpoints are: an environment with all of its tenants, or one tenant. */
export interface EndpointPlace {
  readonly environmentId: EnvironmentId
  readonly tenantId?: TenantId
}

/** The webhooks of an environment, those of its tenants too, or of one tenant. */
export const webhooksOf = (db: Database, place: EndpointPlace) =>
  endpointsOf<EndpointRow>(db, place, isNull(webhookEndpoints.stream))

/** And the streams of Security Event Tokens. */
export const streamsOf = (db: Database, place: EndpointPlace) =>
  endpointsOf<StreamRow>(db, place, isNotNull(webhookEndpoints.stream))

function endpointsOf<Row extends EndpointRow>(
  { orm }: Database,
  { environmentId, tenantId }: EndpointPlace,
  kind: SQL,
) {
  const here = and(
    kind,
    eq(webhookEndpoints.environmentId, environmentId),
    tenantId === undefined ? undefined : eq(webhookEndpoints.tenantId, tenantId),
  ) as SQL
  const named = (id: string) => and(here, eq(webhookEndpoints.id, id))
  // The condition above says of which kind they are.
  const first = ([row]: StoredRow[]) => row as Row | undefined
  return {
    find: async (id: string, hold?: Hold): Promise<Row | undefined> =>
      first(await holding(orm.select().from(webhookEndpoints).where(named(id)), hold)),

    list: async ({ after, limit }: ListPage): Promise<Row[]> =>
      (await orm
        .select()
        .from(webhookEndpoints)
        .where(after === undefined ? here : and(here, gt(webhookEndpoints.id, after)))
        .orderBy(asc(webhookEndpoints.id))
        .limit(limit)) as Row[],

    insert: async (
      row: Pick<Row, 'id' | 'url' | 'description' | 'events' | 'secret' | 'stream'> & Partial<Pick<Row, 'snapshot'>>,
    ): Promise<Row | undefined> =>
      first(
        await orm
          .insert(webhookEndpoints)
          .values({ ...row, environmentId, tenantId: tenantId ?? null })
          .returning(),
      ),

    change: async (id: string, values: Partial<Omit<Row, 'id'>>): Promise<Row | undefined> =>
      first(await orm.update(webhookEndpoints).set(values).where(named(id)).returning()),

    /** Deletes the endpoint with all that waits for it. */
    delete: async (id: string): Promise<boolean> =>
      (await orm.delete(webhookEndpoints).where(named(id)).returning({ id: webhookEndpoints.id })).length > 0,
  }
}

/** How many endpoints a place has of its own, webhooks and streams; for a transaction that holds the place. */
export async function countEndpoints({ orm }: Database, { environmentId, tenantId }: EndpointPlace): Promise<number> {
  const own = tenantId === undefined ? isNull(webhookEndpoints.tenantId) : eq(webhookEndpoints.tenantId, tenantId)
  const here = and(eq(webhookEndpoints.environmentId, environmentId), own)
  const [row] = await orm.select({ found: count() }).from(webhookEndpoints).where(here)
  return row?.found ?? 0
}

/** Those tenants which an endpoint is for, among ids that somebody has named; all of them have to be UUIDs. */
export async function tenantsFor(db: Database, endpointId: string, ids: readonly string[]): Promise<TenantId[]> {
  const parameters = new Parameters()
  const endpoint = parameters.bind(endpointId, 'uuid')
  const rows = await db.run<{ id: TenantId }>(
    `select t.id::text from tenants t join webhook_endpoints w on w.environment_id = t.environment_id
       and (w.tenant_id is null or w.tenant_id = t.id)
     where w.id = ${endpoint} and t.id = any(${parameters.array(ids, 'uuid')})`,
    parameters.values,
  )
  return rows.map(({ id }) => id)
}

/** Whether there is an endpoint to which anything would be sent. */
export async function anyEndpoint(db: Database): Promise<boolean> {
  const rows = await db.run<{ found: boolean }>(
    'select exists (select 1 from webhook_endpoints w where w.enabled) as found',
    [],
  )
  return rows[0]?.found === true
}

/** The formats of the streams that are for all tenants of an environment, or of those for one tenant alone. */
export async function streamFormats(
  db: Database,
  environmentId: EnvironmentId,
  tenantId: TenantId | null,
): Promise<SetFormat[]> {
  const rows = await db.run<{ format: SetFormat }>(
    `select distinct w.stream->>'format' as format from webhook_endpoints w
     where w.environment_id = $1::uuid and w.tenant_id is not distinct from $2::uuid and w.stream is not null
     order by format desc`,
    [environmentId, tenantId],
  )
  return rows.map(({ format }) => format)
}
