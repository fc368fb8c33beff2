import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldsFor } from '../../../src/http/console/pages/place/fields.tsx'
import { DEFAULT_SETTINGS } from '../../../src/tenancy/settings.ts'
import { ACME, ADMIN_KEY, openConsole, type Page, PROD, type TestConsole, type Visitor } from '../../support/console.ts'
import type { Scim } from '../../support/gateway.ts'
import { groupBody, idIn, ORIGIN, userBody } from '../../support/instances.ts'

let opened: TestConsole
let admin: Visitor
let scim: Scim
/** Takes what is sent to it, and answers as it is told. */
let receiver: Server
let answers = 204
const got: string[] = []
beforeAll(async () => {
  receiver = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      got.push(body)
      response.writeHead(answers).end()
    })
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  opened = await openConsole()
  admin = await opened.signIn(ADMIN_KEY)
  const { key } = await opened.keyFor(ACME, ['scim:read', 'scim:write'])
  scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })
})
afterAll(async () => {
  receiver.closeAllConnections()
  receiver.close()
  await opened.close()
})

interface AuditRecord {
  readonly action: string
  readonly actor: string
}
const lastEntry = async (): Promise<AuditRecord | undefined> =>
  (await opened.admin<{ items: AuditRecord[] }>('GET', '/audit-log?limit=1')).items[0]
const locationOf = (answer: Page) => answer.headers.get('Location')?.replace('/console', '') ?? ''
/** The tag that the forms of a page send. */
const tagIn = (page: Page): string =>
  (/name="if-match" value="([^"]+)"/.exec(page.text)?.[1] ?? '').replaceAll('&quot;', '"')
