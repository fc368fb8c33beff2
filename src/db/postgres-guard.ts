import type postgres from 'postgres'
import type { Bindable, Database, Reader } from './database.ts'
import {
  CANCELLED,
  ConnectionLost,
  codeOf,
  isConnectionFailure,
  NoAnswer,
  OutOfTime,
  ReaderGone,
  ReadTooLong,
} from './errors.ts'
import { databaseOver, type Execute, type StatementLimits, type StatementTime, type TransactionTime } from './handle.ts'
import { OpenTransaction } from './open-transaction.ts'
import { cancelUntilStopped, heldUntil, withdraw } from './stuck-statements.ts'

// postgres.js 3.4.9 mishandles a connection that goes away (porsager/postgres#1133, #1208, #1216). Its ROLLBACK on the lost
// connection throws where no caller can catch it. A transaction's next statement may land in another transaction. A statement
// that was never sent may be answered with no rows. Comments below say what is done about each of these.

/** After a refused connection, statements are refused at once for so long instead of queueing for the next attempt. */
const REFUSE_FOR_MS = 100
const CLOSE_TIMEOUT_S = 10
/** From then on it is watched whether the reader of a statement is still there. */
const WATCHED_AFTER_MS = 100
/** So long after a statement was cancelled, the server has said what became of it, if it is there. */
const GRACE_MS = 500
/** So long after a cancellation, it may have hit another statement than the one that was meant. */
const STRAY_FOR_MS = 5_000

/**
 * The `Database` over a pool of connections that survives the loss of any of them, and of the server.
 *
 * A statement that takes longer than it may is cancelled. So is one that only reads when its reader leaves. Where the server does not
 * say what became of the statement, it is rejected with `NoAnswer`. `connect` is called again when no connection can be made or
 * none answers: what is wrong with the old ones may be wrong for ever.
 */
