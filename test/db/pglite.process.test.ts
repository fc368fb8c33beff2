import fs, { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { READERS } from '../../src/db/database.ts'
import { CannotOpen, isOutOfTime, isUnavailable } from '../../src/db/errors.ts'
import { ensureImage, unpackImage } from '../../src/db/image.ts'
import { openPglite, served } from '../../src/db/pglite.ts'
import { answering, openEngine } from '../../src/db/pglite-engine.ts'
import { engineThread } from '../../src/db/pglite-port.ts'
import { PgliteServer } from '../../src/db/pglite-server.ts'
import { vacuumDue } from '../../src/db/pglite-vacuum.ts'
import { runProgram } from '../support/children.ts'
import { newStoreFolder } from '../support/store-folder.ts'

let parent: string
let dataDir: string
beforeEach(() => {
  parent = newStoreFolder()
  dataDir = join(parent, 'not', 'there', 'yet')
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))

const never = (reason: string): never => {
  throw new Error(reason)
}
const open = () => openPglite({ dataDir }, never)
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

test('the first start makes the folder, for its owner alone, and the next one finds what was stored', async () => {
  const first = await open()
  await first.run('create table kept as select 1 as n', [])
  await first.close()
  expect([mode(dataDir), mode(join(dataDir, 'database'))]).toEqual(['700', '700'])
  expect(readdirSync(join(dataDir, 'lock'))).toEqual([])
  const second = await open()
  expect(await second.run('select n from kept', [])).toEqual([{ n: 1 }])
  await second.close()
})

test('a folder with tables of a newer release that this build cannot serve is refused, and free for that release', async () => {
  const first = await open()
  await first.run(`update schema_compatibility set needs_migration = '9001_later', needs_release = '9.0.0'`, [])
  await first.close()
  const refused = await open().catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(CannotOpen)
  expect((refused as Error).message).toMatch(
    /the database has tables of Rollcall 9\.0\.0, .* run Rollcall 9\.0\.0 or later/,
  )
  expect(readdirSync(join(dataDir, 'lock'))).toEqual([])
})

/** The modes of all files and folders below `folder`, each once. */
const modesBelow = (folder: string) => {
  const below = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isSocket())
  return new Set(
    below.map((entry) => `${entry.isDirectory() ? 'folder' : 'file'} ${mode(join(entry.parentPath, entry.name))}`),
  )
}

test('its files are for the owner alone, those that it makes later and those that an earlier version has made', async () => {
  const first = await open()
  await first.run('create table later as select 1 as n', [])
  await first.run('checkpoint', [])
  const own = new Set(['folder 700', 'file 600'])
  expect(modesBelow(join(dataDir, 'database'))).toEqual(own)
  await first.close()
  for (const entry of readdirSync(join(dataDir, 'database'), { recursive: true, withFileTypes: true }))
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o666)
  const second = await open()
  expect(modesBelow(join(dataDir, 'database'))).toEqual(own)
  expect(await second.run('select n from later', [])).toEqual([{ n: 1 }])
  await second.close()
})

test('what a first start left when it was killed half-way is cleared away', async () => {
  mkdirSync(join(dataDir, 'database', 'base'), { recursive: true })
  writeFileSync(join(dataDir, 'database', 'PG_VERSION'), '18')
  writeFileSync(join(dataDir, 'database.unfinished'), '')
  const database = await open()
  expect(readdirSync(dataDir).sort()).toEqual(['database', 'lock'])
  await database.close()
})

test('files of another version of the engine are refused, with what to do; they stay as they are', async () => {
  await (await open()).close()
  const version = join(dataDir, 'database', 'PG_VERSION')
  const own = readFileSync(version, 'utf8')
  writeFileSync(version, '17\n')
  const error = await open().catch((e: unknown) => e)
  expect(error).toBeInstanceOf(CannotOpen)
  expect((error as Error).message).toMatch(
    /^the database in .* has files of PostgreSQL 17, .*run rollcall upgrade --from FILE with this one$/,
  )
  writeFileSync(version, own)
  const database = await open()
  expect(await database.run('select version() like $1 as same', [`PostgreSQL ${own.trim()}.%`])).toEqual([
    { same: true },
  ])
  await database.close()
})

test('files that the engine does not take are one line, in the engine’s own words', async () => {
  await (await open()).close()
  rmSync(join(dataDir, 'database', 'global', 'pg_control'))
  await expect(open()).rejects.toThrow(/^the data folder .* cannot be used \(DATA_DIR\): .*pg_control.*$/)
})

