import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DirectoryOf } from '../../examples/sign-in/auth-js.ts'
import { adminClient } from '../../src/client/index.ts'
import { play } from '../../src/kit/play.ts'
import type { Scenario } from '../../src/testing/types.ts'
import { type AssembledExamples, assembleExamples } from '../support/assembled-examples.ts'
import { type Child, freePort, runMain } from '../support/children.ts'
import { CLIENT, type Issuer, openProvider, signInAt } from '../support/issuers.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'

// The examples with the packages that they are for: `npm run test:examples` brings these.

const ADMIN_KEY = 'the-key-of-the-operator-of-this-test'
const PLACE = '/projects/{project}/environments/{environment}'
const path = { project: 'default', environment: 'dev' }
/** As the identity provider of the test knows her. */
const ADA = 'ada@example.com'
const APP = 'http://localhost:3999'

let examples: AssembledExamples
beforeAll(() => {
  examples = assembleExamples()
})
afterAll(() => examples.remove())

test('the adapters have the types that Auth.js and better-auth ask for', () => {
  expect(examples.typeFaults()).toBe('')
})

test('Next.js builds its example, which has the types that it asks for', () => {
  examples.buildNext()
})

type Handler = (request: Request) => Promise<Response>
type Application = (sso: object, directoryOf: DirectoryOf) => Handler

/** The applications; a module of other packages, which the compiler checks by itself. */
async function applications(): Promise<readonly (readonly [name: string, open: Application])[]> {
  const { authJs } = await import(join(examples.folder, 'applications/auth-js.ts'))
  const { betterAuthAt } = await import(join(examples.folder, 'applications/better-auth.ts'))
  return [
    ['Auth.js', authJs],
    ['better-auth', (sso, directoryOf) => betterAuthAt(APP, sso, directoryOf)],
  ]
}

