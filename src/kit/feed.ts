import { setTimeout as pause } from 'node:timers/promises'
import type { AdminClient, Schemas } from '../client/index.ts'

/** An event as the admin API shows it. */
export type Event = Schemas['Event']

/** The log to follow: a tenant's, by the keys or ids of its place. */
export interface Feed {
  readonly client: AdminClient
  readonly place: { readonly project: string; readonly environment: string; readonly tenant: string }
  /** Such as `user.*`; all where there is none. */
  readonly types?: readonly string[] | undefined
}

/** What came at once, and the position up to which the reader then knows the log. */
export interface FeedPage {
  readonly events: readonly Event[]
  readonly next: number
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

const TENANT = '/projects/{project}/environments/{environment}/tenants/{tenant}'
const EVENTS = `${TENANT}/events` as const
const SNAPSHOT = `${TENANT}/snapshot` as const
const PAGE = 100
const WAIT_SECONDS = 25
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [250, 8_000]

/** One page after a position, waited for where `wait` is above 0. @throws {FeedRefused} */
export async function readFeed(
  { client, place, types = [] }: Feed,
  {
    after,
    wait = 0,
    limit = PAGE,
  }: { readonly after?: number | undefined; readonly wait?: number; readonly limit?: number },
  signal?: AbortSignal,
): Promise<FeedPage & { readonly more: boolean }> {
  const query = {
    ...(after === undefined ? {} : { after }),
    wait,
    limit,
    ...(types.length > 0 ? { types: types.join(',') } : {}),
  }
  const asked = client.GET(EVENTS, { params: { path: place, query }, ...(signal && { signal }) })
  const { data, error, response } = await asked
  if (data !== undefined) return { events: data.items, next: data.next, more: data.more }
  throw new FeedRefused(response.status, error?.detail ?? `the gateway answered ${response.status}`)
}

/** The position of the newest event: the first line of a snapshot names it, and no more is read. @throws {FeedRefused} */
export async function endOfFeed({ client, place }: Feed): Promise<number> {
  const ended = new AbortController()
  const asked = client.GET(SNAPSHOT, { params: { path: place }, parseAs: 'stream', signal: ended.signal })
  const { data, error, response } = await asked
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
  return (JSON.parse(text.split('\n', 1)[0] ?? '') as { readonly position: number }).position
}

/**
 * Follows a log from a position on, by long polls. It reads the next page when the reader asks for it. Where the gateway cannot be
 * reached, `lost` is told once, and the feed goes on where it was when the gateway is back.
 *
 * @throws {FeedRefused} where the key may not read the log, or the position is no longer there
 */
export async function* follow(
  feed: Feed,
  after: number,
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
