import type { Database } from '../../db/database.ts'
import { ERASED_CHANGES } from '../../events/event.ts'
import type { TenantId } from '../../place-ids.ts'
import { newVersion } from '../memberships/membership-parts.ts'
import { appendEvents } from '../sql/append-events.ts'
import { arrayText } from '../sql/parameters.ts'
import { LOOKED_AT_ONCE } from './pages.ts'

/** A row by its key, with what it is to have. */
export interface Rewritten {
  readonly at: string
}

/** Who has asked for an erasure, and by which request. */
export interface Author {
  readonly actor: string
  readonly requestId: string
}

/** Statements that erase a person from the tables of one tenant, in the transaction of a step. Each gives how many rows it changed. */
export function erasingIn(tx: Database, tenantId: TenantId) {
  const inTenant = tx.asTenant(tenantId)
  const counted = async (db: Database, statement: string, values: readonly (string | null)[]): Promise<number> => {
    const [row] = await db.run<{ n: number }>(statement, [tenantId, ...values], { prepare: false })
    return row?.n ?? 0
  }
  const changed = (statement: string): string =>
    `with done as (${statement} returning 1) select count(*)::int as n from done`
  return {
    events: (rows: readonly (Rewritten & { readonly changes: string })[]) =>
      rows.length === 0
        ? 0
        : counted(
            inTenant,
            changed(
              `update events e set changes = i.changes from jsonb_to_recordset($2::text::jsonb) as i(at text, changes text)
               where e.tenant_id = $1::uuid and e.seq = i.at::bigint`,
            ),
            [JSON.stringify(rows)],
          ),

    requests: (
      rows: readonly (Rewritten & {
        readonly entry: string
        readonly bodies: string | null
        readonly terms: readonly string[]
      })[],
    ) =>
      rows.length === 0
        ? 0
        : counted(
            inTenant,
            changed(
              `update request_log r set entry = i.entry, bodies = i.bodies,
                 terms = array(select jsonb_array_elements_text(i.terms))
               from jsonb_to_recordset($2::text::jsonb) as i(at text, entry text, bodies text, terms jsonb)
               where r.tenant_id = $1::uuid and r.id = i.at::uuid`,
            ),
            [JSON.stringify(rows)],
          ),

    /** Terms by which these requests are not to be found any more. */
    terms: (rows: readonly (Rewritten & { readonly gone: readonly string[] })[]) => {
      const pairs = rows.flatMap(({ at, gone }) => gone.map((term) => ({ at, term })))
      return pairs.length === 0
        ? 0
        : counted(
            inTenant,
            changed(
              `delete from request_terms t using jsonb_to_recordset($2::text::jsonb) as i(at text, term text)
               where t.tenant_id = $1::uuid and t.term = i.term and t.id = i.at::uuid`,
            ),
            [JSON.stringify(pairs)],
          )
    },

    /** A trigger lets no other transaction change the trail. */
    async audit(
      rows: readonly (Rewritten & {
        readonly targetName: string
        readonly before: string | null
        readonly after: string | null
      })[],
    ): Promise<number> {
      if (rows.length === 0) return 0
      await tx.run(`select set_config('rollcall.erasing', $1::text, true)`, [tenantId])
      return counted(
        tx,
        changed(
          `update audit_entries a set target_name = i."targetName", before = i.before::jsonb, after = i.after::jsonb
           from jsonb_to_recordset($2::text::jsonb) as i(at text, "targetName" text, before text, after text)
           where a.tenant_id = $1::uuid and a.seq = i.at::bigint`,
        ),
        [JSON.stringify(rows)],
      )
    },

    async answers(rows: readonly (Rewritten & { readonly body: string })[]): Promise<number> {
      if (rows.length === 0) return 0
      const [row] = await tx.run<{ n: number }>(
        changed(
          `update idempotency_keys k set body = i.body from jsonb_to_recordset($1::text::jsonb) as i(at text, body text)
           where k.actor = i.at::json->>0 and k.key = i.at::json->>1`,
        ),
        [JSON.stringify(rows)],
        { prepare: false },
      )
      return row?.n ?? 0
    },

    /** What receivers have answered to events about the user; `last` is the row after which the next step begins. */
    async deliveries(
      userId: string,
      after: string | null,
    ): Promise<{ readonly rows: number; readonly last: string | null }> {
      const most = LOOKED_AT_ONCE.deliveries
      const [row] = await inTenant.run<{ n: number; last: string | null }>(
        `with page as materialized (
           select d.endpoint_id, d.position, d.resource_id, d.last_error from webhook_deliveries d
           where d.tenant_id = $1::uuid and (d.endpoint_id, d.position) > (($3::text::json->>0)::uuid, ($3::text::json->>1)::bigint)
           order by d.tenant_id, d.endpoint_id, d.position limit ${most}
         ),
         done as (
           update webhook_deliveries d set last_error = null from page p
           where d.tenant_id = $1::uuid and d.endpoint_id = p.endpoint_id and d.position = p.position
             and p.resource_id = $2::uuid and p.last_error is not null returning 1
         )
         select (select count(*) from done)::int as n, case when count(*) = ${most}
           then (array_agg(json_build_array(p.endpoint_id, p.position)::text order by p.endpoint_id desc, p.position desc))[1] end as last
         from page p`,
        [tenantId, userId, after ?? '["00000000-0000-0000-0000-000000000000",0]'],
        { prepare: false },
      )
      return { rows: row?.n ?? 0, last: row?.last ?? null }
    },

    /** The gateway's copies of the accounts that are the user's, by links and merges; and the keys by which they are found. */
    async accounts(userId: string | null, names: readonly string[]) {
      const mine = await inTenant.run<{ id: string }>(
        `with own as (
           select a.account_id from accounts a where a.tenant_id = $1::uuid and a.user_id = $2::text::uuid
           union
           select a.account_id from account_keys k join accounts a on a.tenant_id = k.tenant_id and a.account_id = k.account_id
           where k.tenant_id = $1::uuid and k.kind = 'name' and k.value = any($3::text::text[]) and a.user_id is null
         )
         select account_id as id from own
         union
         select m.account_id from accounts m where m.tenant_id = $1::uuid and m.merged_into = any(array(select account_id from own))`,
        [tenantId, userId, arrayText(names, 'text')],
        { prepare: false },
      )
      const ids = arrayText(
        mine.map(({ id }) => id),
        'text',
      )
      const of = (table: string) =>
        counted(
          inTenant,
          changed(`delete from ${table} x where x.tenant_id = $1::uuid and x.account_id = any($2::text::text[])`),
          [ids],
        )
      return {
        account_keys: await of('account_keys'),
        account_reviews: await of('account_reviews'),
        accounts: await of('accounts'),
      }
    },

    /** Pairs of the user and an account that may be the same person's. */
    reviews: (userId: string) =>
      counted(
        inTenant,
        changed('delete from account_reviews r where r.tenant_id = $1::uuid and r.user_id = $2::uuid'),
        [userId],
      ),

    /**
     * Members of groups that wait for somebody of such a value, in any letter case. Each group tells that it has lost members, and not
     * whom.
     *
     * @param values folded
     */
    deferred: (values: readonly string[], { actor, requestId }: Author) =>
      counted(
        inTenant,
        `with gone as (
           delete from deferred_members m where m.tenant_id = $1::uuid and (
             m.value = any($2::text::text[]) or lower(m.value) = any($2::text::text[]) or lower(m.display) = any($2::text::text[])
           ) returning m.group_id
         ),
         ${newVersion('$1::uuid', '= any(array(select distinct group_id from gone))')},
         ${appendEvents({
           ...{ tenant: '$1::uuid', type: 'group.member_removed', resourceType: `'Group'`, resourceId: 'n.id' },
           ...{ version: 'n.version', requestId: '$3::text', actor: '$4::text', occurredAt: 'n.modified_at' },
           ...{ changes: `'${ERASED_CHANGES}'`, from: 'new_version n' },
         })}
         select count(*)::int as n from gone`,
        [arrayText(values, 'text'), requestId, actor],
      ),
  }
}
