import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { backupOf } from '../../src/backup/dump.ts'
import { openPglite } from '../../src/db/pglite.ts'
import { adminSender } from '../support/admin-sender.ts'
import { eraseToTheEnd, type Receipt } from '../support/erasing.ts'
import { idIn, openInstance, userBody } from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'
import { newStoreFolder } from '../support/store-folder.ts'

const ADMIN = 'an-admin-key-for-the-erasure-from-a-folder'
const MARK = 'zqplantedfolder'

let parent: string
beforeEach(() => {
  parent = newStoreFolder()
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))

/** The files of a folder in whose bytes a text stands. */
const filesWith = (folder: string, text: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text))
    .map((path) => path.slice(folder.length + 1))

test('no file of the embedded database has anything of a person who was erased, nor has a backup', async () => {
  const dataDir = join(parent, 'data')
  const database = await openPglite({ dataDir }, (reason) => {
    throw new Error(reason)
  })
  const instance = await openInstance(database, { ADMIN_KEY: ADMIN })
  const tenant = await instance.newTenant()
  for (let n = 0; n < 30; n++) await tenant.scim('POST', '/Users', userBody(`somebody-${n}`))
  const planted = { displayName: `Given ${MARK}`, emails: [{ value: `${MARK}@acme.example` }] }
  const id = idIn(await tenant.scim('POST', '/Users', userBody(`${MARK}@acme.example`, planted)))
  await tenant.scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${MARK}@acme.example"`)}`)
  await instance.requestLog.flush()
  await database.run('analyze', [], { prepare: false })
  await database.run('checkpoint', [], { prepare: false })
  const written = filesWith(dataDir, MARK)
  // Tables with their indexes, what the planner knows of them, and the log of changes.
  expect(written.some((file) => file.includes('pg_wal'))).toBe(true)
  expect(written.length).toBeGreaterThan(4)

  const admin = adminSender(() => instance, ADMIN)
  const { body } = await admin<Receipt>('POST', `${placeOf(tenant)}/erasures`, { user: id, delete: true })
  await eraseToTheEnd(database, tenant.id, body.id)
  expect((await admin<Receipt>('GET', `${placeOf(tenant)}/erasures/${body.id}`)).body.storage).toBe('rewritten')
  expect(filesWith(dataDir, MARK)).toEqual([])
  const parts: Uint8Array[] = []
  for await (const part of backupOf(database)) parts.push(part)
  expect(gunzipSync(Buffer.concat(parts)).toString('utf8').toLowerCase()).not.toContain(MARK)
  await instance.close()
  await database.close()
  expect(filesWith(dataDir, MARK)).toEqual([])
})
