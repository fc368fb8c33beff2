import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createExample } from '../../examples/express/app.ts'
import { GET as me } from '../../examples/nextjs/app/me/route.ts'
import { POST as onboard } from '../../examples/nextjs/app/onboarding/route.ts'
import { POST as signIn } from '../../examples/nextjs/app/sign-in/route.ts'
import { POST as receive } from '../../examples/nextjs/app/webhooks/rollcall/route.ts'
import { authJsCallbacks } from '../../examples/sign-in/auth-js.ts'
import { betterAuthHooks } from '../../examples/sign-in/better-auth.ts'
import { adminClient } from '../../src/client/index.ts'
import { readFeed } from '../../src/kit/feed.ts'
import { sendOnce } from '../../src/kit/forwarding.ts'
import { play } from '../../src/kit/play.ts'
import type { Scenario } from '../../src/testing/types.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'

const SECRET = 'whsec_c2VjcmV0IG9mIHRoZSBleGFtcGxlcw=='
const PLACE = '/projects/{project}/environments/{environment}'
const ADA = 'ada@acme.example'

let gateway: Gateway
let appKey: string
beforeAll(async () => {
  gateway = await openGateway()
  appKey = await gateway.mintKey({ permissions: ['directory:read'] })
  Object.assign(process.env, {
    ...{ ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey, ROLLCALL_APP_KEY: appKey },
    ...{
      ROLLCALL_PROJECT: gateway.project,
      ROLLCALL_ENVIRONMENT: gateway.environment,
      ROLLCALL_WEBHOOK_SECRET: SECRET,
    },
  })
})
afterAll(async () => {
  for (const name of Object.keys(process.env)) if (name.startsWith('ROLLCALL_')) delete process.env[name]
  expect(gateway.errors).toEqual([])
  await gateway.close()
})

/** An application, by what it is asked. */
type Ask = (path: string, body?: object, session?: string) => Promise<Response>
interface Application {
  readonly ask: Ask
  /** Takes a message of a webhook. */
  readonly take: (request: Request) => Promise<Response>
  readonly paths: { readonly onboard: string; readonly signIn: string; readonly me: string }
}

const places = () => ({ project: gateway.project, environment: gateway.environment })

/** What stands beside a new customer: somebody who provisions it, and the events that the application is sent. */
async function provisioner(tenant: string) {
  const client = adminClient({ origin: gateway.origin, key: gateway.adminKey })
  const path = { ...places(), tenant }
  const rules = [
    { group: { displayName: 'Engineering' }, role: 'developer' },
    { group: { displayName: 'Sales' }, role: 'seller' },
  ]
  await client.PATCH(`${PLACE}/tenants/{tenant}`, { params: { path }, body: { settings: { roleRules: rules } } })
  const { data } = await client.POST(`${PLACE}/api-keys`, {
    params: { path: places() },
    body: { name: 'Okta', tenant },
  })
  const target = { baseUrl: gateway.bases.tenant.replace(/[^/]+$/, tenant), key: data?.key ?? '' }
  const feed = { client: adminClient({ origin: gateway.origin, key: appKey }), place: path }
  let after: string | undefined
  return async (scenario: Scenario, take?: Application['take']) => {
    for await (const _ of play(target, 'okta', scenario, { userName: ADA }));
    const { events, next } = await readFeed(feed, { after, limit: 500 })
    after = next
    if (take === undefined) return
    for (const event of events) {
      const { status } = await sendOnce({ secret: SECRET, url: 'http://localhost/webhooks', send: take }, event)
      expect([event.type, status]).toEqual([event.type, 200])
    }
  }
}

const json = (body: object | undefined) =>
  body && { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }

/** The example in Next.js: its route handlers are Fetch handlers. */
const inNext: Application = {
  paths: { onboard: '/onboarding', signIn: '/sign-in', me: '/me' },
  ask: async (path, body, session) => {
    const headers = { ...json(body)?.headers, ...(session === undefined ? {} : { cookie: `a=b; session=${session}` }) }
    const request = new Request(`http://localhost:3000${path}`, { ...json(body), headers })
    if (path === '/me') return me(request)
    return path === '/onboarding' ? onboard(request) : signIn(request)
  },
  take: receive,
}