test('an engine that stops is lost, which the process is told with its last words; what waits for it is told as well', async () => {
  const reasons: string[] = []
  const database = await openPglite({ dataDir }, (reason) => reasons.push(reason))
  rmSync(join(dataDir, 'database', 'pg_wal'), { recursive: true })
  const write = database.run('create table lost as select generate_series(1, 1000000) as n', [])
  const waiting = database.run('select 1 as n', [])
  for (const statement of [write, waiting]) await expect(statement).rejects.toSatisfy(isUnavailable)
  expect(reasons).toEqual([expect.stringMatching(/^the embedded engine has stopped: could not .*pg_wal/)])
  await expect(database.run('select 1 as n', [])).rejects.toSatisfy(isUnavailable)
  await database.close()
})

test('a second opener of the folder is refused, and the first goes on', async () => {
  const database = await open()
  await expect(open()).rejects.toThrow(/is in use by another process/)
  expect(await database.run('select 1 as n', [])).toEqual([{ n: 1 }])
  await database.close()
})

test('a folder that cannot be made is one line for the operator', async () => {
  writeFileSync(join(parent, 'not'), 'a file')
  const error = await open().catch((e: unknown) => e)
  expect(error).toBeInstanceOf(CannotOpen)
  expect((error as Error).message).toMatch(/^the data folder .* cannot be used \(DATA_DIR\): .*$/)
})

test('work of many statements lets the event loop turn', async () => {
  const database = await open()
  let turned = false
  setImmediate(() => {
    turned = true
  })
  const end = performance.now() + 60_000
  while (!turned && performance.now() < end) await database.run('select 1', [])
  expect(turned).toBe(true)
  await database.close()
})

test('every commit is flushed to disk before it is answered', async () => {
  // In this thread, where the system's own fsync can be watched.
  const folder = join(parent, 'flushed')
  mkdirSync(folder)
  await unpackImage(await ensureImage(), folder)
  const { client } = await openEngine(folder, never)
  const answer = answering(client)
  const query = (sql: string) => answer(Buffer.from(`Q\0\0\0${String.fromCharCode(sql.length + 5)}${sql}\0`, 'latin1'))
  await query('create table flushed (n int)')
  const original = fs.fsyncSync
  let flushes = 0
  fs.fsyncSync = (handle) => {
    flushes++
    original(handle)
  }
  syncBuiltinESMExports()
  try {
    for (let n = 1; n <= 10; n++) {
      await query(`insert into flushed values (${n})`)
      expect(flushes).toBeGreaterThanOrEqual(n)
    }
  } finally {
    fs.fsyncSync = original
    syncBuiltinESMExports()
    await client.close()
  }
})

/** What PostgreSQL's control file says of a database that was closed; it stands behind an id and two versions. */
const SHUT_DOWN = 1
const STATE_AT = 16

test('a new database recovers nothing and has no templates: its image was closed, and holds one database', async () => {
  const folder = join(parent, 'unpacked')
  mkdirSync(folder)
  await unpackImage(await ensureImage(), folder)
  expect(readFileSync(join(folder, 'global/pg_control')).readUInt32LE(STATE_AT)).toBe(SHUT_DOWN)
  expect(readdirSync(join(folder, 'base'))).toHaveLength(1)
})

test('a thread that was started ahead ends with an open that is refused', async () => {
  const database = await open()
  const thread = engineThread()
  let ended = 0
  const end = () => {
    ended++
    return thread.end()
  }
  await expect(openPglite({ dataDir }, never, { thread: { ...thread, end } })).rejects.toThrow(
    /is in use by another process/,
  )
  expect(ended).toBe(1)
  await database.close()
})

test('functions of the language PL/pgSQL, which is a library of the engine, do run', async () => {
  const database = await open()
  await database.run("create function two() returns int language plpgsql as 'begin return 2; end'", [])
  expect(await database.run('select two() as n', [])).toEqual([{ n: 2 }])
  await database.close()
})

/** A statement of minutes. */
const LONG = 'select count(*) from generate_series(1, 3000000000)'

test('while a statement runs, its process goes on; a read ends with its time, and the next statement is none the worse', async () => {
  const database = await openPglite({ dataDir, readTimeoutMs: 300, requestTimeoutMs: 60_000 }, never)
  const events: string[] = []
  const read = database.run(LONG, [], { reader: READERS }).catch((error: unknown) => {
    events.push('read ended')
    return error
  })
  const waiting = database.run('select 1 as n', []).finally(() => events.push('next answered'))
  await new Promise((resolve) => setTimeout(resolve, 1))
  events.push('a timer')
  expect(await read).toMatchObject({ code: 'READ_TOO_LONG', limitMs: 300 })
  expect(await waiting).toEqual([{ n: 1 }])
  expect(events).toEqual(['a timer', 'read ended', 'next answered'])
  await database.close()
})