/** What asks an application as one browser does. */
function browserOf(handler: Handler) {
  const cookies = new Map<string, string>()
  return async (address: string, post?: object | URLSearchParams): Promise<Response> => {
    const headers = new Headers({ Cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') })
    const isForm = post instanceof URLSearchParams
    if (post !== undefined && !isForm) headers.set('Content-Type', 'application/json')
    if (post !== undefined) headers.set('Origin', APP)
    const body = post === undefined || isForm ? (post ?? null) : JSON.stringify(post)
    const method = post === undefined ? 'GET' : 'POST'
    const answer = await handler(new Request(new URL(address, APP), { method, headers, body }))
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    return answer
  }
}

interface SignedIn {
  readonly user?: { readonly email?: string; readonly roles?: readonly string[] }
  readonly session?: { readonly roles?: readonly string[] }
}

/** Signs Ada in by single sign-on, in a new browser; gives where that ends, and the session that she has then. */
async function signIn(name: string, handler: Handler, provider: Issuer) {
  const browse = browserOf(handler)
  let begun: string
  if (name === 'Auth.js') {
    const { csrfToken } = (await (await browse('/auth/csrf')).json()) as { readonly csrfToken: string }
    begun = (await browse('/auth/signin/sso', new URLSearchParams({ csrfToken }))).headers.get('Location') ?? ''
  } else {
    const body = { provider: 'sso', callbackURL: '/home', errorCallbackURL: '/refused' }
    begun = ((await (await browse('/api/auth/sign-in/social', body)).json()) as { readonly url: string }).url
  }
  expect(begun).toContain(provider.url)
  const ended = await browse(await signInAt(provider, begun, 'ada'))
  const at = name === 'Auth.js' ? '/auth/session' : '/api/auth/get-session'
  const { user, session } = ((await (await browse(at)).json()) as SignedIn | null) ?? {}
  return { location: ended.headers.get('Location'), email: user?.email, roles: session?.roles ?? user?.roles }
}

const REFUSED: Readonly<Record<string, string>> = {
  'Auth.js': `${APP}/auth/error?error=AccessDenied`,
  'better-auth': '/refused?error=unable_to_create_session',
}

describe.each(process.env.SKIP_POSTGRES === '1' ? ['embedded'] : ['embedded', 'PostgreSQL'])('on %s', (engine) => {
  let server: PostgresServer | undefined
  let gateway: Child
  let provider: Issuer
  let origin = ''
  let appKey = ''
  const data = mkdtempSync(join(tmpdir(), 'rollcall-examples-data-'))
  const admin = () => adminClient({ origin, key: ADMIN_KEY })

  beforeAll(async () => {
    if (engine === 'PostgreSQL') server = await startPostgres()
    const addresses = [`${APP}/auth/callback/sso`, `${APP}/api/auth/callback/sso`]
    const env = { ADMIN_KEY, DELIVERY_NETWORKS: '127.0.0.0/8', LOG_LEVEL: 'warn', DRAIN_DELAY_MS: '0' }
    ;[{ gateway, origin }, provider] = await Promise.all([
      runMain({ ...env, DATA_DIR: data, DATABASE_URL: server?.url ?? '' }),
      openProvider(APP, addresses),
    ])
    appKey = await keyWith({ name: 'application', permissions: ['directory:read'] })
  })
  afterAll(async () => {
    gateway?.process.kill('SIGTERM')
    await gateway?.ended()
    await Promise.all([provider?.close(), server?.stop()])
    rmSync(data, { recursive: true })
  })

  async function keyWith(body: { name: string; tenant?: string; permissions?: 'directory:read'[] }): Promise<string> {
    return (await admin().POST(`${PLACE}/api-keys`, { params: { path }, body })).data?.key ?? ''
  }

  /** Gives a customer its rules and an identity provider, which does what a scenario says of Ada. */
  async function provisioner(tenant: string): Promise<(scenario: Scenario) => Promise<void>> {
    const roleRules = [
      { group: { displayName: 'Engineering' }, role: 'developer' },
      { group: { displayName: 'Sales' }, role: 'seller' },
    ]
    const params = { path: { ...path, tenant } }
    await admin().PATCH(`${PLACE}/tenants/{tenant}`, { params, body: { settings: { roleRules } } })
    const target = {
      baseUrl: `${origin}/scim/v2/default/dev/v2/${tenant}`,
      key: await keyWith({ name: 'idp', tenant }),
    }
    return async (scenario) => {
      for await (const _ of play(target, 'okta', scenario, { userName: ADA }));
    }
  }

  test('Next.js on-boards a customer, lets people in with their roles, hears of changes and locks out who leaves', async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}/webhooks/rollcall`
    const hook = await admin().POST(`${PLACE}/webhooks`, {
      params: { path },
      body: { url, events: ['user.*', 'role.*'], description: '', snapshot: false },
    })
    const next = examples.startNext(port, {
      ...{ ROLLCALL_URL: origin, ROLLCALL_ADMIN_KEY: ADMIN_KEY, ROLLCALL_APP_KEY: appKey },
      ...{ ROLLCALL_PROJECT: 'default', ROLLCALL_ENVIRONMENT: 'dev', ROLLCALL_WEBHOOK_SECRET: hook.data?.secret ?? '' },
    })
    try {
      await next.says('Ready')
      const ask = (where: string, body?: object, headers: Readonly<Record<string, string>> = {}) =>
        fetch(`http://127.0.0.1:${port}${where}`, {
          headers,
          ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
        })
      const made = await ask('/onboarding', { key: 'acme', name: 'Acme' })
      const { setupLink } = (await made.json()) as { readonly setupLink: string }
      expect([made.status, (await fetch(setupLink, { redirect: 'manual' })).status]).toEqual([201, 303])

      const provision = await provisioner('acme')
      const person = { tenant: 'acme', email: ADA }
      const unknown = await ask('/sign-in', person)
      expect([unknown.status, await unknown.json()]).toEqual([403, { reason: 'not_provisioned' }])
      await provision('joiner')
      const signedIn = await ask('/sign-in', person)
      expect(signedIn.status).toBe(201)
      const cookie = signedIn.headers.get('Set-Cookie')?.split(';')[0] ?? ''
      const me = async () => {
        const answer = await ask('/me', undefined, { cookie })
        return answer.ok ? ((await answer.json()) as { readonly roles: readonly string[] }).roles : answer.status
      }
      expect(await me()).toEqual(['developer'])

      const forged = { 'webhook-id': 'one', 'webhook-timestamp': String(Math.floor(Date.now() / 1_000)) }
      const refused = await ask(
        '/webhooks/rollcall',
        { type: 'user.deleted' },
        { ...forged, 'webhook-signature': 'v1,bm9uZQ==' },
      )
      expect(refused.status).toBe(401)
      await provision('mover')
      await expect.poll(me, { timeout: 60_000 }).toEqual(['seller'])
      await provision('leaver')
      await expect.poll(me, { timeout: 60_000 }).toBe(401)
      const left = await ask('/sign-in', person)
      expect([left.status, await left.json()]).toEqual([403, { reason: 'deactivated' }])
    } finally {
      next.process.kill('SIGTERM')
      await next.ended()
    }
  })

  test.each(['Auth.js', 'better-auth'])(
    '%s lets in whom the directory knows, with roles, and nobody else',
    async (name) => {
      const tenant = name === 'Auth.js' ? 'auth-js' : 'better-auth'
      await admin().POST(`${PLACE}/tenants`, { params: { path }, body: { key: tenant } })
      const provision = await provisioner(tenant)
      const directory = { ...path, origin, key: appKey, tenant }
      const open = (await applications()).find(([one]) => one === name)?.[1]
      const sso = { issuer: provider.url, clientId: CLIENT.id, clientSecret: CLIENT.secret }
      const handler = open?.(sso, (email) => (email.endsWith('@example.com') ? directory : undefined)) as Handler
      const nobody = { location: REFUSED[name], email: undefined, roles: undefined }

      expect(await signIn(name, handler, provider)).toEqual(nobody)
      await provision('joiner')
      expect(await signIn(name, handler, provider)).toMatchObject({ email: ADA, roles: ['developer'] })
      await provision('leaver')
      expect(await signIn(name, handler, provider)).toEqual(nobody)
    },
  )
})
