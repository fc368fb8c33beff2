import { and, eq, isNull, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'
import { catalogues } from '../../db/schema.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import type { CatalogueKind } from '../../scim/schema/catalogue-types.ts'
import { BUILT_IN_KINDS, type Catalogue, type CatalogueEntry, kindsInForce } from '../../tenancy/catalogue.ts'

/** What one place has published. */
export interface CatalogueRow extends Catalogue {
  readonly id: string
  /** 1 when first published, and one more for each change. */
  readonly version: number
  readonly updatedAt: Date
}

/** What one environment and its tenants have published. A `tenantId` of null means the environment itself. */
export function cataloguesOf(database: Database, environmentId: EnvironmentId) {
  const { orm } = database
  const inEnvironment = eq(catalogues.environmentId, environmentId)
  const at = (tenantId: TenantId | null) =>
    and(inEnvironment, tenantId === null ? isNull(catalogues.tenantId) : eq(catalogues.tenantId, tenantId))
  const columns = {
    id: catalogues.id,
    kinds: catalogues.kinds,
    entries: catalogues.entries,
    version: catalogues.version,
    updatedAt: catalogues.updatedAt,
  }

  return {
    async find(tenantId: TenantId | null): Promise<CatalogueRow | undefined> {
      const [row] = await orm.select(columns).from(catalogues).where(at(tenantId))
      return row && read(row)
    },

    /** The entries of one place, for who asks for them. */
    async entries(tenantId: TenantId | null): Promise<readonly CatalogueEntry[]> {
      const [row] = await orm.select({ entries: catalogues.entries }).from(catalogues).where(at(tenantId))
      return (row?.entries ?? []) as readonly CatalogueEntry[]
    },

    /** The kinds in force of the environment and of each tenant in it, without those that have none. */
    async kinds(): Promise<{ tenantId: TenantId | null; kinds: readonly CatalogueKind[] }[]> {
      const rows = await orm
        .select({ tenantId: catalogues.tenantId, kinds: catalogues.kinds })
        .from(catalogues)
        .where(and(inEnvironment, sql`${catalogues.kinds} <> '[]'`))
      return rows.map(({ tenantId, kinds }) => ({ tenantId, kinds: kinds as readonly CatalogueKind[] }))
    },

    /** The kinds in force of one place; undefined where nothing was ever published. */
    async kindsAt(tenantId: TenantId | null): Promise<readonly CatalogueKind[] | undefined> {
      const [row] = await orm.select({ kinds: catalogues.kinds }).from(catalogues).where(at(tenantId))
      return row?.kinds as readonly CatalogueKind[] | undefined
    },

    async put(tenantId: TenantId | null, catalogue: Catalogue): Promise<CatalogueRow> {
      const values = { kinds: kindsInForce(catalogue), entries: catalogue.entries }
      const stored = orm
        .insert(catalogues)
        .values({ id: uuidv7(), environmentId, tenantId, ...values })
        .onConflictDoUpdate({
          target: [catalogues.environmentId, catalogues.tenantId],
          set: { ...values, version: sql`${catalogues.version} + 1`, updatedAt: sql`excluded.updated_at` },
        })
      const [row] = await stored.returning(columns)
      if (row === undefined) throw new Error('a catalogue was not stored')
      return read(row)
    },
  }
}

type Raw = Omit<CatalogueRow, 'kinds' | 'entries'> & { readonly kinds: unknown; readonly entries: unknown }

// Both were checked before they were stored.
const read = ({ kinds, entries, ...row }: Raw): CatalogueRow => ({
  ...row,
  kinds: (kinds as readonly CatalogueKind[]).filter((kind) => !BUILT_IN_KINDS.some(({ name }) => name === kind.name)),
  entries: entries as readonly CatalogueEntry[],
})