test('a read ends with its reader', async () => {
  const database = await openPglite({ dataDir, readTimeoutMs: 30_000, requestTimeoutMs: 60_000 }, never)
  const reader = new AbortController()
  const read = database.run(LONG, [], { reader: { signal: reader.signal } })
  setTimeout(() => reader.abort(), 200)
  await expect(read).rejects.toMatchObject({ code: 'READER_GONE' })
  expect(await database.run('select 1 as n', [])).toEqual([{ n: 1 }])
  await database.close()
})

test.each(['a read whose reader leaves', 'a write whose time ends'])(
  '%s before the connection is open takes nothing along: the connection serves the next statement',
  async (what) => {
    const folder = join(parent, 'late')
    mkdirSync(folder)
    await unpackImage(await ensureImage(), folder)
    const { client } = await openEngine(folder, never)
    const answer = answering(client)
    let letGo = () => {}
    const opens = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const engine = {
      ask: async (messages: Uint8Array) => {
        await opens
        return answer(messages)
      },
      cancel: () => {},
      close: () => client.close(),
    }
    const database = served(new PgliteServer(engine, 30_000), { requestTimeoutMs: 1_000 }, {})
    const reader = AbortSignal.abort()
    const isRead = what.startsWith('a read')
    const late = isRead
      ? database.run('select 1', [], { reader: { signal: reader } })
      : database.run('create table late as select 1 as n', [])
    if (isRead) await expect(late).rejects.toMatchObject({ code: 'READER_GONE' })
    else await expect(late).rejects.toSatisfy((error) => isUnavailable(error) && isOutOfTime(error))
    letGo()
    await expect
      .poll(() => database.run(`select to_regclass('late') as late`, []).catch((error: unknown) => error))
      .toEqual([{ late: null }])
    await database.close()
  },
)

test('a write ends with its time, has changed nothing, and lets others go on', async () => {
  const database = await openPglite({ dataDir }, never, { statementTimeoutMs: 300 })
  await database.run('create table changed as select 1 as n', [])
  const write = database.run(`update changed set n = (${LONG})`, [])
  const begun = database.transaction(async (tx) => {
    await tx.run('insert into changed values (2)', [])
    await tx.run(`insert into changed ${LONG}`, [])
  })
  await expect(write).rejects.toSatisfy((error) => isUnavailable(error) && isOutOfTime(error))
  await expect(begun).rejects.toMatchObject({ code: '57014' })
  expect(await database.run('select n from changed', [])).toEqual([{ n: 1 }])
  await database.close()
})

test('kill -9 while writing loses nothing that was acknowledged and tears nothing', async () => {
  let acknowledged = 0
  for (let round = 0; round < 3; round++) {
    const writer = runProgram('write-rows', [dataDir])
    await writer.says(`${acknowledged + 20 + 15 * round}\n`)
    writer.process.kill('SIGKILL')
    await writer.ended()
    acknowledged = Number(writer.stdout().trim().split('\n').at(-1))
  }
  const database = await open()
  const pairs = await database.run<{ n: number; halves: number }>(
    'select n, count(*)::int as halves from pairs group by n order by n',
    [],
  )
  expect(pairs.every(({ n, halves }, index) => n === index + 1 && halves === 2)).toBe(true)
  // One more may have been stored whose acknowledgement did not get out.
  expect([acknowledged, acknowledged + 1]).toContain(pairs.length)
  await database.close()
})

test('kill -9 in the middle of the first start leaves a folder that starts', async () => {
  for (const afterMs of [600, 900, 1300]) {
    const writer = runProgram('write-rows', [dataDir])
    // The engine says nothing while it makes its folder: the clock alone leads into the middle.
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    writer.process.kill('SIGKILL')
    await writer.ended()
  }
  const database = await open()
  expect(await database.run('select 1 as n', [])).toEqual([{ n: 1 }])
  await database.close()
})

test('tables that have changed much are vacuumed and analysed, others are left alone', async () => {
  const database = await open()
  await database.run('create table busy (n int)', [])
  await database.run('create table quiet as select 1 as n', [])
  await database.run('insert into busy select generate_series(1, 1000)', [])
  await database.run('update busy set n = n + 1', [])
  await database.run('create table grown as select generate_series(1, 500) as n', [])
  await vacuumDue(database)
  const rows = await database.run(
    `select relname, last_vacuum is not null as vacuumed, last_analyze is not null as analysed from pg_stat_user_tables
     where relname in ('busy', 'grown', 'quiet') order by relname`,
    [],
  )
  expect(rows).toEqual([
    { relname: 'busy', vacuumed: true, analysed: true },
    { relname: 'grown', vacuumed: false, analysed: true },
    { relname: 'quiet', vacuumed: false, analysed: false },
  ])
  await database.close()
})
