import { parseArgs } from 'node:util'
import { type Engine, type FairWorld, openFair } from './fair/world.ts'

// What single queries cost, the dearest that are allowed among them. `--embedded` for the engine inside the process.

const { values: options } = parseArgs({
  options: {
    gateway: { type: 'string' },
    embedded: { type: 'boolean', default: false },
    users: { type: 'string', default: '50000' },
  },
})
const USERS = Number(options.users)
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

const terms = (most: number, term: (i: number) => string) =>
  Array.from({ length: most }, (_, i) => term(i)).join(' or ')

/** Single queries: name, endpoint, filter. Those that are refused say so by their status. */
const queriesOf = ({ largeGroup }: FairWorld): readonly (readonly [string, string, string])[] => [
  ['co on a key', 'Users', 'userName co "zzz"'],
  ['co on a key, 128 times', 'Users', terms(128, (i) => `userName co "z${i}"`)],
  ['co on one value', 'Users', 'title co "zzz"'],
  ['co on one value, 15 times', 'Users', terms(15, (i) => `title co "z${i}"`)],
  ['eq on one value, 37 times', 'Users', terms(37, (i) => `title eq "z${i}"`)],
  [
    'not eq on one value, 37 times',
    'Users',
    Array.from({ length: 37 }, (_, i) => `not (title eq "z${i}")`).join(' and '),
  ],
  ['co on e-mails', 'Users', 'emails co "zzz"'],
  ['co on e-mails, 3 times', 'Users', terms(3, (i) => `emails co "z${i}"`)],
  ["manager's $ref co, 6 times", 'Users', terms(6, (i) => `${ENTERPRISE}:manager.$ref co "z${i}"`)],
  ['groups.display co', 'Users', 'groups.display co "zzz"'],
  ['groups.display sw, of all', 'Users', 'groups.display sw "group"'],
  ['groups.display co, 2 times, of all', 'Users', 'groups.display co "0" or groups.display co "1"'],
  ['groups.value eq', 'Users', `groups.value eq "${largeGroup}"`],
  ['groups.value eq, 6 times', 'Users', terms(6, () => `groups.value eq "${largeGroup}"`)],
  ['groups pr', 'Users', 'groups pr'],
  ['members.display co', 'Groups', 'members.display co "zz"'],
  ['groups.display co, 128 times', 'Users', terms(128, (i) => `groups.display co "z${i}"`)],
]

/** What each query takes by itself, median of three. */
async function single(world: FairWorld): Promise<void> {
  const { loud, users, groups } = world
  say(`${users} users, ${groups} groups, ${options.embedded ? 'embedded' : 'PostgreSQL'}; one query at a time`)
  for (const [name, endpoint, filter] of queriesOf(world)) {
    const times: number[] = []
    let status = 0
    for (let i = 0; i < 3; i++) {
      const start = performance.now()
      const answer = await fetch(`${loud.base}/${endpoint}/.search`, {
        method: 'POST',
        headers: loud.headers,
        body: JSON.stringify({
          schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'],
          ...{ filter, count: 1 },
        }),
      })
      await answer.text()
      times.push(performance.now() - start)
      status = answer.status
    }
    say(`${name.padEnd(36)} ${status} ${(times.sort((a, b) => a - b)[1] ?? 0).toFixed(0).padStart(7)} ms`)
  }
}

const say = (line: string) => void process.stdout.write(`${line}\n`)

const engine: Engine = options.embedded ? 'embedded' : 'postgres'
const fair = await openFair(engine, USERS, options.gateway)
try {
  await single(fair.world)
} finally {
  await fair.stop()
}
process.exit()
