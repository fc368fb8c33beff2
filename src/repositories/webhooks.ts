import { and, asc, eq, gt, type SQL } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { webhookEndpoints } from '../db/schema.ts'
import type { Page } from './projects.ts'

/** An endpoint as stored; its secrets are sealed. */
export type EndpointRow = typeof webhookEndpoints.$inferSelect

/** Where endpoints are: an environment with all of its tenants, or one tenant. */
export interface EndpointPlace {
  readonly environmentId: string
  readonly tenantId?: string
}

/** The webhook endpoints of an environment, those of its tenants too, or of one tenant. */
export function webhooksOf({ orm }: Database, { environmentId, tenantId }: EndpointPlace) {
  const here = and(
    eq(webhookEndpoints.environmentId, environmentId),
    tenantId === undefined ? undefined : eq(webhookEndpoints.tenantId, tenantId),
  ) as SQL
  const named = (id: string) => and(here, eq(webhookEndpoints.id, id))
  const first = ([row]: EndpointRow[]): EndpointRow | undefined => row
  return {
    find: async (id: string): Promise<EndpointRow | undefined> =>
      first(await orm.select().from(webhookEndpoints).where(named(id))),

    list: ({ after, limit }: Page): Promise<EndpointRow[]> =>
      orm
        .select()
        .from(webhookEndpoints)
        .where(after === undefined ? here : and(here, gt(webhookEndpoints.id, after)))
        .orderBy(asc(webhookEndpoints.id))
        .limit(limit),

    insert: async (
      row: Pick<EndpointRow, 'id' | 'url' | 'description' | 'events' | 'snapshot' | 'secret'>,
    ): Promise<EndpointRow | undefined> =>
      first(
        await orm
          .insert(webhookEndpoints)
          .values({ ...row, environmentId, tenantId: tenantId ?? null })
          .returning(),
      ),

    change: async (id: string, values: Partial<Omit<EndpointRow, 'id'>>): Promise<EndpointRow | undefined> =>
      first(await orm.update(webhookEndpoints).set(values).where(named(id)).returning()),

    /** Deletes the endpoint with all that waits for it. */
    delete: async (id: string): Promise<boolean> =>
      (await orm.delete(webhookEndpoints).where(named(id)).returning({ id: webhookEndpoints.id })).length > 0,
  }
}

/** Whether there is an endpoint to which anything would be sent. */
export async function anyEndpoint(db: Database): Promise<boolean> {
  const rows = await db.run<{ found: boolean }>(
    'select exists (select 1 from webhook_endpoints w where w.enabled) as found',
    [],
  )
  return rows[0]?.found === true
}
