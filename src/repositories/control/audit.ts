import { and, desc, eq, lt, type SQL } from 'drizzle-orm'
import { idsOf, type Scope, scopeOf } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import { auditEntries } from '../../db/schema.ts'
import { controlEvents } from '../../events/control-events.ts'
import { appendTenantEvents } from '../log/tenant-events.ts'
import type { ListPage } from '../sql/lists.ts'

/** Who changes the control plane, and how they reached it. */
export interface Author {
  /** Id of the API key; `admin` for the configured one, `rollcall` for the gateway itself. */
  readonly actor: string
  /** IP address of the client; null where there is none. */
  readonly address: string | null
  readonly requestId: string | null
}

/** The gateway itself: what it does at its start. */
export const THE_GATEWAY: Author = { actor: 'rollcall', address: null, requestId: null }

type Json = Readonly<Record<string, unknown>>

/** One thing that was done. Nothing in it is secret. */
export interface AuditRecord {
  /** A noun and what became of it: `tenant.created`. */
  readonly action: string
  /** The place that it was done to or in. */
  readonly place: Scope
  readonly target: { readonly id: string; readonly name: string }
  /** Null where there was nothing before, or is nothing after. */
  readonly before: Json | null
  readonly after: Json | null
}

/** A deed as it stands in the trail; `id` is its number in the order in which things were done. */
export interface AuditEntry extends AuditRecord, Author {
  readonly id: string
  readonly at: Date
}

/**
 * Appends what was done, as the last thing that the transaction does, and counts the change. Of what is there before and
 * after, only what differs is kept; a deed that leaves everything as it was is none. What is done to a tenant or to a key of
 * its own is told in the tenant's log too.
 */
export async function appendAuditRecords(tx: Database, author: Author, deeds: readonly AuditRecord[]): Promise<void> {
  const done = deeds.filter((deed) => !isNothing(difference(deed)))
  for (const deed of done) {
    const events = deed.place.kind === 'tenant' ? controlEvents(deed) : []
    if (deed.place.kind === 'tenant' && events.length > 0)
      await appendTenantEvents(tx, deed.place.tenantId, author, events)
  }
  const { actor, address, requestId } = author
  const entries = done.map(({ action, place, target, ...deed }, ord) => {
    const what = { action, targetId: target.id, targetName: target.name, ...difference(deed) }
    return { ord, ...idsOf(place), ...what }
  })
  // A number is drawn for a row that is there once the counting row is held: the join makes it wait. Moments are of then, too.
  await tx.run(
    `with counted as (
       insert into control_revision as c (id, revision) values (1, 1)
       on conflict (id) do update set revision = c.revision + 1 returning c.id
     )
     insert into audit_entries
       (at, actor, address, request_id, project_id, environment_id, tenant_id, action, target_id, target_name, before, after)
     select clock_timestamp(), $1::text, $2::text, $3::text, e."projectId", e."environmentId", e."tenantId", e.action,
       e."targetId", e."targetName", e.before, e.after
     from counted cross join jsonb_to_recordset($4::text::jsonb) as e(ord int, "projectId" uuid, "environmentId" uuid,
       "tenantId" uuid, action text, "targetId" text, "targetName" text, before jsonb, after jsonb)
     order by e.ord`,
    [actor, address, requestId, JSON.stringify(entries)],
  )
}

/** What was done at a place and in all below it, the newest first. @param page `after` is the `id` of an entry */
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
  return rows.map(({ seq, at, actor, address, requestId, action, before, after, ...row }) => ({
    ...{ id: String(seq), at, actor, address, requestId, action },
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
