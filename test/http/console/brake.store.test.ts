import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { TenantId } from '../../../src/place-ids.ts'
import { eventLogOf } from '../../../src/repositories/log/event-log.ts'
import { ACME, ADMIN_KEY, GLOBEX, openConsole, PROD, type TestConsole, type Visitor } from '../../support/console.ts'
import type { Scim } from '../../support/gateway.ts'
import { groupBody, idIn, ORIGIN, patchBody, removeMember, userBody } from '../../support/instances.ts'

const NASTY = `<b>O'Neil</b> & "co"`

let opened: TestConsole
let admin: Visitor
let scim: Scim
let acme: TenantId
beforeAll(async () => {
  opened = await openConsole()
  admin = await opened.signIn(ADMIN_KEY)
  const { key } = await opened.keyFor(PROD, ['scim:read', 'scim:write'])
  scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })
  acme = (await opened.admin<{ id: TenantId }>('GET', ACME)).id
  const settings = { leaverBrake: { mode: 'hold', count: 1, percent: 50, windowMinutes: 30 } }
  await opened.admin('PATCH', ACME, { settings })
})
afterAll(() => opened.close())

// Each test begins with people who are held.
let held: { gone: string; shutOut: string }
beforeEach(async () => {
  const made = async (name: string) => idIn(await scim('POST', '/Users', userBody(name, { displayName: NASTY })))
  const at = Date.now()
  const [gone, shutOut] = [await made(`gone.${at}`), await made(`shut.out.${at}`)]
  const group = idIn(await scim('POST', '/Groups', groupBody(`Night <i>shift</i> ${at}`, [shutOut])))
  await numbered()
  await scim('PATCH', `/Groups/${group}`, removeMember(shutOut))
  await scim('PATCH', `/Users/${shutOut}`, patchBody({ op: 'replace', path: 'active', value: false }))
  await scim('DELETE', `/Users/${gone}`)
  await numbered()
  held = { gone, shutOut }
})
const numbered = () => eventLogOf(opened.database, acme).number()
const stateOf = async () => (await opened.admin('GET', `${ACME}/brake`)).state
afterEach(async () => {
  if ((await stateOf()) === 'engaged') await opened.admin('POST', `${ACME}/brake/release`, {})
  await numbered()
})

test('what a brake holds stands in the overview, at the tenant, and by name', async () => {
  const overview = words((await admin.get('')).text)
  expect(overview).toMatch(/Needs a look brake acme corp holds leavers since just now ; they are released in 23 hours/)
  expect(overview).toMatch(/acme corp brake holds/)
  expect(words((await admin.get(PROD)).text)).toMatch(/acme corp acme never 0 \d+ (\d+ active )?brake holds/)
  const tenant = words((await admin.get(ACME)).text)
  expect(tenant).toMatch(/Leaver brake brake holds Holds 3 events since just now/)
  expect(tenant).toMatch(/Left lately 2 people of \d+ users within 30 minutes/)
  expect(tenant).toMatch(/Too many are more than 1 or more than 50 %; then it holds/)
  const { text } = await admin.get(`${ACME}/brake/held`)
  expect(text).not.toMatch(/<b>O|<i>shift/)
  expect(words(text)).toMatch(/shut\.out\.\d+ group\.member_removed Night &lt;i&gt;shift/)
  expect(words(text)).toMatch(/shut\.out\.\d+ user\.deactivated/)
  expect(words(text)).toMatch(/gone\.\d+ user\.deleted/)
  // Who is gone has no page any more.
  expect(text).toContain(`/users/${held.shutOut}"`)
  expect(text).not.toContain(`/users/${held.gone}"`)
})

