import { expect, test } from 'vitest'
import { ERASED, WITHOUT_PEOPLE } from '../../src/erasure/places.ts'
import { openTestDatabase } from '../support/engines.ts'

test('an erasure knows every column of text or JSON of every table, and no other', async () => {
  const database = await openTestDatabase()
  const rows = await database.run<{ table: string; column: string }>(
    `select c.relname as table, a.attname as column
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       join pg_type t on t.oid = a.atttypid left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
       and (t.typcategory = 'S' or t.typname in ('json', 'jsonb', 'bytea') or e.typcategory = 'S' or e.typname in ('json', 'jsonb'))`,
    [],
  )
  const columns = new Map<string, Set<string>>()
  for (const { table, column } of rows) columns.set(table, (columns.get(table) ?? new Set()).add(column))
  expect([...columns.keys()].toSorted()).toEqual([...Object.keys(ERASED), ...Object.keys(WITHOUT_PEOPLE)].toSorted())
  for (const [table, { people, others = [] }] of Object.entries(ERASED))
    expect([...people, ...others].toSorted(), table).toEqual([...(columns.get(table) ?? [])].toSorted())
})
