import { Duplex } from 'node:stream'
import type { EnginePort } from './pglite-port.ts'

/** What a client sends over a connection of its own to have the statement of another one cancelled. */
const CANCEL_REQUEST = 80_877_102
const CANCEL_REQUEST_BYTES = 16
const TERMINATE = 0x58
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

interface Waiting {
  readonly from: Connection
  readonly messages: Uint8Array
}

/**
 * Serves the embedded engine as a PostgreSQL server does, over connections in memory, to the driver of PostgreSQL: so both
 * engines answer alike, and one code guards both.
 *
 * The engine has one session. A connection keeps it from the beginning of a transaction to the end; the others wait.
 */
export class PgliteServer {
  readonly #engine: EnginePort
  readonly #statementTimeoutMs: number
  readonly #waiting: Waiting[] = []
  /** Whose answers nobody reads. */
  readonly #own = new Connection(this).resume()
  /** What is set before the next statement. */
  #setting: Uint8Array | undefined
  #busy = false
  /** Whose transaction is open. */
  #holder: Connection | undefined

  /** @param statementTimeoutMs after which a statement is cancelled: the engine has no clock of its own */
  constructor(engine: EnginePort, statementTimeoutMs: number) {
    this.#engine = engine
    this.#statementTimeoutMs = statementTimeoutMs
  }

  connect(): Duplex {
    return new Connection(this)
  }

  /** Closes the engine; connections are closed before. */
  close(): Promise<void> {
    return this.#engine.close()
  }

  /** Lets the session take changes, or read alone (25006), from the end of the transaction under way. */
  takeChanges(allowed: boolean): void {
    this.#setting = simpleQuery(`set default_transaction_read_only = ${allowed ? 'off' : 'on'}`)
    void this.#answerNext()
  }

  /** Called by a connection, with what its client has sent. */
  take(from: Connection, messages: Buffer): void {
    if (messages.length === CANCEL_REQUEST_BYTES && messages.readInt32BE(4) === CANCEL_REQUEST) {
      if (this.#busy) this.#engine.cancel()
      from.destroy()
    } else if (messages[0] !== TERMINATE) {
      this.#waiting.push({ from, messages })
      void this.#answerNext()
    }
  }

  /** Called by a connection that is closed: what it has begun is undone. */
  left(connection: Connection): void {
    const others = this.#waiting.filter(({ from }) => from !== connection)
    this.#waiting.splice(0, this.#waiting.length, ...others)
    if (this.#holder === connection && !this.#busy) void this.#answerNext()
  }

  async #answerNext(): Promise<void> {
    if (this.#busy) return
    const next = this.#next()
    if (next === undefined) return
    const { from, messages } = next
    this.#busy = true
    const timer = setTimeout(() => this.#engine.cancel(), this.#statementTimeoutMs)
    try {
      const answer = await this.#engine.ask(messages)
      this.#holder = endsIdle(answer) ? undefined : from
      if (!from.destroyed) from.push(Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength))
    } catch (error) {
      this.#holder = undefined
      from.destroy(error as Error)
    } finally {
      clearTimeout(timer)
      this.#busy = false
    }
    void this.#answerNext()
  }

  #next(): Waiting | undefined {
    const holder = this.#holder
    if (holder === undefined) {
      const messages = this.#setting
      this.#setting = undefined
      return messages === undefined ? this.#waiting.shift() : { from: this.#own, messages }
    }
    if (holder.destroyed) return { from: holder, messages: simpleQuery('rollback') }
    const at = this.#waiting.findIndex(({ from }) => from === holder)
    return at === -1 ? undefined : this.#waiting.splice(at, 1)[0]
  }
}

/** The message that has a short statement run. */
const simpleQuery = (sql: string): Uint8Array =>
  Buffer.from(`Q\0\0\0${String.fromCharCode(sql.length + 5)}${sql}\0`, 'latin1')

/** Whether the session is free after an answer: outside of a transaction, and not in the middle of a statement. */
const endsIdle = (answer: Uint8Array): boolean => READY.equals(answer.subarray(-READY.length))

/** The driver's end of a connection. */
class Connection extends Duplex {
  readonly #server: PgliteServer
  /** The driver asks, as it asks a socket. */
  readyState: 'open' | 'closed' = 'open'

  constructor(server: PgliteServer) {
    super()
    this.#server = server
  }

  override _read(): void {}

  override _write(messages: Buffer, _: BufferEncoding, done: () => void): void {
    this.#server.take(this, messages)
    done()
  }

  override _final(done: () => void): void {
    done()
    this.destroy()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.readyState = 'closed'
    this.#server.left(this)
    done(error)
  }
}
