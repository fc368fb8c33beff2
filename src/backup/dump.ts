import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Database } from '../db/database.ts'
import { lastApplied } from '../db/migrations.ts'
import { VERSION } from '../package.ts'
import { digest, type EndLine, FORMAT, type Head, type SequencesLine, type TableLine } from './format.ts'

/** Blocks of 8 kB that one statement reads: this bounds what is in memory at a time, however wide the rows are. */
const BLOCKS_AT_ONCE = 8
const BLOCK_BYTES = 8_192
const DIFFERENT = { prepare: false } as const

/**
 * All that a database holds, as the bytes of a backup, each made when the one before is taken. Nobody may write to the database
 * meanwhile: it is a copy, or open to nobody else.
 */
export async function* backupOf(database: Database): AsyncGenerator<Uint8Array, void> {
  const gzip = createGzip()
  // Its failure ends `gzip` too, whose reader is told.
  pipeline(Readable.from(hashed(database), { objectMode: true, highWaterMark: 1 }), gzip).catch(() => {})
  yield* gzip as AsyncIterable<Buffer>
}

async function* hashed(database: Database): AsyncGenerator<string> {
  const hash = digest()
  const rows: Record<string, number> = {}
  for await (const text of linesOf(database, rows)) {
    hash.update(text)
    yield text
  }
  yield line<EndLine>({ end: { rows, sha256: hash.digest('hex') } })
}

const line = <T extends object>(content: T): string => `${JSON.stringify(content)}\n`

/** The lines up to the last one; counts the rows of each table in `rows`. */
async function* linesOf(database: Database, rows: Record<string, number>): AsyncGenerator<string> {
  const [server] = await database.run<{ version: string }>(`select current_setting('server_version') as version`, [])
  yield line<Head>({
    ...{ rollcall: 'backup', format: FORMAT, version: VERSION },
    migration: await lastApplied((statement) => database.run<object>(statement, [])),
    engine: server?.version ?? '',
    time: new Date().toISOString(),
  })
  for (const { name, columns, bytes } of await tablesOf(database)) {
    yield line<TableLine>({ table: name, columns })
    rows[name] = 0
    for (let block = 0; block * BLOCK_BYTES < bytes; block += BLOCKS_AT_ONCE) {
      const page = await database.run<{ row: string }>(
        `select to_json(array[${columns.map((column) => `${quoted(column)}::text`).join(', ')}])::text as row
         from ${quoted(name)} where ctid >= '(${block},0)' and ctid < '(${block + BLOCKS_AT_ONCE},0)'`,
        [],
        DIFFERENT,
      )
      if (page.length === 0) continue
      rows[name] += page.length
      yield page.map(({ row }) => `${row}\n`).join('')
    }
  }
  yield line<SequencesLine>({ sequences: await sequencesOf(database) })
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

interface Table {
  readonly name: string
  readonly columns: readonly string[]
  /** Of its rows, without what is stored apart for its size. */
  readonly bytes: number
}

const tablesOf = (database: Database): Promise<Table[]> =>
  database.run<Table>(
    `select c.relname as name, pg_relation_size(c.oid)::float8 as bytes,
       to_json(array(
         select a.attname::text from pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
         order by a.attnum)) as columns
     from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by c.relname`,
    [],
  )

/** Those that have given a number. */
async function sequencesOf(database: Database): Promise<Record<string, string>> {
  const found = await database.run<{ name: string; last: string }>(
    `select sequencename as name, last_value::text as last from pg_sequences
     where schemaname = 'public' and last_value is not null order by 1`,
    [],
  )
  return Object.fromEntries(found.map(({ name, last }) => [name, last]))
}