const words = ({ text }: Page): string =>
  text
    .replace(/<style>[\s\S]*<\/style>/, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
const settingsOf = async (path: string) =>
  (await opened.admin<{ settings: Record<string, unknown> }>('GET', path)).settings
/** A narrow visitor: administers one tenant, and sees no people. */
const narrow = async (permissions = ['admin']) => opened.signIn((await opened.keyFor(ACME, permissions)).key)

describe.each([
  ['tenant', ACME],
  ['environment', PROD],
])('the settings of a %s', (kind, path) => {
  test('are shown with where they come from, changed, previewed, and set back to what is inherited', async () => {
    await opened.admin('PATCH', PROD, { settings: { keepDeletedDays: 44 } })
    const page = await admin.get(`${path}/settings`)
    expect(words(page)).toMatch(/keepDeletedDays 44 environment/)
    if (kind === 'tenant') expect(page.text).toContain('placeholder="inherited: 44"')
    const fields = { mode: 'strict', maxActiveUsers: '120', allowedAddresses: '10.0.0.0/8\r\n\r\n 192.0.2.1 ' }
    const brake = { leaverBrake: '{"mode": "hold", "count": 5}', userSync: 'true' }
    const before = await settingsOf(path)
    const sent = { ...fields, ...brake, 'if-match': tagIn(page) }
    const previewed = await admin.post(`${path}/settings`, { ...sent, step: 'preview' })
    expect(words(previewed)).toMatch(/mode lenient strict/)
    expect(await settingsOf(path)).toEqual(before)
    const saved = await admin.post(`${path}/settings`, { ...sent, step: 'save' })
    expect(locationOf(saved)).toBe(`${path}/settings?done=saved`)
    expect(await settingsOf(path)).toEqual({
      ...{ mode: 'strict', maxActiveUsers: 120, allowedAddresses: ['10.0.0.0/8', '192.0.2.1'], userSync: true },
      leaverBrake: { mode: 'hold', count: 5, windowMinutes: 60, releaseAfterHours: 24 },
    })
    expect(await lastEntry()).toMatchObject({ action: `${kind}.changed`, actor: 'admin' })
    await admin.post(`${path}/settings`, { step: 'save', 'if-match': tagIn(await admin.get(`${path}/settings`)) })
    expect(await settingsOf(path)).toEqual({})
  })

  test('are not saved over what somebody else has changed, which is shown, unless that is what is wanted', async () => {
    const tag = tagIn(await admin.get(`${path}/settings`))
    await opened.admin('PATCH', path, { settings: { mode: 'strict', requestsPerSecond: 40 } })
    const mine = { step: 'save', mode: 'lenient', rootQueries: 'false' }
    const refused = await admin.post(`${path}/settings`, { ...mine, 'if-match': tag })
    expect(refused.status).toBe(412)
    expect(words(refused)).toMatch(/settings\.mode strict lenient/)
    expect(words(refused)).toMatch(/settings\.requestsPerSecond 40 nothing of it/)
    expect(await settingsOf(path)).toMatchObject({ mode: 'strict', requestsPerSecond: 40 })
    const over = await admin.post(`${path}/settings`, { ...mine, 'if-match': tagIn(refused) })
    expect(locationOf(over)).toBe(`${path}/settings?done=saved`)
    expect(await settingsOf(path)).toEqual({ mode: 'lenient', rootQueries: false })
    await opened.admin('PATCH', path, { settings: { mode: null, rootQueries: null } })
  })

  test('that are none are refused in words, and nothing is saved', async () => {
    for (const [fields, said] of [
      [{ maxActiveUsers: 'many' }, 'maxActiveUsers'],
      [{ externalIssuers: '[{' }, 'is no JSON'],
      [{ allowedAddresses: 'nowhere' }, 'allowedAddresses'],
    ] as const) {
      const answer = await admin.post(`${path}/settings`, { ...fields, step: 'save' })
      expect([answer.status, answer.text.includes(said)]).toEqual([400, true])
    }
    expect(await settingsOf(path)).toEqual({})
  })
})

test('every setting has a field; role rules and the mapping have pages of their own', () => {
  const all = Object.keys(DEFAULT_SETTINGS).filter((name) => name !== 'roleRules' && name !== 'mapping')
  expect(
    fieldsFor('environment')
      .map(({ name }) => name as string)
      .sort(),
  ).toEqual(all.sort())
})

describe('role rules', () => {
  test('are previewed with who gains and loses what by name, and then saved', async () => {
    const people = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => idIn(await scim('POST', '/Users', userBody(`staff${i}`)))),
    )
    await scim('POST', '/Groups', groupBody('Staff <b>', people))
    const page = await admin.get(`${ACME}/role-rules`)
    const rule = { 'kind-0': 'displayName', 'text-0': 'staff <B>', 'role-0': 'member' }
    const preview = await admin.post(`${ACME}/role-rules`, { ...rule, step: 'preview', 'if-match': tagIn(page) })
    expect(words(preview)).toMatch(/60 times a user gains a role/)
    expect(preview.text.match(/gains it/g)).toHaveLength(50)
    expect(preview.text).not.toContain('<b>"')
    const [, role = '', change = '', user = ''] =
      /name="role" value="([^"]+)".*name="change" value="([^"]+)".*name="user" value="([^"]+)"/.exec(preview.text) ?? []
    const rules = JSON.stringify([{ group: { displayName: 'staff <B>' }, role: 'member' }])
    const more = await admin.post(`${ACME}/role-rules`, { rules, role, change, user, step: 'preview' })
    expect(more.text.match(/gains it/g)).toHaveLength(10)
    expect((await settingsOf(ACME)).roleRules).toBeUndefined()
    const saved = await admin.post(`${ACME}/role-rules`, { rules, step: 'save', 'if-match': tagIn(preview) })
    expect(locationOf(saved)).toBe(`${ACME}/role-rules?done=rules-saved`)
    expect((await settingsOf(ACME)).roleRules).toEqual(JSON.parse(rules))
    const ended = await admin.post(`${ACME}/role-rules`, { ...rule, 'end-0': 'true', step: 'preview' })
    expect(words(ended)).toMatch(/60 times a user loses a role/)
    const late = await admin.post(`${ACME}/role-rules`, { inherit: 'true', step: 'save', 'if-match': tagIn(preview) })
    expect([late.status, words(late).includes('settings.roleRules')]).toEqual([412, true])
    await admin.post(`${ACME}/role-rules`, { inherit: 'true', step: 'save' })
    expect((await settingsOf(ACME)).roleRules).toBeUndefined()
  })

  test('of an environment are previewed by tenant; who sees no people gets counts alone', async () => {
    const rule = { 'kind-0': 'pattern', 'text-0': 'staff*', 'role-0': 'member', step: 'preview' }
    expect(words(await admin.post(`${PROD}/role-rules`, rule))).toMatch(/acme corp 60 0/)
    const blind = await (await narrow()).post(`${ACME}/role-rules`, rule)
    expect(words(blind)).toMatch(/60 times a user gains a role/)
    expect(blind.text).not.toContain('staff7')
    expect((await (await narrow()).post(`${PROD}/role-rules`, rule)).status).toBe(403)
  })

  test('that cannot be read are named by their number', async () => {
    const odd = { 'kind-3': 'pattern', 'text-3': 'a*', 'role-3': 'no role', step: 'save' }
    const answer = await admin.post(`${ACME}/role-rules`, odd)
    expect([answer.status, words(answer).includes('rule 1 needs a group and a role')]).toEqual([400, true])
  })
})

