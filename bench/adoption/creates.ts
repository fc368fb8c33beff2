import type { TestTenant } from '../../test/support/gateway.ts'
import { userBody } from '../../test/support/instances.ts'
import type { World } from './world.ts'

/** Creates before the first window, in one window, and the windows of each tenant. */
const [WARM_UP, CREATES, ROUNDS] = [100, 200, 5]
/** As many users are created in each tenant. */
export const CREATED = WARM_UP + ROUNDS * CREATES

/** By its key among the tenants: what its creates meet, in words. */
const MEETS = { none: 'no accounts', beside: 'accounts, none of them met', met: 'each meets its account' } as const
export type Sides = Readonly<Record<keyof typeof MEETS, TestTenant>>

/** The externalId of the nth user of `side`. */
export const externalIdOf = (side: keyof Sides, n: number): string => `${side} ${n}`

/** Creates users in each tenant, in turns, and tells what a create costs: statements, bytes of log, and time. */
export async function measureCreates({ database, instance }: World, sides: Sides): Promise<void> {
  const names = Object.keys(sides) as (keyof Sides)[]
  const create = async (side: keyof Sides, n: number) => {
    const body = userBody(`${side} ${n}@a.example`, { externalId: externalIdOf(side, n) })
    const { status, text } = await sides[side].scim('POST', '/Users', body)
    if (status !== 201) throw new Error(text)
  }
  const written = async () => {
    const [row] = await database.run<{ at: number }>(
      'select (pg_current_wal_insert_lsn() - $1::text::pg_lsn)::float8 as at',
      ['0/0'],
    )
    return row?.at ?? Number.NaN
  }
  let made = 0
  for (; made < WARM_UP; made++) for (const name of names) await create(name, made)
  const samples = new Map(names.map((name) => [name, [] as { bytes: number; ms: number; statements: number }[]]))
  for (let round = 0; round < ROUNDS; round++, made += CREATES) {
    // Who is first changes, since the first writes of a round find other pages than the last ones.
    for (const [i] of names.entries()) {
      const name = names[(i + round) % names.length] as keyof Sides
      const [from, began] = [await written(), performance.now()]
      const { statements } = await instance.recorder.during(async () => {
        for (let n = made; n < made + CREATES; n++) await create(name, n)
      })
      const ms = (performance.now() - began) / CREATES
      const bytes = ((await written()) - from) / CREATES
      samples.get(name)?.push({ bytes, ms, statements: statements.length / CREATES })
    }
  }
  for (const name of names) {
    const of = (what: 'bytes' | 'ms' | 'statements') => median((samples.get(name) ?? []).map((sample) => sample[what]))
    console.log(
      `a create, ${MEETS[name]}: ${of('statements').toFixed(2)} statements, ${of('bytes').toFixed(0)} bytes of log, ${of('ms').toFixed(2)} ms`,
    )
  }
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
