import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { selfTestAgent } from '../../../src/self-test/token.ts'
import { IDENTITY_PROVIDER_NAMES, IDENTITY_PROVIDERS } from '../../../src/tenancy/identity-providers.ts'
import { ACME, GLOBEX, openConsole, PROD, type TestConsole } from '../../support/console.ts'
import { groupBody, idIn, ORIGIN, patchBody, userBody } from '../../support/instances.ts'
import { askPortal, beginWith, type LinkVisitor, makeLink, openLink } from '../../support/portal.ts'

const BASE = `${ORIGIN}/scim/v2/shop/prod/v2/acme`
const GLOBEX_BASE = BASE.replace('acme', 'globex')
const KEY = /rck_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}/

let opened: TestConsole
beforeAll(async () => {
  opened = await openConsole()
})
afterAll(() => opened.close())

const words = (text: string) =>
  text
    .replaceAll(/<(style|script)[^>]*>[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll('&quot;', '"')
    .replaceAll(/\s+/g, ' ')

interface AuditRecord {
  readonly action: string
  readonly actor: string
  readonly target: { readonly name: string }
}
const trail = async (limit: number): Promise<AuditRecord[]> =>
  (await opened.admin<{ items: AuditRecord[] }>('GET', `${ACME}/audit-log?limit=${limit}`)).items

describe('from a link to the first user', () => {
  let visitor: LinkVisitor
  let key: string
  let link: { id: string; url: string }

  test('SEC-06 opening a link takes its secret out of the address at once, and asks before anything is counted', async () => {
    link = await makeLink(opened)
    const secret = link.url.split('/').at(-1) ?? ''
    const answer = await askPortal(opened, new URL(link.url).pathname)
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, `/setup/${link.id}`])
    expect(answer.headers.get('Referrer-Policy')).toBe('no-referrer')
    expect(answer.headers.get('Cache-Control')).toBe('no-store')
    const [cookie = ''] = answer.headers.getSetCookie()
    expect(cookie.split('; ').slice(1).sort()).toEqual([
      'HttpOnly',
      expect.stringMatching(/^Max-Age=\d+$/),
      `Path=/setup/${link.id}`,
      'SameSite=Lax',
    ])
    const value = decodeURIComponent(cookie)
    const parts = [value, ...value.split('.').map((part) => Buffer.from(part, 'base64url').toString())].join('\n')
    expect(parts).not.toContain(secret.slice(-38))
    visitor = await openLink(opened, link.url)
    expect((await visitor.get()).text).toContain('Begin')
    expect((await visitor.get('/steps')).headers.get('Location')).toBe(visitor.path)
    expect(await opened.admin('GET', `${ACME}/setup-links/${link.id}`)).toMatchObject({ visitors: 0 })
  })

  test('SEC-14 beginning is counted once, and the trail says by which link', async () => {
    expect((await visitor.post('/begin')).status).toBe(303)
    expect((await visitor.post('/begin')).status).toBe(303)
    expect(await opened.admin('GET', `${ACME}/setup-links/${link.id}`)).toMatchObject({ visitors: 1 })
    const [entry] = await trail(1)
    expect(entry).toMatchObject({ action: 'setup_link.visited', actor: `set-up link IT of Acme (${link.id})` })
    const { text } = await visitor.get()
    expect(words(text)).toContain('Choose your identity provider')
    for (const name of Object.values(IDENTITY_PROVIDERS)) expect(text).toContain(name)
  })

  test('an identity provider is chosen; its steps have our values with buttons that copy them', async () => {
    const answer = await visitor.post('/provider', { provider: 'okta' })
    expect(answer.headers.get('Location')).toBe(`${visitor.path}/steps?done=chosen`)
    expect((await trail(1))[0]).toMatchObject({ action: 'setup_link.provider_chosen' })
    const { text } = await visitor.get('/steps')
    expect(text).toContain(`data-copy="${BASE}"`)
    expect(text).toContain('<strong>your token</strong>')
    expect(words(text)).toContain('Test API Credentials')
    expect((await visitor.post('/provider', { provider: 'nobody' })).status).toBe(400)
  })

  test('the steps have the logout URL where the tenant takes logouts, and no value for it elsewhere', async () => {
    const before = (await visitor.get('/steps')).text
    expect(before).toContain('<strong>your logout URL</strong>')
    expect(words(before)).not.toContain('Logout URL')
    const logoutIssuers = [{ name: 'okta', issuer: 'https://acme.okta.com', jwksUri: 'https://acme.okta.com/keys' }]
    await opened.admin('PATCH', ACME, { settings: { logoutIssuers } })
    const after = (await visitor.get('/steps')).text
    expect(after.split(`data-copy="${BASE}/.global-token-revocation"`)).toHaveLength(3)
    await opened.admin('PATCH', ACME, { settings: { logoutIssuers: null } })
  })

  test('a token is made and shown once, in its places in the steps', async () => {
    const form = { name: 'Okta', 'form-id': 'one and the same' }
    const answer = await visitor.post('/tokens', form)
    expect(answer.status).toBe(200)
    ;[key = ''] = KEY.exec(answer.text) ?? []
    expect(answer.text.split(`data-copy="${key}"`).length).toBeGreaterThan(2)
    expect(answer.text).toContain(`data-copy="${key.split('_')[1]}"`)
    expect((await trail(1))[0]).toMatchObject({
      ...{ action: 'api_key.created', target: { name: 'Okta' } },
      actor: `set-up link IT of Acme (${link.id})`,
    })
    expect(await opened.admin('GET', `${ACME}/api-keys/${key.split('_')[1]}`)).toMatchObject({
      ...{ permissions: ['scim:read', 'scim:write'], setupLinkId: link.id, scope: { kind: 'tenant' } },
    })
    const again = await visitor.post('/tokens', form)
    expect([again.status, KEY.test(again.text)]).toEqual([303, false])
    for (const page of ['', '/steps', '/tokens', `/tokens/${key.split('_')[1]}`])
      expect(KEY.test((await visitor.get(page)).text), page).toBe(false)
  })

  test('what arrives is told in plain words, and counted; nobody’s name is in it', async () => {
    expect(words((await visitor.get('/arrivals')).text)).toContain('0 users and 0 groups are here')
    const scim = opened.instance.reach({ base: BASE, key })
    expect((await scim('POST', '/Users', userBody('ada.lovelace'))).status).toBe(201)
    expect((await scim('POST', '/Groups', groupBody('Engineers'))).status).toBe(201)
    await opened.instance.requestLog.flush()
    const page = await visitor.get('/arrivals')
    expect(words(page.text)).toMatch(/1 user and 1 group are here/)
    expect(words(page.text)).toContain('A user has arrived.')
    expect(page.text).not.toMatch(/ada\.lovelace|Engineers/)
    const rows = await visitor.get('/arrivals/rows')
    expect(rows.text).toContain('A group has arrived.')
    expect(rows.text).not.toContain('<html')
    const todo = words((await visitor.get()).text)
    expect(todo).not.toContain('Assign a test user')
  })

  test('a token is rotated, and the old one ends', async () => {
    const id = key.split('_')[1] ?? ''
    const answer = await visitor.post(`/tokens/${id}/rotate`, { old: 'use' })
    const [fresh = ''] = KEY.exec(answer.text) ?? []
    expect([fresh === key, fresh.split('_')[1]]).toEqual([false, id])
    expect((await trail(1))[0]).toMatchObject({
      action: 'api_key.rotated',
      actor: expect.stringMatching(/^set-up link/),
    })
    expect(words((await visitor.get()).text)).toContain('Enter the new token of “Okta”')
    expect((await visitor.post(`/tokens/${id}/end-old`)).status).toBe(303)
    const [old, now] = [key, fresh].map((one) => opened.instance.reach({ base: BASE, key: one }))
    expect((await old?.('GET', '/Users'))?.status).toBe(401)
    expect((await now?.('GET', '/Users'))?.status).toBe(200)
  })

  test('who leaves is out, on every instance', async () => {
    const before = new Map(visitor.cookies)
    expect(words((await visitor.post('/leave')).text)).toContain('You have left')
    expect(visitor.cookies.size).toBe(0)
    expect((await trail(1))[0]).toMatchObject({ action: 'setup_link.left' })
    const cookie = [...before.values()].join('; ')
    const answer = await askPortal(opened, `${visitor.path}/tokens`, { cookie })
    expect(answer.status).toBe(401)
    expect(words(answer.text)).toContain('Open the link that you were sent once more')
  })
})

