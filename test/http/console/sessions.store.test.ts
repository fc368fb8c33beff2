import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { FAILURES } from '../../../src/auth/attempts.ts'
import { consoleSessionsOf } from '../../../src/repositories/control/console-sessions.ts'
import { ACME, ADMIN_KEY, openConsole, PROD, type TestConsole } from '../../support/console.ts'
import { ORIGIN } from '../../support/instances.ts'

let opened: TestConsole
beforeAll(async () => {
  opened = await openConsole()
})
afterAll(() => opened.close())
afterEach(() => vi.useRealTimers())

const FOREIGN = { Origin: 'https://elsewhere.example' }

describe('signing in', () => {
  test('sets a cookie that scripts and other sites do not get, which holds no secret', async () => {
    const { key } = await opened.keyFor(ACME, ['admin'])
    const answer = await opened.request('/sign-in', { form: { key } })
    expect(answer.status).toBe(303)
    expect(answer.headers.get('Location')).toBe('/console')
    const [pair = '', ...attributes] = (answer.headers.get('Set-Cookie') ?? '').split('; ')
    expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=28800', 'Path=/console', 'SameSite=Strict'])
    const value = decodeURIComponent(pair.slice(pair.indexOf('=') + 1))
    const parts = [value, ...value.split('.').map((part) => Buffer.from(part, 'base64url').toString())].join('\n')
    expect(parts).not.toContain(key.slice(-38))
    expect(parts).not.toContain(key.split('_')[1])
  })

  test('under https the cookie is for https alone', async () => {
    const origin = 'https://rollcall.example'
    const secure = await openConsole({ PUBLIC_URL: origin }, origin, opened)
    const answer = await secure.request('/sign-in', { form: { key: ADMIN_KEY } })
    const [pair, ...attributes] = answer.headers.get('Set-Cookie')?.split('; ') ?? []
    expect(pair).toMatch(/^__Host-rollcall_console=/)
    expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=28800', 'Path=/', 'SameSite=Strict', 'Secure'])
    expect((await secure.request('', { cookie: pair ?? '' })).status).toBe(200)
    // What a page of another host, or one without TLS, can set.
    expect((await secure.request('', { cookie: pair?.replace('__Host-', '') ?? '' })).status).toBe(303)
    // By the address of the socket, which browsers do not see.
    expect((await secure.request('/sign-in', { form: { key: ADMIN_KEY }, headers: FOREIGN })).status).toBe(403)
    await secure.close()
  })

  test.each([
    ['a wrong key', async () => 'rck_000000000000_nonsense', /not one of ours/],
    ['no key', async () => '', /needs an API key/],
    [
      'a key without admin',
      async () => (await opened.keyFor(PROD, ['scim:read', 'directory:read'])).key,
      /lacks .*admin/,
    ],
    ['a revoked key', revoked, /was revoked/],
    ['an access token', async () => 'eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl', /not one of ours/],
  ])('is refused with %s, in words', async (_, key, words) => {
    const answer = await opened.request('/sign-in', { form: { key: await key() } })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('Set-Cookie')).toBeNull()
    expect(answer.text.replaceAll('&quot;', '"')).toMatch(words)
  })

  test('is refused from another site', async () => {
    const answer = await opened.request('/sign-in', { form: { key: ADMIN_KEY }, headers: FOREIGN })
    expect(answer.status).toBe(403)
    expect(answer.headers.get('Set-Cookie')).toBeNull()
  })

  test('SEC-15 a client that tries too many wrong keys is told to wait; operators behind the same address get in', async () => {
    const patient = await openConsole({}, ORIGIN, opened)
    const attempt = (key: string) => patient.request('/sign-in', { form: { key } })
    for (let i = 0; i < 12; i++) expect((await attempt(ADMIN_KEY)).status).toBe(303)
    const wrong = await Promise.all(Array.from({ length: FAILURES.ofKeyFromAddress }, () => attempt('guess')))
    expect(new Set(wrong.map(({ status }) => status))).toEqual(new Set([401]))
    const refused = await attempt('another-guess')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(800)
    expect(refused.headers.get('Content-Type')).toMatch(/^text\/html/)
    expect((await attempt(ADMIN_KEY)).status).toBe(303)
    expect((await attempt((await opened.keyFor(ACME, ['admin'])).key)).status).toBe(303)
    await patient.close()
  })
})

