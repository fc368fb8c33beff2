import type { Database } from '../db/database.ts'
import { CannotRestore } from '../db/errors.ts'
import { migrationsIn } from '../db/migrations.ts'
import type { Origin } from '../db/pglite-restore.ts'
import type { EndLine, Head, SequencesLine, TableLine } from './format.ts'
import { type Backup, openBackup } from './read.ts'

/** Rows, and letters of them, that one statement stores. */
const MOST_ROWS = 1_000
const MOST_LETTERS = 1_048_576
const DIFFERENT = { prepare: false } as const

/** A backup as what a database is made from. @throws {CannotRestore} where this release cannot read it */
export async function originIn(file: string): Promise<Origin & { readonly head: Head }> {
  const { head, parts } = await openBackup(file)
  if (!migrationsIn().some(({ madeAt }) => madeAt === head.migration)) {
    throw new CannotRestore(
      `${file} was made by Rollcall ${head.version}, whose tables this release does not know: take that one, or a newer one`,
    )
  }
  return { head, lastMigration: head.migration, fill: (database) => fill(database, parts) }
}

/** Fills the tables with what a backup holds, and nothing else. @throws {CannotRestore} where it is not whole */
async function fill(database: Database, parts: Backup['parts']): Promise<void> {
  const types = await columnTypes(database)
  // What the migrations have put there is in the backup too, as it became.
  await run(database, `truncate ${[...types.keys()].map(quoted).join(', ')}`)
  let filling: Filling | undefined
  for await (const part of parts) {
    if (typeof part === 'string') await filling?.add(part)
    else {
      await filling?.flush()
      if ('table' in part) filling = new Filling(database, statementFor(part, types))
      else if ('sequences' in part) await setSequences(database, part)
      else await compare(database, part)
    }
  }
}

const run = (database: Database, statement: string, values: string[] = []) => database.run(statement, values, DIFFERENT)
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Rows on their way into a table. */
class Filling {
  readonly #database: Database
  readonly #statement: string
  #rows: string[] = []
  #letters = 0

  constructor(database: Database, statement: string) {
    this.#database = database
    this.#statement = statement
  }

  async add(row: string): Promise<void> {
    this.#rows.push(row)
    this.#letters += row.length
    if (this.#rows.length === MOST_ROWS || this.#letters > MOST_LETTERS) await this.flush()
  }

  async flush(): Promise<void> {
    if (this.#rows.length === 0) return
    const rows = `[${this.#rows.join(',')}]`
    this.#rows = []
    this.#letters = 0
    await run(this.#database, this.#statement, [rows])
  }
}

type ColumnTypes = ReadonlyMap<string, ReadonlyMap<string, string>>

async function columnTypes(database: Database): Promise<ColumnTypes> {
  const columns = await database.run<{ table: string; column: string; type: string }>(
    `select c.relname as table, a.attname as column, format_type(a.atttypid, a.atttypmod) as type
     from pg_attribute a join pg_class c on c.oid = a.attrelid
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped`,
    [],
  )
  const types = new Map<string, Map<string, string>>()
  for (const { table, column, type } of columns)
    types.set(table, (types.get(table) ?? new Map<string, string>()).set(column, type))
  return types
}

/** The statement that stores rows of a table; its value are the rows. */
function statementFor({ table, columns }: TableLine, types: ColumnTypes): string {
  const values = columns.map((column, at) => {
    const type = types.get(table)?.get(column)
    if (type === undefined) throw new CannotRestore(`the backup has a column ${table}.${column} that its tables lack`)
    return `(r ->> ${at})::${type}`
  })
  return `insert into ${quoted(table)} (${columns.map(quoted).join(', ')}) overriding system value
    select ${values.join(', ')} from json_array_elements($1::text::json) as r`
}

async function setSequences(database: Database, { sequences }: SequencesLine): Promise<void> {
  for (const [name, last] of Object.entries(sequences))
    await run(database, 'select setval($1::text::regclass, $2::text::bigint)', [`public.${quoted(name)}`, last])
}

async function compare(database: Database, { end: { rows } }: EndLine): Promise<void> {
  for (const [table, count] of Object.entries(rows)) {
    const [found] = (await run(database, `select count(*)::int as n from ${quoted(table)}`)) as [{ n: number }]
    if (found.n !== count) throw new CannotRestore(`of ${count} rows of ${table} in the backup, ${found.n} were stored`)
  }
}
