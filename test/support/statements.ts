import { expect } from 'vitest'
import type { Bindable, Database, RunOptions } from '../../src/db/database.ts'
import { ormOver } from '../../src/db/view.ts'

/** One statement as it was run: the text with its placeholders, and what was bound to them. */
export interface Statement {
  readonly text: string
  readonly values: readonly Bindable[]
  readonly options: RunOptions
  readonly inTransaction: boolean
}

/** A database that notes what is run on it. */
export interface Recorder {
  readonly database: Database
  /** Everything so far, in the order of asking. */
  readonly statements: readonly Statement[]
  /** What `work` ran, and how often it began a transaction; nothing else may use the database meanwhile. */
  during<T>(work: () => Promise<T>): Promise<{ result: T; statements: readonly Statement[]; transactions: number }>
}

/** A handle that `run` was called on, and what it was called with. */
type Asked = [database: Database, ...statement: Parameters<Database['run']>]

/**
 * `inner` with another `run`, in transactions, as tenants see it, and for the query builder too.
 *
 * @param run is given the handle of `inner` on which to run the statement
 * @param begun is told of each transaction
 * @param distributed whether statements are written as for a distributed database, which one machine runs as well
 */
export function withRun(
  inner: Database,
  run: (...asked: Asked) => Promise<unknown[]>,
  begun: () => void = () => {},
  distributed = inner.distributed,
): Database {
  const around = (database: Database, shared?: Database): Database => {
    const wrapped: Database = {
      engine: database.engine,
      distributed,
      caller: database.caller,
      inTransaction: database.inTransaction,
      get shared() {
        return shared ?? wrapped
      },
      get orm() {
        return ormOver(this)
      },
      reading(reader, { replica = false } = {}) {
        return ormOver(this, { reader, replica })
      },
      replicas: database.replicas,
      run: <Row>(...statement: Parameters<Database['run']>) => run(database, ...statement) as Promise<Row[]>,
      transaction: (work) => {
        begun()
        return database.transaction((tx) => work(around(tx)))
      },
      asTenant: (tenantId) => viewed(database.asTenant(tenantId)),
      for: (caller) => viewed(database.for(caller)),
      watched: (watch) => viewed(database.watched(watch)),
      close: () => database.close(),
    }
    const viewed = (view: Database) => (view === database ? wrapped : around(view, wrapped.shared))
    return wrapped
  }
  return around(inner)
}

/** Notes every statement, those of the query builder and those inside transactions too, on its way to `inner`. */
export function recordStatements(inner: Database, distributed = inner.distributed): Recorder {
  const statements: Statement[] = []
  let transactions = 0
  const database = withRun(
    inner,
    (handle, text, values, options = {}) => {
      statements.push({ text, values, options, inTransaction: handle.inTransaction })
      return handle.run(text, values, options)
    },
    () => transactions++,
    distributed,
  )
  return {
    database,
    statements,
    during: async (work) => {
      const [from, begun] = [statements.length, transactions]
      const result = await work()
      return { result, statements: statements.slice(from), transactions: transactions - begun }
    },
  }
}

/** A node of a plan as `explain (format json)` gives it. */
export interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows'?: number
  readonly 'Actual Loops'?: number
  readonly 'Plan Rows': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

/**
 * The plan of a statement as the server makes it once for all values, which is what a prepared statement runs with in the
 * long run. With `analyze` the statement is run too, and undone.
 */
export async function genericPlan(
  database: Database,
  { text, values }: Pick<Statement, 'text' | 'values'>,
  { analyze = false }: { readonly analyze?: boolean } = {},
): Promise<PlanNode> {
  const name = `under_test_${++prepared}`
  let plan: PlanNode | undefined
  const undo = new Error('undo')
  await database
    .transaction(async (tx) => {
      const plain = { prepare: false }
      await tx.run('set local plan_cache_mode = force_generic_plan', [], plain)
      await tx.run(`prepare ${name} as ${text}`, [], plain)
      const list = values.length === 0 ? '' : `(${values.map(literal).join(', ')})`
      const [row] = await tx.run<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>(
        `explain (format json, analyze ${analyze}) execute ${name}${list}`,
        [],
        plain,
      )
      plan = row?.['QUERY PLAN'][0]?.Plan
      await tx.run(`deallocate ${name}`, [], plain)
      throw undo
    })
    .catch((error: unknown) => {
      if (error !== undo) throw error
    })
  if (plan === undefined) throw new Error('no plan')
  return plan
}

let prepared = 0

/** Every node of a plan, the root first. */
export const nodesOf = (plan: PlanNode): PlanNode[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

function literal(value: Bindable): string {
  if (value === null) return 'null'
  if (typeof value !== 'string') return String(value)
  return `'${value.replaceAll("'", "''")}'`
}

/** Settles once a statement that holds `text` is run with `value` among what is bound, beginning with the next statement. */
export function untilAsked({ statements }: Recorder, text: string, value: string): Promise<void> {
  const before = statements.length
  const asked = () =>
    statements.slice(before).some((one) => one.text.includes(text) && JSON.stringify(one.values).includes(value))
  return expect.poll(asked, { interval: 5 }).toBe(true)
}
