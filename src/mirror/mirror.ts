import { setTimeout as pause } from 'node:timers/promises'
import { type Lead, type MirrorDatabase, openMirrorDatabase } from './database.ts'
import { effectsOf, mayChangeMapped, portionsOf } from './fold.ts'
import { type FeedPage, GatewayFailure, type MappedNow, type Source, sourceOf } from './gateway.ts'
import { readTenants } from './reading.ts'
import { migrateMirror } from './schema.ts'
import { statusOf } from './status.ts'
import { MirrorStore } from './store.ts'
import { type Mirror, type MirrorOptions, MirrorRefused } from './types.ts'

/** How long a request waits for events. */
const WAIT_SECONDS = 25
/** While snapshots are read, the events of other tenants are asked for as often, and so many pages at once at the most. */
const [BESIDE_MS, PAGES_BESIDE] = [250, 4]
/** Pages of events between two requests for snapshots. */
const PAGES_BETWEEN = 20
/** The list of tenants is compared as often: a tenant that is deleted or moves away says so in no event. */
const CENSUS_MS = 60_000
const [FIRST_RETRY_MS, LONGEST_RETRY_MS] = [250, 30_000]
/** Refusals that trying again does not help against. */
const REFUSALS: readonly number[] = [400, 401, 403, 404, 405, 421]
/** The same of PostgreSQL: who connects, to what, and what that may do. */
const REFUSED_BY_DATABASE = /^(?:28|3D|42501|0A)/

/**
 * Opens a mirror; it connects when it is asked to do something.
 *
 * @throws {MirrorRefused} for options that cannot be used
 */
export function mirrorOver(options: MirrorOptions): Mirror {
  const { gateway, database: url, schema = 'rollcall', columns = {} } = options
  const source = sourceOf(gateway)
  const database = openMirrorDatabase(url, schema)
  const run = new MirrorRun(source, database, options)
  const prepare = () => migrateMirror(database, source.name, columns)
  return {
    follow: (signal) => follow(run, database, prepare, signal),
    catchUp: () => catchUp(run, database, prepare),
    status: () => statusOf(database),
    close: () => database.close(),
  }
}

async function follow(
  run: MirrorRun,
  database: MirrorDatabase,
  prepare: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let begun = false
  for (let retryMs = FIRST_RETRY_MS; !signal.aborted; ) {
    let lead: Lead | undefined
    try {
      if (!begun) await prepare()
      lead = await database.lead(true, signal, () => run.report({ state: 'standby' }))
      if (lead === undefined) return
      const either = AbortSignal.any([signal, lead.lost])
      await run.begin()
      while (!either.aborted) {
        await run.step(WAIT_SECONDS, either)
        begun = true
        retryMs = FIRST_RETRY_MS
      }
    } catch (error) {
      if (signal.aborted) return
      if (!begun && isRefusal(error)) throw refusalOf(error)
      const asked = error instanceof GatewayFailure ? error.retryAfterMs : undefined
      const waitMs = asked ?? Math.round(retryMs * (0.75 + Math.random() / 2))
      await run.trouble(
        lead?.lost.aborted === true ? new Error('the connection to the database was lost') : error,
        waitMs,
      )
      retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2)
      // The lead is kept meanwhile, unless it is what was lost: a standby would fare no better.
      await pause(waitMs, undefined, { signal }).catch(() => {})
    } finally {
      await lead?.release().catch(() => {})
    }
  }
}

async function catchUp(run: MirrorRun, database: MirrorDatabase, prepare: () => Promise<void>): Promise<void> {
  const never = new AbortController().signal
  let lead: Lead | undefined
  try {
    await prepare()
    lead = await database.lead(false, never, () => {})
    if (lead === undefined) throw new MirrorRefused('another mirror writes this schema')
    await run.begin()
    while (!(await run.step(0, lead.lost)));
  } catch (error) {
    throw isRefusal(error) ? refusalOf(error) : error
  } finally {
    await lead?.release().catch(() => {})
  }
}

