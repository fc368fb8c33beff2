import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { SignInIssuer } from '../../../src/auth/sign-in-issuer.ts'
import { ACME, ADMIN_KEY, GLOBEX, openConsole, type Page, type TestConsole } from '../../support/console.ts'
import { ORIGIN } from '../../support/instances.ts'
import {
  CLIENT,
  type Faults,
  type FaultyIssuer,
  type Issuer,
  openFaultyIssuer,
  openProvider,
  signInAt,
  signInBy,
} from '../../support/issuers.ts'

const CONSOLE = `${ORIGIN}/console`

let provider: Issuer
let faulty: FaultyIssuer
/** Signs in by the provider; the second one by the issuer that can be told to answer wrongly. */
let opened: TestConsole
let exposed: TestConsole
beforeAll(async () => {
  ;[provider, faulty] = [await openProvider(CONSOLE), await openFaultyIssuer()]
  opened = await openConsole(signInBy(provider.url))
  exposed = await openConsole(signInBy(faulty.url), ORIGIN, opened)
})
afterAll(async () => {
  await exposed.close()
  await opened.close()
  await provider.close()
  await faulty.close()
})
afterEach(() => {
  vi.useRealTimers()
  faulty.answer({})
})

interface Entry {
  readonly action: string
  readonly actor: string
  readonly actorName: string | null
  readonly after: Readonly<Record<string, unknown>> | null
}
const trail = async (): Promise<readonly Entry[]> =>
  (await opened.admin<{ items: Entry[] }>('GET', '/audit-log?limit=5')).items

/** Begins a sign-in: the address at the issuer, and the cookie that the browser keeps meanwhile. */
async function begun(at: TestConsole) {
  const answer = await at.request('/sign-in/oidc')
  const cookie = answer.headers.get('Set-Cookie')?.split(';')[0] ?? ''
  return { answer, cookie, address: answer.headers.get('Location') ?? '' }
}
/** Comes back from the issuer. */
const comeBack = (at: TestConsole, back: string, cookie: string) => at.request(back.slice(CONSOLE.length), { cookie })
const sessionIn = (page: Page): string | undefined =>
  page.headers
    .getSetCookie()
    .find((cookie) => cookie.startsWith('rollcall_console='))
    ?.split(';')[0]

/** Signs in as a person whom the provider knows; gives the cookie of the session. */
async function signedIn(login: string, at = opened): Promise<string> {
  const { address, cookie } = await begun(at)
  const page = await comeBack(at, await signInAt(provider, address, login), cookie)
  return sessionIn(page) ?? `${page.status}: ${page.text}`
}

