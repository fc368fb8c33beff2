import { and, asc, eq, gt, isNotNull, ne } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { tenantDomains } from '../../db/schema.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import type { ListPage } from '../sql/lists.ts'

/** A domain of e-mail addresses that a tenant says is its own. */
export interface DomainRow {
  readonly domain: string
  /** What the TXT record has to say. */
  readonly token: string
  /** Null where it is not verified. */
  readonly verifiedBy: 'dns' | 'operator' | null
  readonly verifiedAt: Date | null
  readonly createdAt: Date
}

/** The domains of one tenant. */
export function domainsOf({ orm }: Database, environmentId: EnvironmentId, tenantId: TenantId) {
  const own = eq(tenantDomains.tenantId, tenantId)
  const { domain, token, verifiedBy, verifiedAt, createdAt } = tenantDomains
  const columns = { domain, token, verifiedBy, verifiedAt, createdAt }
  const named = (name: string) => and(own, eq(domain, name))
  return {
    async find(name: string): Promise<DomainRow | undefined> {
      return (await orm.select(columns).from(tenantDomains).where(named(name)))[0]
    },

    list({ after, limit }: ListPage): Promise<DomainRow[]> {
      const condition = after === undefined ? own : and(own, gt(domain, after))
      return orm.select(columns).from(tenantDomains).where(condition).orderBy(asc(domain)).limit(limit)
    },

    /** Those that are verified. */
    async verified(): Promise<string[]> {
      const condition = and(own, isNotNull(verifiedAt))
      const rows = await orm.select({ domain }).from(tenantDomains).where(condition).orderBy(asc(domain))
      return rows.map((row) => row.domain)
    },

    async count(): Promise<number> {
      return orm.$count(tenantDomains, own)
    },

    /** Adds a domain that is not verified; one that is there stays as it is. */
    async add(name: string, newToken: string): Promise<void> {
      const row = { tenantId, environmentId, domain: name, token: newToken }
      await orm.insert(tenantDomains).values(row).onConflictDoNothing()
    },

    /** @throws a unique violation where another tenant of the environment has verified it */
    async verify(name: string, by: 'dns' | 'operator'): Promise<void> {
      await orm.update(tenantDomains).set({ verifiedBy: by, verifiedAt: new Date() }).where(named(name))
    },

    async delete(name: string): Promise<void> {
      await orm.delete(tenantDomains).where(named(name))
    },

    /** The other tenant of the environment that has verified this domain. */
    async otherHolder(name: string, environment: EnvironmentId = environmentId): Promise<TenantId | undefined> {
      const rows = await orm
        .select({ id: tenantDomains.tenantId })
        .from(tenantDomains)
        .where(
          and(
            eq(tenantDomains.environmentId, environment),
            eq(domain, name),
            isNotNull(verifiedAt),
            ne(tenantDomains.tenantId, tenantId),
          ),
        )
      return rows[0]?.id
    },
  }
}
