import { setTimeout as pause } from 'node:timers/promises'
import type { AdminClient, Schemas } from '../client/index.ts'

/** An event as the admin API shows it. */
export type Event = Schemas['Event']

/** The log to follow: the feed of an environment, or the log of one tenant. Places are named by keys or ids. */
export interface Feed {
  readonly client: AdminClient
  readonly place: { readonly project: string; readonly environment: string; readonly tenant?: string | undefined }
  /** Such as `user.*`; all where there is none. */
  readonly types?: readonly string[] | undefined
}

/** Where a reader of a log stands: a cursor of an environment's feed, or a position of a tenant's log. */
export type FeedPosition = string

/** What came at once, and up to where the reader then knows the log. */
export interface FeedPage {
  readonly events: readonly Event[]
  readonly next: FeedPosition
}

/** The gateway refuses to show the log, with this status; `message` says why. */
export class FeedRefused extends Error {
  override readonly name = 'FeedRefused'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const ENVIRONMENT = '/projects/{project}/environments/{environment}'
const TENANT = `${ENVIRONMENT}/tenants/{tenant}` as const
const PAGE = 100
const WAIT_SECONDS = 25
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [250, 8_000]

/** One page after a position, waited for where `wait` is above 0; without one, from the oldest event that is kept. @throws {FeedRefused} */
export async function readFeed(
  { client, place: { project, environment, tenant }, types = [] }: Feed,
  {
    after,
    wait = 0,
    limit = PAGE,
  }: { readonly after?: FeedPosition | undefined; readonly wait?: number; readonly limit?: number },
  signal?: AbortSignal,
): Promise<FeedPage & { readonly more: boolean }> {
  const common = { wait, limit, ...(types.length > 0 && { types: types.join(',') }) }
  const more = signal && { signal }
  const { data, error, response } =
    tenant === undefined
      ? await client.GET(`${ENVIRONMENT}/events`, {
          params: { path: { project, environment }, query: { ...common, ...(after !== undefined && { after }) } },
          ...more,
        })
      : await client.GET(`${TENANT}/events`, {
          params: {
            path: { project, environment, tenant },
            query: { ...common, ...(after !== undefined && { after: Number(after) }) },
          },
          ...more,
        })
  if (data !== undefined) return { events: data.items, next: String(data.next), more: data.more }
  throw new FeedRefused(response.status, error?.detail ?? `the gateway answered ${response.status}`)
}

/** The end of the log: the first line of a snapshot names it, and no more is read. @throws {FeedRefused} */
export async function endOfFeed({ client, place: { project, environment, tenant } }: Feed): Promise<FeedPosition> {
  const ended = new AbortController()
  const asStream = { parseAs: 'stream', signal: ended.signal } as const
  const { data, error, response } =
    tenant === undefined
      ? await client.GET(`${ENVIRONMENT}/snapshot`, { params: { path: { project, environment } }, ...asStream })
      : await client.GET(`${TENANT}/snapshot`, { params: { path: { project, environment, tenant } }, ...asStream })
  if (!response.ok || !data) throw new FeedRefused(response.status, error?.detail ?? `it answered ${response.status}`)
  let text = ''
  const decoder = new TextDecoder()
  try {
    for await (const chunk of data as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true })
      if (text.includes('\n')) break
    }
  } finally {
    ended.abort()
  }
  const start = JSON.parse(text.split('\n', 1)[0] ?? '') as { readonly cursor?: string; readonly position?: number }
  return start.cursor ?? String(start.position)
}

/**
 * Follows a log from a position on, or from the oldest event that is kept, by long polls over one connection. It reads the next page when the reader asks for it. Where the gateway cannot be
 * reached, `lost` is told once, and the feed goes on where it was when the gateway is back.
 *
 * @throws {FeedRefused} where the key may not read the log, or the position is no longer there
 */
export async function* follow(
  feed: Feed,
  after: FeedPosition | undefined,
  signal: AbortSignal,
  lost: (reason: string) => void = () => {},
): AsyncGenerator<FeedPage> {
  for (let pauseMs = 0; !signal.aborted; ) {
    try {
      const { events, next } = await readFeed(feed, { after, wait: WAIT_SECONDS }, signal)
      pauseMs = 0
      after = next
      yield { events, next }
    } catch (error) {
      if (signal.aborted) return
      const refused = error instanceof FeedRefused && error.status < 500 && error.status !== 429
      if (refused) throw error
      if (pauseMs === 0) lost(error instanceof Error ? error.message : String(error))
      pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, pauseMs * 2))
      await pause(pauseMs, undefined, { signal }).catch(() => {})
    }
  }
}
