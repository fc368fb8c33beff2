import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { backupOf } from '../../src/backup/dump.ts'
import { EXIT } from '../../src/cli/failure.ts'
import { loadConfig } from '../../src/config.ts'
import { refuseCopy } from '../../src/db/disk-room.ts'
import { makeImage } from '../../src/db/image.ts'
import { migrationsIn } from '../../src/db/migrations.ts'
import { openDatabase } from '../../src/db/open.ts'
import { openPgliteInMemory } from '../../src/db/pglite.ts'
import { rollcall, rollcallJson } from '../support/cli.ts'
import { idleDeliveries } from '../support/deliveries.ts'
import { engineName } from '../support/engines.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { newStoreFolder } from '../support/store-folder.ts'

const embedded = engineName() === 'pglite'
const SECRETS = { SECRETS_KEY: 'a-key-of-more-than-thirty-two-letters', PUBLIC_URL: 'https://scim.example.com' }

const never = (reason: string): never => {
  throw new Error(reason)
}
const openFolder = (dataDir: string) => openDatabase(loadConfig({ DATA_DIR: dataDir }), never)

/** A gateway on a folder, and what closes both. */
async function gatewayOn(dataDir: string): Promise<Gateway> {
  const database = await openFolder(dataDir)
  const gateway = await openGateway({ ...SECRETS, DATA_DIR: dataDir }, () => database)
  return {
    ...gateway,
    close: async () => {
      await gateway.close()
      await database.close()
    },
  }
}

/** What a backup says of the tables: all but its time and its checksum. */
const contentOf = (file: string) => gunzipSync(readFileSync(file)).toString().split('\n').slice(1, -2)

let parent: string
let file: string
beforeEach(() => {
  parent = newStoreFolder()
  file = join(parent, 'backup.gz')
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))

