import type { Database } from '../db/database.ts'
import { isBusy, isUnavailable } from '../db/errors.ts'
import { type BesideEvent, eventText } from '../events/event.ts'
import type { EnvironmentId, TenantId } from '../place-ids.ts'
import { type FeedEvent, type FeedPage, readFeed, tenantsAmong } from '../repositories/log/environment-feed.ts'
import { eventLogOf, findUnnumbered } from '../repositories/log/event-log.ts'
import { noteFeedRead, READ_NOTED_MS } from '../repositories/log/feed-closing.ts'
import { placeStretches } from '../repositories/log/feed-places.ts'
import { numberMany } from '../repositories/log/numbering.ts'
import { besideEvents, needsLookUp } from './event-snapshots.ts'
import type { LogWatch } from './log-watch.ts'
import type { FollowedLog } from './read-log.ts'

/** Tenants whose events are numbered at once. */
const TENANTS_AT_ONCE = 200

/** A page has events about users of so many tenants with a mapping at the most: of each, values are looked up. */
const MOST_MAPPED_TENANTS = 50

/** Tenants that are looked up for a page at the same time, each by some statements that follow each other. */
const LOOKED_UP_AT_ONCE = 4

/** Where a reader of a feed stands. Texts of it are opaque to readers. */
export interface FeedCursor {
  /** The first letters of the feed's id. */
  readonly feed: string
  readonly place: number
  /** Up to this place, what was deleted for its age is no loss: the reader began with what was kept. */
  readonly forgiven: number
}

/** Undefined for a text that is no cursor. */
export function parseFeedCursor(text: string): FeedCursor | undefined {
  const [, feed, place, forgiven] = /^f([0-9a-f]{8})\.([0-9a-z]{1,10})(?:\.([0-9a-z]{1,10}))?$/.exec(text) ?? []
  if (feed === undefined || place === undefined) return undefined
  return { feed, place: Number.parseInt(place, 36), forgiven: Number.parseInt(forgiven ?? '0', 36) }
}

/** What is read of a feed. */
export interface FeedWish {
  /** Of these tenants alone. */
  readonly tenants?: readonly TenantId[] | undefined
  /** A page has events of so many tenants at the most. */
  readonly mostTenants?: number | undefined
}

/** The feed of an environment, for one reader. */
export interface EnvironmentFeed extends FollowedLog<FeedEvent> {
  /** A cursor at the end of the feed, with all that was committed before. */
  end(): Promise<string>
}

/**
 * The feed of an environment as one log, in which positions are places. The first reader opens the feed. A reader goes on behind
 * `cursor`, or begins with the oldest event that is kept.
 */
