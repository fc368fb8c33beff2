import { randomUUID } from 'node:crypto'
import type { Database } from '../../src/db/database.ts'
import { openFreshDatabase } from './engines.ts'
import { type Instance, ORIGIN, openInstance } from './instances.ts'

/** What the console answered; the text of a page is as it was sent. */
export interface Page {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Somebody before the console, who keeps its cookie and fills in its forms. */
export interface Visitor {
  /** `name=value` of the cookie that was set last. */
  readonly cookie: string
  get(path: string): Promise<Page>
  /** Sends a form as the pages have it, with the token that the overview shows and an id of its own. */
  post(path: string, fields?: Fields): Promise<Page>
}

type Fields = Readonly<Record<string, string | readonly string[]>>

/** The whole app without a socket on a database of its own, with a project `shop`, its environment `prod` and tenants. */
export interface TestConsole {
  readonly database: Database
  readonly instance: Instance
  /** Asks the admin API; as the configured admin unless another key is given. */
  admin<Body = Record<string, unknown>>(method: string, path: string, body?: unknown, key?: string): Promise<Body>
  /** Mints a key below a path of the admin API. */
  keyFor(path: string, permissions: readonly string[], more?: object): Promise<{ id: string; key: string }>
  /** A request as a browser sends it; `form` makes it a POST from a page of the console. */
  request(path: string, options?: { form?: Fields; cookie?: string; headers?: Record<string, string> }): Promise<Page>
  /** Signs in; throws where that is refused. */
  signIn(key: string): Promise<Visitor>
  close(): Promise<void>
}

export const ADMIN_KEY = 'test-admin-key-with-some-length'
export const PROD = '/projects/shop/environments/prod'
export const ACME = `${PROD}/tenants/acme`
export const GLOBEX = `${PROD}/tenants/globex`
const TOKEN = /name="form-token" value="([^"]+)"/

/**
 * Opens it, or another instance of it on the store of `beside`.
 *
 * @param origin by which browsers reach it, as `PUBLIC_URL` in `env` has it
 */
export async function openConsole(
  env: Readonly<Record<string, string>> = {},
  origin = ORIGIN,
  beside?: TestConsole,
): Promise<TestConsole> {
  const database = beside?.database ?? (await openFreshDatabase())
  const instance = await openInstance(database, {
    ...{ ADMIN_KEY, DELIVERY_NETWORKS: '127.0.0.0/8', PUBLIC_URL: ORIGIN },
    ...env,
  })

  const opened: TestConsole = {
    ...{ database, instance },
    async admin<Body>(method: string, path: string, body?: unknown, key = ADMIN_KEY): Promise<Body> {
      const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }
      const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
      const answer = await instance.send(new Request(`${ORIGIN}/api/v1${path}`, init))
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
      return JSON.parse(text || 'null') as Body
    },
    keyFor: (path, permissions, more = {}) =>
      opened.admin('POST', `${path}/api-keys`, { name: 'test', permissions, ...more }),
    async request(path, { form, cookie, headers = {} } = {}) {
      const sent = new Headers({ 'User-Agent': 'test', ...headers })
      if (cookie !== undefined) sent.set('Cookie', cookie)
      const init: RequestInit = { headers: sent }
      if (form !== undefined) {
        init.method = 'POST'
        if (!sent.has('Origin')) sent.set('Origin', origin)
        if (!sent.has('Content-Type')) sent.set('Content-Type', 'application/x-www-form-urlencoded')
        const fields = new URLSearchParams()
        for (const [name, value] of Object.entries(form)) for (const one of [value].flat()) fields.append(name, one)
        init.body = fields.toString()
      }
      const answer = await instance.send(new Request(`${ORIGIN}/console${path}`, init))
      return { status: answer.status, headers: answer.headers, text: await answer.text() }
    },
    async signIn(key) {
      const answer = await opened.request('/sign-in', { form: { key } })
      const cookie = answer.headers.get('Set-Cookie')?.split(';')[0]
      if (answer.status !== 303 || cookie === undefined) throw new Error(`not signed in: ${answer.status}`)
      const get = (path: string) => opened.request(path, { cookie })
      return {
        ...{ cookie, get },
        post: async (path, fields = {}) => {
          const [, token = ''] = TOKEN.exec((await get('')).text) ?? []
          return opened.request(path, { cookie, form: { 'form-token': token, 'form-id': randomUUID(), ...fields } })
        },
      }
    },
    async close() {
      await instance.close()
      if (beside === undefined) await database.close()
    },
  }
  if (beside !== undefined) return opened
  await opened.admin('POST', '/projects', { key: 'shop', name: 'The shop' })
  await opened.admin('POST', '/projects/shop/environments', { key: 'prod', name: 'Production' })
  for (const key of ['acme', 'globex']) await opened.admin('POST', `${PROD}/tenants`, { key, name: `${key} corp` })
  return opened
}
