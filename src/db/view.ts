import { drizzle } from 'drizzle-orm/pg-proxy'
import type { TenantId } from '../place-ids.ts'
import type { Caller } from './caller.ts'
import type { Bindable, Database, Orm, Reader, RunOptions } from './database.ts'
import type { StatementWatch } from './watch.ts'

/** Runs a statement in the place and the time that its caller has for it. */
export type Run = (
  statement: string,
  values: readonly Bindable[],
  options: Pick<RunOptions, 'name' | 'reader' | 'replica' | 'gate'> & Required<Pick<RunOptions, 'prepare' | 'shape'>>,
) => Promise<unknown[]>

/** What is different between a database, one as a tenant sees it, and either inside a transaction. */
export type Handle = Pick<
  Database,
  'engine' | 'distributed' | 'caller' | 'inTransaction' | 'transaction' | 'watched' | 'close'
> & {
  readonly run: Run
  readonly shared: Database | undefined
  /** Of the database itself alone. */
  readonly replicas?: Database['replicas']
  asTenant(tenantId: TenantId, self: Database): Database
  for(caller: Caller, self: Database): Database
}

const BINDABLE = new Set(['string', 'number', 'boolean'])
const MOST_VALUES = 65_534

/** postgres.js fails half-way through a message when it cannot write a value, and the connection hangs for ever. */
export function unbindable(values: readonly Bindable[]): Error | undefined {
  if (values.length > MOST_VALUES) return new RangeError(`${values.length} values in one statement`)
  const wrong = values.findIndex((value) => value !== null && !BINDABLE.has(typeof value))
  return wrong === -1 ? undefined : new TypeError(`a value of type ${typeof values[wrong]} cannot be bound`)
}

export function boundBy(run: Run): Run {
  return (statement, values, options) => {
    const refused = unbindable(values)
    return refused === undefined ? run(statement, values, options) : Promise.reject(refused)
  }
}

/** The `Database` that is made of these parts. */
export const handle = (parts: Handle): Database => new View(parts)

/** A class, since each request has a view of its own: objects with accessors of their own take a hundred times as long to make. */
class View implements Database {
  private readonly parts: Handle
  private builder: Orm | undefined

  constructor(parts: Handle) {
    this.parts = parts
  }

  get engine() {
    return this.parts.engine
  }

  get distributed() {
    return this.parts.distributed
  }

  get caller() {
    return this.parts.caller
  }

  get inTransaction() {
    return this.parts.inTransaction
  }

  get shared(): Database {
    return this.parts.shared ?? this
  }

  get orm() {
    this.builder ??= ormOver(this)
    return this.builder
  }

  get replicas() {
    return this.parts.replicas
  }

  reading(reader: Reader, { replica = false }: Pick<RunOptions, 'replica'> = {}) {
    return ormOver(this, { reader, replica })
  }

  run<Row>(statement: string, values: readonly Bindable[], options: RunOptions = {}): Promise<Row[]> {
    const { prepare = true, replan = false, reader, shape = 'objects', name, replica = false, gate } = options
    const { parts } = this
    // Nothing is awaited on the way to the driver: each time would cost every statement.
    if (!replan) return parts.run(statement, values, { prepare, shape, reader, name, replica, gate }) as Promise<Row[]>
    // Both statements need the same session, which only a transaction has.
    if (!parts.inTransaction) return parts.transaction((tx) => tx.run<Row>(statement, values, options))
    return parts
      .run('discard plans', [], { prepare: false, shape: 'objects' })
      .then(() => parts.run(statement, values, { prepare, shape, reader, name }) as Promise<Row[]>)
  }

  transaction<T>(work: (tx: Database) => Promise<T>): Promise<T> {
    return this.parts.transaction(work)
  }

  asTenant(tenantId: TenantId) {
    return this.parts.asTenant(tenantId, this)
  }

  for(caller: Caller) {
    return this.parts.for(caller, this)
  }

  watched(watch: StatementWatch) {
    return this.parts.watched(watch)
  }

  close() {
    return this.parts.close()
  }
}

/**
 * Drizzle's query builder over `run`, so that a statement has the same guards, time limits and tenant however it was written.
 *
 * Drizzle's own drivers are not used. They would reach the client beside what guards it, and they answer differently on the
 * two engines. Statements are not prepared: their texts depend on what is asked.
 */
export function ormOver(database: Pick<Database, 'run'>, how: Pick<RunOptions, 'reader' | 'replica'> = {}): Orm {
  return drizzle(async (statement, values, method) => {
    const shape = method === 'all' ? 'arrays' : 'objects'
    return { rows: await database.run(statement, values, { ...how, prepare: false, shape }) }
  })
}
