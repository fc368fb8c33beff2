import type postgres from 'postgres'
import type { Bindable, Database, Reader } from './database.ts'
import { CANCELLED, ConnectionLost, codeOf, isConnectionFailure, NoAnswer, ReaderGone, ReadTooLong } from './errors.ts'
import { databaseOver, type Execute } from './handle.ts'
import { type Hold, turns } from './turns.ts'

// postgres.js 3.4.9 mishandles a connection that goes away (porsager/postgres#1133, #1208, #1216). Its ROLLBACK on the lost
// connection throws where no caller can catch it. A transaction's next statement may land in another transaction. A statement
// that was never sent may be answered with no rows. Comments below say what is done about each of these.

/** After a refused connection, statements are refused at once for so long instead of queueing for the next attempt. */
const REFUSE_FOR_MS = 100
const CLOSE_TIMEOUT_S = 10
/** From then on it is watched whether the reader of a statement is still there. */
const WATCHED_AFTER_MS = 100
/** So long after a cancellation, it may have hit another statement than the one that was meant. */
const STRAY_FOR_MS = 5_000

/**
 * The `Database` over a pool of connections that survives the loss of any of them, and of the server.
 *
 * A statement that gets no answer within `answerDeadlineMs` is rejected with `NoAnswer`. One that only reads is cancelled after
 * `readTimeoutMs`, and when its reader leaves. `connect` is called again when no
 * connection can be made or none answers: what is wrong with the old ones may be wrong for ever.
 */
