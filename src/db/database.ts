import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type { TenantId } from '../place-ids.ts'
import type { Caller } from './caller.ts'
import type { Reader } from './reader.ts'
import type { StatementName } from './statement-names.ts'
import type { StatementWatch } from './watch.ts'

export { READERS, type Reader } from './reader.ts'
export type { StatementName } from './statement-names.ts'

/** Drizzle's query builder, the same for both drivers. */
export type Orm = PgDatabase<PgQueryResultHKT>

/** A value that may be bound: what is none of these is passed as JSON text and cast in the statement. */
export type Bindable = string | number | boolean | null

/**
 * How a row comes: as an object by column name; as its values in the order of the columns, for the query builder; or in that
 * order as `Buffer`s of undecoded texts, or null, for texts that are only passed on.
 */
export type RowShape = 'objects' | 'arrays' | 'bytes'

export interface RunOptions {
  /** What the statement does, in two words or three: its name in the metrics. */
  readonly name?: StatementName | undefined
  /** False where the text differs from call to call. */
  readonly prepare?: boolean
  /**
   * True for a statement that touches many rows: it and its foreign keys' checks are planned anew, for the tables as they
   * are now. Plans kept from when the tables were nearly empty may read the tenant's whole index for each row, until the
   * tables are next analysed. Costs round trips.
   */
  readonly replan?: boolean
  /**
   * Given for a statement that only reads. It has the time for reads, which is shorter than that of others, and is cancelled on
   * the server when its reader leaves.
   */
  readonly reader?: Reader | undefined
  readonly shape?: RowShape
  /** True for a statement that reads many rows, which a replica may answer where there is one. */
  readonly replica?: boolean
  /** What has to hold before the statement runs, in one transaction with it. */
  readonly gate?: Gate | undefined
}

/** Runs a statement in a session that the caller knows. */
export type Ask = (statement: string, values: readonly Bindable[], name: StatementName) => Promise<unknown[]>

/** Lets a statement run, or not. */
export interface Gate {
  /** Told when it is the statement's turn. */
  begins(): void
  /** Settles when the statement may run, and is rejected where it may not. `ask` runs others in the same session. */
  passes(ask: Ask): Promise<void>
}

/** The replicas of a database, and how many statements that they may answer they did. */
export interface ReplicaNumbers {
  /** Each with a name for people, and whether statements go there. */
  readonly replicas: readonly { readonly name: string; readonly isWell: boolean }[]
  readonly byReplica: number
  readonly byPrimary: number
}

/**
 * A connection to the store: the embedded engine or PostgreSQL, alike in every answer.
 *
 * `run` is for the hot paths: one statement, `$1 …` placeholders, prepared once per connection under a name where `prepare`
 * allows it. Rows come with int8 as a number where it was cast to int or float8 in the statement, timestamps only as the
 * statement formats them. JSON, arrays and dates are bound as text and cast twice (`$1::text::jsonb`), because the drivers
 * disagree on how to serialise them.
 *
 * `orm` and `reading` are for everything that is not hot. They build statements from the tables of `schema`, so that a column
 * that is renamed there fails to compile here, and run them by `run`, unprepared.
 */
export interface Database {
  readonly engine: 'pglite' | 'postgres'
  /**
   * Whether Citus keeps the tables on several machines, each tenant on one of them. Then a statement names the rows that it changes
   * by their keys, since a place in a table means nothing on another machine.
   */
  readonly distributed: boolean
  readonly orm: Orm
  /**
   * `orm` for statements that only read: they have the time for reads, and end when `reader` leaves. With `replica`, they read many
   * rows, and a replica may answer them.
   */
  reading(reader: Reader, options?: Pick<RunOptions, 'replica'>): Orm
  /** For whom statements run. */
  readonly caller: Caller
  /** The connection of which this is a view, or the transaction: for what all callers have in common. */
  readonly shared: Database
  /** True for the handle of a transaction, in which no other can begin. */
  readonly inTransaction: boolean
  run<Row>(statement: string, values: readonly Bindable[], options?: RunOptions): Promise<Row[]>
  /**
   * Runs `work` in one transaction; it is rolled back when `work` throws. Inside, use only the given handle: the embedded
   * engine has one session, and the outer handle would wait for it for ever.
   */
  transaction<T>(work: (tx: Database) => Promise<T>): Promise<T>
  /**
   * The same database as one tenant sees it. Statements use the tenant's share of the connections, unless they are work behind
   * the requests. Where row-level security is on, statements run under a role to which the policies
   * show this tenant's rows alone. Inside a transaction it stays in there.
   */
  asTenant(tenantId: TenantId): Database
  /** The same database for another caller. Inside a transaction it is the handle itself, since the turn is taken. */
  for(caller: Caller): Database
  /** The same database, whose statements `watch` is told of. Not for a transaction's handle. */
  watched(watch: StatementWatch): Database
  /** Undefined where there are no replicas. */
  readonly replicas: ReplicaNumbers | undefined
  /** Ends the session; statements under way finish first. */
  close(): Promise<void>
}
