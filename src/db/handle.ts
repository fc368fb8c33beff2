import type { TenantId } from '../place-ids.ts'
import { type Caller, CONTROL } from './caller.ts'
import type { Bindable, Database, Reader, RowShape, StatementName } from './database.ts'
import { OutOfTime } from './errors.ts'
import { entering, HOW, insideTransaction, onlyAs } from './inside-transaction.ts'
import type { DatabaseObserver } from './observer.ts'
import type { Replicas } from './replicas.ts'
import { type Hold, sharesOf, Turns, type Whose } from './turns.ts'
import { boundBy, type Handle, handle, type Run, unbindable } from './view.ts'
import type { StatementWatch } from './watch.ts'

/** The time that a statement has left, now that it is its turn, and what keeps the turn beyond its outcome. */
export interface StatementTime {
  readonly ms: number
  /** The limit for reads, where it is what ends the statement; undefined where that is the time of the request. */
  readonly readLimitMs: number | undefined
  readonly hold: Hold
}

/** Runs one statement. */
export type Execute = (
  statement: string,
  values: readonly Bindable[],
  options: {
    readonly prepare: boolean
    readonly shape: RowShape
    readonly reader?: Reader | undefined
    readonly name?: StatementName | undefined
  },
  time: StatementTime,
) => Promise<unknown[]>

/** The time of a transaction, asked anew at its begin and at its end. */
export interface TransactionTime {
  readonly leftMs: () => number
  readonly hold: Hold
}

/** What an engine provides; the rest of a `Database` is the same for both. It is never asked for more than it has connections. */
export interface Engine extends Pick<Database, 'engine' | 'close'> {
  readonly distributed?: boolean | undefined
  readonly connections: number
  readonly execute: Execute
  /** Runs `work` in one transaction, in which it executes by what it is given. */
  begin<T>(work: (execute: Execute) => Promise<T>, time: TransactionTime): Promise<T>
}

/** How long statements may take, with their waiting, and who is told of them. */
export interface StatementLimits {
  readonly observer?: DatabaseObserver | undefined
  /** A statement that only reads. */
  readonly readTimeoutMs?: number | undefined
  /** Any other statement of a caller that has no time for all of them together, such as the control plane. */
  readonly requestTimeoutMs?: number | undefined
  /** The most connections of one tenant while others have work. */
  readonly tenantConnections?: number | undefined
  /** What answers statements that read many rows, where it can. */
  readonly replicas?: Replicas | undefined
}

/** A statement of the work behind the requests. */
const BACKGROUND_TIMEOUT_MS = 35_000
const READ_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 8_000
/** With less than that left, a statement is not begun: it would only have to be cancelled. */
const LEAST_MS = 25

/**
 * The `Database` over an engine, to which only statements go that it can bind, and no more at once than it has connections.
 *
 * @param tenantRole role under which the statements of `asTenant` run; undefined where row-level security is off
 */
export function databaseOver(engine: Engine, limits: StatementLimits = {}, tenantRole?: string): Database {
  const { readTimeoutMs = READ_TIMEOUT_MS, requestTimeoutMs = REQUEST_TIMEOUT_MS, observer } = limits
  const { connections } = engine
  const turns = new Turns(sharesOf(connections, limits.tenantConnections), undefined, undefined, observer)
  const source = observer === undefined ? engine : observed(engine, observer)
  observer?.opened(() => ({ connections, inUse: turns.running, waiting: turns.waiting }))

  /** How long a statement of a caller may take from now on. */
  const limitFor = ({ kind, time }: Caller, reader: Reader | undefined): number => {
    const leftMs = time?.leftMs()
    if (reader !== undefined) return leftMs === undefined ? readTimeoutMs : Math.min(readTimeoutMs, leftMs)
    return leftMs ?? (kind === 'background' ? BACKGROUND_TIMEOUT_MS : requestTimeoutMs)
  }

  const readLimitOf = (ms: number) => (ms === readTimeoutMs ? ms : undefined)

  /** Begins a transaction. One that failed to run a statement is undone, also where `work` goes on without it. */
  const begin = <T>(caller: Caller, work: (run: Run) => Promise<T>, hold: Hold): Promise<T> =>
    source.begin(
      async (execute) => {
        let failed: OutOfTime | undefined
        const result = await work((statement, values, options) => {
          const ms = limitFor(caller, options.reader)
          if (ms >= LEAST_MS)
            return execute(statement, values, options, { ms, readLimitMs: readLimitOf(ms), hold: () => {} })
          failed = outOfTime()
          return Promise.reject(failed)
        })
        if (failed !== undefined) throw failed
        return result
      },
      { leftMs: () => limitFor(caller, undefined), hold },
    )

  return handle(
    new OnPool(
      { source, turns, limitFor, readLimitOf, begin, tenantRole, replicas: limits.replicas },
      CONTROL,
      undefined,
      undefined,
    ),
  )
}