test('what is in the way is told: a tenant that is paused, users that are switched off, addresses', async () => {
  const visitor = await beginWith(opened, (await makeLink(opened)).url)
  await opened.admin('PATCH', ACME, {
    paused: true,
    settings: { userSync: false, allowedAddresses: ['192.0.2.0/24'] },
  })
  const text = words((await visitor.get()).text)
  for (const told of ['Provisioning is paused', 'Users are switched off']) expect(text).toContain(told)
  await opened.admin('PATCH', ACME, { paused: false, settings: { userSync: null, allowedAddresses: null } })
  expect(words((await visitor.get()).text)).not.toContain('Provisioning is paused')
})

describe('what was sent, in the portal', () => {
  const sent = async (text: string) => words(text.slice(text.indexOf('class="arrivals"')))

  test('says of a refusal what was wrong and what to change, and names nobody', async () => {
    const visitor = await beginWith(opened, (await makeLink(opened, GLOBEX)).url)
    const { key } = await opened.keyFor(GLOBEX, ['scim:read', 'scim:write'], { name: 'a key of the operator' })
    const headers = { 'User-Agent': 'Okta SCIM Client 1.0.0' }
    const scim = opened.instance.reach({ base: GLOBEX_BASE, key })
    const grace = userBody('grace.hopper@globex.example', { emails: [{ value: 'grace@globex.example' }] })
    const made = await scim('POST', '/Users', grace, headers)
    await scim('POST', '/Users', grace, headers)
    await scim('GET', '/Users?filter=userName eq "grace.hopper@globex.example"', undefined, headers)
    await scim('POST', '/Groups', groupBody('Engineers'), headers)
    await scim('DELETE', '/Groups/nothing', undefined, headers)
    const path = 'emails[value eq "grace@globex.example"].primary'
    const patched = await scim('PATCH', `/Users/${idIn(made)}`, patchBody({ op: 'replace', path, value: 'x' }), headers)
    expect(patched.body).toMatchObject({ status: '400', detail: expect.stringContaining('grace@globex.example') })
    await opened.instance.reach({ base: GLOBEX_BASE, key: `${key.slice(0, -3)}xyz` })(
      'GET',
      '/Users',
      undefined,
      headers,
    )
    await scim('GET', '/Users', undefined, { 'User-Agent': selfTestAgent('Okta SCIM Client 1.0.0') })
    await opened.instance.requestLog.flush()

    const { text } = await visitor.get('/arrivals')
    const told = await sent(text)
    for (const sentence of [
      'A user has arrived.',
      'A group has arrived.',
      'Okta has looked for users.',
      'same unique value',
      'emails[value eq "•••••@••••••.•••••••"].primary',
      'a key that this service has never issued',
    ])
      expect(told, sentence).toContain(sentence)
    expect(text.match(/class="remedy"/g)).toHaveLength(4)
    expect(text.match(/looked for users/g)).toHaveLength(1)
    for (const page of ['/arrivals', '/arrivals/rows', ''])
      expect((await visitor.get(page)).text, page).not.toMatch(/grace|hopper|Engineers|key of the operator/i)
    const { items } = await opened.admin<{ items: unknown[] }>('GET', `${GLOBEX}/requests`)
    expect(items.length).toBeGreaterThan(7)
    expect(JSON.stringify(items)).not.toMatch(/grace|hopper/i)
  })

  test.each([
    ['failures', 'same unique value'],
    ['off', undefined],
  ] as const)(
    'with a log of %s, what happened stands in the place of what was accepted',
    async (requestLog, refusal) => {
      const tenant = `${PROD}/tenants/log-${requestLog}`
      await opened.admin('POST', `${PROD}/tenants`, { key: `log-${requestLog}`, settings: { requestLog } })
      const visitor = await beginWith(opened, (await makeLink(opened, tenant)).url)
      const { key } = await opened.keyFor(tenant, ['scim:read', 'scim:write'])
      const scim = opened.instance.reach({ base: BASE.replace('acme', `log-${requestLog}`), key })
      for (let i = 0; i < 2; i++) await scim('POST', '/Users', userBody('ada'))
      await opened.instance.requestLog.flush()
      const told = await sent((await visitor.get('/arrivals')).text)
      expect(told).toContain('A user has arrived.')
      expect(told.includes('same unique value')).toBe(refusal !== undefined)
    },
  )
})

