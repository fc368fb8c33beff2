import { expect } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/database.ts'
import { listen } from '../../src/listen.ts'
import type { TestTenant } from './gateway.ts'
import { type Instance, openInstance } from './instances.ts'
import { placeOf } from './readers.ts'
import { openSetReceiver, type SetReceiver } from './set-receiver.ts'

const ADMIN = 'an-admin-key-for-streams-in-tests'
const ENV = { ADMIN_KEY: ADMIN, DELIVERY_NETWORKS: '127.0.0.0/8' }
const RETRIES = {
  ...{ firstMs: 20, growth: 2, longestMs: 100, giveUpAfterMs: 60_000, disableAfterMs: 60_000 },
  restMs: { first: 20, longest: 100 },
}

export interface Asked {
  readonly status: number
  readonly body: Record<string, unknown> & { readonly items: Record<string, unknown>[] }
}

export interface TestStream {
  readonly id: string
  /** Path of the receiver, where the stream is pushed. */
  readonly path: string
  readonly body: Record<string, unknown>
  admin(method: string, what?: string, body?: object): Promise<Asked>
  waiting(state: 'pending' | 'dead'): Promise<{ attempts: number; lastError: string; type: string }[]>
  /** As the receiver of the stream, with the tenant's key. */
  poll(body?: object, key?: string): Promise<Asked>
}

/** A gateway that delivers, on a port of its own, and a receiver of Security Event Tokens. */
export interface Streams {
  readonly here: Instance
  /** Where all issuers of tokens are. */
  readonly origin: string
  readonly receiver: SetReceiver
  admin(method: string, path: string, body?: object): Promise<Asked>
  /** A stream of a tenant, or with `wide` of its environment. */
  stream(tenant: TestTenant, settings?: Readonly<Record<string, unknown>>, wide?: boolean): Promise<TestStream>
  close(): Promise<void>
}

export async function openStreams(database: Database): Promise<Streams> {
  const here = await openInstance(database, ENV, RETRIES)
  const server = await listen(here.send, loadConfig({ PORT: '0' }))
  const origin = `http://127.0.0.1:${server.port}`
  const receiver = await openSetReceiver(origin)
  let paths = 0

  const ask = async (key: string, method: string, url: string, body?: object): Promise<Asked> => {
    const response = await fetch(url, {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
  }
  const admin: Streams['admin'] = (method, path, body) => ask(ADMIN, method, `${origin}/api/v1${path}`, body)
  return {
    ...{ here, origin, receiver, admin },
    async stream(tenant, settings = {}, wide = false) {
      const path = `/sets${++paths}`
      const place = wide ? placeOf(tenant).replace(/\/tenants\/.*/, '') : placeOf(tenant)
      const where = settings.method === 'poll' ? {} : { method: 'push', url: receiver.origin + path }
      const made = await admin('POST', `${place}/streams`, { audience: `urn:receiver${path}`, ...where, ...settings })
      expect(made).toMatchObject({ status: 201 })
      const at = `${place}/streams/${made.body.id}`
      return {
        ...{ id: String(made.body.id), path, body: made.body },
        admin: (method, what = '', body) => admin(method, at + what, body),
        waiting: async (state) =>
          (await admin('GET', `${at}/deliveries?state=${state}`)).body.items as unknown as Awaited<
            ReturnType<TestStream['waiting']>
          >,
        poll: (body = { returnImmediately: true }, key = tenant.key) => ask(key, 'POST', String(made.body.url), body),
      }
    },
    async close() {
      await receiver.close()
      const stopping = server.stop(1_000)
      await here.close()
      await stopping
      expect(here.errors).toEqual([])
    },
  }
}