/** The engine, with an observer that is told how long each statement took. */
function observed(engine: Engine, observer: DatabaseObserver): Engine {
  const timed =
    (execute: Execute): Execute =>
    (statement, values, options, time) => {
      const sent = performance.now()
      const answered = () => observer.answered(options.name, performance.now() - sent)
      const answer = execute(statement, values, options, time)
      answer.then(answered, answered)
      return answer
    }
  return {
    ...engine,
    execute: timed(engine.execute),
    begin: (work, time) => engine.begin((execute) => work(timed(execute)), time),
  }
}

/** What all views of one engine have in common. */
interface Pool {
  readonly source: Engine
  readonly turns: Turns
  readonly limitFor: (caller: Caller, reader: Reader | undefined) => number
  readonly readLimitOf: (ms: number) => number | undefined
  readonly begin: <T>(caller: Caller, work: (run: Run) => Promise<T>, hold: Hold) => Promise<T>
  readonly tenantRole: string | undefined
  /** Undefined where nobody watches. */
  readonly watch?: StatementWatch
  readonly replicas: Replicas | undefined
}

/** A view outside of transactions. A class, since each request makes some: objects with functions of their own cost far more. */
class OnPool implements Handle {
  readonly engine: Database['engine']
  readonly distributed: boolean
  readonly caller: Caller
  readonly inTransaction = false
  readonly shared: Database | undefined
  readonly #pool: Pool
  readonly #tenantId: TenantId | undefined
  readonly #whose: Whose
  readonly #enter: Parameters<Run> | undefined

  constructor(pool: Pool, caller: Caller, tenantId: TenantId | undefined, shared: Database | undefined) {
    this.engine = pool.source.engine
    this.distributed = pool.source.distributed === true
    this.caller = caller
    this.shared = shared
    this.#pool = pool
    this.#tenantId = tenantId
    this.#whose = whoseTurn(caller, tenantId)
    const { tenantRole } = pool
    this.#enter = tenantRole === undefined || tenantId === undefined ? undefined : entering(tenantRole, tenantId)
  }

  get replicas() {
    return this.#pool.replicas?.numbers()
  }

