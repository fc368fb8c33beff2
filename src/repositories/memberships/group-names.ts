import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { groupsAboveEach } from '../sql/groups-above.ts'
import { isOurId } from '../sql/ids.ts'
import { arrayText } from '../sql/parameters.ts'

/** Names of the groups that each of these users is in, directly and through groups in groups. Who is in none is left out. */
export async function groupNamesOf(
  database: Database,
  tenantId: TenantId,
  userIds: readonly string[],
): Promise<Map<string, readonly string[]>> {
  const known = userIds.filter(isOurId)
  if (known.length === 0) return new Map()
  const rows = await database.asTenant(tenantId).run<{ id: string; names: readonly string[] }>(
    `with recursive ${groupsAboveEach('$1::uuid', 'select x.id from unnest($2::text::uuid[]) x(id)')}
     select a.member_id::text as id, json_agg(g.label) as names
     from (
       select member_id, group_id from joined
       union select j.member_id, u.above_id from joined j join above u on u.group_id = j.group_id
     ) a cross join lateral (
       select g.label from resources g where g.tenant_id = $1::uuid and g.id = a.group_id and g.label is not null offset 0
     ) g group by a.member_id`,
    [tenantId, arrayText(known, 'uuid')],
    { name: 'group-names' },
  )
  return new Map(rows.map(({ id, names }) => [id, names]))
}
