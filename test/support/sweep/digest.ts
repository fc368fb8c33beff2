import { createHash } from 'node:crypto'
import type { Database } from '../../../src/db/database.ts'

/** Columns by which a row belongs to a place; of others, to the key or the endpoint that it names. */
const PLACE_COLUMNS = ['tenant_id', 'environment_id', 'project_id']
const OTHER_COLUMNS = ['id', 'key_id', 'actor', 'endpoint_id']

/**
 * What all rows come to that belong to what `ids` name, table by table: of every table that the database has, so that a new
 * one is looked at from its first day.
 */
export async function digestOf(database: Database, ids: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const columns = await database.run<{ name: string; columns: string }>(
    `select c.table_name as name, string_agg(c.column_name, ',' order by c.column_name) as columns
     from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
     where c.table_schema = 'public' and t.table_type = 'BASE TABLE' group by 1 order by 1`,
    [],
  )
  const list = ids.map((id) => `'${id}'`).join(',')
  const digests: Record<string, string> = {}
  for (const { name, columns: all } of columns) {
    // It tells when keys that reach the place ask; that no other request is noted, test/connections holds.
    if (name === 'connections') continue
    const has = (wanted: readonly string[]) => wanted.filter((column) => all.split(',').includes(column))
    // A catalogue of an environment gives work to all of its tenants, those beside the caller's too.
    const places = name === 'catalogue_work' ? ['environment_id'] : has(PLACE_COLUMNS)
    const others = has(OTHER_COLUMNS)
    // Rows of tenants have ids that another tenant may have too.
    const by = places.includes('tenant_id') ? places : [...places, ...others]
    if (by.length === 0) continue
    const belongs = by.map((column) => `r.${column}::text in (${list})`).join(' or ')
    const rows = await database.run<{ row: string }>(
      // That a key was used is written down up to half a minute later.
      `select (to_jsonb(r) - 'last_used_at' - 'last_used_by')::text as row from "${name}" r where ${belongs} order by 1`,
      [],
      { prepare: false },
    )
    const hash = createHash('sha256')
      .update(rows.map(({ row }) => row).join('\n'))
      .digest('hex')
    digests[name] = `${rows.length} rows, ${hash}`
  }
  return digests
}
