import { and, asc, count, eq, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import {
  accountKeys,
  accountReviews,
  accountRuns,
  accounts,
  apiKeys,
  catalogues,
  catalogueWork,
  connections,
  environments,
  erasures,
  eventLogs,
  eventPositions,
  events,
  formerAddresses,
  heldEvents,
  histories,
  historyGrants,
  historyStates,
  historySubjects,
  keptUsers,
  memberships,
  requestLog,
  requestTerms,
  resourceCounts,
  resourceKeys,
  resources,
  roleBindings,
  roleRuleWork,
  roles,
  schemaDefinitions,
  searchDocuments,
  setupLinks,
  setupVisits,
  tenantDomains,
  tenants,
  tenantVersions,
  waitingEvents,
  waitingHistories,
  waitingStretches,
  webhookDeliveries,
  webhookEndpoints,
  writtenRoles,
} from '../../db/schema.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { foldKey, isUuid } from '../../tenancy/scim-path.ts'
import { type EnvironmentSettings, parseStoredSettings, type TenantSettings } from '../../tenancy/settings.ts'
import { followHistorySetting } from '../history/switching.ts'
import { type Hold, holding, type ListPage } from '../sql/lists.ts'
import { comesAfter, hasId, newPlaceId } from '../sql/place-ids.ts'

export interface TenantRow {
  readonly id: TenantId
  readonly environmentId: EnvironmentId
  readonly key: string
  readonly name: string
  readonly settings: TenantSettings
  readonly paused: boolean
  /** Since when the application's accounts are known here; null where it has never posted any. */
  readonly accountsSince: Date | null
  readonly createdAt: Date
}

/** The tenants of one environment; their names are keys or ids. */
export function tenantsOf(database: Database, environmentId: EnvironmentId) {
  const { orm } = database
  const columns = {
    id: tenants.id,
    environmentId: tenants.environmentId,
    key: tenants.key,
    name: tenants.name,
    settings: tenants.settings,
    paused: tenants.paused,
    accountsSince: tenants.accountsSince,
    createdAt: tenants.createdAt,
  }
  const inEnvironment = eq(tenants.environmentId, environmentId)
  return {
    async find(name: string, hold?: Hold): Promise<TenantRow | undefined> {
      const named = isUuid(name) ? hasId(tenants.id, name) : eq(tenants.keyFolded, foldKey(name))
      return first(await holding(orm.select(columns).from(tenants).where(and(inEnvironment, named)), hold))
    },

    async list({ after, limit }: ListPage): Promise<TenantRow[]> {
      const condition = after === undefined ? inEnvironment : and(inEnvironment, comesAfter(tenants.id, after))
      const rows = await orm.select(columns).from(tenants).where(condition).orderBy(asc(tenants.id)).limit(limit)
      return rows.map(read)
    },

    /** Undefined where another tenant of the environment has the key. */
    async insert(row: {
      key: string
      name: string
      settings: TenantSettings
      paused?: boolean
    }): Promise<TenantRow | undefined> {
      const values = { ...row, id: newPlaceId<TenantId>(), environmentId, keyFolded: foldKey(row.key) }
      const made = await orm.insert(tenants).values(values).onConflictDoNothing().returning(columns)
      if (made.length > 0) {
        await orm.insert(connections).values({ tenantId: values.id, environmentId })
        await followHistorySetting(database, [values.id])
      }
      return first(made)
    },

    async change(
      id: TenantId,
      values: { name: string; settings: TenantSettings; paused: boolean },
    ): Promise<TenantRow | undefined> {
      const condition = and(inEnvironment, eq(tenants.id, id))
      return first(
        await orm
          .update(tenants)
          .set({ ...values, deleting: false })
          .where(condition)
          .returning(columns),
      )
    },

    /** Notes that the application has accounts of the tenant; the moment of the first time stays. */
    async hasAccounts(id: TenantId): Promise<TenantRow | undefined> {
      const condition = and(inEnvironment, eq(tenants.id, id))
      const since = sql`least(${tenants.accountsSince}, now())`
      return first(await orm.update(tenants).set({ accountsSince: since }).where(condition).returning(columns))
    },

    /** Gives a tenant another key. */
    async rename(id: TenantId, key: string): Promise<void> {
      await orm
        .update(tenants)
        .set({ key, keyFolded: foldKey(key), deleting: false })
        .where(and(inEnvironment, eq(tenants.id, id)))
    },

    /** Whether anything may be created in a tenant: false once its deletion has begun. */
    async takesResources(id: TenantId, takes: boolean): Promise<void> {
      await orm
        .update(tenants)
        .set({ deleting: !takes })
        .where(and(inEnvironment, eq(tenants.id, id)))
    },

    /** Whether its deletion has begun. */
    async isBeingDeleted(id: TenantId): Promise<boolean> {
      const rows = await orm.select({ deleting: tenants.deleting }).from(tenants).where(eq(tenants.id, id))
      return rows[0]?.deleting === true
    },

    async hasResources(id: TenantId): Promise<boolean> {
      const rows = await orm.select({ id: resources.id }).from(resources).where(eq(resources.tenantId, id)).limit(1)
      return rows.length > 0
    },

    /**
     * Deletes a tenant and all of its rows (TEN-11). To be run in a transaction, after `takesResources(id, false)` was committed
     * and the writers of resources who did not see that have ended.
     */
    async delete(id: TenantId): Promise<void> {
      // The locks stop writers on other instances. Nothing is created any more. All other writes wait for rows of resources,
      // or for the tenant's row. Earlier writes are committed by then, and the deletes below see them.
      await orm.select({ id: tenants.id }).from(tenants).where(eq(tenants.id, id)).for('update')
      const locks = orm.select({ id: resources.id }).from(resources).where(eq(resources.tenantId, id)).for('update')
      await orm.select({ locked: count() }).from(locks.as('locks'))
      // The log first: an instance that numbers events holds its row, and waits for no other row after that.
      // Whoever writes the history holds its row, and looks for the log's after that.
      const history = [histories, historyGrants, historyStates, historySubjects]
      const queued = [waitingEvents, heldEvents, webhookDeliveries, webhookEndpoints]
      const logged = [eventLogs, ...queued, eventPositions, events]
      const rest = [
        requestTerms,
        requestLog,
        memberships,
        writtenRoles,
        roleBindings,
        roles,
        roleRuleWork,
        resourceKeys,
        searchDocuments,
        resources,
        keptUsers,
        resourceCounts,
        apiKeys,
        setupVisits,
        setupLinks,
        schemaDefinitions,
        catalogues,
        catalogueWork,
        formerAddresses,
        tenantDomains,
        accountReviews,
        accountKeys,
        accounts,
        accountRuns,
        erasures,
        tenantVersions,
        connections,
        // Last, as whoever gives places in the feed may wait for it; and as numbering may just have noted that the log has grown.
        waitingHistories,
        waitingStretches,
      ]
      for (const table of [...history, ...logged, ...rest]) await orm.delete(table).where(eq(table.tenantId, id))
      await orm.delete(tenants).where(and(inEnvironment, eq(tenants.id, id)))
    },
  }
}

/** Where a tenant is, with the settings of its environment and its own; undefined where there is none. */
export async function settingsOf(
  { orm }: Database,
  tenantId: TenantId,
): Promise<{ environmentId: EnvironmentId; environment: EnvironmentSettings; tenant: TenantSettings } | undefined> {
  const [row] = await orm
    .select({ environmentId: environments.id, environment: environments.settings, tenant: tenants.settings })
    .from(tenants)
    .innerJoin(environments, eq(environments.id, tenants.environmentId))
    .where(eq(tenants.id, tenantId))
  return (
    row && {
      environmentId: row.environmentId,
      environment: parseStoredSettings(row.environment),
      tenant: parseStoredSettings(row.tenant),
    }
  )
}

type Raw = Omit<TenantRow, 'settings'> & { settings: unknown }

const read = (row: Raw): TenantRow => ({ ...row, settings: parseStoredSettings(row.settings) })
const first = ([row]: Raw[]): TenantRow | undefined => row && read(row)
