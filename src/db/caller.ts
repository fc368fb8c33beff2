import type { Reader } from './reader.ts'

/** For whom statements run. It decides whose share of the connections they use, and how long they may take. */
export interface Caller {
  readonly kind: 'control' | 'request' | 'background'
  /** The API key that asks. Keys of a tenant share its connections. */
  readonly keyId?: string
  /** The time of a whole request. Without it, each statement has its own. */
  readonly time?: RequestTime
}

/** The control plane, which each request asks first, and all else for which no caller is named. */
export const CONTROL: Caller = { kind: 'control' }

/** Work behind the requests: numbering, deliveries, retention, roles, upkeep of tables. */
export const BACKGROUND: Caller = { kind: 'background' }

/** A request of a key whose statements have one time limit together. Without `time` each has its own, as those of a stream. */
export const requestOf = (keyId: string, time?: RequestTime): Caller => ({
  kind: 'request',
  keyId,
  ...(time === undefined ? {} : { time }),
})

/**
 * The time for all statements of a request and for their waiting. It begins with the first statement, since a client may take
 * long to send its body.
 */
export class RequestTime implements Reader {
  readonly #allMs: number
  readonly #reader: Reader
  readonly #streams: () => boolean
  #until: number | undefined
  #wrote = false

  /** @param streams true once the answer goes out bit by bit, for as long as the client reads */
  constructor(allMs: number, reader: Reader, streams: () => boolean) {
    this.#allMs = allMs
    this.#reader = reader
    this.#streams = streams
  }

  /** Undefined where each statement has its own time. */
  leftMs(): number | undefined {
    if (this.#streams()) return undefined
    const now = performance.now()
    this.#until ??= now + this.#allMs
    return this.#until - now
  }

  /** To be called when a statement begins that does more than read. */
  writes(): void {
    this.#wrote = true
  }

  /** As a reader: aborted when the client has gone. Undefined from the first write on, which is brought to its end with all else. */
  get signal(): AbortSignal | undefined {
    return this.#wrote ? undefined : this.#reader.signal
  }
}