describe('webhooks and streams', () => {
  const here = () => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/in`
  const made = async (): Promise<string> => {
    const answer = await admin.post(`${ACME}/webhooks`, {
      url: here(),
      events: 'user.*, group.created',
      snapshot: 'true',
    })
    expect([answer.status, answer.headers.get('Cache-Control')]).toEqual([200, 'no-store'])
    expect(answer.text).toMatch(/whsec_[\w+/=]{40,}/)
    return /\/webhooks\/([0-9a-f-]{36})"/.exec(answer.text)?.[1] ?? ''
  }

  test('a webhook is made with a secret shown once, changed, tested, disabled, enabled and deleted', async () => {
    const id = await made()
    const page = `${ACME}/webhooks/${id}`
    expect(await opened.admin('GET', page)).toMatchObject({ events: ['user.*', 'group.created'], snapshot: true })
    const tag = tagIn(await admin.get(page))
    const change = { url: here(), events: '', description: 'The shop', 'if-match': tag }
    expect(locationOf(await admin.post(`${page}/change`, change))).toBe(`${page}?done=endpoint-changed`)
    expect(await opened.admin('GET', page)).toMatchObject({ events: [], description: 'The shop', snapshot: false })
    const late = await admin.post(`${page}/change`, { ...change, description: 'Mine' })
    expect([late.status, words(late).includes('description The shop Mine')]).toEqual([412, true])
    answers = 503
    expect(words(await admin.post(`${page}/test`))).toMatch(/not accepted .*503 .*the receiver answered 503/)
    answers = 204
    expect(words(await admin.post(`${page}/test`))).toMatch(/What came of the test message accepted/)
    expect(got.at(-1)).toContain('webhook.test')
    for (const [verb, enabled] of [
      ['disable', false],
      ['enable', true],
    ] as const) {
      expect((await admin.post(`${page}/${verb}`)).status).toBe(303)
      expect((await opened.admin('GET', page)).enabled).toBe(enabled)
    }
    const rotated = await admin.post(`${page}/rotate-secret`, { keepHours: '24' })
    expect(rotated.text).toMatch(/whsec_/)
    expect((await admin.get(page)).text).not.toContain('whsec_')
    expect((await admin.post(`${page}/delete`, { confirm: 'something else' })).status).toBe(400)
    expect(locationOf(await admin.post(`${page}/delete`, { confirm: here() }))).toBe(`${ACME}/webhooks?done=deleted`)
    expect((await admin.get(page)).status).toBe(404)
    expect(await lastEntry()).toMatchObject({ action: 'webhook.deleted', actor: 'admin' })
  })

  test('a stream is made and changed; an empty token stays as it is', async () => {
    const fields = { audience: 'urn:app', format: 'notice', subject: 'iss_sub', signals: ['caep', 'risc'] }
    const stream = { method: 'push', url: here(), token: 'a-token-of-the-receiver', ...fields }
    const page = locationOf(await admin.post(`${ACME}/streams`, stream)).replace(/\?.*/, '')
    expect(page).toMatch(/\/streams\/[0-9a-f-]{36}$/)
    expect(await opened.admin('GET', page)).toMatchObject({ hasToken: true, signals: ['caep', 'risc'], method: 'push' })
    await admin.post(`${page}/change`, { ...fields, url: here(), signals: 'caep', format: 'full' })
    expect(await opened.admin('GET', page)).toMatchObject({ hasToken: true, signals: ['caep'], format: 'full' })
    await admin.post(`${page}/change`, { ...fields, url: here(), noToken: 'true' })
    expect(await opened.admin('GET', page)).toMatchObject({ hasToken: false, format: 'notice' })
    expect((await admin.get(page)).text).not.toContain('a-token-of-the-receiver')
    const polled = { method: 'poll', ...fields }
    const poll = locationOf(await admin.post(`${ACME}/streams`, polled)).replace(/\?.*/, '')
    expect((await admin.post(`${poll}/change`, { ...fields, audience: 'urn:b' })).status).toBe(303)
    expect((await admin.post(`${poll}/test`)).status).toBe(409)
  })

  test('dead letters name the person, also one who is gone, and are sent again one by one', async () => {
    // What was before has its positions, so that it is not sent.
    await opened.admin('GET', `${ACME}/events`)
    const id = await made()
    const page = `${ACME}/webhooks/${id}`
    const ada = idIn(await scim('POST', '/Users', userBody('ada.of.the.letters')))
    const ben = idIn(await scim('POST', '/Users', userBody('ben.who.leaves')))
    await scim('DELETE', `/Users/${ben}`)
    await opened.admin('GET', `${ACME}/events`)
    await opened.database.run(
      `update webhook_deliveries set dead = true, attempts = 9, last_status = 500, last_error = 'the receiver answered 500'
       where endpoint_id = $1::uuid`,
      [id],
    )
    const seen = await admin.get(page)
    expect(seen.text).toContain(`<a href="/console${ACME}/users/${ada}">ada.of.the.letters`)
    expect(words(seen)).toContain('ben.who.leaves')
    expect(words(seen)).toMatch(/500 the receiver answered 500/)
    const [, tenant = '', position = ''] =
      /name="tenant" value="([^"]+)"\/?><input type="hidden" name="position" value="(\d+)"/.exec(seen.text) ?? []
    const sent = await admin.post(`${page}/replay`, { which: 'one', tenant, position })
    expect(locationOf(sent)).toBe(`${page}?done=sent-again`)
    const waiting = await opened.admin<{ items: { position: number }[] }>('GET', `${page}/deliveries?state=pending`)
    expect(waiting.items.map((one) => String(one.position))).toEqual([position])
    const since = { which: 'since', since: '2020-01-01T00:00', until: '2020-01-02T00:00' }
    expect((await admin.post(`${page}/replay`, since)).status).toBe(303)
    expect(await lastEntry()).toMatchObject({ action: 'webhook.replayed' })
    expect((await admin.post(`${page}/replay`, { which: 'since', since: 'yesterday' })).status).toBe(400)
  })

  test('one that fails opens on what waits while nothing was given up', async () => {
    const page = `${ACME}/webhooks/${await made()}`
    expect((await admin.get(page)).text).toContain('Nothing waits.')
  })

  test('take a key that may read people, as on the admin API', async () => {
    const visitor = await narrow()
    const page = `${ACME}/webhooks/${await made()}`
    for (const [path, fields] of [
      [`${ACME}/webhooks`, { url: here() }],
      [`${ACME}/streams`, { method: 'poll', audience: 'a', format: 'notice', subject: 'email' }],
      ...['change', 'enable', 'test', 'replay'].map(
        (verb) => [`${page}/${verb}`, { url: here(), which: 'dead' }] as const,
      ),
    ] as const)
      expect((await visitor.post(path, fields)).status, path).toBe(403)
    expect((await visitor.get(page)).text).not.toMatch(/Send a test|Change …|Send events again/)
    // To end what is sent takes no more than to administer.
    expect((await visitor.post(`${page}/disable`)).status).toBe(303)
  })
})

test.each([
  ['a tenant', ACME],
  ['an environment', PROD],
])('schemas of %s are registered, changed and deleted', async (_, path) => {
  const definition = (description: string) =>
    JSON.stringify({
      schema: {
        ...{ id: `urn:example:${path.length}:Badge`, name: 'Badge', description },
        attributes: [{ name: 'number', type: 'string', multiValued: false }],
      },
      resourceType: 'User',
    })
  const made = await admin.post(`${path}/schemas/extensions`, { definition: definition('first') })
  expect(made.status).toBe(303)
  const page = decodeURIComponent(locationOf(made).replace(/\?.*/, ''))
  const shown = await admin.get(page)
  expect([shown.status, words(shown).includes('schema extension, version 1')]).toEqual([200, true])
  const change = { definition: definition('second'), 'if-match': tagIn(shown) }
  expect((await admin.post(page, change)).status).toBe(303)
  expect((await admin.post(page, { ...change, definition: definition('third') })).status).toBe(412)
  expect((await admin.post(page, { definition: '{' })).status).toBe(400)
  expect((await admin.get(`${path}/schemas`)).text).toContain('Badge')
  const gone = await admin.post(`${page}/delete`, { confirm: `urn:example:${path.length}:Badge` })
  expect(locationOf(gone)).toBe(`${path}/schemas?done=deleted`)
  expect(await lastEntry()).toMatchObject({ action: 'schema_extension.deleted', actor: 'admin' })
})

test.each([
  ['an environment', PROD],
  ['a tenant', ACME],
])('the catalogue of %s is published, gets an entry, loses one and is withdrawn', async (_, path) => {
  const page = `${path}/catalogue`
  const role = (value: string) => ({ kind: 'Role', value, displayName: value })
  const catalogue = JSON.stringify({ entries: [role('admin'), role('viewer')] })
  expect(locationOf(await admin.post(page, { catalogue }))).toBe(`${page}?done=published`)
  const shown = await admin.get(page)
  expect(words(shown)).toContain('admin')
  const tag = tagIn(shown)
  const entry = { kind: 'Role', value: 'editor', displayName: 'Editor', supported: 'false' }
  expect(locationOf(await admin.post(`${page}/entries`, entry))).toBe(`${page}?done=published`)
  expect(words(await admin.get(page))).toContain('not given any more')
  expect((await admin.post(page, { catalogue, 'if-match': tag })).status).toBe(412)
  expect((await admin.post(page, { catalogue: '{' })).status).toBe(400)
  expect((await admin.post(page, { catalogue: '{"entries": 1}' })).status).toBe(400)
  expect((await admin.post(`${page}/entries`, { ...entry, value: 'two words' })).status).toBe(400)
  expect(locationOf(await admin.post(`${page}/remove`, { value: 'viewer' }))).toBe(`${page}?done=entry-removed`)
  expect(await lastEntry()).toMatchObject({ action: 'catalogue.changed', actor: 'admin' })
  expect(locationOf(await admin.post(`${page}/withdraw`, {}))).toBe(`${page}?done=withdrawn`)
  expect(words(await admin.get(page))).toContain('There are none here.')
})

test('projects and environments are made, renamed, paused and deleted, by keys that reach so far', async () => {
  expect(locationOf(await admin.post('/projects', { key: 'lab', name: 'The lab' }))).toBe(
    '/projects/lab?done=project-made',
  )
  const made = await admin.post('/projects/lab/environments', { key: 'try' })
  expect(locationOf(made)).toBe('/projects/lab/environments/try?done=environment-made')
  const page = await admin.get('/projects/lab')
  expect(words(page)).toContain('The lab')
  const tag = tagIn(page)
  expect((await admin.post('/projects/lab/name', { name: 'Laboratory', 'if-match': tag })).status).toBe(303)
  expect((await admin.post('/projects/lab/name', { name: 'Late', 'if-match': tag })).status).toBe(412)
  for (const paused of [true, false]) {
    await admin.post('/projects/lab/pause', { paused: String(paused) })
    expect((await opened.admin('GET', '/projects/lab')).paused).toBe(paused)
  }
  const ofProject = await opened.signIn((await opened.keyFor('/projects/lab', ['admin'])).key)
  expect((await ofProject.post('/projects', { key: 'more' })).status).toBe(403)
  expect((await ofProject.post('/projects/lab/delete', { confirm: 'lab' })).status).toBe(403)
  expect((await ofProject.post('/projects/lab/environments', { key: 'own' })).status).toBe(303)
  const ofEnvironment = await opened.signIn((await opened.keyFor('/projects/lab/environments/own', ['admin'])).key)
  expect((await ofEnvironment.get('/projects/lab')).status).toBe(403)
  expect((await ofEnvironment.post('/projects/lab/environments/own/delete', { confirm: 'own' })).status).toBe(403)
  for (const key of ['own', 'try']) {
    expect((await admin.post(`/projects/lab/environments/${key}/delete`, { confirm: key })).status).toBe(303)
  }
  expect((await admin.post('/projects/lab/delete', { confirm: 'Lab' })).status).toBe(400)
  expect(locationOf(await admin.post('/projects/lab/delete', { confirm: 'lab' }))).toBe('?done=deleted')
  expect(await lastEntry()).toMatchObject({ action: 'project.deleted', actor: 'admin' })
})

test('a tenant is renamed and deleted, and not by its own key', async () => {
  await opened.admin('POST', `${PROD}/tenants`, { key: 'leaving' })
  const at = `${PROD}/tenants/leaving`
  expect((await admin.post(`${at}/name`, { name: 'Leaving Inc.' })).status).toBe(303)
  const own = await opened.signIn((await opened.keyFor(at, ['admin'])).key)
  expect((await own.post(`${at}/delete`, { confirm: 'leaving' })).status).toBe(403)
  expect(locationOf(await admin.post(`${at}/delete`, { confirm: 'leaving' }))).toBe(`${PROD}?done=deleted`)
  expect((await admin.get(at)).status).toBe(404)
  expect((await admin.get(`${PROD}/tenants/default/settings`)).text).not.toContain('Delete the tenant')
  expect(opened.instance.errors).toEqual([])
})
