import { and, asc, eq, gt, isNull, lt, or, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Scope } from '../../../auth/principal.ts'
import type { Database } from '../../../db/database.ts'
import { setupLinks, setupVisits } from '../../../db/schema.ts'
import type { TenantId } from '../../../place-ids.ts'
import { type IdentityProvider, isIdentityProvider } from '../../../tenancy/identity-providers.ts'
import { isAnyOf, literal } from '../../sql/fragments.ts'
import { type Hold, holding, type ListPage } from '../../sql/lists.ts'

export type TenantScope = Extract<Scope, { kind: 'tenant' }>

/** A link to the set-up portal of one tenant. */
export interface SetupLinkRow {
  readonly id: string
  readonly scope: TenantScope
  readonly name: string
  readonly hash: string
  /** Id of the API key that made it, or `admin`. */
  readonly madeBy: string
  readonly identityProvider: IdentityProvider | null
  /** So many browsers may begin a session with it, and so many have. */
  readonly mostVisitors: number
  readonly visitors: number
  readonly visitedAt: Date | null
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly revokedAt: Date | null
}

/** Links that ended so long ago are deleted when another one is made. */
const ENDED_DAYS = 90
const TRIM_AT_ONCE = 100

/** The link with this public id, of any tenant: the visitor's secret is looked at before the place is known. */
export async function findSetupLink({ orm }: Database, id: string): Promise<SetupLinkRow | undefined> {
  const [row] = await orm.select().from(setupLinks).where(eq(setupLinks.id, id))
  return row && read(row)
}

/** The links of one tenant, and the sessions of their visitors. */
export function setupLinksOf({ orm }: Database, tenantId: TenantId) {
  const own = eq(setupLinks.tenantId, tenantId)
  const isOne = (id: string) => and(own, eq(setupLinks.id, id))
  const isUsable = and(isNull(setupLinks.revokedAt), gt(setupLinks.expiresAt, sql`now()`))
  const isVisit = (linkId: string, id: string) =>
    and(eq(setupVisits.tenantId, tenantId), eq(setupVisits.linkId, linkId), eq(setupVisits.id, id))

  return {
    async find(id: string, hold?: Hold): Promise<SetupLinkRow | undefined> {
      const [row] = await holding(orm.select().from(setupLinks).where(isOne(id)), hold)
      return row && read(row)
    },

    async list({ after, limit }: ListPage): Promise<SetupLinkRow[]> {
      const beyond = after === undefined ? undefined : gt(setupLinks.id, after)
      const rows = await orm.select().from(setupLinks).where(and(own, beyond)).orderBy(asc(setupLinks.id)).limit(limit)
      return rows.map(read)
    },

    /** How many could be used now. */
    async countUsable(): Promise<number> {
      const [row] = await orm.select({ usable: sql<number>`count(*)::int` }).from(setupLinks).where(and(own, isUsable))
      return row?.usable ?? 0
    },

    /** Deletes some of those that ended long ago. */
    async trim(): Promise<void> {
      const longAgo = sql`now() - make_interval(days => ${literal(ENDED_DAYS)})`
      const past = orm
        .select({ id: setupLinks.id })
        .from(setupLinks)
        .where(and(own, or(lt(setupLinks.revokedAt, longAgo), lt(setupLinks.expiresAt, longAgo))))
        .limit(literal(TRIM_AT_ONCE))
      await orm.delete(setupLinks).where(and(own, isAnyOf(setupLinks.id, sql`array${past}`)))
    },

    async insert(
      row: Pick<SetupLinkRow, 'id' | 'scope' | 'name' | 'hash' | 'madeBy' | 'identityProvider' | 'mostVisitors'> & {
        readonly expiresAt: Date
      },
    ): Promise<SetupLinkRow> {
      const { scope, ...values } = row
      const { projectId, environmentId } = scope
      const [made] = await orm
        .insert(setupLinks)
        .values({ ...values, projectId, environmentId, tenantId })
        .returning()
      if (made === undefined) throw new Error('the inserted set-up link was not returned')
      return read(made)
    },

    async change(
      id: string,
      values: Partial<Pick<SetupLinkRow, 'identityProvider' | 'revokedAt'>>,
    ): Promise<SetupLinkRow | undefined> {
      const [row] = await orm.update(setupLinks).set(values).where(isOne(id)).returning()
      return row && read(row)
    },

    /** Lets one more visitor in, until `endsAt`; gives the id of the session. Undefined where the link takes no more. */
    async visit(linkId: string, endsAt: Date): Promise<string | undefined> {
      const [counted] = await orm
        .update(setupLinks)
        .set({ visitors: sql`${setupLinks.visitors} + 1`, visitedAt: sql`now()` })
        .where(and(isOne(linkId), isUsable, lt(setupLinks.visitors, setupLinks.mostVisitors)))
        .returning({ id: setupLinks.id })
      if (counted === undefined) return undefined
      const id = uuidv7()
      await orm.insert(setupVisits).values({ tenantId, linkId, id, endsAt })
      return id
    },

    /** False for a session that was ended. */
    async hasVisit(linkId: string, id: string): Promise<boolean> {
      const rows = await orm.select({ id: setupVisits.id }).from(setupVisits).where(isVisit(linkId, id))
      return rows.length > 0
    },

    async endVisit(linkId: string, id: string): Promise<void> {
      await orm.delete(setupVisits).where(isVisit(linkId, id))
    },

    async endVisits(linkId: string): Promise<void> {
      await orm.delete(setupVisits).where(and(eq(setupVisits.tenantId, tenantId), eq(setupVisits.linkId, linkId)))
    },
  }
}

type Raw = typeof setupLinks.$inferSelect

function read({ projectId, environmentId, tenantId, identityProvider, ...row }: Raw): SetupLinkRow {
  return {
    ...row,
    scope: { kind: 'tenant', projectId, environmentId, tenantId },
    // A name that a newer version stored is none that this one has a guide for.
    identityProvider: identityProvider !== null && isIdentityProvider(identityProvider) ? identityProvider : null,
  }
}