let stop = async () => {}
afterEach(() => stop())

/** The example in Express, on a port. */
async function inExpress(): Promise<Application> {
  const settings = { ...places(), origin: gateway.origin, adminKey: gateway.adminKey, appKey, webhookSecret: SECRET }
  const server = createServer(createExample(settings))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    stop = async () => {}
  }
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    paths: { onboard: '/customers', signIn: '/sign-in', me: '/me' },
    ask: (path, body, session) => {
      const headers = {
        ...json(body)?.headers,
        ...(session === undefined ? {} : { Authorization: `Bearer ${session}` }),
      }
      return fetch(origin + path, { ...json(body), headers })
    },
    take: async (request) =>
      fetch(`${origin}/webhooks`, { method: 'POST', headers: request.headers, body: await request.text() }),
  }
}

describe.each([
  ['Next.js', async () => inNext],
  ['Express', inExpress],
] as const)('the example in %s', (name, open) => {
  test('on-boards a customer, lets people in with their roles, follows the directory and locks out who leaves', async () => {
    const { ask, take, paths } = await open()
    const tenant = `acme-${name === 'Express' ? 'express' : 'next'}`
    const made = await ask(paths.onboard, { key: tenant, name: 'Acme' })
    expect([made.status, await made.json()]).toEqual([201, { setupLink: expect.stringMatching(/\/setup/) }])
    expect((await ask(paths.onboard, { key: tenant, name: 'Acme' })).status).toBe(409)

    const provision = await provisioner(tenant)
    const refused = await ask(paths.signIn, { tenant, email: ADA })
    expect([refused.status, await refused.json()]).toEqual([403, { reason: 'not_provisioned' }])
    await provision('joiner', take)
    const signedIn = await ask(paths.signIn, { tenant, email: ADA })
    const { session } = (await signedIn.json()) as { session: string }
    const roles = async () => ((await (await ask(paths.me, undefined, session)).json()) as { roles: string[] }).roles
    expect([signedIn.status, await roles()]).toEqual([201, ['developer']])

    await provision('mover', take)
    expect(await roles()).toEqual(['seller'])
    await provision('leaver', take)
    expect((await ask(paths.me, undefined, session)).status).toBe(401)
    const left = await ask(paths.signIn, { tenant, email: ADA })
    expect([left.status, await left.json()]).toEqual([403, { reason: 'deactivated' }])
  })
})

test('the adapters for Auth.js and better-auth let in whom the directory knows, with roles, and nobody else', async () => {
  const tenant = await gateway.newTenant()
  const provision = await provisioner(tenant.name)
  const directory = { ...places(), origin: gateway.origin, key: appKey, tenant: tenant.name }
  const directoryOf = (email: string) => (email.endsWith('@acme.example') ? directory : undefined)
  const authJs = authJsCallbacks(directoryOf)
  const better = betterAuthHooks(directoryOf, async (id) => (id === 'u1' ? ADA : undefined)).session.create

  expect(await authJs.signIn({ user: { email: ADA } })).toBe(false)
  await provision('joiner')
  expect(await authJs.signIn({ user: { email: ADA } })).toBe(true)
  for (const email of ['eve@elsewhere.example', 'bob@acme.example', null])
    expect(await authJs.signIn({ user: { email } })).toBe(false)
  const token = await authJs.jwt({ token: { email: ADA }, user: { email: ADA } })
  expect(token.roles).toEqual(['developer'])
  expect(await authJs.jwt({ token })).toBe(token)
  expect(await authJs.session({ session: {}, token })).toEqual({ user: { roles: ['developer'] } })

  expect(await better.before({ userId: 'u1' })).toEqual({ data: { userId: 'u1', roles: ['developer'] } })
  expect(await better.before({ userId: 'nobody' })).toBe(false)
  await provision('leaver')
  expect(await authJs.signIn({ user: { email: ADA } })).toBe(false)
  expect(await better.before({ userId: 'u1' })).toBe(false)
})