export function guardedDatabase(
  connect: () => postgres.Sql,
  settings: StatementLimits & {
    readonly engine: Database['engine']
    readonly distributed?: boolean | undefined
    readonly prepare: boolean
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

  const answerOf = (
    sql: postgres.Sql | postgres.TransactionSql,
    statement: string,
    values: readonly Bindable[],
    options: Parameters<Execute>[2],
    { ms, readLimitMs, hold }: StatementTime,
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
      const { reader } = options
      let ended = () => {}
      let tooLate = false
      let withdrawn = false
      /** Has the server end the statement. The connection is free then; until then no other statement gets its turn. */
      const giveUp = (error?: Error) => {
        withdrawn = withdraw(query)
        tooLate = error === undefined
        lastCancelMs = performance.now()
        const sentBefore = lastCancelMs - ms
        hold(
          heldUntil((free) => {
            ended = free
          }),
        )
        const grace = setTimeout(() => {
          const silent = lastAnswerMs < sentBefore
          if (silent) renew()
          reject(new NoAnswer(`the database did not end a statement within ${GRACE_MS} ms`))
          // The connections are new ones.
          if (silent) ended()
        }, GRACE_MS)
        const stopCancelling = withdrawn ? () => {} : cancelUntilStopped(query)
        const free = ended
        ended = () => {
          clearTimeout(grace)
          stopCancelling()
          free()
        }
        // A read has changed nothing, so its outcome is not waited for. Neither has what was never sent.
        if (error !== undefined) reject(error)
        else if (withdrawn) reject(outOfTime())
      }
      const stop = watch(ms, reader, readLimitMs, giveUp)
      const failed = (error: unknown) => {
        stop()
        ended()
        if (isConnectionFailure(error)) return void afterClose(error).then(() => reject(error))
        lastAnswerMs = performance.now()
        reject(tooLate && codeOf(error) === CANCELLED ? outOfTime() : error)
      }
      const answer = options.shape === 'objects' ? query : options.shape === 'arrays' ? query.values() : query.raw()
      answer.then((rows) => {
        // An answer without a command is for a statement that never reached the server.
        if (rows.command === null)
          return failed(new ConnectionLost('the connection was lost before the statement was sent'))
        stop()
        ended()
        lastAnswerMs = performance.now()
        resolve(withoutGap(rows))
      }, failed)
    })
  }

  /**
   * Calls `giveUp` when the time of a statement is over, or its reader leaves, unless it is stopped before. With an error, nobody
   * waits for the outcome any more.
   */
  const watch = (
    ms: number,
    reader: Reader | undefined,
    readLimitMs: number | undefined,
    giveUp: (error?: Error) => void,
  ): (() => void) => {
    let signal: AbortSignal | undefined
    let timer: NodeJS.Timeout
    const stop = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', gone)
    }
    const gone = () => {
      stop()
      giveUp(new ReaderGone('the reader of this statement has gone'))
    }
    const over = () => {
      stop()
      if (reader === undefined) giveUp()
      else giveUp(readLimitMs === undefined ? outOfTime() : new ReadTooLong(readLimitMs))
    }
    // Nearly all are done by then; and timers with the same time share a list.
    timer = setTimeout(
      () => {
        signal = reader?.signal
        if (signal?.aborted) return gone()
        signal?.addEventListener('abort', gone)
        timer = setTimeout(over, ms - WATCHED_AFTER_MS)
      },
      Math.min(WATCHED_AFTER_MS, ms),
    )
    return stop
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
  const onceMoreIfNotDone = <T>(send: (spentMs: number) => Promise<T>): Promise<T> => {
    const begun = performance.now()
    if (refusal !== undefined && begun < refusal.untilMs) return Promise.reject(refusal.error)
    return send(0).catch((error: unknown) => {
      const spentMs = performance.now() - begun
      if (FAREWELLS.has(codeOf(error) ?? '') && isConnectionFailure(error)) return send(spentMs)
      if (isStray(error)) return send(spentMs)
      throw error
    })
  }

  /**
   * True for a statement that was cancelled in the place of another. A cancellation names a connection, and the statement that was
   * meant may be over by then. The statement has changed nothing.
   */
  const isStray = (error: unknown): boolean =>
    codeOf(error) === CANCELLED && performance.now() - lastCancelMs < STRAY_FOR_MS

  const begin = async <T>(work: (execute: Execute) => Promise<T>, { leftMs, hold }: TransactionTime): Promise<T> => {
    const tx = new OpenTransaction()
    /** For BEGIN and COMMIT, which nothing cancels. */
    const startDeadline = () => {
      const sent = performance.now()
      const ms = Math.max(0, leftMs()) + GRACE_MS
      const timer = setTimeout(() => {
        if (lastAnswerMs < sent) renew()
        tx.fail(new NoAnswer(`the database gave no answer within ${Math.round(ms)} ms`))
      }, ms)
      return () => clearTimeout(timer)
    }
    let stopDeadline = startDeadline()
    const outcome = client.begin(async (sql) => {
      stopDeadline()
      lastAnswerMs = performance.now()
      // BEGIN came through after all, but its caller has been told that it did not.
      if (tx.failed) throw new NoAnswer('the transaction began too late')
      tx.begun = true
      try {
        return await work((...statement) => tx.guard(() => answerOf(sql, ...statement)))
      } finally {
        tx.over = true
        // begin() would write to the lost connection next, which brings the process down. So it never gets that far.
        if (tx.lost) await new Promise(() => {})
        stopDeadline = startDeadline()
      }
    })
    try {
      return (await Promise.race([outcome, tx.failure])) as T
    } catch (error) {
      if (!isConnectionFailure(error)) {
        // The connection is not free before the server has answered.
        if (error instanceof NoAnswer) hold(heldUntil((free) => outcome.then(free, free)))
        throw error
      }
      tx.lost = true
      await afterClose(error)
      throw tx.begun ? new ConnectionLost('the connection was lost during the transaction', { cause: error }) : error
    } finally {
      stopDeadline()
    }
  }

  return databaseOver(
    {
      engine: settings.engine,
      distributed: settings.distributed,
      connections: settings.connections,
      execute: (statement, values, options, time) =>
        onceMoreIfNotDone((spentMs) =>
          answerOf(client, statement, values, options, spentMs === 0 ? time : { ...time, ms: time.ms - spentMs }),
        ),
      begin: (work, time) => onceMoreIfNotDone(() => begin(work, time)),
      close: async () => {
        closed = true
        settings.closing?.()
        await client.end({ timeout: CLOSE_TIMEOUT_S })
        await settings.closed?.()
      },
    },
    settings,
    settings.tenantRole,
  )
}

/** After a statement that failed in the middle of its rows, the driver puts those of the next one behind as many empty places. */
function withoutGap<T extends unknown[]>(rows: T): T {
  let gap = 0
  while (gap < rows.length && !(gap in rows)) gap++
  if (gap > 0) rows.splice(0, gap)
  return rows
}

const outOfTime = () => new OutOfTime('a statement took longer than the time that was left for it')

const CANNOT_CONNECT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CONNECT_TIMEOUT',
  'NO_HOST',
  'NOT_SECURE',
  '57P03',
])
const FAREWELLS = new Set(['57P01', '57P02', '57P05', '25P03'])
