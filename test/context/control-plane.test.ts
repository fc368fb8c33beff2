import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { mintApiKey } from '../../src/auth/api-key.ts'
import type { Principal, Scope } from '../../src/auth/principal.ts'
import type { KeyUse, StoredKey } from '../../src/auth/stored-key.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import type { ControlStore, KnownProject } from '../../src/context/control-store.ts'
import type { StoredSigningKey } from '../../src/signing/keyring.ts'
import { secretBox } from '../../src/signing/secret-box.ts'
import { placeId } from '../support/place-ids.ts'
import { signingKeysInMemory } from '../support/signing-keys.ts'

let now = 0
let queries: string[]
/** What was changed, in the order of the changes. */
let changes: string[]
let answerTakesMs: number
let broken: boolean
const keys = new Map<string, StoredKey>()
const projects = new Map<string, KnownProject>()
const uses: KeyUse[][] = []
const signingKeys: StoredSigningKey[] = []
const ended: [string, number][] = []

const store = (shared: boolean): ControlStore => ({
  shared,
  ask: async ({ since, key, place }) => {
    const asked = [key && `key ${key.id}`, place && `project ${place.project}`].filter((part) => part !== undefined)
    queries.push(asked.join(', ') || 'changes')
    if (broken) throw new Error('no store')
    const told = { last: changes.length, changed: since === undefined ? undefined : changes.slice(since) }
    now += answerTakesMs
    return {
      ...told,
      key: key && { value: keys.get(key.id), bytes: 1 },
      project: place && { value: projects.get(place.project), bytes: 1 },
    }
  },
  isPlace: async () => false,
  rsaSigningKeys: signingKeysInMemory('RS256'),
  signingKeys: {
    algorithm: 'ES256',
    list: async () => {
      queries.push('signing keys')
      return signingKeys
    },
    insert: async (made) => {
      signingKeys.unshift(made)
    },
    deleteBefore: async () => {},
  },
  takeAssertion: async () => true,
  secretBox: secretBox(async () => 'a secret of the instance'),
  createTenant: async (_, key) => ({ id: placeId('t'), key, settings: {}, definitions: [], paused: false }),
  formerAddresses: async () => [],
  ledFrom: async () => undefined,
  catalogueEntries: async () => [],
  recordKeyUse: async (batch) => {
    if (broken) throw new Error('no store')
    uses.push([...batch])
  },
  endRotation: async (id, version) => {
    ended.push([id, version])
    const key = keys.get(id) as StoredKey
    const secrets = key.secrets.map((secret) =>
      secret.version < version ? { ...secret, endsAt: Date.now() } : { ...secret, endsOthers: false },
    )
    keys.set(id, { ...key, secrets })
    changes.push(id)
  },
})

const named = async (control: ControlPlane, project: string) =>
  (await control.place({ project }, { kind: 'instance' })).project

const plane = (shared = true, adminKey?: string) => new ControlPlane(store(shared), { clock: () => now, adminKey })

function storeKey(revoked = false): { key: string; id: string; principal: Principal } {
  const { id, key, hash } = mintApiKey()
  const principal: Principal = {
    keyId: id,
    scope: { kind: 'instance' },
    permissions: new Set(),
    userId: undefined,
    via: 'key',
    tokensMayMintAdminKeys: false,
    expiresAt: undefined,
  }
  const secret = { principal, version: 1, hash, endsAt: undefined, endsOthers: false }
  keys.set(id, { revoked, secrets: [secret], publicKeys: [], trusts: [] })
  return { key, id, principal }
}

beforeEach(() => {
  now = 1_000_000
  queries = []
  changes = []
  answerTakesMs = 0
  broken = false
  keys.clear()
  projects.clear()
  projects.set('acme', { id: placeId('p'), key: 'acme', paused: false })
  signingKeys.length = 0
  uses.length = 0
  ended.length = 0
})

test('a key seen recently costs no round trip', async () => {
  const control = plane()
  const { key, id, principal } = storeKey()
  expect(await control.authenticate(`Bearer ${key}`)).toMatchObject({ principal })
  expect(queries).toEqual([`key ${id}`])
  now += 499
  expect(await control.authenticate(`Bearer ${key}`)).toMatchObject({ principal })
  expect(queries).toHaveLength(1)
})

