import { randomBytes } from 'node:crypto'
import { createApp } from '../app.ts'
import { type AdminClient, adminClient, type Schemas } from '../client/index.ts'
import { loadConfig } from '../config.ts'
import { ControlPlane } from '../context/control-plane.ts'
import { openDatabase } from '../db/open.ts'
import { openDeliveries } from '../delivery/deliveries.ts'
import { createLogger, logFailure } from '../observability/logger.ts'
import { controlStore } from '../repositories/control/control-store.ts'
import { CliError, EXIT } from './failure.ts'
import type { Io } from './io.ts'

/** What every command takes: where the gateway is, and the environment to work in. */
export interface GlobalOptions {
  readonly url?: string
  readonly adminKey?: string
  readonly project?: string
  readonly environment?: string
  readonly json?: true
}

/** The admin API, of a running gateway or in this process. */
export interface Connection {
  readonly client: AdminClient
  /** The environment by its names, as paths of the API have them. */
  readonly place: { readonly project: string; readonly environment: string }
}

/** Origin of the gateway to talk to; undefined to open the database instead. */
export const gatewayUrl = ({ url }: GlobalOptions, { env }: Io): string | undefined =>
  url || env.ROLLCALL_URL || undefined

/** Runs `work` on the running gateway where there is a URL, else straight on the database, which is closed afterwards. */
export async function connected<T>(options: GlobalOptions, io: Io, work: (connection: Connection) => Promise<T>) {
  const place = {
    project: options.project ?? (io.env.ROLLCALL_PROJECT || 'default'),
    environment: options.environment ?? (io.env.ROLLCALL_ENVIRONMENT || 'dev'),
  }
  const origin = gatewayUrl(options, io)
  if (origin === undefined) return onDatabase(io, (client) => work({ client, place }))
  return work({ client: remoteClient(origin, options.adminKey ?? io.env.ROLLCALL_ADMIN_KEY), place })
}

/** The admin API of the gateway at `origin`. @throws {CliError} without a key, and where nothing answers there */
export function remoteClient(origin: string, key: string | undefined): AdminClient {
  if (!/^https?:$/.test(URL.canParse(origin) ? new URL(origin).protocol : ''))
    throw new CliError(EXIT.usage, 'the URL of the gateway must be such as https://scim.example.com (ROLLCALL_URL)')
  if (!key)
    throw new CliError(EXIT.usage, 'a key is needed for the gateway: set ROLLCALL_ADMIN_KEY, or give --admin-key')
  return adminClient({
    origin,
    key,
    fetch: async (request) => {
      const response = await fetch(request).catch((error: Error) => {
        const reason = error.cause instanceof Error ? error.cause.message || error.cause.name : error.message
        throw new CliError(EXIT.unreachable, `the gateway at ${new URL(origin).origin} cannot be reached: ${reason}`)
      })
      // A proxy or a site that has a page for every address.
      if (response.ok && response.headers.get('content-type')?.startsWith('text/html'))
        throw new CliError(EXIT.unreachable, `what answers at ${origin} is no gateway, but a page for browsers`)
      return response
    },
  })
}

/**
 * The admin API of this process over the database that the configuration names: the same rules, refusals and audit trail as
 * over the network. A gateway that runs at the same time on PostgreSQL notices changes within half a second.
 */
async function onDatabase<T>(io: Io, work: (client: AdminClient) => Promise<T>): Promise<T> {
  const config = loadConfig(io.env)
  const database = await openDatabase(config, (reason) => io.err.write(`rollcall: ${reason}\n`))
  // An operator who can open the database needs no key of the gateway; this one is good in this process alone.
  const key = randomBytes(32).toString('base64url')
  const control = new ControlPlane(controlStore(database, config.secretsKey), { adminKey: key })
  const logger = createLogger(io.env.LOG_LEVEL ? config.logLevel : 'silent')
  // Nothing is sent from here: a gateway does it, once it runs.
  const deliveries = openDeliveries(database, config, {
    failed: (error, task) => logFailure(logger, error, task),
    disabled: () => {},
  })
  try {
    const app = createApp({ database, control, config: { ...config, adminKey: key }, logger, deliveries })
    const origin = config.publicUrl ?? `http://localhost:${config.port}`
    return await work(adminClient({ origin, key, fetch: async (request) => app.fetch(request) }))
  } finally {
    await deliveries.stop()
    await control.stop()
    await database.close()
  }
}

/** The body of an answer. @throws {CliError} for a refusal, in its words */
export async function answered<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await asked
  if (response.ok) return data as T
  const problem = typeof error === 'object' && error !== null ? (error as Partial<Schemas['Problem']>) : {}
  const detail = problem.detail ?? `${new URL(response.url || 'http://gateway').origin} answered ${response.status}`
  const mistakes = (problem.errors ?? []).map(({ path, message }) => `${path} ${message}`).join('; ')
  const words = mistakes === '' || detail.includes(mistakes) ? detail : `${detail} (${mistakes})`
  throw new CliError(response.status >= 500 ? EXIT.failed : EXIT.refused, words)
}

/** The same with the entity tag of what was answered, for `--if-match` of the next change. */
export async function answeredWithTag<T>(
  asked: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<{ readonly body: T; readonly etag: string | null }> {
  const body = await answered(asked)
  return { body, etag: (await asked).response.headers.get('ETag') }
}

/** For changes of what somebody else may change too. */
export const IF_MATCH = ['--if-match <etag>', 'change it only if nobody has since this ETag was shown'] as const

/** The header of `--if-match`, where it is given. */
export const ifMatch = (etag: string | undefined) => (etag === undefined ? {} : { header: { 'If-Match': etag } })

/** All items of a list, page by page. */
export async function* listed<Item>(
  page: (query: { after?: string; limit: number }) => Promise<{ items: Item[]; next: string | null }>,
  limit = 200,
): AsyncGenerator<Item> {
  for (let after: string | null | undefined; after !== null; ) {
    const { items, next } = await page({ limit, ...(after === undefined ? {} : { after }) })
    yield* items
    after = next
  }
}

/** The same, at once. */
export async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
