import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Bindable, Database } from '../../src/db/database.ts'
import { isUnavailable, sqlState } from '../../src/db/errors.ts'
import { instanceSecrets } from '../../src/db/schema.ts'
import { engineName, openFreshDatabase } from '../support/engines.ts'

let db: Database
beforeAll(async () => {
  db = await openFreshDatabase()
  await db.run('create table things (id int primary key check (id < 1000), name text)', [])
})
afterAll(() => db.close())

const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )
const count = async (where = 'true') =>
  (await db.run<{ n: number }>(`select count(*)::int as n from things where ${where}`, []))[0]?.n

test('the tests run on the engine that the run is for', () => {
  expect(db.engine).toBe(engineName())
})

describe.each([{ prepare: true }, { prepare: false }])('both engines answer alike with $prepare', (options) => {
  test.each<[what: string, statement: string, values: Bindable[], value: unknown]>([
    ['int8 as a number', 'select count(*) as v from things where false', [], 0],
    ['int8 past 2^53 as a bigint', 'select 9007199254740993 as v', [], 9007199254740993n],
    ['numeric as text', 'select 1.50 as v', [], '1.50'],
    ['float8', 'select 0.5::float8 as v', [], 0.5],
    [
      'timestamptz as text in UTC',
      `select timestamptz '2020-01-02 03:04:05.678+01' as v`,
      [],
      '2020-01-02 02:04:05.678+00',
    ],
    ['date as text', `select date '2020-01-02' as v`, [], '2020-01-02'],
    ['jsonb parsed', `select '{"a":[1,null]}'::jsonb as v`, [], { a: [1, null] }],
    ['json bound as text', 'select $1::text::jsonb as v', ['{"a":"b"}'], { a: 'b' }],
    ['arrays bound as text', 'select $1::text::text[] as v', ['{a,"b c"}'], ['a', 'b c']],
    ['null', 'select $1::text as v', [null], null],
    ['a boolean', 'select $1::boolean as v', [true], true],
    ['a boolean as text', 'select $1::boolean as v', ['true'], true],
    ['false as text', 'select $1::boolean as v', ['false'], false],
    ['false', 'select $1::boolean as v', [false], false],
    ['a boolean in json', 'select $1::jsonb as v', [true], true],
    ['a number as a moment', 'select $1::float8::text as v', [12], '12'],
    ['a large number', 'select $1::int8 as v', [1e15], 1e15],
    ['a number as text', 'select $1::text as v', [1.5], '1.5'],
    ['an astral character', 'select $1::text as v', ['𝒜'], '𝒜'],
  ])('%s', async (_what, statement, values, value) => {
    expect(await db.run(statement, values, options)).toEqual([{ v: value }])
  })

  test.each<[code: string, constraint: string | undefined, statement: string, values: Bindable[]]>([
    ['23505', 'things_pkey', 'insert into things values (1, $1), (1, $1)', ['a']],
    ['23514', 'things_id_check', 'insert into things values ($1)', [5000]],
    ['22P02', undefined, 'select $1::int', ['x']],
    ['22021', undefined, 'select $1::text', ['a\u0000']],
    ['22012', undefined, 'select 1 / $1::int', [0]],
    ['42601', undefined, 'select 1; select 2', []],
    ['08P01', undefined, 'select $1::text', []],
  ])('a failure is told by SQLSTATE %s and constraint %s', async (code, constraint, statement, values) => {
    const error = await failure(db.run(statement, values, options))
    expect(sqlState(error)).toEqual({ code, constraint })
    expect(isUnavailable(error)).toBe(false)
  })

  test('no failure costs a connection', async () => {
    const bad: Promise<unknown>[] = []
    for (let i = 0; i < 60; i++) {
      bad.push(failure(db.run('select $1::int', ['x'], options)))
      bad.push(failure(db.run('select $1::text', [Symbol('x') as unknown as string], options)))
      bad.push(failure(db.run('select $1::text', [undefined as unknown as string], options)))
      bad.push(failure(db.run('select $1::timestamptz', [5], options)))
      bad.push(failure(db.run('select $1::jsonb', ['{'], options)))
      bad.push(failure(db.run('select $1::text', Array(70_000).fill('x'), options)))
      bad.push(failure(db.orm.execute(sql`select ${new Date()}::timestamptz, ${{ a: 1 }}::jsonb`)))
      bad.push(failure(db.transaction((tx) => tx.run('select $1::int', ['x'], options))))
    }
    await Promise.all(bad)
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => db.run('select $1::int as i', [i], options)))
    expect(answers).toEqual(Array.from({ length: 40 }, (_, i) => [{ i }]))
  })
})

