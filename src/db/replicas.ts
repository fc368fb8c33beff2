import type { TenantId } from '../place-ids.ts'
import type { Caller } from './caller.ts'
import type { Ask, Bindable, Database, ReplicaNumbers, RunOptions } from './database.ts'
import { codeOf } from './errors.ts'
import { type Position, Positions, UntilReplayed } from './log-position.ts'
import type { StatementWatch } from './watch.ts'

/** A replica that failed is left alone for so long, and twice as long after each further failure. */
const REST_MS = 1_000
const LONGEST_REST_MS = 30_000
/** So often it is said that a replica rests, as long as the reason is the same. */
const SAID_EVERY_MS = 60_000

/** The caller's time is over, or the caller has gone: the primary would change nothing about it. */
const FINAL: ReadonlySet<string> = new Set(['READER_GONE', 'NO_TURN', 'OUT_OF_TIME', 'READ_TOO_LONG'])

/** A statement that only reads, and for whom. */
export interface ReplicaRead {
  readonly caller: Caller
  readonly tenantId: TenantId | undefined
  /** Told of the statement; undefined where nobody watches. */
  readonly watch: StatementWatch | undefined
  readonly statement: string
  readonly values: readonly Bindable[]
  readonly options: RunOptions
  /** Runs the statement on the primary. */
  readonly onPrimary: () => Promise<unknown[]>
  /** Runs a statement of the control plane on the primary. */
  readonly ask: Ask
}

/**
 * The replicas of a PostgreSQL server. A replica answers a statement only if it has replayed all that the primary had flushed
 * after the statement arrived. So it shows every change that anybody was told of before, on whichever instance. Where no
 * replica has, or none answers, the primary does.
 */
export class Replicas {
  readonly #replicas: readonly Replica[]
  readonly #positions = new Positions()
  #byReplica = 0
  #byPrimary = 0

  /**
   * @param replicas of each its name for people, and what opens it
   * @param say told when a replica is left alone, and when it answers again
   */
  constructor(
    replicas: readonly { readonly name: string; readonly open: () => Promise<Database> }[],
    say: (line: string) => void,
  ) {
    this.#replicas = replicas.map(({ name, open }) => new Replica(name, open, say))
  }

  async read(read: ReplicaRead): Promise<unknown[]> {
    const rows = await this.#fromReplica(read)
    if (rows === undefined) this.#byPrimary++
    else this.#byReplica++
    return rows ?? read.onPrimary()
  }

  numbers(): ReplicaNumbers {
    const used = this.#replicas.map(({ name, isWell }) => ({ name, isWell }))
    return { replicas: used, byReplica: this.#byReplica, byPrimary: this.#byPrimary }
  }

  async close(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.close()))
  }

  /** Undefined where the primary has to answer. */
  async #fromReplica(read: ReplicaRead): Promise<unknown[] | undefined> {
    const now = performance.now()
    let chosen: Replica | undefined
    for (const replica of this.#replicas) {
      const standing = replica.standing(now)
      if (standing === 'rests') continue
      // One statement finds out whether it is back.
      const first = standing === 'rested'
      if (first || chosen === undefined || replica.underWay < chosen.underWay) chosen = replica
      if (first) break
    }
    return chosen?.run(read, this.#positions.after(read.ask))
  }
}

class Replica {
  readonly #name: string
  readonly #open: () => Promise<Database>
  readonly #say: (line: string) => void
  #database: Database | undefined
  #opening: Promise<void> | undefined
  #closed = false
  #failures = 0
  #restsUntil = Number.NEGATIVE_INFINITY
  #said: { readonly reason: string; readonly at: number } | undefined
  #saidToRest = false
  underWay = 0

  constructor(name: string, open: () => Promise<Database>, say: (line: string) => void) {
    this.#name = name
    this.#open = open
    this.#say = say
    this.#begin()
  }

  get name(): string {
    return this.#name
  }

  get isWell(): boolean {
    return this.#database !== undefined && this.#failures === 0
  }

  /** Whether it takes statements: no; yes; or one alone, since it may be well again. Where it was never opened, this opens it. */
  standing(now: number): 'rests' | 'rested' | 'well' {
    if (now < this.#restsUntil) return 'rests'
    if (this.#database !== undefined) return this.#failures > 0 ? 'rested' : 'well'
    this.#begin()
    return 'rests'
  }

  /** Undefined where it cannot answer. @throws where the primary would not either */
  async run(read: ReplicaRead, position: Promise<Position>): Promise<unknown[] | undefined> {
    const { caller, tenantId, watch, statement, values, options } = read
    const gate = new UntilReplayed(position)
    const failures = this.#failures
    // The others leave it alone until this one is answered.
    if (failures > 0) this.#restFrom(performance.now())
    const replica = this.#database as Database
    const all = (watch === undefined ? replica : replica.watched(watch)).for(caller)
    const view = tenantId === undefined ? all : all.asTenant(tenantId)
    this.underWay++
    try {
      const rows = await Promise.race([view.run(statement, values, { ...options, replica: false, gate }), gate.refused])
      this.#answers()
      return rows
    } catch (error) {
      if (FINAL.has(codeOf(error) ?? '')) throw error
      if (gate.isOfReplica(error)) this.#rests(error, failures)
      return undefined
    } finally {
      gate.end()
      this.underWay--
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#opening
    await this.#database?.close()
  }

  #begin(): void {
    if (this.#closed) return
    const failures = this.#failures
    this.#opening ??= this.#open()
      .then(
        (database) => {
          this.#database = database
        },
        (error: unknown) => this.#rests(error, failures),
      )
      .finally(() => {
        this.#opening = undefined
      })
  }

  #restFrom(now: number): void {
    this.#restsUntil = now + Math.min(REST_MS * 2 ** (this.#failures - 1), LONGEST_REST_MS)
  }

  /** @param failures how many there were at the begin: what was under way together fails together, and counts once */
  #rests(error: unknown, failures: number): void {
    if (failures !== this.#failures) return
    const now = performance.now()
    this.#failures++
    this.#restFrom(now)
    const reason = reasonOf(error)
    if (this.#said?.reason === reason && now - this.#said.at < SAID_EVERY_MS) return
    this.#said = { reason, at: now }
    this.#saidToRest = true
    this.#say(`the replica at ${this.#name} is left alone, and the primary answers: ${reason}`)
  }

  #answers(): void {
    this.#failures = 0
    this.#restsUntil = Number.NEGATIVE_INFINITY
    if (!this.#saidToRest) return
    this.#saidToRest = false
    this.#say(`the replica at ${this.#name} answers again`)
  }
}

const reasonOf = (error: unknown): string => {
  const { message } = error instanceof Error ? error : { message: '' }
  return message === '' ? 'no connection' : message
}