export function guardedDatabase(
  connect: () => postgres.Sql,
  settings: {
    readonly engine: Database['engine']
    readonly prepare: boolean
    readonly answerDeadlineMs: number
    readonly readTimeoutMs: number
    readonly connections: number
    readonly tenantRole: string | undefined
    /** What is to be stopped before the last connection is closed, and what is to be closed after it. */
    readonly closing?: (() => void) | undefined
    readonly closed?: (() => Promise<void>) | undefined
  },
): Database {
  let client = connect()
  let closed = false
  let lastAnswerMs = performance.now()
  let refusal: { readonly error: unknown; readonly untilMs: number } | undefined
  let lastCancelMs = Number.NEGATIVE_INFINITY
  const noAnswer = (ms: number) => new NoAnswer(`the database gave no answer within ${ms} ms`)
  const inTurn = turns(settings.connections, noAnswer)

  const answerOf = (
    sql: postgres.Sql | postgres.TransactionSql,
    statement: string,
    values: readonly Bindable[],
    options: Parameters<Execute>[2],
    hold: Hold = () => {},
  ): Promise<unknown[]> => {
    // `simple: false`: one statement only, as in the embedded engine; the types do not know the option.
    const how = { prepare: settings.prepare && options.prepare, simple: false } as { prepare: boolean }
    // As text: a serialiser that is given anything else may fail half-way through the message.
    const texts = values.map((value) => (value === null ? null : String(value)))
    // Values that a query has already are sent as they are. As arguments, the driver would look at their types and
    // build a text of thousands of letters to look the statement up, for each call.
    const query = Object.assign(sql.unsafe(statement, [], how), { parameters: texts })
    // One promise for all of it: this is on the way of every statement.
    return new Promise((resolve, reject) => {
      let ended = () => {}
      const giveUp = (error: Error) => {
        lastCancelMs = performance.now()
        cancel(query)
        reject(error)
      }
      /** The connection is free when the server has ended the statement; until then no other statement gets its turn. */
      const giveUpReading = (error: Error) => {
        stop()
        hold(
          new Promise<void>((free) => {
            const stopWaiting = startDeadline(() => free())
            ended = () => {
              stopWaiting()
              free()
            }
          }),
        )
        giveUp(error)
      }
      const stop = options.reader === undefined ? startDeadline(giveUp) : startReading(options.reader, giveUpReading)
      const failed = (error: unknown) => {
        stop()
        ended()
        if (isConnectionFailure(error)) void afterClose(error).then(() => reject(error))
        else {
          lastAnswerMs = performance.now()
          reject(error)
        }
      }
      const answer = options.shape === 'objects' ? query : options.shape === 'arrays' ? query.values() : query.raw()
      answer.then((rows) => {
        // An answer without a command is for a statement that never reached the server.
        if (rows.command === null)
          return failed(new ConnectionLost('the connection was lost before the statement was sent'))
        stop()
        ended()
        lastAnswerMs = performance.now()
        resolve(rows)
      }, failed)
    })
  }

  /** Calls `give` with the failure when the time for an answer is over, unless it is stopped before. */
  const startDeadline = (give: (error: NoAnswer) => void): (() => void) => {
    const timer = setTimeout(() => {
      if (performance.now() - lastAnswerMs >= settings.answerDeadlineMs) renew()
      give(noAnswer(settings.answerDeadlineMs))
    }, settings.answerDeadlineMs)
    return () => clearTimeout(timer)
  }

  /** Calls `give` when the time for reads is over or the reader leaves, unless it is stopped before. Nearly all reads are. */
  const startReading = (reader: Reader, give: (error: Error) => void): (() => void) => {
    let signal: AbortSignal | undefined
    const gone = () => give(new ReaderGone('the reader of this statement has gone'))
    let timer = setTimeout(
      () => {
        signal = reader.signal
        if (signal?.aborted) return gone()
        signal?.addEventListener('abort', gone)
        const limitMs = settings.readTimeoutMs
        timer = setTimeout(() => give(new ReadTooLong(limitMs)), limitMs - WATCHED_AFTER_MS)
      },
      Math.min(WATCHED_AFTER_MS, settings.readTimeoutMs),
    )
    return () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', gone)
    }
  }

  const renew = () => {
    if (closed) return
    const old = client
    client = connect()
    lastAnswerMs = performance.now()
    void old.end({ timeout: CLOSE_TIMEOUT_S })
  }

  /** 'error' comes some phases of the event loop before 'close'; what is given to the connection in between hangs. */
  const afterClose = async (error: unknown) => {
    const code = codeOf(error)
    if (code === 'CONNECT_TIMEOUT') renew()
    if (code !== undefined && CANNOT_CONNECT.has(code)) refusal = { error, untilMs: performance.now() + REFUSE_FOR_MS }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }

  /** The farewell of a closing server is given to the first statement of the next connection, which has not been sent then. */
  const onceMoreIfNotDone = <T>(send: () => Promise<T>): Promise<T> => {
    if (refusal !== undefined && performance.now() < refusal.untilMs) return Promise.reject(refusal.error)
    return send().catch((error: unknown) => {
      if (FAREWELLS.has(codeOf(error) ?? '') && isConnectionFailure(error)) return send()
      if (isStray(error)) return send()
      throw error
    })
  }

  /**
   * True for a statement that was cancelled in the place of another. A cancellation names a connection, and the statement that was
   * meant may be over by then. The statement has changed nothing.
   */
  const isStray = (error: unknown): boolean =>
    codeOf(error) === CANCELLED && performance.now() - lastCancelMs < STRAY_FOR_MS

  const begin = async <T>(work: (execute: Execute) => Promise<T>): Promise<T> => {
    const tx = new OpenTransaction()
    let stopDeadline = startDeadline(tx.fail)
    const outcome = client.begin(async (sql) => {
      stopDeadline()
      // BEGIN came through after all, but its caller has been told that it did not.
      if (tx.failed) throw new NoAnswer('the transaction began too late')
      tx.begun = true
      try {
        return await work((...statement) => tx.guard(() => answerOf(sql, ...statement)))
      } finally {
        tx.over = true
        // begin() would write to the lost connection next, which brings the process down. So it never gets that far.
        if (tx.lost) await new Promise(() => {})
        stopDeadline = startDeadline(tx.fail)
      }
    })
    try {
      return (await Promise.race([outcome, tx.failure])) as T
    } catch (error) {
      if (!isConnectionFailure(error)) throw error
      tx.lost = true
      await afterClose(error)
      throw tx.begun ? new ConnectionLost('the connection was lost during the transaction', { cause: error }) : error
    } finally {
      stopDeadline()
    }
  }

  /** Does `work` when it is its turn. A read does not wait longer than it may take, nor begins for a reader who has left. */
  const inTurnOf = <T>(reader: Reader | undefined, work: (hold: Hold) => Promise<T>): Promise<T> => {
    const patienceMs = reader === undefined ? settings.answerDeadlineMs : settings.readTimeoutMs
    return onceMoreIfNotDone(() => {
      let waited = false
      const answer = inTurn((hold) => {
        if (waited && reader?.signal?.aborted)
          return Promise.reject(new ReaderGone('the reader of this statement has gone'))
        return work(hold)
      }, patienceMs)
      waited = true
      return answer
    })
  }

  return databaseOver(
    {
      engine: settings.engine,
      execute: (text, values, options) =>
        inTurnOf(options.reader, (hold) => answerOf(client, text, values, options, hold)),
      begin: (work, reader) => inTurnOf(reader, () => begin(work)),
      close: async () => {
        closed = true
        settings.closing?.()
        await client.end({ timeout: CLOSE_TIMEOUT_S })
        await settings.closed?.()
      },
    },
    settings.tenantRole,
  )
}

const CANNOT_CONNECT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CONNECT_TIMEOUT',
  '57P03',
])
const FAREWELLS = new Set(['57P01', '57P02', '57P05', '25P03'])

/** What is known of a transaction under way: whether its connection is there, and the failure that its caller is told. */
class OpenTransaction {
  begun = false
  over = false
  lost = false
  failed = false
  readonly failure: Promise<never>
  readonly fail: (error: unknown) => void

  constructor() {
    let reject: (error: unknown) => void = () => {}
    this.failure = new Promise((_, no) => {
      reject = no
    })
    this.failure.catch(() => {})
    this.fail = (error) => {
      this.failed = true
      reject(error)
    }
  }

  /** Runs a statement unless the connection is lost: it could be another one's by now. */
  async guard<T>(send: () => Promise<T>): Promise<T> {
    if (this.over) throw new Error('a statement was run after its transaction had ended')
    if (this.lost) throw new ConnectionLost('the connection was lost during the transaction')
    try {
      return await send()
    } catch (error) {
      if (isConnectionFailure(error)) this.lost = true
      if (this.lost || error instanceof NoAnswer) this.fail(error)
      throw error
    }
  }
}

function cancel(query: { cancel(): void }): void {
  // Typed void, but a promise while the statement runs: it fails when the server cannot be reached.
  void Promise.resolve(query.cancel() as unknown).catch(() => {})
}