  run(...[statement, values, options]: Parameters<Run>): Promise<unknown[]> {
    const refused = unbindable(values)
    if (refused !== undefined) return Promise.reject(refused)
    const { replicas } = this.#pool
    if (options.replica !== true || replicas === undefined) return this.#run(statement, values, options)
    const onPrimary = () => this.#run(statement, values, options)
    const control = new OnPool(this.#pool, CONTROL, undefined, undefined)
    return replicas.read({
      ...{ caller: this.caller, tenantId: this.#tenantId, watch: this.#pool.watch },
      ...{ statement, values, options, onPrimary },
      ask: (text, bound, name) => control.run(text, bound, { ...HOW, name }),
    })
  }

  #run(...[statement, values, options]: Parameters<Run>): Promise<unknown[]> {
    return this.#inTurn(statement, options.reader, (time) => {
      const enter = this.#enter
      const { gate } = options
      if (enter === undefined && gate === undefined) return this.#pool.source.execute(statement, values, options, time)
      gate?.begins()
      const inside = async (run: Run) => {
        if (gate !== undefined) await gate.passes((text, bound, name) => run(text, bound, { ...HOW, name }))
        if (enter === undefined) return run(statement, values, options)
        // The second is sent before the first is answered; where the first fails, the transaction refuses the second.
        const [, rows] = await Promise.all([run(...enter), run(statement, values, options)])
        return rows
      }
      return this.#pool.begin(this.caller, inside, time.hold)
    })
  }

  transaction<T>(work: (tx: Database) => Promise<T>): Promise<T> {
    const { begin, tenantRole } = this.#pool
    const inside = async (run: Run) => {
      if (this.#enter !== undefined) await run(...this.#enter)
      const watched = boundBy(this.#watched(run))
      return work(insideTransaction(this, this.caller, watched, tenantRole, this.#tenantId))
    }
    return this.#inTurn(undefined, undefined, ({ hold }) => begin(this.caller, inside, hold))
  }

  watched(watch: StatementWatch): Database {
    return handle(new OnPool({ ...this.#pool, watch }, this.caller, this.#tenantId, undefined))
  }

  asTenant(other: TenantId, self: Database): Database {
    if (this.#tenantId !== undefined) return onlyAs(this.#tenantId)(other, self)
    return handle(new OnPool(this.#pool, this.caller, other, self.shared))
  }

  for(other: Caller, self: Database): Database {
    return handle(new OnPool(this.#pool, other, this.#tenantId, self.shared))
  }

  close(): Promise<void> {
    if (this.#tenantId !== undefined) return Promise.reject(new Error("close() was called on one tenant's view"))
    return this.#pool.source.close()
  }

  /** Statements of a transaction, which has its turn. */
  #watched(run: Run): Run {
    const { watch } = this.#pool
    if (watch === undefined) return run
    const share = this.#whose.kind
    return (statement, ...rest) => watch({ statement, share }, (inTurn) => inTurn(() => run(statement, ...rest)))
  }

  /** Does `work` when it is the caller's turn. */
  #inTurn<T>(
    statement: string | undefined,
    reader: Reader | undefined,
    work: (time: StatementTime) => Promise<T>,
  ): Promise<T> {
    const { watch } = this.#pool
    if (watch === undefined) return this.#take(reader, work)
    return watch({ statement, share: this.#whose.kind }, (inTurn) =>
      this.#take(reader, (time) => inTurn(() => work(time))),
    )
  }

  /** A statement that waits is not begun for a client who has left. */
  #take<T>(reader: Reader | undefined, work: (time: StatementTime) => Promise<T>): Promise<T> {
    const { limitFor, readLimitOf, turns } = this.#pool
    const { time } = this.caller
    const ms = limitFor(this.caller, reader)
    if (ms < LEAST_MS) return Promise.reject(outOfTime())
    return turns.take(this.#whose, ms, reader ?? time, (hold, leftMs) => {
      if (leftMs < LEAST_MS) return Promise.reject(outOfTime())
      if (reader === undefined) time?.writes()
      return work({ ms: leftMs, readLimitMs: readLimitOf(ms), hold })
    })
  }
}

/** A key of several tenants, or of none, has a share of its own. */
function whoseTurn({ kind, keyId = '' }: Caller, tenantId: TenantId | undefined): Whose {
  if (kind === 'background') return { kind, party: '', lane: tenantId ?? '' }
  if (tenantId !== undefined) return { kind: 'tenant', party: tenantId, lane: keyId }
  return kind === 'control' ? { kind, party: '', lane: '' } : { kind: 'tenant', party: `key ${keyId}`, lane: '' }
}

const outOfTime = () => new OutOfTime('the time of the request was over before all of it was done')