describe.runIf(embedded)('a gateway on a folder', () => {
  let folder: string
  let gateway: Gateway
  let env: Record<string, string>
  beforeAll(async () => {
    folder = newStoreFolder()
    gateway = await gatewayOn(folder)
    env = { ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey }
  })
  afterAll(async () => {
    await gateway.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const ask = (path: string, key: string, init: RequestInit = {}) =>
    fetch(gateway.origin + path, { ...init, headers: { Authorization: `Bearer ${key}`, ...init.headers } })
  const post = (path: string, body: object) =>
    ask(`/api/v1/projects/${gateway.project}/environments/${gateway.environment}${path}`, gateway.adminKey, {
      ...{ method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) },
    })

  test('is backed up while it is written to, and what is restored is one moment of it, to the letter', async () => {
    const settings = { maxActiveUsers: 100_000, brakeMinimum: 3 }
    const tenant = await gateway.newTenant({ settings })
    const made = await post('/webhooks', { url: 'https://hooks.invalid/', events: ['*'] })
    expect(made.status).toBe(201)
    const create = (userName: string) =>
      tenant.scim('POST', '/Users', { schemas: [USER], userName, displayName: 'Zoë \u2028 "ß" \\ 😀' })
    const users = await Promise.all(Array.from({ length: 30 }, (_, n) => create(`before-${n}@acme.example`)))
    const members = users.map(({ body }) => ({ value: (body as { id: string }).id }))
    const group = await tenant.scim('POST', '/Groups', { schemas: [GROUP], displayName: 'All', members })
    expect(group.status).toBe(201)
    for (const { value } of members.slice(0, 5))
      expect((await tenant.scim('DELETE', `/Users/${value}`)).status).toBe(204)

    const deliveries = idleDeliveries(gateway.database)
    deliveries.start()
    let over = false
    let meanwhile = 0
    const writing = (async () => {
      while (!over) {
        expect((await create(`meanwhile-${meanwhile}@acme.example`)).status).toBe(201)
        meanwhile++
      }
    })()
    const numbered = 'select 1 from event_positions where tenant_id = $1::uuid limit 1'
    const isNumbered = async () => (await gateway.database.run(numbered, [tenant.id])).length > 0
    await vi.waitUntil(async () => meanwhile > 0 && (await isNumbered()), { timeout: 60_000 })
    await rollcallJson(env, 'backup', file)
    over = true
    await writing
    await deliveries.stop()
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600')
    expect(readdirSync(parent)).toEqual(['backup.gz'])
    expect(existsSync(join(folder, 'database.copy'))).toBe(false)

    const restored = join(parent, 'not', 'there')
    await rollcallJson({ DATA_DIR: restored }, 'restore', file)
    const again = join(parent, 'again.gz')
    await rollcallJson({ DATA_DIR: restored }, 'backup', again)
    expect(contentOf(again)).toEqual(contentOf(file))

    const database = await openFolder(restored)
    const [found] = await database.run<Record<string, number>>(
      `select (select count(*)::int from resources where resource_type = 'User' and tenant_id = $1::uuid) as users,
         (select count(*)::int from events where tenant_id = $1::uuid and type = 'user.created') as created,
         (select count(*)::int from events where tenant_id = $1::uuid) as events,
         (select count(*)::int from event_positions where tenant_id = $1::uuid) as numbered,
         (select count(*)::int from waiting_events where tenant_id = $1::uuid) as waiting,
         (select coalesce(max(position), 0)::int from event_positions where tenant_id = $1::uuid) as head,
         (select count(*)::int from memberships where tenant_id = $1::uuid) as members`,
      [tenant.id],
    )
    await database.close()
    const { users: there = 0, events = 0, numbered: positions = 0, waiting = 0 } = found ?? {}
    expect(there).toBeGreaterThan(25)
    expect(there).toBeLessThanOrEqual(25 + meanwhile)
    expect(found).toMatchObject({ created: there + 5, members: 25, head: positions })
    expect(positions).toBeGreaterThan(0)
    expect(positions + waiting).toBe(events)
  })

  test('is served from what was restored as it was before, to the same key, and takes changes', async () => {
    const tenant = await gateway.newTenant()
    const members: { value: string }[] = []
    for (const n of [1, 2, 3]) {
      const { body } = await tenant.scim('POST', '/Users', { schemas: [USER], userName: `u${n}@acme.example` })
      members.push({ value: (body as { id: string }).id })
    }
    await tenant.scim('POST', '/Groups', { schemas: [GROUP], displayName: 'All', members })
    const address = tenant.base.slice(gateway.origin.length)
    const seen = async (origin: string) => {
      const read = async (path: string) => {
        const response = await fetch(origin + path, { headers: { Authorization: `Bearer ${tenant.key}` } })
        expect(response.status).toBe(200)
        return response.text()
      }
      return [await read(`${address}/Users`), await read(`${address}/Groups`), await read(`${address}/Schemas`)]
    }
    const before = await seen(gateway.origin)
    await rollcallJson(env, 'backup', file)
    const dataDir = join(parent, 'restored')
    await rollcallJson({ DATA_DIR: dataDir }, 'restore', file)
    const restored = await gatewayOn(dataDir)
    try {
      expect(await seen(restored.origin)).toEqual(before)
      const response = await fetch(`${restored.origin}${address}/Users`, {
        ...{
          method: 'POST',
          headers: { Authorization: `Bearer ${tenant.key}`, 'Content-Type': 'application/scim+json' },
        },
        body: JSON.stringify({ schemas: [USER], userName: 'new@acme.example' }),
      })
      expect(response.status).toBe(201)
      expect(restored.errors).toEqual([])
    } finally {
      await restored.close()
    }
  })

  test('gives its backup to a key of the instance that may administer and read people, and to no other', async () => {
    const made = await ask('/api/v1/api-keys', gateway.adminKey, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: 'an administrator who reads no people', permissions: ['admin'] }),
    })
    const { key: administrator } = (await made.json()) as { key: string }
    for (const key of [
      administrator,
      gateway.key,
      await gateway.mintKey({ permissions: ['admin', 'directory:read'] }),
      await gateway.mintKey({ permissions: ['admin'], tenant: await gateway.newTenant() }),
    ])
      expect((await ask('/api/v1/backup', key)).status).toBe(403)
    expect((await ask('/api/v1/backup', 'none')).status).toBe(401)
    expect((await ask('/api/v1/backup', gateway.adminKey, { method: 'HEAD' })).status).toBe(200)
    expect(existsSync(join(folder, 'database.copy'))).toBe(false)
  })

  test('makes one backup at a time, and goes on after one whose reader has gone', async () => {
    const both = await Promise.all([1, 2].map(() => ask('/api/v1/backup', gateway.adminKey)))
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
    for (const response of both) await response.body?.cancel()
    await vi.waitUntil(() => !existsSync(join(folder, 'database.copy')), { timeout: 60_000 })
    await vi.waitUntil(async () => (await rollcall(env, 'backup', file)).exitCode === 0, { timeout: 60_000 })
    expect((await rollcall(env, 'backup', `${file}.2`)).exitCode).toBe(EXIT.done)
    expect(gateway.underWay.requests.count).toBe(0)
  })

  test('a file that is cut or altered is refused, and nothing is left of it', async () => {
    await rollcallJson(env, 'backup', file)
    const whole = readFileSync(file)
    const lines = gunzipSync(whole).toString()
    const altered = {
      'cut off': whole.subarray(0, -100),
      'of another text': gzipSync(lines.replace('"default"', '"default2"')),
      'without its end': gzipSync(lines.replace(/\{"end".*\n/, '')),
      'with more behind its end': gzipSync(`${lines}{"table":"tenants","columns":[]}\n`),
      'of a newer Rollcall': gzipSync(lines.replace(/"migration":\d+/, '"migration":9999999999999')),
      'of another format': gzipSync(lines.replace('"format":1', '"format":2')),
      'no gzip': Buffer.from(lines),
      empty: Buffer.alloc(0),
    }
    expect(Object.values(altered).every((bytes) => !bytes.equals(whole))).toBe(true)
    const dataDir = join(parent, 'restored')
    for (const [how, bytes] of Object.entries(altered)) {
      writeFileSync(file, bytes)
      const { exitCode, err } = await rollcall({ DATA_DIR: dataDir }, 'restore', file)
      expect([how, exitCode, err.split('\n').length]).toEqual([how, EXIT.refused, 2])
      expect([how, existsSync(dataDir) ? readdirSync(dataDir).filter((name) => name !== 'lock') : []]).toEqual([
        how,
        [],
      ])
    }
    writeFileSync(file, whole)
    expect((await rollcall({ DATA_DIR: dataDir }, 'restore', file)).exitCode).toBe(EXIT.done)
  })

  test('a folder with anything but the key in it is refused, and so is a file that is there already', async () => {
    await rollcallJson(env, 'backup', file)
    expect((await rollcall(env, 'backup', file)).exitCode).toBe(EXIT.usage)
    const dataDir = join(parent, 'restored')
    mkdirSync(dataDir)
    writeFileSync(join(dataDir, 'notes'), 'mine')
    const refused = await rollcall({ DATA_DIR: dataDir }, 'restore', file)
    expect(refused).toMatchObject({ exitCode: EXIT.refused, err: expect.stringContaining('has notes in it') })
    expect(readdirSync(dataDir)).toContain('notes')
    rmSync(join(dataDir, 'notes'))
    writeFileSync(join(dataDir, 'secrets.key'), 'the same key')
    expect((await rollcall({ DATA_DIR: dataDir }, 'restore', file)).exitCode).toBe(EXIT.done)
    expect(readFileSync(join(dataDir, 'secrets.key'), 'utf8')).toBe('the same key')
    expect((await rollcall({ DATA_DIR: dataDir }, 'restore', file)).exitCode).toBe(EXIT.refused)
    expect((await rollcall(env, 'restore', file)).exitCode).toBe(EXIT.usage)
  })

  test('a database of another version of the engine is replaced by its backup, and kept', async () => {
    await rollcallJson(env, 'backup', file)
    const dataDir = join(parent, 'old')
    await (await openFolder(dataDir)).close()
    const upgrade = () => rollcall({ DATA_DIR: dataDir }, 'upgrade', '--from', file)
    expect(await upgrade()).toMatchObject({ exitCode: EXIT.refused, err: expect.stringContaining('just start it') })
    writeFileSync(join(dataDir, 'database', 'PG_VERSION'), '17\n')
    const whole = readFileSync(file)
    writeFileSync(file, whole.subarray(0, -100))
    expect((await upgrade()).exitCode).toBe(EXIT.refused)
    expect(readdirSync(dataDir).sort()).toEqual(['database', 'lock'])
    await expect(openFolder(dataDir)).rejects.toThrow(/rollcall upgrade --from FILE/)

    writeFileSync(file, whole)
    expect((await upgrade()).exitCode).toBe(EXIT.done)
    const kept = join(dataDir, 'database.of-postgresql-17')
    expect(readFileSync(join(kept, 'PG_VERSION'), 'utf8')).toBe('17\n')
    const database = await openFolder(dataDir)
    expect(await database.run('select 1 as n from projects where key = $1::text', [gateway.project])).toEqual([
      { n: 1 },
    ])
    await database.close()
  })

  test('an upgrade that was killed when it had moved the old database away is run again', async () => {
    await rollcallJson(env, 'backup', file)
    const dataDir = join(parent, 'old')
    const upgrade = () => rollcall({ DATA_DIR: dataDir }, 'upgrade', '--from', file)
    expect(await upgrade()).toMatchObject({
      exitCode: EXIT.refused,
      err: expect.stringContaining('there is no database'),
    })
    mkdirSync(join(dataDir, 'database.of-postgresql-17'))
    mkdirSync(join(dataDir, 'database.restoring'))
    await expect(openFolder(dataDir)).rejects.toThrow(/has not ended/)
    expect((await upgrade()).exitCode).toBe(EXIT.done)
    expect(readdirSync(dataDir).sort()).toEqual(['database', 'database.of-postgresql-17', 'lock'])
    await (await openFolder(dataDir)).close()
  })
})

