import { beforeAll, describe, expect, test } from 'vitest'
import type { Administration } from '../../src/administration/change.ts'
import { createEnvironment } from '../../src/administration/environments.ts'
import { createApiKey } from '../../src/administration/keys/api-keys.ts'
import { rotateApiKey } from '../../src/administration/keys/key-rotation.ts'
import { createProject } from '../../src/administration/projects.ts'
import { createTenant } from '../../src/administration/tenants.ts'
import { CONFIGURED_ADMIN, PERMISSIONS, type Permission, type Principal, type Scope } from '../../src/auth/principal.ts'
import { administrationOn } from '../support/administration.ts'
import { openTestDatabase } from '../support/engines.ts'

let administration: Administration
const places = new Map<string, Scope>([['instance', { kind: 'instance' }]])
beforeAll(async () => {
  const database = await openTestDatabase()
  administration = administrationOn(database)
  for (const p of ['reach-p', 'reach-q']) {
    const { id: projectId } = await createProject(administration, { key: p })
    places.set(p, { kind: 'project', projectId })
    for (const e of ['e', 'f']) {
      const { id: environmentId } = await createEnvironment(administration, projectId, { key: e })
      const environment = { projectId, environmentId }
      places.set(`${p}/${e}`, { kind: 'environment', ...environment })
      for (const t of ['t', 'u']) {
        const { id: tenantId } = await createTenant(administration, environment, { key: t })
        places.set(`${p}/${e}/${t}`, { kind: 'tenant', ...environment, tenantId })
      }
    }
  }
})
const place = (name: string): Scope => places.get(name) as Scope
const principal = (name: string, permissions: readonly Permission[], expiresAt?: number): Principal => ({
  ...{ keyId: 'asking', scope: place(name), permissions: new Set(permissions), userId: undefined, expiresAt },
  ...{ via: 'key', tokensMayMintAdminKeys: false },
})
const outcome = (work: Promise<unknown>): Promise<number> =>
  work.then(
    () => 201,
    (error: { status?: number }) => error.status ?? 500,
  )

/** What lies within the scope of a key, written out. */
const WITHIN: Record<string, readonly string[]> = {
  instance: ['instance', 'reach-p', 'reach-p/e', 'reach-p/e/t', 'reach-p/e/u', 'reach-p/f', 'reach-q', 'reach-q/e/t'],
  'reach-p': ['reach-p', 'reach-p/e', 'reach-p/e/t', 'reach-p/e/u', 'reach-p/f'],
  'reach-p/e': ['reach-p/e', 'reach-p/e/t', 'reach-p/e/u'],
  'reach-p/e/t': ['reach-p/e/t'],
}
const TARGETS = WITHIN.instance as readonly string[]

describe('SEC-13 no key makes a key wider than itself: every scope × permission', () => {
  const askers = Object.keys(WITHIN).flatMap((scope) => PERMISSIONS.map((permission) => [scope, permission] as const))
  test.each(askers)('a key for %s with %s', async (scope, permission) => {
    const by = principal(scope, [permission])
    for (const target of TARGETS) {
      for (const wanted of PERMISSIONS) {
        const allowed = (WITHIN[scope] as readonly string[]).includes(target) && wanted === permission
        const input = { name: 'k', permissions: [wanted] }
        const label = `${target} ${wanted}`
        expect(await outcome(createApiKey(administration, place(target), input, by)), label).toBe(allowed ? 201 : 403)
        const existing = await createApiKey(administration, place(target), input, CONFIGURED_ADMIN)
        const rotated = rotateApiKey(administration, place(target), existing.id, {}, by, new Date())
        expect(await outcome(rotated), `rotate ${label}`).toBe(allowed ? 201 : 403)
      }
    }
  })

  test('all permissions but one are not enough', async () => {
    // Those of receivers come with what it takes to make a stream.
    const given = new Set(['ssf.read', 'ssf.manage'])
    for (const lacking of PERMISSIONS) {
      const by = principal(
        'instance',
        PERMISSIONS.filter((permission) => permission !== lacking),
      )
      const input = { name: 'k', permissions: [...PERMISSIONS] }
      const expected = given.has(lacking) ? 201 : 403
      expect(await outcome(createApiKey(administration, place('reach-p/e'), input, by)), lacking).toBe(expected)
    }
  })
})

