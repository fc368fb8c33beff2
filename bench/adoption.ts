import { loadConfig } from '../src/config.ts'
import { openDatabase } from '../src/db/open.ts'
import { ORIGIN, openInstance, userBody } from '../test/support/instances.ts'
import { startPostgres } from '../test/support/postgres-server.ts'

// What adoption costs a create: statements, bytes of write-ahead log and PostgreSQL's time, in tenants without accounts and with some,
// their creates in turns. And the drift of a tenant with as many accounts: each planted difference is found, and no other.
//
//     npm run bench:adoption -- [accounts]      # 100,000 unless it says otherwise

const ADMIN = 'bench-admin-key-with-some-length'
const accounts = Number(process.argv[2] ?? 100_000)
const [CREATES, WARM_UP, ROUNDS] = [200, 100, 3]
const PLANTED_EACH = 100

const server = await startPostgres()
const database = await openDatabase(loadConfig({ DATABASE_URL: server.url }), () => {})
const instance = await openInstance(database, { ADMIN_KEY: ADMIN })
try {
  const place = await instance.newPlace()
  const sides = {
    none: await instance.newTenant({ place }),
    beside: await instance.newTenant({ place }),
    met: await instance.newTenant({ place }),
  }
  const [project, environment] = place.base.split('/').slice(-2)
  const admin = async (
    method: string,
    tenant: { name: string },
    path: string,
    body?: string,
    type = 'application/json',
  ) => {
    const url = `${ORIGIN}/api/v1/projects/${project}/environments/${environment}/tenants/${tenant.name}${path}`
    const headers = { Authorization: `Bearer ${ADMIN}`, ...(body === undefined ? {} : { 'Content-Type': type }) }
    const answer = await instance.send(new Request(url, { method, headers, ...(body === undefined ? {} : { body }) }))
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as Record<string, number>
  }
  const post = async (tenant: { name: string }, all: readonly object[]) => {
    const began = performance.now()
    for (let from = 0; from < all.length; from += 5_000) {
      const lines = all.slice(from, from + 5_000).map((one) => JSON.stringify(one))
      await admin('POST', tenant, '/accounts?run=bench', lines.join('\n'), 'application/x-ndjson')
    }
    return performance.now() - began
  }
  const strangers = Array.from({ length: accounts }, (_, i) => ({
    id: `a${i}`,
    externalId: `other${i}`,
    addresses: [`other${i}@a.example`],
  }))
  const postedMs = await post(sides.beside, strangers)
  const wanted = WARM_UP + ROUNDS * CREATES
  await post(sides.met, [
    ...strangers,
    ...Array.from({ length: wanted }, (_, i) => ({ id: `m${i}`, externalId: `met ${i}` })),
  ])
  await database.run('analyze', [], { prepare: false })
  console.log(`${accounts} accounts were posted in ${(postedMs / 1000).toFixed(1)} s`)

  let made = 0
  const one = async (name: keyof typeof sides, i: number) => {
    const { status, text } = await sides[name].scim(
      'POST',
      '/Users',
      userBody(`${name} ${i}@a.example`, { externalId: `${name} ${i}` }),
    )
    if (status !== 201) throw new Error(text)
  }
  const wal = async () =>
    Number(
      (
        await database.run<{ at: string }>('select (pg_current_wal_insert_lsn() - $1::text::pg_lsn)::text as at', [
          '0/0',
        ])
      )[0]?.at,
    )
  const names = Object.keys(sides) as (keyof typeof sides)[]
  const samples = new Map(names.map((name) => [name, [] as { bytes: number; ms: number; statements: number }[]]))
  for (let i = 0; i < WARM_UP; i++) for (const name of names) await one(name, made + i)
  made += WARM_UP
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of names) {
      const [from, began] = [await wal(), performance.now()]
      const { statements } = await instance.recorder.during(async () => {
        for (let i = 0; i < CREATES; i++) await one(name, made + i)
      })
      const ms = performance.now() - began
      samples
        .get(name)
        ?.push({ bytes: ((await wal()) - from) / CREATES, ms: ms / CREATES, statements: statements.length / CREATES })
    }
    made += CREATES
  }
  const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
  for (const name of names) {
    const all = samples.get(name) ?? []
    const of = (what: 'bytes' | 'ms' | 'statements') => median(all.map((sample) => sample[what]))
    const words = { none: 'no accounts', beside: 'accounts, none of them met', met: 'each meets its account' }[name]
    console.log(
      `a create, ${words}: ${of('statements').toFixed(2)} statements, ${of('bytes').toFixed(0)} bytes of log, ${of('ms').toFixed(2)} ms`,
    )
  }

  // Drift: users of the accounts by SQL, linked to them, with differences far apart.
  const { id: tenant } = sides.beside
  const drifting = Math.floor(accounts / (10 * PLANTED_EACH))
  await database.run(
    `with u as (
       insert into resources (tenant_id, id, resource_type, unique_key, document, active, created_at, modified_at)
       select $1::uuid, gen_random_uuid(), 'User', 'drift' || i, '{"schemas":[],"userName":"drift' || i || '"}', i % $3::int <> 1, now(), now()
       from generate_series(0, $2::int - 1) i returning id, unique_key
     )
     update accounts a set user_id = u.id, active = substr(a.account_id, 2)::int % $3::int <> 2 from u
     where a.tenant_id = $1::uuid and a.account_id = 'a' || substr(u.unique_key, 6)`,
    [tenant, accounts, drifting],
    { prepare: false },
  )
  const before = await admin('GET', sides.beside, '/account-drift/summary')
  const expected = { ghost: Math.ceil((accounts - 1) / drifting), state: Math.ceil((accounts - 2) / drifting) }
  const began = performance.now()
  const found = await admin('GET', sides.beside, '/account-drift/summary')
  console.log(
    `drift of ${accounts} accounts: ${JSON.stringify(found)} in ${(performance.now() - began).toFixed(0)} ms; planted ${JSON.stringify(expected)}`,
  )
  if (before.ghost !== expected.ghost || before.state !== expected.state) throw new Error('drift was not found exactly')
} finally {
  await instance.close()
  await database.close()
  await server.stop()
}
