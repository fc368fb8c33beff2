import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrationsFolder } from '../../src/db/migrations.ts'

/** The migrations, and one more behind them, as a later release would have them: a folder of its own, and what removes it. */
export function oneMoreMigration(name: string, text: string): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-migrations-'))
  cpSync(migrationsFolder, folder, { recursive: true })
  const path = join(folder, 'meta/_journal.json')
  const journal = JSON.parse(readFileSync(path, 'utf8')) as { entries: { idx: number; when: number; tag: string }[] }
  const last = journal.entries.at(-1)
  if (last === undefined) throw new Error('there are no migrations')
  const next = { ...last, idx: last.idx + 1, when: last.when + 1, tag: name }
  writeFileSync(path, JSON.stringify({ ...journal, entries: [...journal.entries, next] }))
  writeFileSync(join(folder, `${name}.sql`), text)
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
