import { openPglite } from '../../../src/db/pglite.ts'

// Writes pairs of rows for ever, each pair in one transaction, and prints the number of each pair that was acknowledged.
const [dataDir = ''] = process.argv.slice(2)
const database = await openPglite({ dataDir }, console.error)
await database.run('create table if not exists pairs (n int, half int, primary key (n, half))', [])
const [last] = await database.run<{ n: number }>('select coalesce(max(n), 0)::int as n from pairs', [])
for (let n = (last?.n ?? 0) + 1; ; n++) {
  await database.transaction(async (tx) => {
    await tx.run('insert into pairs values ($1, 1)', [n])
    await tx.run('insert into pairs values ($1, 2)', [n])
  })
  process.stdout.write(`${n}\n`)
}
