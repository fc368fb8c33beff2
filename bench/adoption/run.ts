import { parseArgs } from 'node:util'
import { CREATED, externalIdOf, measureCreates } from './creates.ts'
import { measureDrift, STRETCH } from './drift.ts'
import { postTwice } from './posting.ts'
import { type Account, openWorld } from './world.ts'

// What adoption costs: posting accounts, resumed and repeated; a create in tenants without accounts and with some; the drift of as many
// users and accounts, in which each planted difference is found, and no other.
//
//     npm run bench:adoption -- [accounts] [--engine pglite]      # 100,000 on PostgreSQL unless it says otherwise

const { values, positionals } = parseArgs({
  options: { engine: { type: 'string', default: 'postgres' } },
  allowPositionals: true,
})
const accounts = Number(positionals[0] ?? 100_000)
const { engine } = values
if (engine !== 'postgres' && engine !== 'pglite') throw new Error('--engine takes postgres or pglite')
if (!(accounts >= STRETCH)) throw new Error(`the number of accounts is ${STRETCH} at least`)

const world = await openWorld(engine)
try {
  const { instance, place } = world
  const sides = {
    none: await instance.newTenant({ place }),
    beside: await instance.newTenant({ place }),
    met: await instance.newTenant({ place }),
  }
  const strangers = Array.from(
    { length: accounts },
    (_, i): Account => ({
      ...{ id: `a${i}`, externalId: `other${i}`, addresses: [`other${i}@a.example`] },
    }),
  )
  await postTwice(world, sides.beside, strangers)
  const met = Array.from({ length: CREATED }, (_, i) => ({ id: `m${i}`, externalId: externalIdOf('met', i) }))
  await world.post(sides.met, 'first', [...strangers, ...met])
  await world.database.run('analyze', [], { prepare: false })
  await measureCreates(world, sides)
  await measureDrift(world, accounts)
} finally {
  await world.close()
}
