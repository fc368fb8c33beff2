import { createHmac, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import {
  type Event,
  endOfFeed,
  type Feed,
  type FeedPage,
  type FeedPosition,
  FeedRefused,
  follow,
  readFeed,
} from '../../kit/feed.ts'
import { type Attempt, Forwarding, type Receiver, sendOnce } from '../../kit/forwarding.ts'
import { maskedValue } from '../../request-log/masking.ts'
import { CliError, EXIT } from '../failure.ts'
import type { Io } from '../io.ts'

/** What `listen` and `dev` take for the events that they forward. */
export interface ForwardOptions {
  readonly events?: string
  readonly secret?: string
  readonly state?: string
  readonly after?: string
  readonly json?: true
}

/** What a run forwards, and where to. */
export interface Forward {
  readonly feed: Feed
  /** Undefined where events are only shown. */
  readonly receiver: Receiver | undefined
  readonly options: ForwardOptions
  /** Where to begin, where neither the options nor their file say it; the end of the log by default. */
  readonly from?: FeedPosition
}

/**
 * The address of a receiver: a whole URL, or what a developer writes for one on this machine, such as `3000` or
 * `localhost:3000/webhooks`. @throws {CliError} for anything else
 */
export function receiverUrl(text: string): string {
  const written = text.replace(/^:(?=\d)/, '')
  const whole = /^https?:\/\//.test(written) ? written : `http://${written.replace(/^(?=\d+(?:\/|$))/, 'localhost:')}`
  if (!URL.canParse(whole))
    throw new CliError(EXIT.usage, `"${text}" is no address: give one such as http://localhost:3000/webhooks, or 3000`)
  return new URL(whole).href
}

/**
 * The secret that signs: the one given, or one that is made of the key. So it stays the same as long as the key does, and the
 * application keeps it in its settings. @throws {CliError} for a secret in another form
 */
export function webhookSecret(given: string | undefined, key: string): string {
  if (given === undefined) return `whsec_${createHmac('sha256', key).update('rollcall listen').digest('base64')}`
  if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(given))
    throw new CliError(
      EXIT.usage,
      'a secret begins with whsec_, and base64 follows, such as whsec_c2VjcmV0IG9mIG1pbmU=',
    )
  return given
}

/** Types of events with commas between, as the admin API takes them. */
export const typesIn = (text: string | undefined): readonly string[] =>
  (text ?? '').split(',').flatMap((type) => type.trim() || [])

/** Follows the feed until `signal`, and writes a line for each event: what came, of whom, and what the receiver answered. */
export async function forward({ feed, receiver, options, from }: Forward, io: Io, signal: AbortSignal): Promise<void> {
  const { json } = options
  const people = new Map<string, string>()
  const told = (attempt: Attempt) => io.out.write(json ? jsonLine(attempt) : textLine(attempt, feed, people))
  const state = options.state === undefined ? undefined : stateFile(options.state, feed)
  const given = startOf(options, feed)
  const begin = given === undefined ? (state?.position() ?? from ?? (await refusals(endOfFeed(feed)))) : given.after
  const lost = (reason: string) => io.err.write(`rollcall: the gateway cannot be reached (${reason}); trying again\n`)
  const pages = follow(feed, begin, signal, lost)
  const settled = (position: FeedPosition) => state?.settled(position)
  if (receiver === undefined) await refusals(show(pages, told, settled))
  else await refusals(new Forwarding(receiver, { told, settled }, signal).run(pages))
  await state?.written()
}

async function show(
  pages: AsyncIterable<FeedPage>,
  told: (attempt: Attempt) => void,
  settled: (position: FeedPosition) => void,
): Promise<void> {
  for await (const { events, next } of pages) {
    for (const event of events) told({ event, status: null, accepted: true, ms: 0 })
    settled(next)
  }
}

/**
 * Sends events once more, by their ids, or by their positions in a tenant's log. @throws {CliError} for one that is not there or is
 * not accepted
 */