describe('signing in with an issuer', () => {
  test('begins with PKCE, state and nonce, none of which the browser can read or another site can have sent', async () => {
    const { answer, address, cookie } = await begun(opened)
    const { origin, searchParams: sent } = new URL(address)
    expect([answer.status, origin]).toEqual([303, provider.url])
    expect(Object.fromEntries(sent)).toMatchObject({
      ...{ response_type: 'code', client_id: CLIENT.id, redirect_uri: `${CONSOLE}/sign-in/oidc/return` },
      ...{ scope: 'openid profile email groups', code_challenge_method: 'S256' },
    })
    for (const name of ['state', 'nonce', 'code_challenge']) {
      expect(sent.get(name)?.length).toBeGreaterThanOrEqual(43)
      expect(cookie).not.toContain(sent.get(name))
    }
    const [, ...attributes] = (answer.headers.get('Set-Cookie') ?? '').split('; ')
    expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=600', 'Path=/console/sign-in', 'SameSite=Lax'])
    expect((await opened.request('/sign-in')).text).toContain(`Sign in with ${new URL(provider.url).host}`)
  })

  test('opens the console for whom the claim says so, by name, and the trail names the person', async () => {
    const { address, cookie } = await begun(opened)
    const page = await comeBack(opened, await signInAt(provider, address, 'ada'), cookie)
    // After a redirect that began at the issuer, browsers would not send the cookie of the session.
    expect([page.status, page.headers.get('Refresh')]).toEqual([200, '0;url=/console'])
    const session = sessionIn(page) ?? ''
    const attributes = page.headers.getSetCookie().find((one) => one.startsWith('rollcall_console=')) ?? ''
    expect(attributes).toMatch(/HttpOnly; SameSite=Strict$/)
    expect((await opened.request('', { cookie: session })).text).toContain('Ada Lovelace')
    expect((await trail())[0]).toMatchObject({
      ...{ action: 'console_session.created', actor: 'oidc:ada', actorName: 'Ada Lovelace <ada@example.com>' },
      after: { issuer: provider.url, person: 'oidc:ada', name: 'Ada Lovelace', email: 'ada@example.com' },
    })

    const [, token = ''] = /name="form-token" value="([^"]+)"/.exec(
      (await opened.request(ACME, { cookie: session })).text,
    ) ?? ['', '']
    for (const paused of ['true', 'false'])
      await opened.request(`${ACME}/pause`, { cookie: session, form: { paused, 'form-token': token } })
    expect((await trail())[0]).toMatchObject({
      ...{ action: 'tenant.changed', actor: 'oidc:ada', actorName: 'Ada Lovelace <ada@example.com>' },
    })
    expect((await opened.request(`${ACME}/audit-log`, { cookie: session })).text).toContain(
      'Ada Lovelace &lt;ada@example.com&gt;',
    )
    const { database } = opened
    const events = await database.run<{ actor: string }>(
      "select actor from events where type = 'tenant.resumed' order by seq desc limit 1",
      [],
    )
    expect(events).toEqual([{ actor: 'oidc:ada' }])
  })

  test('opens no more than the place and the permissions of the first entry that fits', async () => {
    const cookie = await signedIn('grace')
    const statuses = async (...paths: string[]) =>
      Promise.all(paths.map(async (path) => (await opened.request(path, { cookie })).status))
    expect(await statuses('', ACME, GLOBEX, '/api-keys', `${ACME}/people`)).toEqual([200, 200, 403, 403, 403])
  })

  test('is refused in words to whom no value of the claim opens anything', async () => {
    const { address, cookie } = await begun(opened)
    const page = await comeBack(opened, await signInAt(provider, address, 'eve'), cookie)
    expect([page.status, sessionIn(page)]).toEqual([403, undefined])
    expect(page.text).toContain('knows you as Eve (eve@example.com), but no value of the claim “groups” opens')
    expect(page.text).toContain('It has: everybody.')
  })

  test('a code is good once: who has seen it all, the cookie too, gets nothing by it', async () => {
    const { address, cookie } = await begun(opened)
    const back = await signInAt(provider, address, 'ada')
    expect(sessionIn(await comeBack(opened, back, cookie))).toBeDefined()
    const again = await comeBack(opened, back, cookie)
    expect([again.status, sessionIn(again)]).toEqual([401, undefined])
    expect(again.text).toContain('does not prove who you are (invalid_grant)')
  })

  const hour = 3_600
  test.each<[what: string, faults: Faults]>([
    ['the nonce of another sign-in', { claims: { nonce: 'another' } }],
    ['no nonce', { claims: { nonce: undefined } as Faults['claims'] & object }],
    ['a token that has expired', { claims: { exp: Math.floor(Date.now() / 1000) - hour, iat: 0 } }],
    ['a token for another client', { claims: { aud: 'somebody-else' } }],
    ['a token of another issuer', { claims: { iss: 'https://other.example' } }],
    ['a token by a key that is not its own', { signedBy: 'a key of its own' }],
    ['a token without a signature', { signedBy: 'nobody' }],
    ['a subject that no issuer may give', { claims: { sub: 'ada\u0000' } }],
  ])('is refused in words with %s', async (_, faults) => {
    faulty.answer(faults)
    const { address, cookie } = await begun(exposed)
    const page = await comeBack(exposed, faulty.back(address), cookie)
    expect([page.status, sessionIn(page)]).toEqual([401, undefined])
    expect(page.text).toContain('does not prove who you are')
    faulty.answer({})
    const good = await begun(exposed)
    expect(sessionIn(await comeBack(exposed, faulty.back(good.address), good.cookie))).toBeDefined()
  })

  test.each([
    ['the state of another sign-in', { state: 'another' }],
    ['no state', { state: '' }],
    ['the name of another issuer (RFC 9207)', { iss: 'https://other.example' }],
    ['no issuer, though this one names itself', { iss: '' }],
  ])('is refused in words with %s in the address', async (_, more) => {
    const { address, cookie } = await begun(exposed)
    const page = await comeBack(exposed, faulty.back(address, more), cookie)
    expect([page.status, sessionIn(page)]).toEqual([401, undefined])
  })

  test('is refused where it was begun in another browser, by another sign-in, or more than ten minutes ago', async () => {
    const [one, other] = [await begun(exposed), await begun(exposed)]
    vi.useFakeTimers({ toFake: ['Date'] })
    for (const [cookie, status] of [
      ['', 400],
      [`${one.cookie}x`, 400],
      [other.cookie, 401],
    ] as const) {
      const page = await comeBack(exposed, faulty.back(one.address), cookie)
      expect([page.status, sessionIn(page)]).toEqual([status, undefined])
    }
    vi.advanceTimersByTime(600_000)
    const late = await comeBack(exposed, faulty.back(one.address), one.cookie)
    expect([late.status, late.text.includes('took more than ten minutes')]).toEqual([400, true])
  })

  test('is refused in words where the issuer says no, or what the person may not have sent is text', async () => {
    const { address, cookie } = await begun(exposed)
    const page = await comeBack(exposed, faulty.back(address, { code: '', error: 'access_denied' }), cookie)
    expect([page.status, page.text.includes('did not sign you in: access_denied')]).toEqual([401, true])
    const hostile = await begun(exposed)
    const error = '<script>alert(1)</script>'
    const text = (await comeBack(exposed, faulty.back(hostile.address, { code: '', error }), hostile.cookie)).text
    expect(text).not.toContain('<script')
  })

  test('by an address of e-mail takes one that the issuer has verified', async () => {
    const access = JSON.stringify([{ value: 'ada@example.com', permissions: ['admin'] }])
    const env = { ...signInBy(faulty.url), CONSOLE_OIDC_CLAIM: 'email', CONSOLE_OIDC_ACCESS: access }
    const byEmail = await openConsole(env, ORIGIN, opened)
    const statuses: number[] = []
    for (const email_verified of [false, 'true', true]) {
      faulty.answer({ claims: { email_verified } })
      const { address, cookie } = await begun(byEmail)
      statuses.push((await comeBack(byEmail, faulty.back(address), cookie)).status)
    }
    expect(statuses).toEqual([403, 403, 200])
    await byEmail.close()
  })

  test('an issuer that is down, or fails, is told in words, and API keys open the console all the same', async () => {
    const gone = await openFaultyIssuer()
    await gone.close()
    const alone = await openConsole(signInBy(gone.url), ORIGIN, opened)
    const { answer } = await begun(alone)
    expect([answer.status, answer.text.includes('does not answer as it should')]).toEqual([503, true])
    expect((await alone.request('/sign-in', { form: { key: ADMIN_KEY } })).status).toBe(303)
    expect(alone.instance.log.join()).toMatch(/"problem":"unreachable","reason":"ECONNREFUSED"/)
    await alone.close()
    faulty.answer({ status: 500 })
    const { address, cookie } = await begun(exposed)
    expect((await comeBack(exposed, faulty.back(address), cookie)).status).toBe(503)
  })

  test('an issuer in a network that is not public is asked only where the operator allows that network', async () => {
    const before = faulty.asked
    const settings = { ...signInSettings(faulty.url), issuer: faulty.url.replace('http:', 'https:') }
    expect(await new SignInIssuer(settings, []).look()).toContain('must')
    const named = { ...settings, issuer: `https://localhost:${new URL(faulty.url).port}` }
    expect(await new SignInIssuer(named, []).look()).toBe('REFUSED_ADDRESS')
    expect(faulty.asked).toBe(before)
    expect(await new SignInIssuer(signInSettings(faulty.url), ['127.0.0.0/8']).look()).toBeUndefined()
  })

  test('what is not sign-in is as it was where no issuer is configured', async () => {
    const without = await openConsole({}, ORIGIN, opened)
    expect((await without.request('/sign-in')).text).not.toContain('Sign in with 1')
    expect((await without.request('/sign-in/oidc')).headers.get('Location')).toBe('/console/sign-in')
    await without.close()
  })
})