const isRefusal = (error: unknown): boolean =>
  error instanceof MirrorRefused ||
  (error instanceof GatewayFailure ? REFUSALS.includes(error.status) : REFUSED_BY_DATABASE.test(codeOf(error) ?? ''))

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

const refusalOf = (error: unknown): MirrorRefused =>
  error instanceof MirrorRefused ? error : new MirrorRefused(reasonOf(error), { cause: error })

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A mirror at work: each step is one request to the gateway and what follows from it. */
class MirrorRun {
  readonly report: NonNullable<MirrorOptions['onReport']>
  readonly #source: Source
  readonly #store: MirrorStore
  #cursor: string | undefined
  /** Whether tenants may wait for their snapshot. */
  #mayHaveToRead = true
  #reason = 'the mirror is new'
  #isFollowing = false
  #countedAt = Number.NEGATIVE_INFINITY

  constructor(source: Source, database: MirrorDatabase, options: MirrorOptions) {
    this.report = options.onReport ?? (() => {})
    this.#source = source
    this.#store = new MirrorStore(database, options)
  }

  /** Takes up what the last writer has left. */
  async begin(): Promise<void> {
    this.#cursor = await this.#store.cursor()
    this.#mayHaveToRead = true
    this.#isFollowing = false
    if (this.#cursor !== undefined) this.#reason = 'it was not done'
  }

  async trouble(error: unknown, retryMs: number): Promise<void> {
    this.report({ state: 'trouble', reason: reasonOf(error), retryMs })
    await this.#store.troubled(reasonOf(error))
  }

  /** Goes on by one request; gives whether the mirror has all that the gateway had. */
  async step(wait: number, signal: AbortSignal): Promise<boolean> {
    if (this.#cursor === undefined) await this.#readAll(signal)
    else if (performance.now() - this.#countedAt > CENSUS_MS) await this.#census(signal)
    if (this.#mayHaveToRead && (await this.#readSome(signal))) {
      for (let page = 1; page <= PAGES_BETWEEN && this.#cursor !== undefined; page++)
        if (!(await this.#follow(this.#cursor, 0, signal)).more) break
      return false
    }
    if (!this.#isFollowing) this.report({ state: 'following' })
    this.#isFollowing = true
    const { more } = await this.#follow(this.#cursor as string, wait, signal)
    return !more && !this.#mayHaveToRead
  }

  /** Has all tenants read anew, from a new cursor on. */
  async #readAll(signal: AbortSignal): Promise<void> {
    const { cursor, tenants } = await this.#source.tenants(signal)
    await this.#store.list(tenants, cursor)
    this.#cursor = cursor
    this.#countedAt = performance.now()
    this.#mayHaveToRead = true
  }

  /** Compares the list of tenants. */
  async #census(signal: AbortSignal): Promise<void> {
    if (this.#source.severalTenants) {
      const { tenants } = await this.#source.tenants(signal)
      await this.#store.list(tenants)
      this.#mayHaveToRead = true
    }
    await this.#store.trimOutbox()
    this.#countedAt = performance.now()
  }

  /** Reads the snapshots of some tenants that wait for it; gives whether there were any. */
  async #readSome(signal: AbortSignal): Promise<boolean> {
    const { count, next } = await this.#store.toRead()
    if (count === 0) {
      await this.#store.buryTenants()
      this.#mayHaveToRead = false
      return false
    }
    this.report({ state: 'reading', tenants: count, reason: this.#reason })
    this.#isFollowing = false
    const ids = next.map(({ id }) => id)
    try {
      await readTenants(this.#store, next, this.#source.snapshot(ids, signal), this.#besides(ids, signal))
    } catch (error) {
      if (!this.#source.severalTenants || !(error instanceof GatewayFailure) || error.status !== 404) throw error
      // One of them has been deleted or has moved away: the list says which.
      await this.#census(signal)
    }
    return true
  }

  /**
   * Has the events of other tenants go on while the snapshots of some are read. The cursor stays meanwhile, so that the events of these
   * come after their snapshots; those of others are known by their positions then.
   */
  #besides(reading: readonly string[], signal: AbortSignal): () => Promise<void> {
    if (!this.#source.severalTenants) return async () => {}
    const held = new Set(reading)
    let cursor = this.#cursor as string
    let lookedAt = performance.now()
    return async () => {
      if (performance.now() - lookedAt < BESIDE_MS) return
      for (let page = 1; page <= PAGES_BESIDE; page++) {
        const events = await this.#source.events(cursor, 0, signal).catch((error: unknown) => {
          if (error instanceof GatewayFailure) return undefined
          throw error
        })
        if (events === undefined) break
        await this.#apply(cursor, events, signal, held)
        cursor = events.next
        if (!events.more) break
      }
      lookedAt = performance.now()
    }
  }

  /** The next page of events; gives whether the gateway had more. */
  async #follow(cursor: string, wait: number, signal: AbortSignal): Promise<{ readonly more: boolean }> {
    const page = await this.#source.events(cursor, wait, signal).catch((error: unknown) => {
      if (error instanceof GatewayFailure && error.status === 410) return undefined
      throw error
    })
    if (page === undefined) {
      this.#reason = 'the feed does not reach back to where the mirror is'
      this.#cursor = undefined
      return { more: true }
    }
    if (page.items.length === 0) await this.#store.seen(page.next)
    else await this.#apply(cursor, page, signal)
    this.#cursor = page.next
    return page
  }

  /**
   * Writes what events come to. Those of tenants whose snapshot is to be read are left to that.
   *
   * @param held tenants whose snapshots are being read: their events come again, and the cursor stays
   */
  async #apply(
    cursor: string,
    { items, next }: FeedPage,
    signal: AbortSignal,
    held?: ReadonlySet<string>,
  ): Promise<void> {
    const began = await this.#store.known(items.map(({ tenant }) => tenant))
    const counts = (tenant: string) => held?.has(tenant) !== true && began.get(tenant)?.isToRead !== true
    const counting = items.filter(({ tenant }) => counts(tenant))
    if (counting.length === 0) return held === undefined ? this.#store.seen(next) : undefined
    const mapped = await this.#mappedNow(cursor, counting, (id) => began.get(id)?.hasMapping === true, signal)
    const toRead = held === undefined ? mapped.tenants : []
    const portions = portionsOf(counting)
    for (const [i, events] of portions.entries()) {
      const isLast = i === portions.length - 1
      const known = i === 0 ? began : await this.#store.known(events.map(({ tenant }) => tenant))
      const effects = effectsOf(events, known)
      const rows = mapped.users
        .filter(({ tenant }) => counts(tenant))
        .map(({ tenant, ...row }) => ({ ...row, tenant_id: tenant }))
      const then = { cursor: held === undefined ? next : undefined, mapped: rows, toRead }
      await this.#store.apply(effects, isLast ? then : undefined)
      if (toRead.length > 0 || effects.tenants.some((one) => one.toRead)) {
        this.#mayHaveToRead = true
        this.#reason = 'events do not tell all of a tenant'
      }
      if (effects.oldest !== undefined)
        this.report({ state: 'applied', events: effects.events, lagMs: Date.now() - Date.parse(effects.oldest) })
    }
  }

  /** Who is in a group may decide what a mapping gives, and has no event of the user. */
  async #mappedNow(
    cursor: string,
    items: FeedPage['items'],
    withMapping: (tenant: string) => boolean,
    signal: AbortSignal,
  ): Promise<MappedNow> {
    const event = mayChangeMapped(items, withMapping)
    return event === undefined ? { users: [], tenants: [] } : this.#source.mapped(cursor, event.tenant, signal)
  }
}