test.runIf(embedded)(
  'a start after a restore that was killed does not pass an empty database for the data',
  async () => {
    const dataDir = join(parent, 'killed')
    mkdirSync(join(dataDir, 'database.restoring'), { recursive: true })
    await expect(openFolder(dataDir)).rejects.toThrow(/a restore into .* has not ended\. Run it again, or delete/)
  },
)

test.runIf(embedded)('a copy that a killed backup has left goes with the next start', async () => {
  const dataDir = join(parent, 'killed')
  mkdirSync(join(dataDir, 'database.copy', 'base'), { recursive: true })
  await (await openFolder(dataDir)).close()
  expect(readdirSync(dataDir).sort()).toEqual(['database', 'lock'])
})

test.runIf(embedded)('a disk without room for a copy is refused', async () => {
  await refuseCopy(parent, 0)
  await expect(refuseCopy(parent, 1e15)).rejects.toThrow(/^a backup needs room for a copy of the database: \d+ MB on/)
})

test.runIf(embedded)(
  'the backup of an earlier release is restored, and its data moved to the tables of this one',
  async () => {
    const known = migrationsIn()
    const before = known.findIndex(({ name }) => name.endsWith('_event_positions')) - 1
    const image = join(parent, 'image')
    await makeImage(image, known[before]?.madeAt)
    const old = await openPgliteInMemory(new Blob([await readFile(image)]))
    const [tenant, person] = ['11111111-1111-7111-8111-111111111111', '33333333-3333-7333-8333-333333333333']
    await old.run(
      `insert into events (tenant_id, position, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes, held)
     values ($1::uuid, 1, 'user.updated', 'User', $2::uuid, 1, 'r', 'a', now(), '{"a": 1.50}', false)`,
      [tenant, person],
    )
    const chunks: Uint8Array[] = []
    for await (const chunk of backupOf(old)) chunks.push(chunk)
    await old.close()
    await writeFile(file, Buffer.concat(chunks))
    const dataDir = join(parent, 'restored')
    expect(await rollcall({ DATA_DIR: dataDir }, 'restore', file)).toMatchObject({ exitCode: EXIT.done, err: '' })
    const database = await openFolder(dataDir)
    expect(
      await database.run(
        `select p.tenant_id::text as tenant, p.position::int, e.changes::text
       from event_positions p join events e on e.tenant_id = p.tenant_id and e.seq = p.seq`,
        [],
      ),
    ).toEqual([{ tenant, position: 1, changes: '{"a": 1.50}' }])
    await database.close()
  },
)

test.runIf(!embedded)('a gateway on PostgreSQL says what makes backups there', async () => {
  const gateway = await openGateway()
  const env = { ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey }
  const answer = await rollcall(env, 'backup', file)
  expect(answer).toMatchObject({ exitCode: EXIT.refused, err: expect.stringContaining('pg_dump') })
  const direct = await rollcall({ DATABASE_URL: 'postgres://localhost/none' }, 'restore', file)
  expect(direct).toMatchObject({ exitCode: EXIT.usage, err: expect.stringContaining('pg_restore') })
  expect(readdirSync(parent)).toEqual([])
  await gateway.close()
})

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'
