import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { ConnectionLost } from '../../src/db/errors.ts'
import { batched } from '../../src/repositories/sql/batched.ts'
import { openTestDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { type Instance, idIn, json, listedIds, openInstance, userBody } from '../support/instances.ts'
import { withRun } from '../support/statements.ts'

const USERS = 12

let instance: Instance
/** How many have read resources. */
let statements = 0
/** Ids of each tenant's users, who have the same names and addresses in both. */
let places: { tenant: TestTenant; ids: string[] }[]

beforeAll(async () => {
  const database = await openTestDatabase()
  const counting = withRun(database, (handle, statement, ...rest) => {
    if (statement.includes('resources r')) statements += 1
    return handle.run(statement, ...rest)
  })
  instance = await openInstance(counting)
  places = []
  for (const _ of ['one', 'another']) {
    const tenant = await instance.newTenant()
    const ids: string[] = []
    for (let n = 0; n < USERS; n++) {
      const emails = [{ type: 'work', value: `user${n}@x.test` }]
      ids.push(idIn(await tenant.scim('POST', '/Users', userBody(`user${n}`, { title: `Title ${n % 4}`, emails }))))
    }
    places.push({ tenant, ids })
  }
})
afterAll(() => instance.close())

/** Asks all of it of both tenants at once; the number of statements that have read resources for it. */
async function atOnce(ask: (tenant: TestTenant, ids: readonly string[], n: number) => Promise<void>): Promise<number> {
  const before = statements
  await Promise.all(places.flatMap(({ tenant, ids }) => ids.map((_, n) => ask(tenant, ids, n))))
  return statements - before
}

const found = async (tenant: TestTenant, filter: string) =>
  listedIds(await tenant.scim('GET', `/Users?filter=${encodeURIComponent(filter)}`))

describe('TEN-04 TEN-08 requests that come at once share a statement, and each gets its own answer', () => {
  test('by id', async () => {
    const taken = await atOnce(async (tenant, ids, n) => {
      const answer = await tenant.scim('GET', `/Users/${ids[n]}`)
      expect(json(answer)).toMatchObject({ id: ids[n], userName: `user${n}` })
    })
    expect(taken).toBeLessThan(USERS)
  })

  test('by the id of a user of the other tenant, among one’s own', async () => {
    const theirs = (ids: readonly string[]) => places.find((place) => place.ids !== ids)?.ids ?? []
    await atOnce(async (tenant, ids, n) => {
      const own = n % 2 === 0
      const answer = await tenant.scim('GET', `/Users/${own ? ids[n] : theirs(ids)[n]}`)
      expect(answer.status).toBe(own ? 200 : 404)
    })
  })

  test.each([
    ['a key', (n: number) => `userName eq "USER${n}"`],
    ['an address', (n: number) => `emails.value eq "user${n}@x.test"`],
    ['an address of a type', (n: number) => `emails[type eq "work" and value eq "user${n}@x.test"]`],
  ])('by %s', async (_, filter) => {
    const taken = await atOnce(async (tenant, ids, n) => expect(await found(tenant, filter(n))).toEqual([ids[n]]))
    expect(taken).toBeLessThan(USERS)
  })

  test('by any other attribute, of which there are several', async () => {
    const taken = await atOnce(async (tenant, ids, n) => {
      const same = ids.filter((_, other) => other % 4 === n % 4)
      expect((await found(tenant, `title eq "title ${n % 4}"`)).toSorted()).toEqual(same.toSorted())
    })
    expect(taken).toBeLessThan(USERS)
  })

  test('that have no user as an answer, among those that have', async () => {
    await atOnce(async (tenant, ids, n) => {
      const name = n % 2 === 0 ? `user${n}` : `nobody${n}`
      expect(await found(tenant, `userName eq "${name}"`)).toEqual(n % 2 === 0 ? [ids[n]] : [])
    })
  })
})

describe('questions asked together', () => {
  const db = {} as Database
  const numbers = [1, 2, 3]

  test('what is wrong with one is told to no other', async () => {
    const asked: (readonly number[])[] = []
    const ask = async (questions: readonly number[]) => {
      asked.push(questions)
      if (questions.includes(2)) throw Object.assign(new Error('invalid byte sequence'), { code: '22021' })
      return questions.map((n) => n * 10)
    }
    const answers = await Promise.allSettled(
      numbers.map((n) => batched(db, 'one is wrong', { question: n, reader: undefined }, ask)),
    )
    expect(answers).toMatchObject([{ value: 10 }, { reason: { code: '22021' } }, { value: 30 }])
    expect(asked).toEqual([[1, 2, 3], [1], [2], [3]])
  })

  test('are not asked again where there is no database', async () => {
    let times = 0
    const ask = (): Promise<number[]> => {
      times += 1
      return Promise.reject(new ConnectionLost('gone'))
    }
    const answers = await Promise.allSettled(
      numbers.map((n) => batched(db, 'no database', { question: n, reader: undefined }, ask)),
    )
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(times).toBe(1)
  })

  test('under another name, or of another database, are asked apart', async () => {
    const sizes: number[] = []
    const ask = async (questions: readonly number[]) => {
      sizes.push(questions.length)
      return [...questions]
    }
    const names: [Database, string][] = [
      [db, 'a'],
      [db, 'b'],
      [{} as Database, 'a'],
      [db, 'a'],
    ]
    const answers = await Promise.all(
      names.map(([at, name], n) => batched(at, name, { question: n, reader: undefined }, ask)),
    )
    expect(answers).toEqual([0, 1, 2, 3])
    expect(sizes).toEqual([2, 1, 1])
  })
})