describe('a session', () => {
  test.each(['', '/audit-log', `${ACME}`, '/nowhere'])('is needed for %s', async (path) => {
    const answer = await opened.request(path)
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/console/sign-in'])
  })

  test('ends within a second of its key', async () => {
    const { id, key } = await opened.keyFor(ACME, ['admin'])
    const visitor = await opened.signIn(key)
    expect((await visitor.get(ACME)).status).toBe(200)
    await opened.admin('DELETE', `/api-keys/${id}`)
    expect((await visitor.get(ACME)).status).toBe(303)
    expect((await visitor.post(`${ACME}/pause`, { paused: 'true' })).status).toBe(303)
  })

  test('ends with the secret that began it, and goes on with the other one', async () => {
    const { id, key } = await opened.keyFor(ACME, ['admin'])
    const old = await opened.signIn(key)
    const { key: newKey } = await opened.admin<{ key: string }>('POST', `/api-keys/${id}/rotation`, {})
    const now = await opened.signIn(newKey)
    expect((await old.get(ACME)).status).toBe(200)
    await opened.admin('DELETE', `/api-keys/${id}/rotation/old`)
    expect((await old.get(ACME)).status).toBe(303)
    expect((await now.get(ACME)).status).toBe(200)
  })

  test('ends two hours after its last use', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const { get } = await opened.signIn((await opened.keyFor(ACME, ['admin'])).key)
    for (let i = 0; i < 3; i++) {
      vi.advanceTimersByTime(2 * 3_600_000 - 1_000)
      expect((await get(ACME)).status).toBe(200)
    }
    vi.advanceTimersByTime(2 * 3_600_000)
    expect((await get(ACME)).status).toBe(303)
  })

  test('is looked up by one statement of a page, and by none of SCIM', async () => {
    const { cookie } = await opened.signIn(ADMIN_KEY)
    const { key } = await opened.keyFor(ACME, ['scim:read'])
    const scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })
    const { recorder } = opened.instance
    const asked = async (work: () => Promise<unknown>) => {
      const before = recorder.statements.length
      await work()
      return recorder.statements.slice(before).map(({ text }) => text.includes('console_sessions'))
    }
    expect(await asked(() => opened.request('/nowhere', { cookie }))).toEqual([true])
    expect(await asked(() => scim('GET', '/Users?count=1'))).toEqual([false])
  })

  test('is a row with the hash of a secret that only the cookie has', async () => {
    const { cookie } = await opened.signIn(ADMIN_KEY)
    const value = decodeURIComponent(cookie.slice(cookie.indexOf('=') + 1))
    const rows = await opened.database.run<{ hash: string }>('select hash from console_sessions', [])
    for (const { hash } of rows) {
      expect(hash).toMatch(/^[\w-]{43}$/)
      expect(value).not.toContain(hash)
      expect((await opened.request('', { cookie: `rollcall_console=${hash}` })).status).toBe(303)
    }
  })

  test('ends when its key expires, and after eight hours', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const [short, long] = [await opened.keyFor(ACME, ['admin'], { expiresAt }), await opened.keyFor(ACME, ['admin'])]
    const [one, other] = [await opened.signIn(short.key), await opened.signIn(long.key)]
    vi.advanceTimersByTime(3_599_000)
    expect((await one.get(ACME)).status).toBe(200)
    vi.advanceTimersByTime(2_000)
    expect((await one.get(ACME)).status).toBe(303)
    expect((await other.get(ACME)).status).toBe(200)
    for (let hour = 0; hour < 6; hour++) {
      vi.advanceTimersByTime(3_600_000)
      expect((await other.get(ACME)).status).toBe(200)
    }
    vi.advanceTimersByTime(3_600_000)
    expect((await other.get(ACME)).status).toBe(303)
  })

  test('is gone with its key: who looks at who is signed in finds none of it', async () => {
    const { id, key } = await opened.keyFor(ACME, ['admin'])
    const ofKey = async () => (await sessions()).filter(({ apiKey }) => apiKey === id).length
    await opened.signIn(key)
    const { key: second } = await opened.admin<{ key: string }>('POST', `/api-keys/${id}/rotation`, {})
    await opened.signIn(second)
    expect(await ofKey()).toBe(2)
    await opened.admin('DELETE', `/api-keys/${id}/rotation/old`)
    expect(await ofKey()).toBe(1)
    await opened.admin('DELETE', `/api-keys/${id}`)
    expect(await ofKey()).toBe(0)
  })

  test('is seen and ended by an operator; a key for less than the instance sees and ends its own alone', async () => {
    const { id, key } = await opened.keyFor(ACME, ['admin'])
    const [admin, tenant] = [await opened.signIn(ADMIN_KEY), await opened.signIn(key)]
    const [ofAdmin, ofTenant] = await Promise.all([idOf('admin'), idOf(id)])
    const own = (await tenant.get('/sessions')).text
    expect([own.includes(ofTenant), own.includes(ofAdmin)]).toEqual([true, false])
    expect((await tenant.post(`/sessions/${ofAdmin}/end`)).status).toBe(404)
    expect((await tenant.post('/sessions/nonsense/end')).status).toBe(404)
    await expect(opened.admin('GET', '/console-sessions', undefined, key)).rejects.toThrow('403')
    await expect(opened.admin('DELETE', `/console-sessions/${ofAdmin}`, undefined, key)).rejects.toThrow('403')
    expect((await admin.get('/sessions')).text).toContain(ofTenant)
    expect((await admin.post(`/sessions/${ofTenant}/end`)).headers.get('Location')).toContain('done=session-ended')
    expect((await tenant.get(ACME)).status).toBe(303)
    const again = await opened.signIn(key)
    await opened.admin('DELETE', `/console-sessions/${await idOf(id)}`)
    expect((await again.get(ACME)).status).toBe(303)
    for (const gone of [ofTenant, 'nonsense'])
      await expect(opened.admin('DELETE', `/console-sessions/${gone}`)).rejects.toThrow('404')
    const [entry] = (await opened.admin<{ items: object[] }>('GET', '/audit-log?limit=1')).items
    expect(entry).toMatchObject({ action: 'console_session.deleted', before: { apiKey: id }, after: null })
  })

  test('that is over is deleted in batches', async () => {
    await opened.signIn(ADMIN_KEY)
    await opened.database.run(
      `insert into console_sessions (id, key_id, ends_at)
       select gen_random_uuid(), 'long-gone', now() - interval '1 hour' from generate_series(1, 1500)`,
      [],
    )
    const store = consoleSessionsOf(opened.database)
    expect([await store.removeOver(), await store.removeOver()]).toEqual([true, false])
    const [left] = await opened.database.run<{ over: number; all: number }>(
      'select count(*) filter (where ends_at < now())::int as over, count(*)::int as all from console_sessions',
      [],
    )
    expect(left?.over).toBe(0)
    expect(left?.all).toBeGreaterThan(0)
  })

  test('ends when the key of the configuration is another one', async () => {
    const { cookie } = await opened.signIn(ADMIN_KEY)
    const ask = async (key: string) => {
      const again = await openConsole({ ADMIN_KEY: key }, ORIGIN, opened)
      const { status } = await again.request('', { cookie })
      await again.close()
      return status
    }
    expect(await ask(ADMIN_KEY)).toBe(200)
    expect(await ask('another-admin-key-of-some-length')).toBe(303)
  })

  test('ends by signing out: its cookie is good no longer, on no instance, and other sessions go on', async () => {
    const beside = await openConsole({}, ORIGIN, opened)
    const [visitor, other] = [await opened.signIn(ADMIN_KEY), await opened.signIn(ADMIN_KEY)]
    expect((await beside.request('', { cookie: visitor.cookie })).status).toBe(200)
    const answer = await visitor.post('/sign-out')
    expect(answer.headers.get('Set-Cookie')).toMatch(/^rollcall_console=;.*Max-Age=0/)
    for (const instance of [opened, beside])
      expect((await instance.request('', { cookie: visitor.cookie })).status).toBe(303)
    expect((await other.get('')).status).toBe(200)
    await beside.close()
  })

  test('ends with all of its key by signing out everywhere, and no session of another key does', async () => {
    const { key } = await opened.keyFor(ACME, ['admin'])
    const [here, there, admin] = [await opened.signIn(key), await opened.signIn(key), await opened.signIn(ADMIN_KEY)]
    await here.post('/sign-out', { everywhere: 'true' })
    expect([(await here.get(ACME)).status, (await there.get(ACME)).status]).toEqual([303, 303])
    expect((await admin.get(ACME)).status).toBe(200)
  })

  test('is one of a hundred of its key at most: with one more, the oldest ends', async () => {
    const { key } = await opened.keyFor(ACME, ['admin'])
    vi.useFakeTimers({ toFake: ['Date'] })
    const visitors = []
    for (let i = 0; i < 101; i++) {
      visitors.push(await opened.signIn(key))
      vi.advanceTimersByTime(1)
    }
    expect((await visitors[0]?.get(ACME))?.status).toBe(303)
    expect((await visitors[1]?.get(ACME))?.status).toBe(200)
    expect((await visitors[100]?.get(ACME))?.status).toBe(200)
  })

  test('is no other than the one that was sealed', async () => {
    const { cookie } = await opened.signIn(ADMIN_KEY)
    const parts = cookie.split('.')
    const changed = parts.with(3, `${parts[3]?.startsWith('A') ? 'B' : 'A'}${parts[3]?.slice(1)}`).join('.')
    for (const other of [changed, cookie.slice(0, -4), 'rollcall_console=admin', 'rollcall_console='])
      expect((await opened.request('', { cookie: other })).status, other).toBe(303)
  })
})