export function environmentFeed(
  db: Database,
  watch: LogWatch,
  environmentId: EnvironmentId,
  cursor?: FeedCursor,
  { tenants, mostTenants = Number.POSITIVE_INFINITY }: FeedWish = {},
): EnvironmentFeed {
  let id = cursor?.feed
  // Before the first page, nothing that has been deleted is a loss to a reader who begins.
  let forgiven = cursor?.forgiven ?? Number.MAX_SAFE_INTEGER
  let readAt = performance.now()
  const page = async (after: number, limit: number, types: FeedTypes): Promise<FeedPage> => {
    const read = () => readFeed(db, environmentId, after, limit, { types, tenants, forgiven })
    let found = await read()
    if (found === undefined) {
      await watch.openFeed(environmentId)
      found = await read()
    }
    if (found === undefined) throw new Error('a feed that was opened is not there')
    readAt = performance.now()
    if (found.unnoted) await noteFeedRead(db, environmentId)
    return found
  }
  const cursorAt = (place: number): string =>
    `f${id}.${place.toString(36)}${forgiven > place ? `.${forgiven.toString(36)}` : ''}`
  const catchUp = () => numberAll(db, environmentId)
  return {
    watch,
    async wait(after, ms, signal) {
      // A reader who waits for long reads nothing, and is there all the same.
      if (performance.now() - readAt > READ_NOTED_MS) {
        readAt = performance.now()
        await noteFeedRead(db, environmentId)
      }
      return watch.waitForFeed(environmentId, after, ms, signal)
    },
    catchUp,
    async read(after, limit, types) {
      const found = await page(after ?? 0, limit, types)
      // A cursor of another feed is behind the end of this one, as all are.
      if (id !== undefined && id !== shortOf(found.id)) return { ...found, events: [], head: -1, trimmed: 0 }
      id = shortOf(found.id)
      if (forgiven === Number.MAX_SAFE_INTEGER) forgiven = found.head
      const few = ofFewTenants(found, mostTenants, () => true)
      return ofFewTenants(few, MOST_MAPPED_TENANTS, (event) => needsLookUp(event, false))
    },
    positionOf: ({ place }) => place,
    cursorAt,
    async texts(events, snapshot) {
      const ofTenants = new Map<TenantId, (event: FeedEvent) => BesideEvent>()
      const queue = byTenant(events.filter((event) => needsLookUp(event, snapshot))).entries()
      const lookUp = async () => {
        for (const [tenantId, some] of queue) ofTenants.set(tenantId, await besideEvents(db, tenantId, some, snapshot))
      }
      await Promise.all(Array.from({ length: LOOKED_UP_AT_ONCE }, lookUp))
      return (event) => eventText(event, event.tenantId, ofTenants.get(event.tenantId)?.(event))
    },
    async end() {
      // A feed is complete once it is open, so it is opened before the end is looked for.
      await page(0, 1, ALL)
      await catchUp()
      const { id: feed, head } = await page(0, 1, ALL)
      id = shortOf(feed)
      forgiven = 0
      return cursorAt(head)
    },
  }
}

type FeedTypes = Parameters<FollowedLog['read']>[2]
const ALL: FeedTypes = { types: [], nouns: [] }

const shortOf = (id: string): string => id.slice(0, 8)

/** The events of each tenant, in their order. */
export function byTenant(events: readonly FeedEvent[]): Map<TenantId, FeedEvent[]> {
  const groups = new Map<TenantId, FeedEvent[]>()
  for (const event of events) {
    const group = groups.get(event.tenantId)
    if (group === undefined) groups.set(event.tenantId, [event])
    else group.push(event)
  }
  return groups
}

/** The beginning of a page, where it would need more tenants than these to be looked at. @param counts which events need that */
function ofFewTenants(page: FeedPage, most: number, counts: (event: FeedEvent) => boolean): FeedPage {
  const seen = new Set<TenantId>()
  const end = page.events.findIndex((event) => counts(event) && seen.add(event.tenantId).size > most)
  const events = end === -1 ? page.events : page.events.slice(0, end)
  return end === -1 ? page : { ...page, events, next: events.at(-1)?.place ?? page.next }
}

/** Numbers and places all events of an environment's tenants that were committed before. */
async function numberAll(db: Database, environmentId: EnvironmentId): Promise<void> {
  let places = false
  for (let after: TenantId | undefined; ; ) {
    const { tenants, unplaced } = await findUnnumbered(db, after, TENANTS_AT_ONCE)
    places ||= unplaced
    const own = tenants.length === 0 ? [] : await tenantsAmong(db, environmentId, tenants)
    if (own.length > 0) {
      await numberMany(db, own).catch((error: unknown) => {
        if (isUnavailable(error) && !isBusy(error)) throw error
      })
      // What another instance is at, and tenants of which each is numbered by itself.
      const left = new Set((await findUnnumbered(db, after, TENANTS_AT_ONCE)).tenants)
      for (const tenantId of own) if (left.has(tenantId)) await eventLogOf(db, tenantId).number({ wait: true })
      places = true
    }
    after = tenants.at(-1)
    if (tenants.length < TENANTS_AT_ONCE) break
  }
  if (places) await placeStretches(db, environmentId)
}
