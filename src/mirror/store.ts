import type { MirrorDatabase } from './database.ts'
import type { Effects, KnownTenant, TenantFacts } from './fold.ts'
import type { ListedTenant } from './gateway.ts'
import {
  putAccounts,
  putGroups,
  putMapped,
  putUsers,
  removeGroups,
  removeUsers,
  type Writing,
} from './resource-writes.ts'
import { jsonOf, type MappedRow, type Ref } from './rows.ts'
import { addMembers, emptyGroup, giveRoles, removeMembers, takeRoles } from './set-writes.ts'
import type { Change, MirrorOptions } from './types.ts'

/** Somebody else has written meanwhile, or the schema was made anew; what was to be written is not. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken'
}

/** A tenant whose snapshot is to be read. */
export interface TenantToRead {
  readonly id: string
  /** The mark of rows that this reading has seen. */
  readonly wanted: number
}

/** How far the mirror knows a tenant, and how it is read. */
export interface KnownHere extends KnownTenant {
  readonly hasMapping: boolean
  /** Its snapshot is to be read, and has all that happened until then. */
  readonly isToRead: boolean
}

/** Tenants that one request may name. */
const READ_AT_ONCE = 20
/** Users or groups of a tenant that is gone, which one transaction takes out. */
const REMOVED_AT_ONCE = 1_000
const OUTBOX_DAYS = 30
const TRIMMED_AT_ONCE = 5_000

/**
 * What a mirror writes. Every transaction counts `revision` up from the one that this writer knows, which locks the row for its time: so
 * no two write at once, and a writer that was overtaken writes nothing.
 */
export class MirrorStore {
  readonly #db: MirrorDatabase
  readonly #options: Pick<MirrorOptions, 'deleted' | 'outbox' | 'onChange'>
  #revision = -1

  constructor(db: MirrorDatabase, options: Pick<MirrorOptions, 'deleted' | 'outbox' | 'onChange'>) {
    this.#db = db
    this.#options = options
  }

