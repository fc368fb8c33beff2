import { parse } from 'libpg-query'
import { SHARED } from '../../src/db/distribute.ts'
import { TENANT_TABLES } from '../../src/db/tenant-tables.ts'

// What Citus cannot run, found in the tree that PostgreSQL's own parser makes of a statement. Each rule is an answer of Citus 13 to
// a statement of ours, in the words of its error.

type Node = Readonly<Record<string, unknown>>

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null

/** All nodes below one, with the name of each; a part for which `enter` is false is left out. */
function* nodesOf(
  value: unknown,
  enter: (name: string) => boolean = () => true,
): Generator<[name: string, node: Node]> {
  if (!isNode(value)) return
  for (const [name, inner] of Object.entries(value)) {
    if (!isNode(inner)) continue
    if (!Array.isArray(value) && !Array.isArray(inner) && /^[A-Z]/.test(name)) {
      if (!enter(name)) continue
      yield [name, inner]
    }
    yield* nodesOf(inner, enter)
  }
}

const named = (value: unknown, ...names: readonly string[]): Node[] =>
  [...nodesOf(value)].flatMap(([name, node]) => (names.includes(name) ? [node] : []))

const textsOf = (list: unknown): string[] =>
  named(list, 'String').flatMap(({ sval }) => (typeof sval === 'string' ? [sval] : []))

const columnOf = (node: Node): string[] => textsOf(node.fields)
const functionOf = (node: Node): string => textsOf(node.funcname).at(-1) ?? ''

/** Functions whose results depend on settings of the session, or on the moment. */
const NOT_IMMUTABLE = new Set([
  ...['now', 'clock_timestamp', 'date_trunc', 'to_char', 'extract', 'date_part', 'current_setting'],
  ...['json_build_object', 'json_build_array', 'jsonb_build_object', 'to_json', 'to_jsonb'],
])

const calls = (value: unknown): Node[] => named(value, 'FuncCall').filter((call) => NOT_IMMUTABLE.has(functionOf(call)))
const columns = (value: unknown): Node[] => named(value, 'ColumnRef')

/** Sums of a moment in a column and an interval, unless they go by way of a time without a zone. */
function movedMoments(value: unknown): Node[] {
  const zoned = (side: unknown) => named(side, 'FuncCall').some((call) => functionOf(call) === 'timezone')
  return named(value, 'A_Expr').filter(({ name, lexpr, rexpr }) => {
    const isSum = ['+', '-'].includes(textsOf(name)[0] ?? '')
    const isInterval = named(rexpr, 'TypeCast').some((cast) => textsOf(cast.typeName).includes('interval'))
    return isSum && isInterval && columns(lexpr).length > 0 && !zoned(lexpr)
  })
}

/** The tables of a tenant that a query names itself, not in its inner queries, by the names that they have there. */
function tablesOf(query: Node): Map<string, string> {
  const own = (list: unknown) => [
    ...nodesOf(list, (name) => !['SelectStmt', 'SubLink', 'CommonTableExpr'].includes(name)),
  ]
  const found = [query.fromClause, query.usingClause].flatMap((list) => own(list))
  const ranges = found.flatMap(([name, node]) => (name === 'RangeVar' ? [node] : []))
  const target = isNode(query.relation) ? [query.relation] : []
  return new Map(
    [...ranges, ...target]
      .filter(({ relname }) => TENANT_TABLES.includes(String(relname)))
      .map(({ relname, alias }) => [isNode(alias) ? String(alias.aliasname) : String(relname), String(relname)]),
  )
}

/** Functions of ours that read rows of a tenant. */
const READ_ROWS = new Set(['roles_by_membership', 'roles_of_groups', 'write_roles'])

/** Queries that stand as a value or a condition in a part of another query, but not in one of that one's own inner queries. */
const valuesIn = (part: unknown): Node[] =>
  [...nodesOf(part, (name) => !['SelectStmt', 'CommonTableExpr', 'RangeSubselect'].includes(name))].flatMap(
    ([name, node]) =>
      name === 'SubLink' && isNode(node.subselect) ? named({ in: node.subselect }, 'SelectStmt').slice(0, 1) : [],
  )

/** Names of tables whose tenant a query gives: by a value, as that of another one whose tenant it gives, or as that of one around it. */
function heldToTenant(query: Node, tables: ReadonlyMap<string, string>, around: readonly string[] = []): Set<string> {
  const held = new Set(around)
  const conditions = [query.whereClause, query.fromClause].flatMap((part) => [
    ...nodesOf(part, (name) => !['SelectStmt', 'SubLink', 'BooleanTest'].includes(name)),
  ])
  const equalities = conditions.flatMap(([name, node]) =>
    name === 'A_Expr' && node.kind === 'AEXPR_OP' && textsOf(node.name)[0] === '=' ? [node] : [],
  )
  const side = (value: unknown) => (isNode(value) && isNode(value.ColumnRef) ? columnOf(value.ColumnRef) : undefined)
  const tableIn = (column: readonly string[]) =>
    column.at(-1) !== 'tenant_id' ? undefined : column.length > 1 ? column[0] : [...tables.keys()][0]
  for (let before = -1; before !== held.size; ) {
    before = held.size
    for (const { lexpr, rexpr } of equalities) {
      const [left, right] = [side(lexpr), side(rexpr)]
      const [own, other] = [left && tableIn(left), right && tableIn(right)]
      if (own !== undefined && (right === undefined || (other !== undefined && held.has(other)))) held.add(own)
      if (other !== undefined && own !== undefined && held.has(own)) held.add(other)
    }
  }
  return held
}

