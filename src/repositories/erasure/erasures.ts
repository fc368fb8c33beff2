import { and, asc, desc, eq, isNull, lt, lte, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { environments, erasures, tenants } from '../../db/schema.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'
import { literal } from '../sql/fragments.ts'

/** How many rows were erased, by table. */
export type ErasedRows = Readonly<Record<string, number>>

/** An erasure while it goes on, and then its receipt. */
export interface ErasureRow {
  readonly tenantId: TenantId
  readonly id: string
  readonly userId: string | null
  /** By what the person is found; null once nothing is looked for any more. */
  readonly subject: unknown
  readonly place: string
  readonly after: string | null
  readonly erased: ErasedRows
  readonly storage: 'rewritten' | 'vacuumed' | null
  readonly actor: string
  readonly requestId: string
  readonly reference: string | null
  readonly askedAt: Date
  readonly dueAt: Date
  readonly finishedAt: Date | null
}

/** What one step has done; what is left out stays. */
export type StepDone = Partial<
  Pick<ErasureRow, 'place' | 'after' | 'erased' | 'subject' | 'storage' | 'dueAt' | 'finishedAt'>
>

const DUE_AT_ONCE = 20

/** The erasures of one tenant. */
export function erasuresOf({ orm }: Database, tenantId: TenantId) {
  const one = (id: string) => and(eq(erasures.tenantId, tenantId), eq(erasures.id, id))
  return {
    async begin(row: Omit<ErasureRow, 'tenantId' | 'finishedAt' | 'storage' | 'after'>): Promise<void> {
      await orm.insert(erasures).values({ ...row, tenantId })
    },

    /** The newest first; those before the one with the id `after`. */
    async list({
      after,
      limit,
    }: {
      readonly after: string | undefined
      readonly limit: number
    }): Promise<ErasureRow[]> {
      const older = after === undefined ? undefined : lt(erasures.id, after)
      const rows = await orm
        .select()
        .from(erasures)
        .where(and(eq(erasures.tenantId, tenantId), older))
        .orderBy(desc(erasures.id))
        .limit(literal(limit))
      return rows.map(read)
    },

    async find(id: string): Promise<ErasureRow | undefined> {
      const [row] = await orm.select().from(erasures).where(one(id))
      return row && read(row)
    },

    /** The erasure of this user that goes on. */
    async underWay(userId: string): Promise<ErasureRow | undefined> {
      const [row] = await orm
        .select()
        .from(erasures)
        .where(and(eq(erasures.tenantId, tenantId), eq(erasures.userId, userId), isNull(erasures.finishedAt)))
        .limit(literal(1))
      return row && read(row)
    },

    /** Holds an erasure until the end of the transaction; undefined where it is not due, or where another instance has it. */
    async take(id: string): Promise<ErasureRow | undefined> {
      const [row] = await orm
        .select()
        .from(erasures)
        .where(and(one(id), isNull(erasures.finishedAt), lte(erasures.dueAt, sql`now()`)))
        .for('update', { skipLocked: true })
      return row && read(row)
    },

    async note(id: string, done: StepDone): Promise<void> {
      await orm.update(erasures).set(done).where(one(id))
    },

    /** Where the tenant is; undefined where it has been deleted. */
    async place(): Promise<{ projectId: ProjectId; environmentId: EnvironmentId } | undefined> {
      const [row] = await orm
        .select({ projectId: environments.projectId, environmentId: environments.id })
        .from(tenants)
        .innerJoin(environments, eq(environments.id, tenants.environmentId))
        .where(eq(tenants.id, tenantId))
      return row
    },

    /** Lets an erasure wait for a while. */
    async postpone(id: string, seconds: number): Promise<void> {
      const dueAt = sql`now() + make_interval(secs => ${seconds}::int)`
      await orm.update(erasures).set({ dueAt }).where(one(id))
    },
  }
}

/** Erasures that may go on, of all tenants. It reads one index, which is empty where nothing is erased. */
export async function dueErasures({ orm }: Database): Promise<Pick<ErasureRow, 'tenantId' | 'id'>[]> {
  return orm
    .select({ tenantId: erasures.tenantId, id: erasures.id })
    .from(erasures)
    .where(and(isNull(erasures.finishedAt), lte(erasures.dueAt, sql`now()`)))
    .orderBy(asc(erasures.dueAt))
    .limit(literal(DUE_AT_ONCE))
}

const read = (row: typeof erasures.$inferSelect): ErasureRow => ({ ...row, erased: row.erased as ErasedRows })
