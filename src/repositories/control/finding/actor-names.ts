import type { Database } from '../../../db/database.ts'
import { arrayText } from '../../sql/parameters.ts'

/** What the API keys with these ids are called, by id. Ids that are none are left out. */
export async function keyNames(db: Database, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await db.run<{ id: string; name: string }>(
    'select k.id, k.name from api_keys k where k.id = any($1::text::text[])',
    [arrayText([...new Set(ids)], 'text')],
  )
  return new Map(rows.map(({ id, name }) => [id, name]))
}
