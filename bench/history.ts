import { loadConfig } from '../src/config.ts'
import type { Database } from '../src/db/database.ts'
import { openDatabase } from '../src/db/open.ts'
import { historyStep } from '../src/repositories/history/step.ts'
import { eventLogOf } from '../src/repositories/log/event-log.ts'
import type { TestTenant } from '../test/support/gateway.ts'
import {
  addMembers,
  groupBody,
  idIn,
  openInstance,
  patchBody,
  removeMember,
  userBody,
} from '../test/support/instances.ts'
import { startPostgres } from '../test/support/postgres-server.ts'

// What a history costs for each change: bytes stored with indexes, bytes of write-ahead log, statements and PostgreSQL's time. Users come,
// join groups that give a role, change and leave, in turns. The history is written at the end of each round, as behind the log.
//
//     npm run bench:history -- [users]      # 2,000 unless it says otherwise

const users = Number(process.argv[2] ?? 2_000)
const GROUPS = 20

const server = await startPostgres()
const database = await openDatabase(loadConfig({ DATABASE_URL: server.url }), () => {})
const instance = await openInstance(database)
try {
  const place = await instance.newPlace()
  const roleRules = [{ group: { pattern: 'Team*' }, role: 'member' }]
  const tenant = await instance.newTenant({ place, settings: { roleRules, history: true } })
  await write(database, tenant)
  const groups: string[] = []
  for (let i = 0; i < GROUPS; i++) groups.push(idIn(await tenant.scim('POST', '/Groups', groupBody(`Team ${i}`))))
  await write(database, tenant)

  const people: string[] = []
  const of = (i: number) => `/Groups/${groups[i % GROUPS]}`
  const rounds: Readonly<Record<string, () => Promise<void>>> = {
    'joiners: user, group and role': async () => {
      for (let i = 0; i < users; i++) {
        people.push(idIn(await tenant.scim('POST', '/Users', userBody(`user-${i}@acme.example`))))
        await tenant.scim('PATCH', of(i), addMembers(people[i] ?? ''))
      }
    },
    'movers: another group': async () => {
      for (const [i, id] of people.entries()) {
        await tenant.scim('PATCH', of(i + 1), addMembers(id))
        await tenant.scim('PATCH', of(i), removeMember(id))
      }
    },
    'leavers: deactivated': async () => {
      for (const id of people)
        await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
    },
    'one request: all users into one group': async () => {
      await tenant.scim('PATCH', of(0), addMembers(...people.slice(0, 1_000)))
    },
  }
  console.log(
    'round | changes | bytes a change | WAL a change | of the events | ms for 1,000 changes, as a client waits',
  )
  let all = { changes: 0, bytes: 0, wal: 0 }
  for (const [name, work] of Object.entries(rounds)) {
    await work()
    while ((await eventLogOf(database, tenant.id).number()) > 0);
    const before = await look(tenant)
    await database.run('vacuum history_states', [], { prepare: false })
    await database.run('vacuum history_grants', [], { prepare: false })
    const wal = await position()
    const began = performance.now()
    await write(database, tenant)
    const [after, walAfter, ms] = [await look(tenant), await position(), performance.now() - began]
    const changes = after.changes - before.changes
    const [bytes, log] = [after.bytes - before.bytes, walAfter - wal]
    all = { changes: all.changes + changes, bytes: all.bytes + bytes, wal: all.wal + log }
    console.log(
      [
        name,
        changes,
        Math.round(bytes / changes),
        Math.round(log / changes),
        Math.round(after.events),
        Math.round((ms / changes) * 1_000),
      ].join(' | '),
    )
  }
  console.log(`all | ${all.changes} | ${Math.round(all.bytes / all.changes)} | ${Math.round(all.wal / all.changes)}`)
} finally {
  await instance.close()
  await database.close()
  await server.stop()
}

/** Writes the history to the end of the log. */
async function write(db: Database, { id }: TestTenant): Promise<void> {
  while ((await eventLogOf(db, id).number()) > 0);
  while ((await historyStep(db, id)) === 'more');
}

async function position(): Promise<number> {
  const [row] = await database.run<{ at: number }>(
    `select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as at`,
    [],
    { prepare: false },
  )
  return row?.at ?? 0
}

/** How many changes the history has, in how many bytes; and how many bytes the log has for each event. */
async function look({ id }: TestTenant): Promise<{ changes: number; bytes: number; events: number }> {
  const [row] = await database.run<{ changes: number; bytes: number; events: number }>(
    `select (
       (select count(*) + count(to_at) from history_states where tenant_id = $1::uuid) +
       (select count(*) + count(to_at) from history_grants where tenant_id = $1::uuid)
     )::float8 as changes,
     (pg_total_relation_size('history_states') + pg_total_relation_size('history_grants') +
       pg_total_relation_size('history_subjects'))::float8 as bytes,
     ((pg_total_relation_size('events') + pg_total_relation_size('event_positions')) / greatest((select count(*) from events), 1))::float8 as events`,
    [id],
    { prepare: false },
  )
  return row ?? { changes: 0, bytes: 0, events: 0 }
}