test('every guide is a page, and every link of a page leads to a page', async () => {
  const visitor = await beginWith(opened, (await makeLink(opened, ACME, { identityProvider: 'entra' })).url)
  const links = new Set<string>()
  for (const page of [
    '',
    '/steps',
    '/tokens',
    '/self-test',
    '/arrivals',
    ...IDENTITY_PROVIDER_NAMES.map((name) => `/guides/${name}`),
  ]) {
    const { status, text } = await visitor.get(page)
    expect(status, page).toBe(200)
    expect(text.match(/<h1>/g), page).toHaveLength(1)
    const ids = [...text.matchAll(/\bid="([^"]+)"/g)].map((match) => match[1])
    expect(new Set(ids).size, page).toBe(ids.length)
    for (const [, link = ''] of text.matchAll(/href="(\/setup[^"]*)"/g)) links.add(link)
    for (const [, link = '', rest = ''] of text.matchAll(/href="(https?:[^"]*)"([^>]*)>/g))
      expect(rest, link).toContain('rel="noopener noreferrer"')
  }
  expect(links.size).toBeGreaterThan(5)
  for (const link of links) {
    const [path = '', anchor] = link.split('#')
    const { status, text } = await visitor.get(path)
    expect(status, link).toBe(200)
    if (anchor !== undefined) expect(text, link).toContain(`id="${anchor}"`)
  }
})