test('SEC-08 an access token seen recently costs no round trip, and ends with its key when the changes tell', async () => {
  const control = plane()
  const { id, principal } = storeKey()
  const [issuer, content] = ['https://scim.test', { keyId: id, credential: 1, scope: principal.scope, permissions: [] }]
  const { token } = await control.tokens.issue(content, issuer)
  queries.length = 0
  const ask = () => control.authenticate(`Bearer ${token}`, 'client', () => issuer)
  expect(await ask()).toMatchObject({ principal: { keyId: id } })
  expect(queries).toEqual([`key ${id}`])
  now += 499
  expect(await ask()).toMatchObject({ principal: { keyId: id } })
  expect(queries).toHaveLength(1)

  keys.set(id, { ...(keys.get(id) as StoredKey), revoked: true })
  changes.push(id)
  now += 1
  expect(await ask()).toMatchObject({ challenge: { status: 401, detail: 'The API key was revoked.' } })
})

test('SEC-03 an access token is not taken for a key that is gone, is for another place or has another secret', async () => {
  const control = plane()
  const { id, principal } = storeKey()
  const right = { keyId: id, credential: 1, scope: principal.scope, permissions: [] }
  const place: Scope = { kind: 'project', projectId: placeId('p') }
  for (const wrong of [{ keyId: mintApiKey().id }, { credential: 2 }, { scope: place }]) {
    const { token } = await control.tokens.issue({ ...right, ...wrong }, 'https://scim.test')
    const result = await control.authenticate(`Bearer ${token}`, undefined, () => 'https://scim.test')
    expect(result).toMatchObject({ challenge: { status: 401, detail: expect.stringContaining('has ended') } })
  }
})

test('SEC-03 a storm of bad tokens costs no query but for the signing keys, once', async () => {
  const control = plane()
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const storm = Array.from({ length: 300 }, (_, i) => {
    const header = { alg: i % 3 === 0 ? 'none' : 'ES256', typ: 'at+jwt', kid: `unknown-${i}` }
    return control.authenticate(
      `Bearer ${part(header)}.${part({ sub: 'x' })}.AAAA`,
      undefined,
      () => 'https://scim.test',
    )
  })
  for (const result of await Promise.all(storm)) expect(result).toMatchObject({ challenge: { status: 401 } })
  // Asked for, made, and read as they are now.
  expect(queries).toEqual(['signing keys', 'signing keys'])
})

test('SEC-07 a typo is refused without a query, and so is a guess the second time', async () => {
  const control = plane()
  const { key } = storeKey()
  await control.authenticate(`Bearer ${key.slice(0, -1)}${key.endsWith('x') ? 'y' : 'x'}`)
  expect(queries).toEqual([])
  const guess = mintApiKey()
  await control.authenticate(`Bearer ${guess.key}`)
  await control.authenticate(`Bearer ${guess.key}`)
  expect(queries).toEqual([`key ${guess.id}`])
})

test('a key with the id of another and its own secret is unknown', async () => {
  const control = plane()
  const { id } = storeKey()
  const other = mintApiKey()
  keys.set(other.id, keys.get(id) as StoredKey)
  expect(await control.authenticate(`Bearer ${other.key}`)).toMatchObject({ challenge: { status: 401 } })
})

test('SEC-03 a revocation elsewhere is felt as soon as changes are asked for, within half a second', async () => {
  const control = plane()
  const { key, id } = storeKey()
  await control.authenticate(`Bearer ${key}`)
  keys.set(id, { ...(keys.get(id) as StoredKey), revoked: true })
  changes.push(id)
  now += 500
  expect(await control.authenticate(`Bearer ${key}`)).toMatchObject({
    challenge: { detail: 'The API key was revoked.' },
  })
})

test('concurrent requests share one question for changes', async () => {
  const control = plane()
  const { key } = storeKey()
  await control.authenticate(`Bearer ${key}`)
  now += 600
  queries = []
  await Promise.all(Array.from({ length: 20 }, () => control.authenticate(`Bearer ${key}`)))
  expect(queries).toEqual(['changes'])
})

test('requests that come at once with a key and a place that are not in memory share one question for each', async () => {
  const control = plane()
  const { key, id } = storeKey()
  const { key: otherKey, id: otherId } = storeKey()
  const all = (what: () => Promise<unknown>) => Promise.all(Array.from({ length: 20 }, what))
  await Promise.all([
    all(() => control.authenticate(`Bearer ${key}`)),
    all(() => control.authenticate(`Bearer ${otherKey}`)),
  ])
  expect(queries).toEqual([`key ${id}`, `key ${otherId}`])
  queries = []
  await Promise.all([all(() => named(control, 'acme')), all(() => named(control, 'other'))])
  expect(queries).toEqual(['project acme', 'project other'])
})

