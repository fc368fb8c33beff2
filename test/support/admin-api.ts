import { Hono } from 'hono'
import { FailedAttempts } from '../../src/auth/attempts.ts'
import { ExternalIssuers } from '../../src/auth/external-issuers.ts'
import { type AdminClient, adminClient } from '../../src/client/index.ts'
import { loadConfig } from '../../src/config.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import type { Database } from '../../src/db/database.ts'
import { adminApi } from '../../src/http/admin/api.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import { idleDeliveries } from './deliveries.ts'
import { openFreshDatabase } from './engines.ts'

/** An answer of the admin API; which members its body has, the test knows. */
export interface AdminAnswer<Body> {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

/** The admin API on a database of its own, without a socket around it. */
export interface TestAdminApi {
  readonly database: Database
  readonly control: ControlPlane
  /** The key that the configuration gives. */
  readonly adminKey: string
  /** Sends a request to a path below `/api/v1`; a body that is text is sent as it is. A key of null sends none. */
  send<Body = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    key?: string | null,
    headers?: Readonly<Record<string, string>>,
  ): Promise<AdminAnswer<Body>>
  /** The typed client, as the configured admin. */
  readonly client: AdminClient
  /** The same with everything else that `fetch` has. */
  request(path: string, init?: RequestInit): Promise<Response>
  /** Mints a key below `path`. */
  keyFor(path: string, permissions: readonly string[], more?: object): Promise<string>
  close(): Promise<void>
}

export const ADMIN_KEY = 'test-admin-key-with-some-length'

/** Mounts the admin API as the app does; every request has the id `request-1`. `database` shares another one's store. */
export async function openAdminApi(shared?: Database): Promise<TestAdminApi> {
  const database = shared ?? (await openFreshDatabase())
  const control = new ControlPlane(controlStore(database), { adminKey: ADMIN_KEY })
  const app = new Hono<{ Variables: { requestId?: string } }>()
  app.use('*', (c, next) => {
    c.set('requestId', 'request-1')
    return next()
  })
  app.onError((error, c) => c.json({ unexpected: error.message }, 500))
  app.route(
    '/api/v1',
    adminApi({
      ...{ database, config: loadConfig({ PUBLIC_URL: 'http://scim.test' }), control },
      ...{ deliveries: idleDeliveries(database), issuers: new ExternalIssuers([]), failures: new FailedAttempts() },
    }),
  )

  const api: TestAdminApi = {
    ...{ database, control, adminKey: ADMIN_KEY },
    client: adminClient({ origin: 'http://scim.test', key: ADMIN_KEY, fetch: async (request) => app.fetch(request) }),
    async send<Body>(
      method: string,
      path: string,
      body?: unknown,
      key: string | null = ADMIN_KEY,
      more: Readonly<Record<string, string>> = {},
    ): Promise<AdminAnswer<Body>> {
      const headers = new Headers(more)
      if (key !== null) headers.set('Authorization', `Bearer ${key}`)
      if (body !== undefined && !headers.has('Content-Type')) headers.set('Content-Type', 'application/json')
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const init = { method, headers, ...(text === undefined ? {} : { body: text }) }
      const response = await api.request(path, init)
      const answer: Body = JSON.parse((await response.text()) || 'null')
      return { status: response.status, headers: response.headers, body: answer }
    },
    request: async (path, init) => app.request(`http://scim.test/api/v1${path}`, init),
    async keyFor(path, permissions, more = {}) {
      const made = await api.send<{ key: string }>('POST', `${path}/api-keys`, { name: 'k', permissions, ...more })
      if (made.status !== 201) throw new Error(`no key was made: ${JSON.stringify(made.body)}`)
      return made.body.key
    },
    async close() {
      await control.stop()
      if (shared === undefined) await database.close()
    },
  }
  return api
}