const signInSettings = (issuer: string) => ({
  ...{ issuer, clientId: CLIENT.id, clientSecret: CLIENT.secret, scopes: 'openid', claim: 'groups', access: [] },
})

describe('the session of a person', () => {
  test('ends by signing out, on every instance, and the browser goes on to the issuer’s own end of it', async () => {
    const cookie = await signedIn('ada')
    const beside = await openConsole(signInBy(provider.url), ORIGIN, opened)
    const [, token = ''] = /name="form-token" value="([^"]+)"/.exec((await opened.request('', { cookie })).text) ?? []
    const page = await opened.request('/sign-out', { cookie, form: { 'form-token': token } })
    expect(page.status).toBe(200)
    const onward = new URL(page.headers.get('Refresh')?.replace('0;url=', '') ?? '')
    expect(onward.origin).toBe(provider.url)
    expect(onward.searchParams.get('post_logout_redirect_uri')).toBe(`${CONSOLE}/sign-in`)
    expect(onward.searchParams.get('id_token_hint')?.split('.')).toHaveLength(3)
    expect((await fetch(onward)).status).toBe(200)
    for (const one of [opened, beside]) expect((await one.request('', { cookie })).status).toBe(303)
    expect((await trail())[0]).toMatchObject({ action: 'console_session.deleted', actor: 'oidc:ada', after: null })
    await beside.close()
  })

  test('ends, or does less, as the configuration says now; and with the issuer', async () => {
    const cookie = await signedIn('ada')
    const env = signInBy(provider.url)
    const ask = async (more: Record<string, string>, path: string) => {
      const changed = await openConsole({ ...env, ...more }, ORIGIN, opened)
      const { status } = await changed.request(path, { cookie })
      await changed.close()
      return status
    }
    const access = (entry: object) => ({
      CONSOLE_OIDC_ACCESS: JSON.stringify([{ value: 'operators', permissions: ['admin'], ...entry }]),
    })
    expect(await ask({}, GLOBEX)).toBe(200)
    expect(await ask(access({ place: 'shop/prod/acme' }), GLOBEX)).toBe(403)
    expect(await ask(access({ place: 'shop/prod/gone' }), ACME)).toBe(303)
    expect(await ask(access({ value: 'others' }), ACME)).toBe(303)
    expect(await ask({ CONSOLE_OIDC_ISSUER: faulty.url }, ACME)).toBe(303)
  })

  test('tells no log line who the person is, and no reader of the database what the issuer was sent', async () => {
    const cookie = await signedIn('ada')
    await opened.request(ACME, { cookie })
    expect(opened.instance.log.join('\n')).not.toMatch(/oidc:|Lovelace|ada@example/)
    expect(opened.instance.log.at(-1)).toMatch(/"keyId":"session [0-9a-f-]{36}"/)
    const rows = await opened.database.run<{ text: string }>('select s::text as text from console_sessions s', [])
    expect(rows.map(({ text }) => text).join()).not.toMatch(/eyJhbGciOiJ(?:RS|ES)/)
  })
})