test('a question from before a change is shared by nobody who comes after it', async () => {
  const { key, id } = storeKey()
  const held: (() => void)[] = []
  const { ask, ...rest } = store(true)
  const holding: ControlStore['ask'] = async (question) => {
    const answer = await ask(question)
    await new Promise<void>((resolve) => held.push(resolve))
    return answer
  }
  const control = new ControlPlane({ ...rest, ask: holding }, { clock: () => now })
  const asked = () => control.authenticate(`Bearer ${key}`)
  const before = [asked(), asked()]
  await expect.poll(() => held.length).toBe(1)
  keys.set(id, { ...(keys.get(id) as StoredKey), revoked: true })
  changes.push(id)
  now += 500
  const after = [asked(), asked()]
  await expect.poll(() => held.length).toBe(2)
  for (const release of held) release()
  for (const one of before) expect(await one).toHaveProperty('principal')
  for (const one of after) expect(await one).toHaveProperty('challenge')
})

test('when changes cannot be had, nothing is served from memory', async () => {
  const control = plane()
  const { key } = storeKey()
  await control.authenticate(`Bearer ${key}`)
  now += 600
  broken = true
  await expect(control.authenticate(`Bearer ${key}`)).rejects.toThrow('no store')
  broken = false
  expect(await control.authenticate(`Bearer ${key}`)).toHaveProperty('principal')
})

test('a confirmation that was a second under way is not believed', async () => {
  const control = plane()
  expect(await named(control, 'acme')).toBeDefined()
  answerTakesMs = 1000
  now += 500
  await expect(named(control, 'acme')).rejects.toMatchObject({ status: 503 })
  answerTakesMs = 900
  expect(await named(control, 'acme')).toBeDefined()
})

test('a look-up that was under way when its key was changed is not remembered', async () => {
  const { key, id } = storeKey()
  const held: (() => void)[] = []
  const { ask, ...rest } = store(true)
  const control = new ControlPlane(
    {
      ...rest,
      ask: async (question) => {
        const answer = await ask(question)
        if (question.key) await new Promise<void>((resolve) => held.push(resolve))
        return answer
      },
    },
    { clock: () => now },
  )
  const first = control.authenticate(`Bearer ${key}`)
  await expect.poll(() => held.length).toBe(1)
  keys.set(id, { ...(keys.get(id) as StoredKey), revoked: true })
  changes.push(id)
  control.changed()
  held.pop()?.()
  expect(await first).toHaveProperty('principal')
  const second = control.authenticate(`Bearer ${key}`)
  await expect.poll(() => held.length).toBe(1)
  held.pop()?.()
  expect(await second).toHaveProperty('challenge')
})

test('an answer that comes after a later one tells nothing that has changed since', async () => {
  const { key, id } = storeKey()
  let release: () => void = () => undefined
  const { ask, ...rest } = store(true)
  let late = true
  const control = new ControlPlane(
    {
      ...rest,
      ask: async (question) => {
        const answer = await ask(question)
        if (question.key && late) await new Promise<void>((resolve) => (release = resolve))
        return answer
      },
    },
    { clock: () => now },
  )
  await named(control, 'acme')
  const first = control.authenticate(`Bearer ${key}`)
  await expect.poll(() => queries).toContain(`key ${id}`)
  keys.set(id, { ...(keys.get(id) as StoredKey), revoked: true })
  changes.push(id)
  now += 500
  await named(control, 'acme')
  late = false
  release()
  await first
  expect(await control.authenticate(`Bearer ${key}`)).toHaveProperty('challenge')
})

test('a change elsewhere has what it changed forgotten, and nothing else', async () => {
  const control = plane()
  const [a, b] = [storeKey(), storeKey()]
  for (const { key } of [a, b]) await control.authenticate(`Bearer ${key}`)
  await named(control, 'acme')
  changes.push(a.id)
  now += 500
  queries = []
  for (const { key } of [a, b]) await control.authenticate(`Bearer ${key}`)
  await named(control, 'acme')
  expect(queries).toEqual(['changes', `key ${a.id}`])
})

test('what was not there is looked for again after any change', async () => {
  const control = plane()
  expect(await named(control, 'late')).toBeUndefined()
  projects.set('late', { id: placeId('l'), key: 'late', paused: false })
  changes.push('l')
  now += 500
  await named(control, 'acme')
  expect(await named(control, 'late')).toBeDefined()
})

