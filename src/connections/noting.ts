import type { Database } from '../db/database.ts'
import { clientOf } from '../explanations/clients.ts'
import { describeClient } from '../network/user-agent.ts'
import type { TenantId } from '../place-ids.ts'
import { type ConnectionRow, lockConnections, noteUsers } from '../repositories/control/connections.ts'
import { learn, type Rhythm } from './rhythm.ts'
import { settle, stateOf } from './telling.ts'

/** What an instance has heard of a tenant since it last wrote that down; moments in milliseconds since 1970. */
interface Noted {
  client: string
  firstAt: number
  lastAt: number
  requests: number
  failures: number
  /** Of the requests since the last one that got through; null where the last one did. */
  failingSince: number | null
  failedInARow: number
  lastFailure: number | null
  /** One of them got through. */
  succeeded: boolean
}

const FLUSH_MS = 5_000
const TENANTS_AT_ONCE = 500
/** Of so many tenants an instance remembers what it could not write. */
const MOST_TENANTS = 20_000

/** How identity providers are heard of: noted in memory, and written down every few seconds. */
export class ConnectionNotes {
  readonly #db: Database
  readonly #failed: (error: unknown) => void
  #noted = new Map<TenantId, Noted>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(db: Database, failed: (error: unknown) => void) {
    this.#db = db
    this.#failed = failed
  }

  /** Notes a request by a key of the tenant, and the status of its answer. `client` is its `User-Agent`. */
  heard(tenantId: TenantId, isFailure: boolean, status: number, client: string, at = Date.now()): void {
    let noted = this.#noted.get(tenantId)
    if (noted === undefined) {
      if (this.#noted.size >= MOST_TENANTS) return
      noted = { ...{ client, firstAt: at, lastAt: at, requests: 0, failures: 0 }, ...NO_FAILURE, succeeded: false }
      this.#noted.set(tenantId, noted)
    }
    noted.client = client
    noted.lastAt = at
    noted.requests++
    if (isFailure) {
      noted.failures++
      noted.failedInARow++
      noted.failingSince ??= at
      noted.lastFailure = status
    } else {
      noted.succeeded = true
      noted.failedInARow = 0
      noted.failingSince = null
    }
    this.#timer ??= setTimeout(() => void this.flush().catch(this.#failed), FLUSH_MS).unref()
  }

  /** Writes nothing more by itself. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  /** Writes what was noted. What cannot be written is noted again, and written the next time. @param now for tests */
  flush(now = Date.now()): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const noted = [...this.#noted]
    this.#noted = new Map()
    const write = async () => {
      for (let i = 0; i < noted.length; i += TENANTS_AT_ONCE) {
        const some = new Map(noted.slice(i, i + TENANTS_AT_ONCE))
        try {
          await writeNotes(this.#db, some, now)
        } catch (error) {
          for (const [id, one] of noted.slice(i)) this.#takeBack(id, one)
          throw error
        }
      }
    }
    const written = this.#writing.then(write)
    this.#writing = written.catch(() => undefined)
    return written
  }

  #takeBack(id: TenantId, earlier: Noted): void {
    const later = this.#noted.get(id)
    if (later === undefined) {
      if (this.#noted.size < MOST_TENANTS) this.#noted.set(id, earlier)
      return
    }
    later.firstAt = earlier.firstAt
    later.requests += earlier.requests
    later.failures += earlier.failures
    if (later.succeeded) return
    later.succeeded = earlier.succeeded
    later.failedInARow += earlier.failedInARow
    later.failingSince = earlier.failingSince ?? later.failingSince
  }
}

const NO_FAILURE = { failingSince: null, failedInARow: 0, lastFailure: null }

/** Writes what was noted of some tenants, and appends to their logs what is told of it. */
async function writeNotes(db: Database, noted: ReadonlyMap<TenantId, Noted>, now: number): Promise<void> {
  const ids = [...noted.keys()]
  await db.transaction(async (tx) => {
    const rows = await lockConnections(tx, ids)
    await settle(
      tx,
      rows.map((row) => {
        const one = noted.get(row.tenantId) as Noted
        const heard = { ...row, ...added(row, one) }
        return { before: row, after: { ...heard, ...stateOf(heard, now) } }
      }),
    )
  })
  await noteUsers(db, { of: ids })
}

/** A connection with what was noted since. */
function added(row: ConnectionRow, noted: Noted): Partial<ConnectionRow> {
  const lastRequestAt = Math.max(row.lastRequestAt, noted.lastAt)
  const day = new Date(lastRequestAt).toISOString().slice(0, 10)
  const sameDay = day === row.day
  const learnt =
    row.firstRequestAt === null ? row.rhythm : learn(row.rhythm as Rhythm | null, row.lastRequestAt, noted.firstAt)
  return {
    client: describeClient(noted.client),
    provider: clientOf(noted.client) ?? null,
    firstRequestAt: row.firstRequestAt ?? noted.firstAt,
    lastRequestAt,
    day,
    requests: (sameDay ? row.requests : 0) + noted.requests,
    failures: (sameDay ? row.failures : 0) + noted.failures,
    failingSince: noted.succeeded ? noted.failingSince : (row.failingSince ?? noted.failingSince),
    failedInARow: (noted.succeeded ? 0 : row.failedInARow) + noted.failedInARow,
    lastFailure: noted.lastFailure ?? row.lastFailure,
    rhythm: learnt as ConnectionRow['rhythm'],
  }
}
