import { and, asc, count, eq, gt, isNotNull, isNull, or, type SQL, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { streamMessages, tenants, webhookEndpoints } from '../../db/schema.ts'
import type { StreamSettings, StreamStatus } from '../../events/security-events.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { isAnyOf, literal, uuids } from '../sql/fragments.ts'
import { type Hold, holding, type ListPage } from '../sql/lists.ts'

type StoredRow = typeof webhookEndpoints.$inferSelect

/** An endpoint as stored; its secrets are sealed. `stream` is null for a webhook. */
export type EndpointRow = Omit<StoredRow, 'stream'> & { readonly stream: StreamSettings | null }

/** An endpoint to which Security Event Tokens are sent. */
export type StreamRow = EndpointRow & { readonly stream: StreamSettings }

/** The place that has endpoints: an environment with all of its tenants, or one tenant. */
export interface EndpointPlace {
  readonly environmentId: EnvironmentId
  readonly tenantId?: TenantId
}

/** The webhooks of an environment and of its tenants, or those of one tenant. */
export const webhooksOf = (db: Database, place: EndpointPlace) =>
  endpointsOf<EndpointRow>(db, place, isNull(webhookEndpoints.stream))

/** The same for streams of Security Event Tokens. @param receiver only those that were made with the API key of this id */
export const streamsOf = (db: Database, place: EndpointPlace, receiver?: string) =>
  endpointsOf<StreamRow>(
    db,
    place,
    receiver === undefined ? isNotNull(webhookEndpoints.stream) : eq(webhookEndpoints.receiverKey, receiver),
  )

/** Whether a stream gets events, waits with them, or gets none. */
export const statusOf = ({ enabled, paused }: Pick<EndpointRow, 'enabled' | 'paused'>): StreamStatus =>
  enabled ? (paused ? 'paused' : 'enabled') : 'disabled'

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
  // `kind` lets through only rows of this type.
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
      row: Pick<Row, 'id' | 'url' | 'description' | 'events' | 'secret' | 'stream'> &
        Partial<Pick<Row, 'snapshot' | 'receiverKey'>>,
    ): Promise<Row | undefined> =>
      first(
        await orm
          .insert(webhookEndpoints)
          .values({ ...row, environmentId, tenantId: tenantId ?? null })
          .returning(),
      ),

    change: async (id: string, values: Partial<Omit<Row, 'id'>>): Promise<Row | undefined> =>
      first(await orm.update(webhookEndpoints).set(values).where(named(id)).returning()),

    /** Deletes the endpoint with the events in its queue. */
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

/** The tenants that an endpoint is for, among the ids that a client has named; all of these have to be UUIDs. */
export async function tenantsFor({ orm }: Database, endpointId: string, ids: readonly string[]): Promise<TenantId[]> {
  const rows = await orm
    .select({ id: tenants.id })
    .from(tenants)
    .innerJoin(
      webhookEndpoints,
      and(
        eq(webhookEndpoints.environmentId, tenants.environmentId),
        or(isNull(webhookEndpoints.tenantId), eq(webhookEndpoints.tenantId, tenants.id)),
      ),
    )
    .where(and(eq(webhookEndpoints.id, endpointId), isAnyOf(tenants.id, uuids(ids))))
  return rows.map(({ id }) => id)
}

/** Whether there is an endpoint to which anything would be sent. One that is disabled may still have to be told so. */
export async function anyEndpoint({ orm }: Database): Promise<boolean> {
  const { id, enabled } = webhookEndpoints
  const open = await orm.select({ id }).from(webhookEndpoints).where(sql`${enabled}`).limit(literal(1))
  if (open.length > 0) return true
  const told = orm.select({ id: streamMessages.id }).from(streamMessages).where(sql`${streamMessages.pushed}`)
  return (await told.limit(literal(1))).length > 0
}