test('more changes than are told have everything forgotten, and so has an earlier state of the database', async () => {
  const { ask, ...rest } = store(true)
  let told = true
  const control = new ControlPlane(
    { ...rest, ask: async (question) => ({ ...(await ask(question)), ...(told ? {} : { changed: undefined }) }) },
    { clock: () => now },
  )
  const forgotten = async () => {
    now += 500
    queries = []
    await named(control, 'acme')
    return queries.includes('project acme')
  }
  changes.push('x', 'y', 'z')
  expect(await forgotten()).toBe(true)
  changes.push('x')
  expect(await forgotten()).toBe(false)
  told = false
  changes.push('x')
  expect(await forgotten()).toBe(true)
  told = true
  expect(await forgotten()).toBe(false)
  changes = ['x']
  expect(await forgotten()).toBe(true)
})

test('of ten thousand and more that were changed, none is taken for unchanged', async () => {
  const control = plane()
  const { key } = storeKey()
  await control.authenticate(`Bearer ${key}`)
  await named(control, 'acme')
  projects.set('acme', { id: placeId('p'), key: 'acme', paused: true })
  changes.push(placeId('p'))
  for (let i = 0; i < 12_000; i++) changes.push(`changed ${i}`)
  now += 500
  await control.authenticate(`Bearer ${key}`)
  expect(await named(control, 'acme')).toMatchObject({ paused: true })
})

test('a store of our own is asked for changes after local ones alone, and these count at once', async () => {
  const control = plane(false)
  await named(control, 'acme')
  now += 3_600_000
  await named(control, 'ACME')
  expect(queries).toEqual(['project acme'])
  projects.set('acme', { id: placeId('p'), key: 'acme', paused: true })
  changes.push(placeId('p'))
  control.changed()
  expect(await named(control, 'acme')).toMatchObject({ paused: true })
  expect(queries).toEqual(['project acme', 'changes', 'project acme'])
})

test('once started, it asks for changes ahead of requests, and stops when there are none', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const control = plane()
  control.start()
  const { key } = storeKey()
  const pass = async (ms: number) => {
    now += ms
    await vi.advanceTimersByTimeAsync(ms)
  }
  await control.authenticate(`Bearer ${key}`)
  for (let i = 0; i < 20; i++) await pass(300)
  queries = []
  await control.authenticate(`Bearer ${key}`)
  expect(queries).toEqual([])
  // A minute after the last request nobody asks any more.
  for (let i = 0; i < 210; i++) await pass(300)
  queries = []
  for (let i = 0; i < 10; i++) await pass(300)
  expect(queries).toEqual([])
  await control.authenticate(`Bearer ${key}`)
  expect(queries).toEqual(['changes'])
  await control.stop()
})

test('it says what it holds, and how often that was enough', async () => {
  const control = plane()
  const { key } = storeKey()
  for (let i = 0; i < 3; i++) await control.authenticate(`Bearer ${key}`)
  await named(control, 'acme')
  await named(control, 'none')
  const { entries, bytes, maxBytes, hits, misses, evictions } = control.stats()
  expect(Object.fromEntries(entries)).toEqual({ key: 1, project: 1 })
  expect({ bytes, evictions }).toEqual({ bytes: 2, evictions: 0 })
  expect(hits).toBeGreaterThanOrEqual(2)
  expect(misses).toBeGreaterThanOrEqual(3)
  expect(maxBytes).toBeGreaterThan(bytes)
})

test('what it holds has a bound in bytes: the least used goes, and is asked for again', async () => {
  const { ask, ...rest } = store(true)
  const heavy = 20 * 1024 * 1024
  const control = new ControlPlane(
    {
      ...rest,
      ask: async (question) => {
        const answer = await ask(question)
        return { ...answer, project: answer.project && { ...answer.project, bytes: heavy } }
      },
    },
    { clock: () => now },
  )
  for (let i = 0; i < 5; i++) {
    projects.set(`p${i}`, { id: placeId(`p${i}`), key: `p${i}`, paused: false })
    await named(control, `p${i}`)
  }
  const { entries, bytes, maxBytes, evictions } = control.stats()
  expect(bytes).toBeLessThanOrEqual(maxBytes)
  expect({ projects: entries.get('project'), evictions }).toEqual({ projects: 3, evictions: 2 })
  queries = []
  expect(await named(control, 'p0')).toBeDefined()
  expect(await named(control, 'p4')).toBeDefined()
  expect(queries).toEqual(['project p0'])
})

test.each(['a/b', 'x'.repeat(65), '', '__proto__', 'a\0'])(
  'text that can be no key or id is unknown without a query: %j',
  async (name) => {
    expect(await named(plane(), name)).toBeUndefined()
    expect(queries).toEqual([])
  },
)

