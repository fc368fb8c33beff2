import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import { type DefaultTreeAdapterMap, parse, defaultTreeAdapter as tree } from 'parse5'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ACME, ADMIN_KEY, openConsole, type Page, PROD, type TestConsole, type Visitor } from '../../support/console.ts'
import { ORIGIN } from '../../support/instances.ts'

let opened: TestConsole
let admin: Visitor
beforeAll(async () => {
  opened = await openConsole()
  admin = await opened.signIn(ADMIN_KEY)
})
afterAll(() => opened.close())

type Element = DefaultTreeAdapterMap['element']
type Fields = Readonly<Record<string, string>>

function* elementsIn(node: DefaultTreeAdapterMap['node']): Generator<Element> {
  for (const child of 'childNodes' in node ? node.childNodes : []) {
    if (tree.isElementNode(child)) yield child
    yield* elementsIn(child)
  }
}
const attribute = (element: Element, name: string) => element.attrs.find((one) => one.name === name)?.value
/** The text of an element, as it was written down. */
const textOf = (element: Element | undefined): string =>
  (element?.childNodes ?? []).map((child) => ('value' in child ? child.value : textOf(child as Element))).join('')

/** What a page has for the one who is to mend its form that sends to `action`. */
function shownIn(page: Page, action: string) {
  const all = [...elementsIn(parse(page.text))]
  const form = all.find((element) => element.tagName === 'form' && attribute(element, 'action') === `/console${action}`)
  const named = (name: string) =>
    [...(form === undefined ? [] : elementsIn(form))].filter((element) => attribute(element, 'name') === name)
  const field = (name: string) => named(name).at(-1) as Element
  return {
    alert: textOf(all.find((element) => attribute(element, 'role') === 'alert')).replaceAll(/\s+/g, ' '),
    valueOf: (name: string) =>
      field(name).tagName === 'textarea' ? textOf(field(name)) : attribute(field(name), 'value'),
    chosenIn: (name: string) =>
      [...elementsIn(field(name))].find((option) => attribute(option, 'selected') !== undefined)?.attrs[0]?.value,
    checkedOf: (name: string) =>
      named(name).flatMap((box) => (attribute(box, 'checked') === undefined ? [] : [attribute(box, 'value')])),
    /** What the field says of itself to those who cannot see where the page says it. */
    mistakeOf: (name: string) => {
      const id = attribute(field(name), 'aria-describedby')
      return id && textOf(all.find((element) => attribute(element, 'id') === id))
    },
    openFolds: all.filter(({ tagName, attrs }) => tagName === 'details' && attrs.some(({ name }) => name === 'open'))
      .length,
  }
}

/** Sends a form as a browser does, from the page at `from`. */
async function send(from: string, path: string, fields: Fields = {}): Promise<Page> {
  const [, token = ''] = /name="form-token" value="([^"]+)"/.exec((await admin.get('')).text) ?? []
  const form = { 'form-token': token, ...fields }
  return opened.request(path, { cookie: admin.cookie, form, headers: { Referer: `${ORIGIN}/console${from}` } })
}

test('settings with a wrong value come back filled in, with what is wrong beside the field and nothing saved', async () => {
  const path = `${ACME}/settings`
  const [, tag = ''] = /name="if-match" value="([^"]+)"/.exec((await admin.get(path)).text) ?? []
  await opened.admin('PATCH', ACME, { name: 'Acme, renamed meanwhile' })
  const sent = { mode: 'strict', maxActiveUsers: 'a "few" <b>', leaverBrake: '{"mode": "hold", "count": 5}' }
  const answer = await send(`${path}?done=saved`, path, {
    ...sent,
    'if-match': tag.replaceAll('&quot;', '"'),
    step: 'save',
  })
  const shown = shownIn(answer, path)
  expect(answer.status).toBe(400)
  expect(answer.headers.get('Content-Security-Policy')).toContain("default-src 'none'")
  expect(shown.alert).toMatch(/Nothing was saved\..*maxActiveUsers must be a whole number/)
  expect(shown.valueOf('maxActiveUsers')).toBe(sent.maxActiveUsers)
  expect(shown.valueOf('leaverBrake')).toBe(sent.leaverBrake)
  expect(shown.chosenIn('mode')).toBe('strict')
  expect(shown.mistakeOf('maxActiveUsers')).toMatch(/unlimited|number/)
  expect(answer.text).not.toContain('It is saved')
  expect(await opened.admin('GET', ACME)).toMatchObject({ settings: {} })
  // The form is still about what its first page had shown: sent again, it does not save over the change meanwhile.
  expect(shown.valueOf('if-match')).toBe(tag.replaceAll('&quot;', '"'))
})

