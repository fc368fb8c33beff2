import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listening, listen } from '../../../src/listen.ts'
import { IDENTITY_PROVIDER_NAMES } from '../../../src/tenancy/identity-providers.ts'
import { ACME, ADMIN_KEY, openConsole, type Page, PROD, type TestConsole } from '../../support/console.ts'
import { ORIGIN } from '../../support/instances.ts'
import { beginWith, makeLink } from '../../support/portal.ts'

let opened: TestConsole
let server: Listening
/** The socket by which requests of browsers come here, and those of the self-test too. */
let env: object
beforeAll(async () => {
  const inside = await openConsole()
  server = await listen(inside.instance.send, { host: '127.0.0.1', port: 0 })
  env = { incoming: { socket: { localAddress: '127.0.0.1', localPort: server.port, remoteAddress: '127.0.0.1' } } }
  const send = (request: Request) => inside.instance.send(request, env)
  opened = { ...inside, instance: { ...inside.instance, send } }
})
afterAll(async () => {
  await server.stop(0)
  await opened.close()
})

const trail = async (): Promise<string[]> => {
  const { items } = await opened.admin<{ items: { action: string; actor: string }[] }>(
    'GET',
    `${ACME}/audit-log?limit=5`,
  )
  return items.map(({ action, actor }) => `${action} by ${actor}`)
}
const environments = async (): Promise<string[]> =>
  (await opened.admin<{ items: { key: string }[] }>('GET', '/projects/shop/environments')).items.map(({ key }) => key)
const failures = ({ text }: Page) => text.match(/<span class="badge bad">failed/g)?.length ?? 0

describe('a self-test in the portal', () => {
  test('SEC-14 plays the identity provider that was chosen, leaves nothing behind but a line of the trail', async () => {
    const link = await makeLink(opened, ACME, { identityProvider: 'google-workspace' })
    const visitor = await beginWith(opened, link.url)
    const { key } = await opened.keyFor(ACME, ['scim:read', 'scim:write'])
    expect((await visitor.get('/self-test')).text).toContain('Google Workspace')
    const answer = await visitor.post('/self-test', { token: key })
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('Nothing failed.')
    for (const told of ['Self-test: Google Workspace', 'Creates the user', 'Reads users of the tenant', 'passed'])
      expect(answer.text, told).toContain(told)
    expect([failures(answer), answer.text.includes(key)]).toEqual([0, false])
    expect((await trail())[0]).toBe(`tenant.self_tested by set-up link IT of Acme (${link.id})`)
    expect(await environments()).toEqual(['prod'])
  })

  test('says of each fault what to change, and of what was not tested that it was skipped', async () => {
    const visitor = await beginWith(opened, (await makeLink(opened)).url)
    const { key } = await opened.keyFor(ACME, ['scim:read'])
    await visitor.post('/provider', { provider: 'okta' })
    await opened.admin('PATCH', ACME, { settings: { groupSync: false } })
    const answer = await visitor.post('/self-test', { token: key })
    await opened.admin('PATCH', ACME, { settings: { groupSync: null } })
    expect(failures(answer)).toBeGreaterThan(1)
    expect(answer.text).toContain('the tenant takes none (setting groupSync)')
    expect(answer.text).toContain('scim:write')
    expect(answer.text).toContain('skipped')
    const without = await visitor.post('/self-test')
    expect(without.text).toContain('No key was given')
    const other = await opened.keyFor(`${PROD}/tenants/globex`, ['scim:read', 'scim:write'])
    const stranger = await visitor.post('/self-test', { token: other.key })
    expect(failures(stranger)).toBe(1)
    expect(stranger.text).not.toMatch(/globex/i)
  })

  test('is not among what has arrived', async () => {
    const visitor = await beginWith(opened, (await makeLink(opened, `${PROD}/tenants/globex`)).url)
    const { key } = await opened.keyFor(`${PROD}/tenants/globex`, ['scim:read', 'scim:write'])
    expect(failures(await visitor.post('/self-test', { token: key }))).toBe(0)
    await opened.instance.requestLog.flush()
    const { items } = await opened.admin<{ items: unknown[] }>('GET', `${PROD}/tenants/globex/requests`)
    expect(items.length).toBeGreaterThan(1)
    expect((await visitor.get('/arrivals')).text).toContain('Nothing has arrived yet')
  })
})

describe('a self-test in the console', () => {
  const post = async (fields: Record<string, string>): Promise<Page> => {
    const { cookie, get } = await opened.signIn(ADMIN_KEY)
    const [, token = ''] = /name="form-token" value="([^"]+)"/.exec((await get(`${ACME}/connection`)).text) ?? []
    const headers = { Cookie: cookie, Origin: ORIGIN, 'Content-Type': 'application/x-www-form-urlencoded' }
    const body = new URLSearchParams({ 'form-token': token, ...fields }).toString()
    const answer = await opened.instance.send(
      new Request(`${ORIGIN}/console${ACME}/self-test`, { method: 'POST', headers, body }),
    )
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }

  test('SEC-14 is begun on the connection’s page with an identity provider, and read step by step', async () => {
    const { get } = await opened.signIn(ADMIN_KEY)
    const page = (await get(`${ACME}/connection`)).text
    for (const name of IDENTITY_PROVIDER_NAMES) expect(page).toContain(`<option value="${name}"`)
    const { key } = await opened.keyFor(ACME, ['scim:read', 'scim:write'])
    const answer = await post({ provider: 'entra', key })
    expect(answer.text).toContain('Nothing failed.')
    expect(answer.text).toContain('Self-test: Microsoft Entra ID')
    expect([answer.status, failures(answer), answer.text.includes(key)]).toEqual([200, 0, false])
    expect((await trail())[0]).toBe('tenant.self_tested by admin')
    expect((await post({ provider: 'nobody' })).status).toBe(400)
    expect((await post({ provider: 'okta', address: 'nowhere' })).status).toBe(400)
  })
})
