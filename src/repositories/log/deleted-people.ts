import type { Database, Reader } from '../../db/database.ts'
import { LEAVER_TYPES_SQL } from '../../db/schema.ts'
import type { TenantId } from '../../place-ids.ts'
import { fold } from '../../scim/comparable.ts'

/** Leavers of the log that one search looks through, the last ones; an index has them by their time. */
export const LEAVERS_LOOKED_THROUGH = 5_000

/** A user who was deleted, as the log knows the person. */
export interface DeletedPerson {
  readonly id: string
  readonly userName: string
  readonly displayName: string | null
  readonly externalId: string | null
  /** Milliseconds since 1970; null where the log has the deletion no longer. */
  readonly deletedAt: number | null
  /** Id of the API key that asked. */
  readonly actor: string | null
  /** Until then the person gets the same id when made again; null where nothing is kept. */
  readonly keptUntil: number | null
}

/**
 * Deleted users with a part anywhere in a name or an address: those that the tenant keeps, and those among the last leavers of the
 * log. The last ones come first. Names of the log are compared here, since letter case depends on the database's locale.
 *
 * @param part empty for all
 */
export async function deletedPeople(
  database: Database,
  tenantId: TenantId,
  part: string,
  limit: number,
  reader: Reader,
): Promise<DeletedPerson[]> {
  const rows = await database.asTenant(tenantId).run<DeletedPerson & { readonly names: string }>(
    `with logged as materialized (
       select e.resource_id as id, e.occurred_at, e.actor, e.changes::json->'before' as b from (
         select e.* from events e where e.tenant_id = $1::uuid and e.type in ${LEAVER_TYPES_SQL}
         order by e.occurred_at desc limit ${LEAVERS_LOOKED_THROUGH}
       ) e where e.type = 'user.deleted'
     ),
     gone as (
       select l.id, l.b->>'userName' as user_name, l.b->>'displayName' as display_name, l.b->>'externalId' as external_id,
         l.occurred_at, l.actor, null::timestamptz as kept_until,
         concat_ws(' ', l.b->'name'->>'givenName', l.b->'name'->>'familyName', l.b->'name'->>'formatted', (
           select string_agg(m->>'value', ' ') from json_array_elements(
             case json_typeof(l.b->'emails') when 'array' then l.b->'emails' else '[]'::json end) m)) as names
       from logged l where l.b is not null
       union all
       select k.id, k.unique_key, null, k.external_id, null, null, k.kept_until, array_to_string(k.emails, ' ')
       from (select * from kept_users k where k.tenant_id = $1::uuid and k.kept_until > now() limit ${LEAVERS_LOOKED_THROUGH}) k
     )
     select g.id::text as id, coalesce(g.user_name, '') as "userName", g.display_name as "displayName", g.external_id as "externalId",
       (extract(epoch from g.occurred_at) * 1000)::float8 as "deletedAt", g.actor,
       (extract(epoch from g.kept_until) * 1000)::float8 as "keptUntil", coalesce(g.names, '') as names
     from gone g order by coalesce(g.occurred_at, g.kept_until) desc, g.id`,
    [tenantId],
    { reader },
  )
  const wanted = fold(part)
  const has = ({ id, userName, displayName, externalId, names }: (typeof rows)[number]) =>
    id === wanted || fold([userName, displayName ?? '', externalId ?? '', names].join(' ')).includes(wanted)
  return rows
    .filter(has)
    .slice(0, limit)
    .map(({ names, ...person }) => person)
}