  /** Where the feed goes on; undefined where nothing has been read yet. From now on this writer is up to date. */
  async cursor(): Promise<string | undefined> {
    const [state] = await this.#db.query<{ cursor: string | null; revision: number }>(
      `select cursor, revision from ${this.#db.schema}.state`,
    )
    if (state === undefined) throw new Overtaken('the state of the mirror is gone')
    this.#revision = state.revision
    return state.cursor ?? undefined
  }

  /** Runs `work` in a transaction of this writer. What has changed goes into the outbox, and to `onChange`. */
  async write<T>(work: (writing: Writing) => Promise<T>): Promise<T> {
    const { schema: s } = this.#db
    const { deleted = 'keep', outbox = false, onChange } = this.#options
    const result = await this.#db.transaction(async (tx) => {
      const [own] = await tx.query(
        `update ${s}.state set revision = revision + 1, seen_at = now(), trouble = null where revision = $1::bigint returning 1`,
        [this.#revision],
      )
      if (own === undefined) throw new Overtaken('another mirror has written meanwhile')
      const changes: Change[] = []
      const done = await work({ tx, s, deleted, changes })
      if (changes.length > 0 && outbox)
        await tx.query(
          `insert into ${s}.outbox (change) select c.change from jsonb_array_elements($1::text::jsonb) with ordinality c(change, n) order by c.n`,
          [jsonOf(changes)],
        )
      if (changes.length > 0) await onChange?.(changes, tx)
      return done
    })
    this.#revision++
    return result
  }

  /**
   * Takes the list of tenants. Those that are new are to be read.
   *
   * @param cursor where the feed goes on, when all of them are to be read anew
   */
  async list(tenants: readonly ListedTenant[], cursor?: string): Promise<void> {
    await this.write(async ({ tx, s, changes }) => {
      const all = jsonOf(tenants)
      if (cursor !== undefined) {
        await tx.query(`update ${s}.tenants set wanted = wanted + 1, position = null`)
        await tx.query(`update ${s}.state set cursor = $1`, [cursor])
      }
      await tx.query(
        `update ${s}.tenants t set listed = false where t.listed and not exists (
           select 1 from jsonb_to_recordset($1::text::jsonb) as n(id uuid) where n.id = t.id
         )`,
        [all],
      )
      const put = await tx.query<{ id: string; key: string | null; name: string | null; added: boolean }>(
        `with new as materialized (select * from jsonb_to_recordset($1::text::jsonb) as n(id uuid, key text, name text)),
         old as materialized (select t.id, t.listed and t.deleted_at is null as there from ${s}.tenants t)
         insert into ${s}.tenants as t (id, key, name, wanted) select n.id, n.key, n.name, 1 from new n
         on conflict (id) do update set key = coalesce(excluded.key, t.key), name = coalesce(excluded.name, t.name), listed = true,
           deleted_at = null, wanted = t.wanted + case when t.listed and t.deleted_at is null then 0 else 1 end
         where not t.listed or t.deleted_at is not null or t.key is distinct from coalesce(excluded.key, t.key)
           or t.name is distinct from coalesce(excluded.name, t.name)
         returning t.id, t.key, t.name, not coalesce((select o.there from old o where o.id = t.id), false) as added`,
        [all],
      )
      for (const { id: tenant, key, name, added } of put)
        changes.push({ kind: added ? 'tenant.added' : 'tenant.changed', tenant, key, name })
    })
  }

  /** Some of the tenants whose snapshot is to be read, and how many there are. */
  async toRead(): Promise<{ readonly count: number; readonly next: readonly TenantToRead[] }> {
    const { schema: s } = this.#db
    const which = `from ${s}.tenants where listed and reading <> wanted`
    const [row] = await this.#db.query<{ count: number }>(`select count(*)::int as count ${which}`)
    const next = await this.#db.query<TenantToRead>(`select id, wanted ${which} order by id limit ${READ_AT_ONCE}`)
    return { count: row?.count ?? 0, next }
  }

  /** Takes out what is left of tenants that are in the environment no longer. */
  async buryTenants(): Promise<void> {
    const { schema: s } = this.#db
    for (;;) {
      const [tenant] = await this.#db.query<{ id: string }>(
        `select id from ${s}.tenants where not listed and deleted_at is null order by id limit 1`,
      )
      if (tenant === undefined) return
      await this.removeFrom(tenant.id, 'users', {}, [])
      await this.removeFrom(tenant.id, 'groups', {}, [])
      await this.write(async ({ tx, s, deleted, changes }) => {
        await tx.query(
          deleted === 'delete'
            ? `delete from ${s}.tenants where id = $1::uuid`
            : `update ${s}.tenants set key = null, name = null, position = null, deleted_at = now() where id = $1::uuid`,
          [tenant.id],
        )
        changes.push({ kind: 'tenant.removed', tenant: tenant.id })
      })
    }
  }

  /** Takes out those of a tenant whose ids are in a range, above `from` and up to `to`, and not among `present`; in steps. */
  async removeFrom(
    tenant: string,
    table: 'users' | 'groups',
    { from, to }: { readonly from?: string | undefined; readonly to?: string | undefined },
    present: readonly string[],
  ): Promise<void> {
    const { schema: s } = this.#db
    for (;;) {
      const gone = await this.#db.query<Ref>(
        `select t.tenant_id, t.id from ${s}.${table} t
         where t.tenant_id = $1::uuid and t.deleted_at is null and ($2::uuid is null or t.id > $2::uuid)
           and ($3::uuid is null or t.id <= $3::uuid) and not t.id = any($4::text::uuid[])
         order by t.id limit ${REMOVED_AT_ONCE}`,
        [tenant, from ?? null, to ?? null, `{${present.join(',')}}`],
      )
      if (gone.length === 0) return
      if (table === 'groups') await this.#emptyGroups(gone)
      await this.write((writing) => (table === 'users' ? removeUsers(writing, gone) : removeGroups(writing, gone)))
      if (gone.length < REMOVED_AT_ONCE) return
    }
  }

  /** Large groups are emptied in steps, so that no transaction grows with them. */
  async #emptyGroups(groups: readonly Ref[]): Promise<void> {
    for (const group of groups) while (await this.write((writing) => emptyGroup(writing, group)));
  }

  /** How far the logs of tenants are known. */
  async known(tenants: readonly string[]): Promise<Map<string, KnownHere>> {
    const rows = await this.#db.query<KnownHere>(
      `select id, position, deleted_at is not null as "isGone", has_mapping as "hasMapping",
         listed and reading <> wanted as "isToRead" from ${this.#db.schema}.tenants
       where id = any($1::text::uuid[])`,
      [`{${[...new Set(tenants)].join(',')}}`],
    )
    return new Map(rows.map((row) => [row.id, row]))
  }

  /**
   * Writes what events come to, in one transaction.
   *
   * @param then what follows the last events of a page: the cursor, if it goes on, and mapped values that changed with them
   */
  async apply(
    effects: Effects,
    then?: {
      readonly cursor: string | undefined
      readonly mapped: readonly MappedRow[]
      readonly toRead: readonly string[]
    },
  ): Promise<void> {
    await this.#emptyGroups(effects.groupsGone)
    await this.write(async (writing) => {
      await putTenants(writing, effects.tenants)
      await putUsers(writing, effects.users, 'events')
      await removeUsers(writing, effects.usersGone)
      await putGroups(writing, effects.groups, 'events')
      await removeGroups(writing, effects.groupsGone)
      await removeMembers(writing, effects.left)
      await addMembers(writing, effects.joined)
      await takeRoles(writing, effects.taken)
      await giveRoles(writing, effects.given)
      await putAccounts(writing, effects.accounts)
      const { tx, s } = writing
      if (then !== undefined) {
        await putMapped(writing, then.mapped)
        if (then.toRead.length > 0)
          await tx.query(`update ${s}.tenants set wanted = wanted + 1 where id = any($1::text::uuid[])`, [
            `{${then.toRead.join(',')}}`,
          ])
      }
      await tx.query(
        `update ${s}.state set cursor = coalesce($1, cursor), event_time = coalesce($2::timestamptz, event_time),
           lag_ms = coalesce((extract(epoch from clock_timestamp() - $3::timestamptz) * 1000)::bigint, lag_ms)`,
        [then?.cursor ?? null, effects.newest ?? null, effects.oldest ?? null],
      )
    })
  }

  /** Notes that the mirror is there, and up to where it knows the feed. */
  seen(cursor: string): Promise<void> {
    return this.write(async ({ tx, s }) => {
      await tx.query(`update ${s}.state set cursor = $1 where cursor is distinct from $1`, [cursor])
    })
  }

  /** Notes why it cannot go on, where the database is there. */
  async troubled(reason: string): Promise<void> {
    await this.#db
      .query(`update ${this.#db.schema}.state set trouble = $1 where revision = $2::bigint`, [reason, this.#revision])
      .catch(() => {})
  }

  /** Deletes rows of the outbox that nobody has taken for a month. */
  async trimOutbox(): Promise<void> {
    const { schema: s } = this.#db
    await this.#db.query(
      `delete from ${s}.outbox where id = any(array(select id from ${s}.outbox order by id limit ${TRIMMED_AT_ONCE}))
         and at < now() - interval '${OUTBOX_DAYS} days'`,
    )
  }
}