test('every page is complete in itself but for one script of our own, and its policy says so', async () => {
  const visitor = await beginWith(opened, (await makeLink(opened)).url)
  const pages = await Promise.all(['', '/steps', '/tokens', '/arrivals', '/nowhere'].map((page) => visitor.get(page)))
  for (const page of [...pages, await askPortal(opened, '/setup/enter/nonsense')]) {
    const style = /<style>([\s\S]*?)<\/style>/.exec(page.text)?.[1] ?? ''
    const script = /<script type="module">([\s\S]*?)<\/script>/.exec(page.text)?.[1] ?? ''
    const [ofStyle, ofScript] = [style, script].map((text) => createHash('sha256').update(text).digest('base64'))
    expect(page.headers.get('Content-Security-Policy')).toBe(
      `default-src 'none'; style-src 'sha256-${ofStyle}'; script-src 'sha256-${ofScript}'; connect-src 'self'; ` +
        `form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
    )
    expect(page.text.match(/<script/g)).toHaveLength(1)
    expect(page.text).not.toMatch(/<link|<img|<iframe|<[^>]*\sstyle=|<[^>]*\son[a-z]+=|@import/i)
    expect(page.headers.get('X-Frame-Options')).toBe('DENY')
    expect(page.headers.get('Cache-Control')).toBe('no-store')
    expect(page.headers.get('X-Content-Type-Options')).toBe('nosniff')
    expect(page.headers.get('X-Robots-Tag')).toBe('noindex')
  }
})

test('what operators and customers wrote is text and nothing else', async () => {
  const hostile = '<script>alert(1)</script>'
  await opened.admin('PATCH', PROD, { settings: { setupPortal: { name: hostile } } })
  await opened.admin('PATCH', ACME, { name: hostile })
  const visitor = await beginWith(opened, (await makeLink(opened, ACME, { name: hostile })).url)
  await visitor.post('/tokens', { name: hostile })
  for (const page of [
    '',
    '/steps',
    '/tokens',
    '/arrivals',
    `/guides/${encodeURIComponent(hostile)}`,
    `/?done=${hostile}`,
  ]) {
    const { text } = await visitor.get(page)
    expect(text.match(/<script/g), page).toHaveLength(1)
  }
  expect((await visitor.get()).text).toContain('&lt;script&gt;alert')
  await opened.admin('PATCH', PROD, { settings: { setupPortal: null } })
  await opened.admin('PATCH', ACME, { name: 'acme corp' })
})

test('a form with a wrong value comes back filled in, and says what is wrong', async () => {
  const visitor = await beginWith(opened, (await makeLink(opened)).url)
  const name = `a "long" name ${'x'.repeat(300)}`
  const Referer = `${ORIGIN}${visitor.path}/tokens`
  const refused = await visitor.post('/tokens', { name }, { Referer })
  expect([refused.status, words(refused.text).includes('Nothing was saved.')]).toEqual([400, true])
  expect(refused.text).toContain(`value="${name.replaceAll('"', '&quot;')}"`)
  expect(refused.headers.get('Content-Security-Policy')).toContain("default-src 'none'")
})