/** What Citus would answer to a statement with distributed tables, in words, one entry for each fault. */
export async function refusedByCitus(text: string): Promise<string[]> {
  const tree = await parse(text)
  const faults: string[] = []
  const add = (what: string, query: Node) => {
    const tables = [...tablesOf(query).values()]
    faults.push(`${what}${tables.length === 0 ? '' : ` (${tables.join(', ')})`}`)
  }
  const isOurs = (node: Node) =>
    isNode(node.relation) && [...TENANT_TABLES, ...SHARED].includes(String(node.relation.relname))
  for (const update of named(tree, 'UpdateStmt').filter(isOurs)) {
    const set = named(update.targetList, 'ResTarget').map(({ val }) => val)
    if ([...set, update.whereClause].some((value) => movedMoments(value).length > 0))
      add('STABLE functions used in UPDATE queries cannot be called with column references', update)
    if (set.some((value) => calls(value).some((call) => columns(call.args).length > 0)))
      add('STABLE functions used in UPDATE queries cannot be called with column references', update)
    if (set.some((value) => isNode(value) && isNode(value.A_Indirection)))
      add('an element of an array in an update ends the coordinator', update)
    if (set.some((value) => named(value, 'CaseExpr', 'CoalesceExpr').some((part) => calls(part).length > 0)))
      add('non-IMMUTABLE functions are not allowed in CASE or COALESCE statements', update)
  }
  for (const change of named(tree, 'UpdateStmt', 'DeleteStmt').filter(isOurs)) {
    const where = [change.whereClause, change.fromClause, change.usingClause]
    if (where.some((part) => columns(part).some((column) => columnOf(column).at(-1) === 'ctid')))
      add('modifications with ctid on where clause are not supported', change)
    const tables = tablesOf(change)
    const target = isNode(change.relation) ? change.relation : {}
    const name = isNode(target.alias) ? String(target.alias.aliasname) : String(target.relname)
    if (TENANT_TABLES.includes(String(target.relname)) && !heldToTenant(change, tables).has(name))
      add('a change of rows on several machines', change)
  }
  for (const change of named(tree, 'UpdateStmt', 'DeleteStmt', 'InsertStmt').filter(isOurs))
    if (calls(change.returningClause ?? change.returningList).length > 0)
      add('non-IMMUTABLE functions are not allowed in the RETURNING clause', change)
  for (const insert of named(tree, 'InsertStmt').filter(isOurs))
    if (calls(insert.onConflictClause).length > 0)
      add('functions used in the DO UPDATE SET clause of INSERTs must be marked IMMUTABLE', insert)
  const inserts = named(tree, 'InsertStmt').filter(isOurs).length > 0
  for (const select of named(tree, 'SelectStmt')) {
    const tables = tablesOf(select)
    const held = heldToTenant(select, tables)
    const isLoose = [...tables.keys()].some((name) => !held.has(name))
    if (isLoose && select.lockingClause !== undefined) add('a lock on rows of several machines', select)
    const isRecursive = isNode(select.withClause) && select.withClause.recursive === true
    if (isRecursive && inserts) add('a recursive search in a statement that writes', select)
    if (isRecursive && isNode(select.withClause)) {
      const loose = named(select.withClause, 'SelectStmt').filter((part) => {
        const own = tablesOf(part)
        return [...own.keys()].some((name) => !heldToTenant(part, own).has(name))
      })
      if (loose.length > 0 && isReferringToItself(select.withClause))
        add('recursive CTEs are only supported when they contain a filter on the distribution column', select)
    }
  }
  for (const select of named(tree, 'SelectStmt')) {
    const around = [...tablesOf(select).keys()]
    const { whereClause, ...rest } = select
    // A condition on rows of the same tenant is a join; what stands elsewhere is not.
    const values = [
      ...valuesIn(rest).map((value) => [value, []] as const),
      ...valuesIn(whereClause).map((value) => [value, around] as const),
    ]
    for (const [value, joined] of around.length === 0 ? [] : values) {
      const tables = tablesOf(value)
      const held = heldToTenant(value, tables, joined)
      if ([...tables.keys()].some((name) => !held.has(name)))
        add(
          'complex joins are only supported when all distributed tables are joined on their distribution columns',
          value,
        )
    }
    const isFunction = (list: unknown) => named(list, 'FuncCall').some((call) => READ_ROWS.has(functionOf(call)))
    const rows = named(select, 'RangeVar').some(({ relname }) => TENANT_TABLES.includes(String(relname)))
    if (rows && isFunction(select.targetList)) add('a distributed query from a query on a shard', select)
  }
  for (const lateral of named(tree, 'RangeSubselect').filter(({ lateral }) => lateral === true)) {
    const [query] = named(lateral.subquery, 'SelectStmt')
    if (query === undefined || (query.limitCount === undefined && query.limitOffset === undefined)) continue
    const tables = tablesOf(query)
    const held = heldToTenant(query, tables)
    const byValue = [...tables.keys()].every((name) => held.has(name))
    if (!byValue)
      add('Limit clause is currently unsupported when a lateral subquery references a column from another', query)
  }
  return [...new Set(faults)]
}

/** Whether any table of a `with recursive` reads itself: only those are recursive. */
const isReferringToItself = (withClause: Node): boolean =>
  named(withClause, 'CommonTableExpr').some(({ ctename, ctequery }) =>
    named(ctequery, 'RangeVar').some(({ relname }) => relname === ctename),
  )