test('a name that is taken comes back in its form, in a fold that is open', async () => {
  const from = `${PROD}/new-tenant`
  const answer = await send(from, `${PROD}/tenants`, { key: 'acme', name: 'A second one' })
  const shown = shownIn(answer, `${PROD}/tenants`)
  expect([answer.status, shown.valueOf('key'), shown.valueOf('name')]).toEqual([409, 'acme', 'A second one'])
  expect(shown.alert).toContain('is taken')
  const webhook = await send(`${ACME}/webhooks`, `${ACME}/webhooks`, {
    url: 'ftp://x',
    events: 'user.*',
    snapshot: 'true',
  })
  const back = shownIn(webhook, `${ACME}/webhooks`)
  expect([webhook.status, back.valueOf('url'), back.valueOf('events')]).toEqual([400, 'ftp://x', 'user.*'])
  expect(back.checkedOf('snapshot')).toEqual(['true'])
  expect(back.openFolds).toBe(1)
})

test('a password is never sent back, and a page of somebody else is never asked for', async () => {
  const stream = { url: 'https://x.example', audience: '', token: 'a-secret-of-the-receiver', method: 'push' }
  const answer = await send(`${ACME}/webhooks`, `${ACME}/streams`, stream)
  expect(answer.status).toBe(400)
  expect(shownIn(answer, `${ACME}/streams`).valueOf('url')).toBe('https://x.example')
  expect(answer.text).not.toContain(stream.token)
  const elsewhere = await opened.request(`${PROD}/tenants`, {
    cookie: admin.cookie,
    form: { 'form-token': /value="([^"]+)"/.exec((await admin.get('')).text)?.[1] ?? '', key: 'acme' },
    headers: { Referer: 'https://evil.example/api/v1/projects' },
  })
  expect(elsewhere.text).not.toContain('Nothing was saved')
})

test('a public key is added to an API key and removed; one with its private half comes back', async () => {
  const { id } = await opened.keyFor(ACME, ['scim:read'])
  const path = `${ACME}/api-keys/${id}`
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const secret = JSON.stringify(await exportJWK(privateKey))
  const refused = await send(path, `${path}/public-keys`, { jwk: secret })
  expect([refused.status, shownIn(refused, path).alert.includes('keep the private half')]).toEqual([400, true])
  const unread = await send(path, `${path}/public-keys`, { jwk: '{"kty": ' })
  expect([unread.status, shownIn(unread, `${path}/public-keys`).valueOf('jwk')]).toEqual([400, '{"kty": '])
  const added = await send(path, `${path}/public-keys`, { jwk: JSON.stringify(await exportJWK(publicKey)) })
  expect(added.headers.get('Location')).toBe(`/console${path}?done=public-key-added`)
  interface Key {
    publicKeys: { thumbprint: string; algorithm: string }[]
  }
  const [key] = (await opened.admin<Key>('GET', path)).publicKeys
  expect(key?.algorithm).toBe('ES256')
  expect((await admin.get(path)).text).toContain(key?.thumbprint)
  const removed = await send(path, `${path}/public-keys/${key?.thumbprint}/remove`)
  expect(removed.headers.get('Location')).toBe(`/console${path}?done=public-key-removed`)
  expect((await opened.admin<Key>('GET', path)).publicKeys).toEqual([])
})

test('each external issuer is asked for its keys, and the page says what each answers', async () => {
  const { publicKey } = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one' }
  const issuer = createServer((request, response) => {
    response.setHeader('Content-Type', 'application/json')
    if (request.url === '/jwks') response.end(JSON.stringify({ keys: [jwk] }))
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`
  const one = (name: string, jwksUri: string) => ({
    ...{ name, issuer: `https://${name}.example`, audience: 'rollcall', jwksUri, algorithms: ['ES256'] },
    permissions: { claim: 'scope', values: { scim: ['scim:read'] } },
  })
  try {
    const externalIssuers = [one('good', `${url}/jwks`), one('gone', `${url}/nothing`)]
    await opened.admin('PATCH', PROD, { settings: { externalIssuers } })
    for (const place of [PROD, ACME]) {
      const page = (await admin.get(`${place}/external-issuers`)).text
        .replaceAll(/<[^>]+>/g, ' ')
        .replaceAll(/\s+/g, ' ')
      expect(page).toMatch(/good externalIssuers https:\/\/good\.example \S+\/jwks 1 key gone .* not to be had .*404/)
    }
  } finally {
    issuer.close()
  }
})
