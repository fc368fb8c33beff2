import type { Database } from '../db/database.ts'
import { codeOf } from '../db/errors.ts'
import { hasRoom, isDiskFull, standingFault } from '../db/standing.ts'
import type { Progress } from '../observability/progress.ts'

/** The work behind the requests that has to get on. */
export interface Workers {
  /** Gives events their positions. */
  readonly numbering: Progress
  /** Looks for deliveries that are due. */
  readonly sending: Progress
}

/** How long the checks take at the most, and for how long their outcome is good. Milliseconds. */
export interface ReadinessTimes {
  /** Probes within this time get the same answer, so that nobody makes load of them. */
  readonly keptMs: number
  /** The database has so long for an answer. */
  readonly answerMs: number
  /** A database that has answered within this time may be busy, which is no fault of the instance. */
  readonly busyMs: number
  /** Workers that have not got on for so long are stuck. A statement of theirs may take half of it. */
  readonly standstillMs: number
}

const TIMES: ReadinessTimes = { keptMs: 1_000, answerMs: 1_000, busyMs: 5_000, standstillMs: 60_000 }

/** Whether this instance should get requests: writes work, and its workers get on. */
export class Readiness {
  readonly #database: Pick<Database, 'run' | 'transaction'>
  readonly #workers: Workers
  readonly #times: ReadinessTimes
  #underWay: Promise<void> | undefined
  #fault: string | undefined
  #answeredAt = Number.NEGATIVE_INFINITY
  #diskWasFull = false

  constructor(database: Pick<Database, 'run' | 'transaction'>, workers: Workers, times: ReadinessTimes = TIMES) {
    this.#database = database
    this.#workers = workers
    this.#times = times
  }

  /** Looks at the error of a request: after a write that found no room, the checks try one. */
  saw(error: unknown): void {
    if (isDiskFull(error)) this.#diskWasFull = true
  }

  /** Why the instance should get no requests, a line for each reason; empty where it should. */
  async faults(): Promise<string[]> {
    const { numbering, sending } = this.#workers
    return [
      await this.#databaseFault(),
      this.#stuck(numbering, 'events get no positions: no pass over the log has succeeded'),
      this.#stuck(sending, 'nothing is delivered: no look for due deliveries has succeeded'),
    ].filter((fault) => fault !== undefined)
  }

  #stuck({ standstillMs }: Progress, what: string): string | undefined {
    return standstillMs < this.#times.standstillMs ? undefined : `${what} for ${Math.round(standstillMs / 1_000)} s`
  }

  async #databaseFault(): Promise<string | undefined> {
    const { keptMs, answerMs, busyMs } = this.#times
    if (performance.now() - this.#answeredAt < keptMs) return this.#fault
    this.#underWay ??= this.#ask().finally(() => {
      this.#underWay = undefined
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, answerMs, 'late')
    })
    const outcome = await Promise.race([this.#underWay, late])
    clearTimeout(timer)
    const isThere = outcome !== 'late' || performance.now() - this.#answeredAt < busyMs
    return isThere ? this.#fault : 'the database does not answer'
  }

  async #ask(): Promise<void> {
    this.#fault = await this.#look()
    this.#answeredAt = performance.now()
  }

  async #look(): Promise<string | undefined> {
    try {
      const fault = await standingFault(this.#database)
      if (fault !== undefined || !this.#diskWasFull) return fault
      this.#diskWasFull = !(await hasRoom(this.#database))
      return this.#diskWasFull ? 'the database takes no changes: its disk is full' : undefined
    } catch (error) {
      return `the database does not answer (${codeOf(error) ?? 'no code'})`
    }
  }
}
