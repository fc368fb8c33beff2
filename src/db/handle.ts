import { drizzle } from 'drizzle-orm/pg-proxy'
import { LRUCache } from 'lru-cache'
import type { TenantId } from '../place-ids.ts'
import type { Bindable, Database, Orm, Reader, RowShape, RunOptions } from './database.ts'

/** Runs one statement. */
export type Execute = (
  statement: string,
  values: readonly Bindable[],
  options: { readonly prepare: boolean; readonly shape: RowShape; readonly reader?: Reader | undefined },
) => Promise<unknown[]>

/** What an engine provides; the rest of a `Database` is the same for both. */
export interface Engine extends Pick<Database, 'engine' | 'close'> {
  readonly execute: Execute
  /** Runs `work` in one transaction, in which it executes by what it is given; for `reader` where all of it is one read. */
  begin<T>(work: (execute: Execute) => Promise<T>, reader?: Reader): Promise<T>
}

/** What is different between a database, one as a tenant sees it, and either inside a transaction. */
type Handle = Pick<Database, 'engine' | 'inTransaction' | 'transaction' | 'close'> & {
  readonly execute: Execute
  asTenant(tenantId: TenantId, self: Database): Database
}

const BINDABLE = new Set(['string', 'number', 'boolean'])
const MOST_VALUES = 65_534
/** Views of tenants that are kept: they are small, and what is asked together is asked by the same one. */
const MOST_VIEWS = 1_000

/**
 * The `Database` over an engine, to which only statements go that it can bind.
 *
 * @param tenantRole role under which the statements of `asTenant` run; undefined where row-level security is off
 */
export function databaseOver({ engine, execute: bindAndExecute, begin, close }: Engine, tenantRole?: string): Database {
  const transaction: Database['transaction'] = (work) =>
    begin((execute) => work(insideTransaction(engine, bindable(execute), tenantRole)))
  const view = (tenantId: TenantId): Database => {
    const enter = entering(tenantRole as string, tenantId)
    return handle({
      engine,
      inTransaction: false,
      // The second is sent before the first is answered; where the first fails, the transaction refuses the second.
      execute: (...statement) =>
        begin(async (execute) => {
          const [, rows] = await Promise.all([execute(...enter), bindable(execute)(...statement)])
          return rows
        }, statement[2].reader),
      transaction: (work) =>
        begin(async (execute) => {
          await execute(...enter)
          return work(insideTransaction(engine, bindable(execute), tenantRole, tenantId))
        }),
      asTenant: onlyAs(tenantId),
      close: refuse("close() was called on one tenant's view"),
    })
  }
  const views = new LRUCache<TenantId, Database>({ max: MOST_VIEWS, memoMethod: view })
  return handle({
    engine,
    inTransaction: false,
    execute: bindable(bindAndExecute),
    transaction,
    asTenant: (tenantId, self) => (tenantRole === undefined ? self : views.memo(tenantId)),
    close,
  })
}

/** The `Database` inside a transaction: one more cannot begin there, and closing is not its business. */
function insideTransaction(
  engine: Database['engine'],
  execute: Execute,
  tenantRole: string | undefined,
  tenantId?: TenantId,
): Database {
  const inside = { engine, inTransaction: true, transaction: refuse('a transaction was begun inside a transaction') }
  const close = refuse('close() was called inside a transaction')
  const asTenant: Handle['asTenant'] = (other, self) => {
    if (tenantRole === undefined) return self
    const enter = entering(tenantRole, other)
    // The transaction may go on with what is not the tenant's, so each statement takes the role and gives it back. After one
    // that failed there is no way on but back.
    return handle({
      ...inside,
      execute: async (...statement) => {
        const [, rows] = await Promise.all([execute(...enter), execute(...statement), execute(...LEAVE)])
        return rows
      },
      asTenant: onlyAs(other),
      close,
    })
  }
  return handle({ ...inside, execute, asTenant: tenantId === undefined ? asTenant : onlyAs(tenantId), close })
}

const refuse = (what: string) => () => Promise.reject(new Error(what))

/** A handle that works for one tenant works for no other. */
function onlyAs(tenantId: TenantId): Handle['asTenant'] {
  return (other, self) => {
    if (other !== tenantId) throw new Error('a statement of one tenant was to be run as another')
    return self
  }
}

const HOW = { prepare: true, shape: 'objects' } as const

/** Until the end of the transaction, in every way that it may end: nothing stays on a connection that others use next. */
const entering = (role: string, tenantId: TenantId): Parameters<Execute> => [
  `select set_config('role', $1::text, true), set_config('rollcall.tenant', $2::text, true)`,
  [role, tenantId],
  HOW,
]
const LEAVE: Parameters<Execute> = [
  `select set_config('role', 'none', true), set_config('rollcall.tenant', '', true)`,
  [],
  HOW,
]

/** postgres.js fails half-way through a message when it cannot write a value, and the connection hangs for ever. */
function bindable(execute: Execute): Execute {
  return (statement, values, options) => {
    if (values.length > MOST_VALUES) return Promise.reject(new RangeError(`${values.length} values in one statement`))
    const wrong = values.findIndex((value) => value !== null && !BINDABLE.has(typeof value))
    if (wrong !== -1) return Promise.reject(new TypeError(`a value of type ${typeof values[wrong]} cannot be bound`))
    return execute(statement, values, options)
  }
}

function handle({ engine, execute, transaction, asTenant, close, inTransaction }: Handle): Database {
  let orm: Orm | undefined
  return {
    ...{ engine, inTransaction },
    get orm() {
      orm ??= ormOver(this)
      return orm
    },
    reading(reader) {
      return ormOver(this, reader)
    },
    run<Row>(statement: string, values: readonly Bindable[], options: RunOptions = {}): Promise<Row[]> {
      const { prepare = true, replan = false, reader, shape = 'objects' } = options
      // Nothing is awaited on the way to the driver: each time would cost every statement.
      const run = () => execute(statement, values, { prepare, shape, reader }) as Promise<Row[]>
      if (!replan) return run()
      // Both statements need the same session, which only a transaction has.
      if (!inTransaction) return transaction((tx) => tx.run<Row>(statement, values, options))
      return execute('discard plans', [], { prepare: false, shape: 'objects' }).then(run)
    },
    transaction,
    asTenant(tenantId) {
      return asTenant(tenantId, this)
    },
    close,
  }
}

/**
 * Drizzle's query builder over `run`, so that a statement has the same guards, time limits and tenant however it was written.
 *
 * Drizzle's own drivers are not used. They would reach the client beside what guards it, and they answer differently on the
 * two engines. Statements are not prepared: their texts depend on what is asked.
 */
export function ormOver(database: Pick<Database, 'run'>, reader?: Reader): Orm {
  return drizzle(async (statement, values, method) => {
    const shape = method === 'all' ? 'arrays' : 'objects'
    return { rows: await database.run(statement, values, { prepare: false, shape, reader }) }
  })
}
