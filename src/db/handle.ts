import { drizzle } from 'drizzle-orm/pg-proxy'
import type { Bindable, Database, Orm, Reader, RunOptions } from './database.ts'
import * as schema from './schema.ts'

/** Runs one statement; rows are arrays of values in column order where `shape` says so, else objects by column name. */
export type Execute = (
  statement: string,
  values: readonly Bindable[],
  options: { readonly prepare: boolean; readonly shape: 'objects' | 'arrays'; readonly reader?: Reader | undefined },
) => Promise<unknown[]>

/** What an engine provides; the rest of a `Database` is the same for both. */
export type Engine = Pick<Database, 'engine' | 'transaction' | 'close'> & {
  readonly execute: Execute
  readonly inTransaction: boolean
}

const BINDABLE = new Set(['string', 'number', 'boolean'])
const MOST_VALUES = 65_534

/** The `Database` over an engine, to which only statements go that it can bind. */
export function databaseOver({ engine, execute: bindAndExecute, transaction, close, inTransaction }: Engine): Database {
  // postgres.js fails half-way through a message when it cannot write a value, and the connection hangs for ever.
  const execute: Execute = (statement, values, options) => {
    if (values.length > MOST_VALUES) return Promise.reject(new RangeError(`${values.length} values in one statement`))
    const wrong = values.findIndex((value) => value !== null && !BINDABLE.has(typeof value))
    if (wrong !== -1) return Promise.reject(new TypeError(`a value of type ${typeof values[wrong]} cannot be bound`))
    return bindAndExecute(statement, values, options)
  }
  let orm: Orm | undefined
  return {
    ...{ engine, inTransaction },
    get orm() {
      orm ??= ormOver(execute)
      return orm
    },
    run<Row>(statement: string, values: readonly Bindable[], options: RunOptions = {}): Promise<Row[]> {
      const { prepare = true, replan = false, reader } = options
      // Nothing is awaited on the way to the driver: each time would cost every statement.
      const run = () => execute(statement, values, { prepare, shape: 'objects', reader }) as Promise<Row[]>
      if (!replan) return run()
      // Both statements need the same session, which only a transaction has.
      if (!inTransaction) return transaction((tx) => tx.run<Row>(statement, values, options))
      return execute('discard plans', [], { prepare: false, shape: 'objects' }).then(run)
    },
    transaction,
    close,
  }
}

/** The `Database` inside a transaction: one more cannot begin there, and closing is not its business. */
export function insideTransaction(engine: Database['engine'], execute: Execute): Database {
  const refuse = (what: string) => () => Promise.reject(new Error(`${what} inside a transaction`))
  return databaseOver({
    engine,
    execute,
    inTransaction: true,
    transaction: refuse('a transaction was begun'),
    close: refuse('close() was called'),
  })
}

/**
 * Drizzle's own drivers are passed by: they would reach the client beside what guards it, and they answer differently on the
 * two engines.
 */
function ormOver(execute: Execute): Orm {
  return drizzle(
    async (statement, values, method) => ({
      rows: await execute(statement, values, { prepare: false, shape: method === 'all' ? 'arrays' : 'objects' }),
    }),
    { schema },
  )
}