/** Notes what events say of their tenants, and makes those that are new. */
async function putTenants({ tx, s, changes }: Writing, tenants: readonly TenantFacts[]): Promise<void> {
  if (tenants.length === 0) return
  const put = await tx.query<{ id: string; key: string | null; name: string | null; added: boolean; changed: boolean }>(
    `with new as materialized (
       select * from jsonb_to_recordset($1::text::jsonb) as n(id uuid, position bigint, key text, name text, "toRead" boolean, "hasMapping" boolean)
     ),
     old as materialized (select t.id, t.key, t.name, t.deleted_at from new n join ${s}.tenants t on t.id = n.id),
     put as (
       insert into ${s}.tenants as t (id, position, key, name, wanted, has_mapping)
       select n.id, n.position, n.key, n.name, n."toRead"::int, n."hasMapping" from new n
       on conflict (id) do update set position = excluded.position, key = coalesce(excluded.key, t.key),
         name = coalesce(excluded.name, t.name), wanted = t.wanted + excluded.wanted, has_mapping = t.has_mapping or excluded.has_mapping,
         listed = true, deleted_at = null
       returning t.id, t.key, t.name
     )
     select p.*, o.id is null or o.deleted_at is not null as added, (p.key, p.name) is distinct from (o.key, o.name) as changed
     from put p left join old o on o.id = p.id`,
    [jsonOf(tenants)],
  )
  for (const { id: tenant, key, name, added, changed } of put)
    if (added || changed) changes.push({ kind: added ? 'tenant.added' : 'tenant.changed', tenant, key, name })
}
