import type { Database, Reader } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'

/** Users that one page of a search by a part looks through. No index has parts of names. */
export const LOOKED_THROUGH = 20_000

/** The users of a page of a search, and how far it looked. */
export interface FoundByPart {
  /** Users whose names or addresses have the part, in the order of creation. */
  readonly ids: readonly string[]
  /** Where the next page goes on; undefined where all users were looked through. */
  readonly next: string | undefined
}

/** The parts of a user that people know: each name, and each address, from the search document, which is folded. */
const NAMES = `concat_ws(' ', d->'name'->>'givenName', d->'name'->>'familyName', d->'name'->>'formatted', d->>'nickName',
  (select string_agg(m->>'value', ' ') from jsonb_array_elements(
     case jsonb_typeof(d->'emails') when 'array' then d->'emails' else '[]'::jsonb end) m))`

/**
 * Users with a part anywhere in userName, displayName, externalId, a name or an e-mail address, among the next `LOOKED_THROUGH`
 * after the one with the id `after`.
 *
 * @param part folded, as search documents are
 */
export async function usersByPart(
  database: Database,
  tenantId: TenantId,
  part: string,
  { after, limit, reader }: { readonly after: string | undefined; readonly limit: number; readonly reader: Reader },
): Promise<FoundByPart> {
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const text = parameters.bind(part, 'text')
  const from = after === undefined ? '' : `and r.id > ${parameters.bind(after, 'uuid')}`
  const rows = await database.asTenant(tenantId).run<{ id: string | null; last: string | null; looked: number }>(
    `with looked as materialized (
       select r.id, position(${text} in r.unique_key) > 0 or position(${text} in r.display_key) > 0
           or position(${text} in lower(r.external_id)) > 0 or exists (
             select 1 from (
               select s.search->(${tenant}::text) as d from search_documents s
               where s.tenant_id = ${tenant} and s.resource_type = 'User' and s.resource_id = r.id offset 0
             ) x where position(${text} in ${NAMES}) > 0
           ) as found
       from resources r where r.tenant_id = ${tenant} and r.resource_type = 'User' ${from}
       order by r.id limit ${LOOKED_THROUGH}
     )
     select f.id::text as id, (select l.id::text from looked l order by l.id desc limit 1) as last,
       (select count(*)::int from looked) as looked
     from (select 1) one left join (select id from looked where found order by id limit ${Math.trunc(limit) + 1}) f on true`,
    parameters.values,
    { prepare: false, reader },
  )
  const found = rows.flatMap(({ id }) => (id === null ? [] : [id]))
  const { last = null, looked = 0 } = rows[0] ?? {}
  if (found.length > limit) return { ids: found.slice(0, limit), next: found[limit - 1] }
  return { ids: found, next: looked === LOOKED_THROUGH ? (last ?? undefined) : undefined }
}