test('a form lets it go with a note, and the trail names the key of the session', async () => {
  const { id, key } = await opened.keyFor(ACME, ['admin'])
  const visitor = await opened.signIn(key)
  const answer = await visitor.post(`${ACME}/brake/release`, { note: NASTY })
  expect([answer.status, answer.headers.get('Location')]).toEqual([303, `/console${ACME}?done=let-go`])
  expect((await visitor.get(ACME)).text).toContain('letting go')
  await numbered()
  expect(words((await admin.get(ACME)).text)).toMatch(/Leaver brake watches Left lately 0 people/)
  expect((await admin.get(`${ACME}/brake/held`)).text).toContain('Nobody.')
  expect((await admin.get('')).text).not.toMatch(/>brake/)
  const { items } = await opened.admin<{ items: object[] }>('GET', '/audit-log?limit=1')
  expect(items).toMatchObject([{ action: 'brake.released', actor: id, after: { note: NASTY } }])
  expect((await admin.get(`${ACME}/audit-log`)).text).not.toContain('<b>O')
  const again = await visitor.post(`${ACME}/brake/release`)
  expect([again.status, again.text.includes('holds nothing')]).toEqual([409, true])
})

test('only a form of the session lets go, and only a note that is text', async () => {
  const refused = await opened.request(`${ACME}/brake/release`, { cookie: admin.cookie, form: { note: 'x' } })
  expect(refused.status).toBe(403)
  expect((await admin.post(`${ACME}/brake/release`, { note: 'a\u0007b' })).status).toBe(400)
  expect((await admin.get(`${ACME}/brake/held?after=x`)).status).toBe(400)
  expect(await stateOf()).toBe('engaged')
})

test('a key without directory:read sees that people are held, and not who', async () => {
  const visitor = await opened.signIn((await opened.keyFor(ACME, ['admin'])).key)
  for (const path of ['', ACME]) {
    const { text } = await visitor.get(path)
    expect(text, path).toContain('brake holds')
    expect(text, path).not.toContain('shut.out')
  }
  expect((await visitor.get(ACME)).text).not.toContain(`${ACME}/brake/held`)
  const refused = await visitor.get(`${ACME}/brake/held`)
  expect([refused.status, refused.text.includes('shut.out')]).toEqual([403, false])
})

test('a key of another tenant learns nothing of it and lets nothing go', async () => {
  const visitor = await opened.signIn((await opened.keyFor(GLOBEX, ['admin', 'directory:read'])).key)
  expect((await visitor.get('')).text).not.toMatch(/>brake|holds leavers/)
  expect((await visitor.get(`${ACME}/brake/held`)).status).toBe(403)
  expect((await visitor.post(`${ACME}/brake/release`)).status).toBe(403)
  expect(words((await visitor.get(GLOBEX)).text)).toMatch(/Leaver brake off/)
  expect((await visitor.get(`${GLOBEX}/brake/held`)).text).not.toContain('shut.out')
  expect(await stateOf()).toBe('engaged')
})

test('many who are held come page by page, each once', async () => {
  const group = idIn(await scim('POST', '/Groups', groupBody('Everybody')))
  const ids: string[] = []
  for (let i = 0; i < 60; i++) ids.push(idIn(await scim('POST', '/Users', userBody(`many.${i}.`))))
  const members = (op: string) => patchBody({ op, path: 'members', value: ids.map((value) => ({ value })) })
  await scim('PATCH', `/Groups/${group}`, members('add'))
  await scim('PATCH', `/Groups/${group}`, members('remove'))
  await numbered()
  const seen: string[] = []
  let pages = 0
  for (let path: string | undefined = `${ACME}/brake/held`; path !== undefined; pages++) {
    const { text } = await admin.get(path)
    seen.push(...[...text.matchAll(/many\.(\d+)\./g)].map(([, i = '']) => i))
    path = /href="\/console([^"]+)" rel="next"/.exec(text)?.[1]
  }
  expect([pages, seen.length, new Set(seen).size]).toEqual([2, 60, 60])
})

/** A page as it is read. */
const words = (text: string): string =>
  text
    .replace(/<style>[\s\S]*<\/style>/, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
