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

/** The parts of a user that people know: each name, and each address. */
const NAMES = `concat_ws(' ', d->'name'->>'givenName', d->'name'->>'familyName', d->'name'->>'formatted', d->>'nickName',
  (select string_agg(m->>'value', ' ') from json_array_elements(
     case json_typeof(d->'emails') when 'array' then d->'emails' else '[]'::json end) m))`

/**
 * Users with a part anywhere in userName, displayName, externalId, a name or an e-mail address, among the next `LOOKED_THROUGH`
 * after the one with the id `after`.
 *
 * @param part in lower case
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
  // As JSON has it in its text, for a first look that spares the reading of most documents.
  const escaped = parameters.bind(JSON.stringify(part).slice(1, -1), 'text')
  const from = after === undefined ? '' : `and r.id > ${parameters.bind(after, 'uuid')}`
  const rows = await database.asTenant(tenantId).run<{ id: string | null; last: string | null; looked: number }>(
    `with looked as materialized (
       select r.id, case
           when position(${text} in r.unique_key) > 0 or position(${text} in r.display_key) > 0
             or position(${text} in lower(r.external_id)) > 0 then true
           when position(${escaped} in lower(r.document)) > 0
             then (select position(${text} in lower(${NAMES})) > 0 from (select r.document::json as d offset 0) x)
           else false end as found
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