test('the admin key of the configuration needs no store', async () => {
  broken = true
  const control = plane(true, 'any shape, twenty or more characters'.replaceAll(' ', '-'))
  expect(await control.authenticate('Bearer any-shape,-twenty-or-more-characters')).toMatchObject({
    principal: { keyId: 'admin', scope: { kind: 'instance' } },
  })
  expect(await control.authenticate('Bearer any-shape,-twenty-or-more-character')).toHaveProperty('challenge')
})

test('last use is noted in memory, written in one go, and kept when that fails, which fails no stop', async () => {
  const control = plane()
  const [a, b] = [storeKey(), storeKey()]
  for (const { key } of [a, b, a]) await control.authenticate(`Bearer ${key}`)
  broken = true
  await expect(control.flushKeyUse()).rejects.toThrow('no store')
  await control.stop()
  broken = false
  await control.stop()
  expect(uses.map((batch) => batch.map(({ id }) => id))).toEqual([[a.id, b.id]])
  await control.stop()
  expect(uses).toHaveLength(1)
})

test('an expired or revoked key leaves no last use', async () => {
  const control = plane()
  await control.authenticate(`Bearer ${storeKey(true).key}`)
  await control.stop()
  expect(uses).toEqual([])
})

/** Gives the key a second secret; the first one goes at `endsAt`, or with the use of the second. */
function rotate(id: string, endsAt: number | undefined): string {
  const stored = keys.get(id) as StoredKey
  const { key, hash } = mintApiKey(id)
  const first = stored.secrets[0] as StoredKey['secrets'][number]
  const second = { ...first, version: 2, hash, endsOthers: endsAt === undefined }
  keys.set(id, { ...stored, secrets: [{ ...first, endsAt }, second] })
  changes.push(id)
  now += 500
  return key
}

test('both secrets of a key that is rotated are good, without a round trip, and uses are told apart', async () => {
  const control = plane()
  const { key, id, principal } = storeKey()
  const next = rotate(id, Date.now() + 60_000)
  for (const text of [key, next])
    expect(await control.authenticate(`Bearer ${text}`, text)).toMatchObject({ principal })
  queries = []
  for (const text of [key, next])
    expect(await control.authenticate(`Bearer ${text}`, text)).toMatchObject({ principal })
  expect(queries).toEqual([])
  await control.stop()
  expect(uses[0]?.map(({ version, client }) => [version, client])).toEqual([
    [1, key],
    [2, next],
  ])
  expect(ended).toEqual([])
})

test('SEC-03 a secret that was rotated away is refused, from memory too', async () => {
  const control = plane()
  const { key, id } = storeKey()
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const next = rotate(id, Date.now() + 30)
  expect(await control.authenticate(`Bearer ${key}`)).toHaveProperty('principal')
  vi.setSystemTime(Date.now() + 30)
  expect(await control.authenticate(`Bearer ${key}`)).toMatchObject({
    challenge: { status: 401, detail: expect.stringContaining('rotated') },
  })
  expect(await control.authenticate(`Bearer ${next}`)).toHaveProperty('principal')
})

test('the first use of a new secret ends the old one soon, where that was asked for', async () => {
  const control = plane()
  const { key, id } = storeKey()
  const next = rotate(id, undefined)
  expect(await control.authenticate(`Bearer ${key}`)).toHaveProperty('principal')
  // A busy client must not put it off.
  await expect.poll(() => control.authenticate(`Bearer ${next}`).then(() => ended), { interval: 5 }).toEqual([[id, 2]])
  expect(await control.authenticate(`Bearer ${key}`)).toHaveProperty('challenge')
  expect(await control.authenticate(`Bearer ${next}`)).toHaveProperty('principal')
  await control.stop()
  expect(ended).toHaveLength(1)
})

test('SEC-15 what may be a guess of the configuration’s key asks the store nothing, and is told from other refusals', async () => {
  // A store that has nothing: whatever is asked of it throws.
  const control = new ControlPlane({} as ControlStore, { adminKey: 'the-key-of-the-configuration' })
  const challenged = async (authorization: string | undefined) => {
    const result = await control.authenticate(authorization)
    return 'challenge' in result ? (result.challenge.mayBeGuess ?? false) : undefined
  }
  expect(await challenged('Bearer the-key-of-the-configurations')).toBe(true)
  expect(await challenged('Bearer the-key-of-the-configuration')).toBeUndefined()
  expect(await challenged(undefined)).toBe(false)
  expect(await challenged('Bearer two keys')).toBe(false)
})