describe('SEC-07 no key makes a key that lives longer than itself', () => {
  const soon = Date.now() + 86_400_000
  const [before, at, after] = [new Date(soon - 1), new Date(soon), new Date(soon + 1)]
  const inYear = Date.now() + 365 * 86_400_000
  const [early, tooLate] = [new Date(inYear - 60_000), new Date(inYear + 600_000)]
  test.each([
    ['a key that never ends may give a year', undefined, early, 201, early],
    ['and not more', undefined, tooLate, 400, null],
    ['or less', undefined, after, 201, after],
    ['a key that ends may give less', soon, before, 201, before],
    ['or as much', soon, at, 201, at],
    ['but not more', soon, after, 403, null],
    ['and a key with "admin" that it gives without a word ends with it', soon, undefined, 201, at],
  ])('%s', async (_, askingEnds, expiresAt, status, ends) => {
    const by = principal('reach-p/e', PERMISSIONS, askingEnds)
    for (const permissions of [['admin'], ...(expiresAt ? [['scim:read']] : [])] as Permission[][]) {
      const made = createApiKey(administration, place('reach-p/e/t'), { name: 'k', permissions, expiresAt }, by)
      expect(await outcome(made)).toBe(status)
      if (status === 201) expect((await made).expiresAt).toEqual(ends)
    }
  })

  test('what is refused says until when the asking key lives, and what to do', async () => {
    const by = principal('reach-p/e', PERMISSIONS, soon)
    const made = createApiKey(administration, place('reach-p/e/t'), { name: 'k', expiresAt: after }, by)
    const words = `expiresAt must not be after ${at.toISOString()}, when the key that asks ends: leave it out, or ask with a key that lives longer.`
    await expect(made).rejects.toMatchObject({ status: 403, message: words, mistakes: [{ path: 'expiresAt' }] })
  })

  test.each([
    ['a key that lives longer', after, undefined, 201],
    ['a key for a year', undefined, undefined, 201],
    ['a key for a year, with an earlier end', undefined, before, 201],
    ['a key, for more than a year', before, tooLate, 400],
    ['a key that ends before, with a later end', before, after, 403],
    ['a key that ends before', before, undefined, 201],
  ])('rotating %s: with "admin" the new secret ends with who asked for it', async (_, expiresAt, wish, status) => {
    const input = { name: 'k', permissions: ['admin' as const], expiresAt }
    const { id } = await createApiKey(administration, place('reach-p/e/t'), input, CONFIGURED_ADMIN)
    const by = principal('reach-p/e', PERMISSIONS, soon)
    const rotated = rotateApiKey(administration, place('reach-p/e/t'), id, { expiresAt: wish }, by, new Date())
    expect(await outcome(rotated)).toBe(status)
    if (status === 201) expect((await rotated).expiresAt?.getTime()).toBeLessThanOrEqual(soon)
  })
})

test('SEC-07 without a word a key lives for a year, and when it is rotated as long again', async () => {
  const DAY_MS = 86_400_000
  const made = await createApiKey(administration, place('reach-p/e/t'), { name: 'k' }, CONFIGURED_ADMIN)
  const days = (end: Date | null, from = new Date()) => ((end?.getTime() ?? 0) - from.getTime()) / DAY_MS
  expect(days(made.expiresAt)).toBeCloseTo(365, 2)
  const month = { name: 'k', expiresAt: new Date(Date.now() + 30 * DAY_MS) }
  const short = await createApiKey(administration, place('reach-p/e/t'), month, CONFIGURED_ADMIN)
  const later = new Date(Date.now() + 20 * DAY_MS)
  for (const [{ id }, life] of [
    [made, 365],
    [short, 30],
  ] as const) {
    const rotated = await rotateApiKey(administration, place('reach-p/e/t'), id, {}, CONFIGURED_ADMIN, later)
    expect(days(rotated.expiresAt, later)).toBeCloseTo(life, 2)
  }
})

test("SEC-07 a customer's key that is made in its maker's eleventh month lives for a year all the same, and says so", async () => {
  const DAY_MS = 86_400_000
  const now = Date.now()
  const makerEnds = new Date(now + 30 * DAY_MS)
  const by = principal('reach-p/e', PERMISSIONS, makerEnds.getTime())
  const days = (end: Date | null) => ((end?.getTime() ?? 0) - now) / DAY_MS
  const target = place('reach-p/e/t')
  const sooner = `The key that asked for it ends sooner, at ${makerEnds.toISOString()}; this one goes on.`
  const cut = `It ends at ${makerEnds.toISOString()}, as the key that asked for it does: with "admin" it cannot live longer.`
  for (const [permissions, life, warning] of [
    [['scim:read', 'scim:write'], 365, sooner],
    [['directory:read'], 365, sooner],
    [['scim:read', 'admin'], 30, cut],
  ] as [Permission[], number, string][]) {
    const made = await createApiKey(administration, target, { name: 'k', permissions }, by)
    expect([days(made.expiresAt), made.warnings]).toEqual([expect.closeTo(life, 2), [warning]])
    const rotated = await rotateApiKey(administration, target, made.id, {}, by, new Date())
    expect([days(rotated.expiresAt), rotated.warnings]).toEqual([expect.closeTo(life, 2), [warning]])
  }
  // Nothing is to be said where the maker lives as long, nor where the end was asked for.
  const made = [
    await createApiKey(administration, target, { name: 'k' }, CONFIGURED_ADMIN),
    await createApiKey(administration, target, { name: 'k', expiresAt: new Date(now + DAY_MS) }, by),
  ]
  for (const { warnings } of made) expect(warnings).toEqual([])
})

test('SEC-07 a key that rotates itself lives no longer for it', async () => {
  const made = await createApiKey(
    administration,
    place('reach-p/e/t'),
    { name: 'k', permissions: ['admin'] },
    CONFIGURED_ADMIN,
  )
  const itself = principal('reach-p/e/t', ['admin'], made.expiresAt?.getTime())
  const later = new Date(Date.now() + 86_400_000)
  const rotated = await rotateApiKey(administration, place('reach-p/e/t'), made.id, {}, itself, later)
  expect(rotated.expiresAt).toEqual(made.expiresAt)
})

test('a key that stands for a user has nothing but scim permissions', async () => {
  for (const permission of ['admin', 'directory:read'] as const) {
    const input = { name: 'k', permissions: [permission], userId: '01890a5d-ac96-774b-bcce-b302099a8057' }
    const made = createApiKey(administration, place('reach-p/e/t'), input, CONFIGURED_ADMIN)
    await expect(made).rejects.toMatchObject({ status: 400, mistakes: [{ path: 'permissions' }] })
  }
})