describe('a form', () => {
  const pause = { paused: 'true' }

  test('is refused without the token of its session, or with that of another', async () => {
    const [mine, other] = [await opened.signIn(ADMIN_KEY), await opened.signIn(ADMIN_KEY)]
    const token = /name="form-token" value="([^"]+)"/.exec((await other.get('')).text)?.[1] ?? ''
    expect(token.length).toBeGreaterThan(20)
    for (const fields of [pause, { ...pause, 'form-token': '' }, { ...pause, 'form-token': token }]) {
      const answer = await opened.request(`${ACME}/pause`, { cookie: mine.cookie, form: fields })
      expect(answer.status).toBe(403)
      expect(answer.headers.get('Content-Type')).toMatch(/^text\/html/)
    }
    expect((await opened.admin(`GET`, ACME)).paused).toBe(false)
  })

  test('is refused from another site, or where the browser says so, even with the token', async () => {
    const { cookie, get } = await opened.signIn(ADMIN_KEY)
    const token = /name="form-token" value="([^"]+)"/.exec((await get('')).text)?.[1] ?? ''
    const form = { ...pause, 'form-token': token }
    for (const headers of [FOREIGN, { Origin: 'null' }, { ...FOREIGN, 'Sec-Fetch-Site': 'cross-site' }])
      expect((await opened.request(`${ACME}/pause`, { cookie, form, headers })).status).toBe(403)
    const json = { 'Content-Type': 'application/json' }
    expect((await opened.request(`${ACME}/pause`, { cookie, form, headers: json })).status).toBe(415)
    expect((await opened.admin(`GET`, ACME)).paused).toBe(false)
    expect((await opened.request(`${ACME}/pause`, { cookie, form })).status).toBe(303)
    expect((await opened.admin(`GET`, ACME)).paused).toBe(true)
    await opened.admin('PATCH', ACME, { paused: false })
  })

  test('is refused when it is larger than any form', async () => {
    const visitor = await opened.signIn(ADMIN_KEY)
    expect((await visitor.post(`${ACME}/pause`, { paused: 'x'.repeat(70_000) })).status).toBe(413)
  })
})

interface Listed {
  readonly id: string
  readonly apiKey: string | null
}
const sessions = async () => (await opened.admin<{ items: Listed[] }>('GET', '/console-sessions?limit=200')).items
/** The newest session of a key. */
const idOf = async (key: string) => (await sessions()).find(({ apiKey }) => apiKey === key)?.id ?? ''

async function revoked(): Promise<string> {
  const { id, key } = await opened.keyFor(ACME, ['admin'])
  await opened.admin('DELETE', `/api-keys/${id}`)
  return key
}
