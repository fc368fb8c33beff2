import { beforeAll, describe, expect, test } from 'vitest'
import type { Administration } from '../../src/administration/change.ts'
import { createApiKey, findApiKey, revokeApiKey } from '../../src/administration/keys/api-keys.ts'
import {
  endRotation,
  type RotationWish,
  rotateApiKey,
  undoRotation,
} from '../../src/administration/keys/key-rotation.ts'
import { apiKeyWarnings, watchExpiry } from '../../src/administration/keys/key-warnings.ts'
import { CONFIGURED_ADMIN, type Scope } from '../../src/auth/principal.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import type { Database } from '../../src/db/database.ts'
import type { ApiKeyRow } from '../../src/repositories/control/api-keys.ts'
import { listAuditEntries } from '../../src/repositories/control/audit.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import { takeExpiringKeys } from '../../src/repositories/control/keys/api-key-secrets.ts'
import { administrationOn } from '../support/administration.ts'
import { openFreshDatabase } from '../support/engines.ts'

let database: Database
let control: ControlPlane
let administration: Administration
const instance: Scope = { kind: 'instance' }
const DAY_MS = 86_400_000

beforeAll(async () => {
  database = await openFreshDatabase()
  control = new ControlPlane(controlStore(database))
  administration = administrationOn(database, control)
  return async () => {
    await control.stop()
    await database.close()
  }
})

const mint = (expiresAt?: Date) => createApiKey(administration, instance, { name: 'k', expiresAt }, CONFIGURED_ADMIN)
const rotate = (id: string, wish: RotationWish = {}, now = new Date()) =>
  rotateApiKey(administration, instance, id, wish, CONFIGURED_ADMIN, now)
const isGood = async (key: string) => 'principal' in (await control.authenticate(`Bearer ${key}`, 'okta'))
const find = async (id: string) => (await findApiKey(database, instance, id)) as ApiKeyRow

