import { expect, test } from 'vitest'
import { isUpToDate } from '../../src/db/compatibility.ts'
import { migrationsIn } from '../../src/db/migrations.ts'

const migrations = migrationsIn()
const names = migrations.map(({ name }) => name)
/** What builds that run beside a migration may still read, or may write otherwise. */
const TAKES_AWAY =
  /\b(?:drop\s+(?:table|column)|rename\s+(?:to|column)|set\s+not\s+null|alter\s+column\s+\S+\s+set\s+data\s+type)\b/i
const SAYS_SO = /update\s+"?schema_compatibility"?|into\s+"?schema_compatibility"?/i
const textOf = ({ statements }: { readonly statements: readonly string[] }) => statements.join('\n')

test('what a database needs of a build is a migration that this build knows', () => {
  const needed = migrations.flatMap((migration) =>
    [...textOf(migration).matchAll(/'(\d{4}_\w+)'/g)]
      .filter(() => SAYS_SO.test(textOf(migration)))
      .map(([, name]) => name),
  )
  expect(needed.length).toBeGreaterThan(0)
  expect(needed.filter((name) => !names.includes(name ?? ''))).toEqual([])
})

test('a migration that takes away what older builds read says which release can serve the tables', () => {
  const first = migrations.findIndex((migration) => SAYS_SO.test(textOf(migration)))
  const silent = migrations
    .slice(first)
    .filter((migration) => TAKES_AWAY.test(textOf(migration)) && !SAYS_SO.test(textOf(migration)))
  expect(silent.map(({ name }) => name)).toEqual([])
})

test('one statement says whether nothing is missing, and nothing asks for a later build', async () => {
  const newest = migrations.at(-1)
  const needs = { needsMigration: names[0], needsRelease: '0.1.0' }
  const asked: string[] = []
  const upToDate = (...rows: object[]) =>
    isUpToDate(async (statement) => {
      asked.push(statement)
      return rows
    })
  expect(await upToDate({ ...needs, last: newest?.madeAt })).toBe(true)
  expect(asked).toHaveLength(1)
  // Of a newer release that has only added to the tables.
  expect(await upToDate({ ...needs, last: (newest?.madeAt ?? 0) + 1 })).toBe(true)
  expect(await upToDate({ ...needs, needsMigration: '9999_later', last: newest?.madeAt })).toBe(false)
  expect(await upToDate({ ...needs, last: migrations.at(-2)?.madeAt })).toBe(false)
  expect(await upToDate({ ...needs, last: null })).toBe(false)
  expect(await upToDate()).toBe(false)
})