export async function resend({ feed, receiver, options }: Forward & { receiver: Receiver }, which: string, io: Io) {
  for (const one of typesIn(which)) {
    const isPosition = /^\d+$/.test(one)
    if (isPosition && feed.place.tenant === undefined)
      throw new CliError(EXIT.usage, `the position ${one} is one in each tenant: give --tenant, or the id of the event`)
    const event = await refusals(isPosition ? eventAt(feed, Number(one)) : eventById(feed, one))
    if (event === undefined) throw new CliError(EXIT.refused, `the log has no event ${one}`)
    const attempt = await sendOnce(receiver, event)
    io.out.write(options.json ? jsonLine(attempt) : textLine(attempt, feed, new Map()))
    if (!attempt.accepted) throw new CliError(EXIT.refused, `the receiver did not accept the event ${one}`)
  }
}

async function eventAt(feed: Feed, position: number): Promise<Event | undefined> {
  const { events } = await readFeed(feed, { after: String(position - 1), limit: 1 })
  return events.find((event) => event.position === position)
}

const MOST_AT_ONCE = 500

async function eventById(feed: Feed, id: string): Promise<Event | undefined> {
  for (let after: FeedPosition | undefined; ; ) {
    const { events, next, more } = await readFeed(feed, { after, limit: MOST_AT_ONCE })
    const found = events.find((event) => event.id === id)
    if (found !== undefined || !more) return found
    after = next
  }
}

/** Where the options say to begin; `after` is undefined for all that is kept. */
function startOf({ after }: ForwardOptions, { place }: Feed): { readonly after: FeedPosition | undefined } | undefined {
  if (after === undefined) return undefined
  if (after === '0') return { after: undefined }
  const isOne = place.tenant === undefined ? /^f[\w.]+$/ : /^\d{1,15}$/
  if (isOne.test(after)) return { after }
  const what = place.tenant === undefined ? 'a cursor of the environment' : 'a position of the tenant'
  throw new CliError(EXIT.usage, `--after takes ${what}, or 0 for all that is kept`)
}

/** Keeps in a file up to where the events of a log are done. */
function stateFile(path: string, { place: { project, environment, tenant } }: Feed) {
  const log = [project, environment, tenant].filter((name) => name !== undefined).join('/')
  let state: Record<string, FeedPosition> = read(path)
  let dirty = false
  let writing: Promise<void> | undefined
  const write = async () => {
    while (dirty) {
      dirty = false
      const unfinished = `${path}.${randomUUID()}`
      await writeFile(unfinished, `${JSON.stringify(state)}\n`)
      await rename(unfinished, path)
    }
    writing = undefined
  }
  return {
    position: (): FeedPosition | undefined => state[log],
    settled: (position: FeedPosition) => {
      if (state[log] === position) return
      state = { ...state, [log]: position }
      dirty = true
      writing ??= write()
    },
    written: async () => writing,
  }
}

function read(path: string): Record<string, FeedPosition> {
  try {
    const state = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string | number>
    return Object.fromEntries(Object.entries(state).map(([log, position]) => [log, String(position)]))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new CliError(EXIT.usage, `the state file ${path} cannot be read: delete it, or name another`)
  }
}

/** The same, with refusals of the gateway for the operator. */
async function refusals<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof FeedRefused) throw new CliError(EXIT.refused, error.message)
    throw error
  }
}

const jsonLine = ({ event, ...attempt }: Attempt): string => `${JSON.stringify({ ...attempt, event })}\n`

/** One attempt in a line: people stand there masked, or by their ids. */
function textLine(
  { event, status, accepted, ms, error, againInMs }: Attempt,
  { place }: Feed,
  people: Map<string, string>,
): string {
  const { id, tenant, position, type, resource, time } = event
  const { userName } = (event.changes.after ?? event.changes.before ?? {}) as { readonly userName?: unknown }
  if (typeof userName === 'string') people.set(resource.id, maskedValue(userName))
  const who = people.get(resource.id)
  const what = `${time.slice(11, 19)}  #${position}  ${type}  ${resource.type} ${resource.id}${who ? ` (${who})` : ''}${
    place.tenant === undefined ? `  of tenant ${tenant}` : ''
  }`
  if (accepted && status === null) return `${what}\n`
  const answer = status === null ? (error ?? 'no answer') : `${status}, ${ms} ms`
  if (accepted) return `${what}  -> ${answer}\n`
  const then = againInMs === undefined ? `given up; --resend ${id} sends it again` : `again in ${againInMs} ms`
  return `${what}  -> ${answer}; ${then}\n`
}