test('the query builder is told of failures alike', async () => {
  await db.orm.insert(instanceSecrets).values({ name: 'twice', secret: 'a' })
  const error = await failure(db.orm.insert(instanceSecrets).values({ name: 'twice', secret: 'a' }))
  expect(sqlState(error)).toEqual({ code: '23505', constraint: 'instance_secrets_pkey' })
  const rows = await db.orm.select().from(instanceSecrets).where(eq(instanceSecrets.name, 'twice'))
  expect(rows[0]?.createdAt).toBeInstanceOf(Date)
})

test('a transaction is kept whole or not at all', async () => {
  await db.transaction(async (tx) => {
    await tx.run('insert into things values (100)', [])
    await tx.orm.insert(instanceSecrets).values({ name: 'kept', secret: 'a' })
  })
  const refused = await failure(
    db.transaction(async (tx) => {
      await tx.run('insert into things values (101)', [])
      await tx.orm.insert(instanceSecrets).values({ name: 'not kept', secret: 'a' })
      throw new Error('changed our mind')
    }),
  )
  expect(refused).toEqual(new Error('changed our mind'))
  expect(await count('id in (100, 101)')).toBe(1)
  const names = await db.orm.select({ name: instanceSecrets.name }).from(instanceSecrets)
  expect(names.map((row) => row.name)).toEqual(expect.not.arrayContaining(['not kept']))
})

test('a failure that the work swallows still undoes the transaction', async () => {
  const error = await failure(
    db.transaction(async (tx) => {
      await tx.run('insert into things values (110)', [])
      await failure(tx.run('select 1/0', []))
    }),
  )
  expect(error).toBeInstanceOf(Error)
  expect(await count('id = 110')).toBe(0)
})

test('a transaction does not nest, and its handle ends with it', async () => {
  await expect(db.transaction((tx) => tx.transaction(async () => {}))).rejects.toThrow('inside a transaction')
  const leaked = await db.transaction(async (tx) => tx)
  await expect(leaked.run('insert into things values (120)', [])).rejects.toThrow()
  expect(await count('id = 120')).toBe(0)
})

test('a statement is planned anew where that is asked, with or without a transaction of its own', async () => {
  const again = { prepare: false, replan: true }
  await db.transaction(async (tx) => {
    const values = async (options: { prepare: boolean; replan?: boolean }) => tx.run('execute planned', [], options)
    // What is immutable is worked out when a statement is planned, so the value tells when that was.
    await tx.run(
      `create function pg_temp.epoch() returns text immutable language plpgsql as $$begin return current_setting('test.epoch'); end$$`,
      [],
    )
    await tx.run(`select set_config('test.epoch', 'first', true)`, [])
    await tx.run('prepare planned as select pg_temp.epoch() as v', [], { prepare: false })
    expect(await values({ prepare: false })).toEqual([{ v: 'first' }])
    await tx.run(`select set_config('test.epoch', 'second', true)`, [])
    expect(await values({ prepare: false })).toEqual([{ v: 'first' }])
    expect(await values(again)).toEqual([{ v: 'second' }])
    await tx.run('deallocate planned', [], { prepare: false })
  })
  expect(await db.run('insert into things values ($1::int) returning id', [140], { replan: true })).toEqual([
    { id: 140 },
  ])
  const error = await failure(db.run('insert into things values ($1::int)', [140], { replan: true }))
  expect(sqlState(error)).toEqual({ code: '23505', constraint: 'things_pkey' })
})

test('transactions run beside statements and each other', async () => {
  await Promise.all(
    Array.from({ length: 30 }, async (_, i) => {
      await db.transaction(async (tx) => {
        await tx.run('insert into things values ($1)', [200 + i])
        await tx.run('update things set name = $2 where id = $1', [200 + i, 'x'])
      })
      await db.run('update things set name = $2 where id = $1', [200 + i, 'y'])
    }),
  )
  expect(await count(`id between 200 and 229 and name = 'y'`)).toBe(30)
})

test('closing waits for statements under way, and then refuses as unavailable', async () => {
  const own = await openFreshDatabase()
  // A connection is open, so the statement is on its way at once.
  await own.run('select 1', [])
  const slow = own.run('select pg_sleep(0.2) is not null as slept', [])
  await turnOfTheLoop()
  await own.close()
  expect(await slow).toEqual([{ slept: true }])
  expect(isUnavailable(await failure(own.run('select 1', [])))).toBe(true)
})
