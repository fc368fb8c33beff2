import { and, desc, eq, lt, type SQL } from 'drizzle-orm'
import { idsOf, type Scope, scopeOf } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import { auditEntries } from '../../db/schema.ts'
import { controlEvents } from '../../events/control-events.ts'
import { appendTenantEvents } from '../log/tenant-events.ts'
import type { ListPage } from '../sql/lists.ts'

/** The author of a change of the control plane, and where the request came from. */
export interface Author {
  /** Id of the API key; `admin` for the configured one, `rollcall` for the gateway itself, `oidc:` and the subject of a person. */
  readonly actor: string
  /** What a person is called, as the issuer says; null for an API key, which has a name of its own. */
  readonly actorName?: string | null
  /** IP address of the client; null where there is none. */
  readonly address: string | null
  readonly requestId: string | null
}

/** The gateway itself as the author, of what it does at its start. */
export const THE_GATEWAY: Author = { actor: 'rollcall', address: null, requestId: null }

type Json = Readonly<Record<string, unknown>>

/** One change, as the caller describes it. Nothing in it is secret. */
export interface AuditRecord {
  /** A noun and what was done to it: `tenant.created`. */
  readonly action: string
  /** The place that was changed, or in which something was changed. */
  readonly place: Scope
  readonly target: { readonly id: string; readonly name: string }
  /** Null where there was nothing before, or is nothing after. */
  readonly before: Json | null
  readonly after: Json | null
}

/** A change as the audit trail has it; `id` is its number in the order of the commits. */
export interface AuditEntry extends AuditRecord, Required<Author> {
  readonly id: string
  readonly at: Date
}

/**
 * Appends changes to the audit trail, and counts them. This has to be the last statement of the transaction. Only the members
 * that differ before and after are stored; a change without a difference is left out. Changes of a tenant, or of a key of its
 * own, are appended to the tenant's log too.
 *
 * Text, not the query builder: Drizzle inserts from a query only where that gives every column of the table.
 */
export async function appendAuditRecords(tx: Database, author: Author, records: readonly AuditRecord[]): Promise<void> {
  const done = records.filter((record) => !isNothing(difference(record)))
  for (const record of done) {
    const events = record.place.kind === 'tenant' ? controlEvents(record) : []
    if (record.place.kind === 'tenant' && events.length > 0)
      await appendTenantEvents(tx, record.place.tenantId, author, events)
  }
  const { actor, actorName = null, address, requestId } = author
  const entries = done.map(({ action, place, target, ...record }, ord) => {
    const what = { action, targetId: target.id, targetName: target.name, ...difference(record) }
    return { ord, ...idsOf(place), ...what }
  })
  // The join makes the numbers wait until the counting row is locked, and the moments too. So their order is that of the commits.
  await tx.run(
    `with counted as (
       insert into control_revision as c (id, revision) values (1, 1)
       on conflict (id) do update set revision = c.revision + 1 returning c.id
     )
     insert into audit_entries
       (at, actor, actor_name, address, request_id, project_id, environment_id, tenant_id, action, target_id, target_name, before,
        after)
     select clock_timestamp(), $1::text, $2::text, $3::text, $4::text, e."projectId", e."environmentId", e."tenantId", e.action,
       e."targetId", e."targetName", e.before, e.after
     from counted cross join jsonb_to_recordset($5::text::jsonb) as e(ord int, "projectId" uuid, "environmentId" uuid,
       "tenantId" uuid, action text, "targetId" text, "targetName" text, before jsonb, after jsonb)
     order by e.ord`,
    [actor, actorName, address, requestId, JSON.stringify(entries)],
    { name: 'audit-append' },
  )
}

/** The changes of a place and of all places in it, the newest first. @param page `after` is the `id` of an entry */
export async function listAuditEntries(
  { orm }: Database,
  place: Scope,
  { after, limit }: ListPage,
): Promise<AuditEntry[]> {
  const older = after === undefined ? undefined : lt(auditEntries.seq, Number(after))
  const rows = await orm
    .select()
    .from(auditEntries)
    .where(and(within(place), older))
    .orderBy(desc(auditEntries.seq))
    .limit(limit)
  return rows.map(({ seq, at, actor, actorName, address, requestId, action, before, after, ...row }) => ({
    ...{ id: String(seq), at, actor, actorName, address, requestId, action },
    place: scopeOf(row),
    target: { id: row.targetId, name: row.targetName },
    before: before as Json | null,
    after: after as Json | null,
  }))
}

function difference({ before, after }: Pick<AuditRecord, 'before' | 'after'>): Pick<AuditRecord, 'before' | 'after'> {
  if (before === null || after === null) return { before, after }
  const differs = (name: string) => JSON.stringify(before[name]) !== JSON.stringify(after[name])
  const only = (all: Json) => Object.fromEntries(Object.entries(all).filter(([name]) => differs(name)))
  return { before: only(before), after: only(after) }
}

const isNothing = ({ before, after }: Pick<AuditRecord, 'before' | 'after'>): boolean =>
  before !== null && after !== null && Object.keys({ ...before, ...after }).length === 0

function within(place: Scope): SQL | undefined {
  switch (place.kind) {
    case 'instance':
      return undefined
    case 'project':
      return eq(auditEntries.projectId, place.projectId)
    case 'environment':
      return eq(auditEntries.environmentId, place.environmentId)
    case 'tenant':
      return eq(auditEntries.tenantId, place.tenantId)
  }
}