describe('a rotation', () => {
  test('SEC-07 gives a new secret that is good at once; the old one stays good for a day', async () => {
    const old = await mint()
    const now = new Date()
    const next = await rotate(old.id, {}, now)
    expect([next.id, next.key === old.key]).toEqual([old.id, false])
    expect([await isGood(old.key), await isGood(next.key)]).toEqual([true, true])
    expect(next.secrets).toMatchObject([
      { version: 1, endsAt: new Date(now.getTime() + DAY_MS), endsOnUse: false },
      { version: 2, endsAt: null },
    ])
  })

  test('keeps the old secret for as long as it is told, not a moment when that is nothing', async () => {
    const old = await mint()
    await rotate(old.id, { keepOldForSeconds: 0 })
    expect(await isGood(old.key)).toBe(false)
  })

  test('may last until the new secret is used, on every instance', async () => {
    const elsewhere = new ControlPlane({ ...controlStore(database), shared: true })
    const good = async (key: string) => 'principal' in (await elsewhere.authenticate(`Bearer ${key}`))
    const old = await mint()
    const next = await rotate(old.id, { untilNewIsUsed: true })
    expect([await isGood(old.key), await good(old.key)]).toEqual([true, true])
    expect((await find(old.id)).secrets).toMatchObject([{ endsAt: null, endsOnUse: true }, {}])
    expect(await isGood(next.key)).toBe(true)
    await expect.poll(() => isGood(old.key), { interval: 20 }).toBe(false)
    await expect.poll(() => good(old.key), { interval: 20 }).toBe(false)
    expect([await isGood(next.key), await good(next.key)]).toEqual([true, true])
    expect((await find(old.id)).secrets).toMatchObject([{ endsOnUse: false }, { lastUsedBy: 'okta' }])
    const [entry] = await listAuditEntries(database, instance, { after: undefined, limit: 1 })
    expect(entry).toMatchObject({ action: 'api_key.rotation_ended', actor: old.id, target: { id: old.id } })
    await elsewhere.stop()
  })

  test('can be ended', async () => {
    const old = await mint()
    const next = await rotate(old.id)
    await endRotation(administration, instance, old.id, new Date())
    expect([await isGood(old.key), await isGood(next.key)]).toEqual([false, true])
  })

  test.each([{}, { untilNewIsUsed: true }])('can be undone: %j', async (wish) => {
    const old = await mint()
    const next = await rotate(old.id, wish)
    await undoRotation(administration, instance, old.id, new Date())
    expect([await isGood(old.key), await isGood(next.key)]).toEqual([true, false])
    expect((await find(old.id)).secrets).toMatchObject([
      { endsAt: null, endsOnUse: false },
      { endsAt: expect.any(Date) },
    ])
    // And rotated again: two secrets are kept, and no third is good.
    const third = await rotate(old.id)
    expect([await isGood(old.key), await isGood(next.key), await isGood(third.key)]).toEqual([true, false, true])
  })

  test('a use of the new secret that is noted after the undoing ends nothing', async () => {
    const old = await mint()
    const next = await rotate(old.id, { untilNewIsUsed: true })
    expect(await isGood(next.key)).toBe(true)
    await undoRotation(administration, instance, old.id, new Date())
    await control.flushKeyUse()
    expect([await isGood(old.key), await isGood(next.key)]).toEqual([true, false])
  })

  test('keeps the last two secrets and no more', async () => {
    const { id } = await mint()
    for (let i = 0; i < 3; i++) await rotate(id, { keepOldForSeconds: 0 })
    expect((await find(id)).secrets.map(({ version }) => version)).toEqual([3, 4])
  })

  test('gives the new secret a life of its own', async () => {
    const [first, second] = [new Date(Date.now() + DAY_MS), new Date(Date.now() + 90 * DAY_MS)]
    const old = await mint(first)
    const next = await rotate(old.id, { expiresAt: second, keepOldForSeconds: 2 * 86_400 })
    expect(next.expiresAt).toEqual(second)
    const [was, is] = await Promise.all([old.key, next.key].map((key) => control.authenticate(`Bearer ${key}`)))
    expect(was).toMatchObject({ principal: { expiresAt: first.getTime() } })
    expect(is).toMatchObject({ principal: { expiresAt: second.getTime() } })
    expect((await undoRotation(administration, instance, old.id, new Date())).expiresAt).toEqual(first)
  })

  test('revoking ends both secrets', async () => {
    const old = await mint()
    const next = await rotate(old.id)
    await revokeApiKey(administration, instance, old.id, new Date())
    expect([await isGood(old.key), await isGood(next.key)]).toEqual([false, false])
  })

  test.each<[string, (id: string) => Promise<unknown>, number]>([
    ['one at a time', async (id) => rotate((await rotate(id)).id), 409],
    ['none to end', (id) => endRotation(administration, instance, id, new Date()), 409],
    ['none to undo', (id) => undoRotation(administration, instance, id, new Date()), 409],
    [
      'none to undo when the old secret has ended',
      async (id) => {
        await rotate(id, { keepOldForSeconds: 0 })
        return undoRotation(administration, instance, id, new Date())
      },
      409,
    ],
    [
      'none of a revoked key',
      async (id) => {
        await revokeApiKey(administration, instance, id, new Date())
        return rotate(id)
      },
      409,
    ],
    ['none of an expired key', (id) => rotate(id, {}, new Date(Date.now() + 2 * DAY_MS)), 409],
    ['none of a key that is not there', () => rotate('000000000000'), 404],
  ])('%s', async (_, work, status) => {
    const { id } = await mint(new Date(Date.now() + DAY_MS))
    await expect(work(id)).rejects.toMatchObject({ status })
  })

  test('an expired key is brought back by a rotation with a new end', async () => {
    const { id } = await mint(new Date(Date.now() + DAY_MS))
    const expiresAt = new Date(Date.now() + 3 * DAY_MS)
    expect((await rotate(id, { expiresAt }, new Date(Date.now() + 2 * DAY_MS))).expiresAt).toEqual(expiresAt)
  })

  test('of two at once one is done', async () => {
    const { id } = await mint()
    const both = await Promise.allSettled([rotate(id), rotate(id)])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('warnings', () => {
  const now = new Date()
  const inDays = (days: number) => new Date(now.getTime() + days * DAY_MS)
  test.each([
    ['none without an end', null, []],
    ['none 31 days before', inDays(30.01), []],
    ['30 days before', inDays(30), ['in 30 days']],
    ['the last day', inDays(0.5), ['in less than a day']],
    ['past', inDays(-1), ['It expired at']],
  ])('%s', async (_, expiresAt, expected) => {
    const key = { ...(await mint()), expiresAt }
    expect(apiKeyWarnings(key, now)).toEqual(expected.map((text) => expect.stringContaining(text)))
    expect(apiKeyWarnings({ ...key, revokedAt: now }, now)).toEqual([])
  })

  test('tell how far a rotation is', async () => {
    const old = await mint()
    const next = await rotate(old.id)
    const warnings = async () => {
      await control.flushKeyUse()
      return apiKeyWarnings(await find(old.id), new Date())
    }
    expect(await warnings()).toEqual([expect.stringContaining('new secret was not used yet')])
    await isGood(next.key)
    expect(await warnings()).toEqual([])
    const used = Date.now()
    await expect.poll(() => Date.now(), { interval: 1 }).toBeGreaterThan(used)
    await isGood(old.key)
    expect(await warnings()).toEqual([expect.stringContaining('old secret is still in use')])
  })

  test('of expiry go to the log once a day and key, whichever instance looks', async () => {
    const due = await mint(inDays(3))
    const [later, never, revoked] = [await mint(inDays(40)), await mint(), await mint(inDays(2))]
    await revokeApiKey(administration, instance, revoked.id, now)
    const looks = await Promise.all([takeExpiringKeys(database, 30), takeExpiringKeys(database, 30)])
    const named = looks.flat().map(({ id }) => id)
    expect(named.filter((id) => id === due.id)).toHaveLength(1)
    for (const { id } of [later, never, revoked]) expect(named).not.toContain(id)

    await database.run(`update api_keys set warned_at = now() - interval '25 hours' where id = $1`, [due.id])
    const told: object[] = []
    const watch = watchExpiry(
      database,
      (key) => told.push(key),
      (error) => told.push({ error }),
    )
    await expect.poll(() => told).toEqual([{ id: due.id, expiresAt: due.expiresAt, daysLeft: 3 }])
    watch.stop()
    expect(await takeExpiringKeys(database, 30)).toEqual([])
  })
})
