import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { hasRoom, standingFault } from '../../src/db/standing.ts'
import { openFreshDatabase } from '../support/engines.ts'

let database: Database
beforeAll(async () => {
  database = await openFreshDatabase()
})
afterAll(() => database.close())

test('a database that this build has migrated stands well', async () => {
  expect(await standingFault(database)).toBeUndefined()
})

test('a database that takes no changes does not', async () => {
  const fault = await database.transaction(async (tx) => {
    await tx.run('set transaction read only', [], { prepare: false })
    return standingFault(tx)
  })
  expect(fault).toMatch(/^the database takes no changes/)
})

test('a database that a newer release migrates meanwhile does not, and says which release can serve it', async () => {
  const needs = 'update schema_compatibility set needs_migration = $1::text, needs_release = $2::text'
  await database.run(needs, ['9001_later', '9.0.0'])
  expect(await standingFault(database)).toMatch(
    /^the database has tables of Rollcall 9\.0\.0, .* 9001_later; run Rollcall 9\.0\.0/,
  )
})

test('room is tried for by a write of which nothing stays', async () => {
  expect(await hasRoom(database)).toBe(true)
  expect(await hasRoom(database)).toBe(true)
  expect(await database.run(`select to_regclass('room') is null as gone`, [])).toEqual([{ gone: true }])
})
