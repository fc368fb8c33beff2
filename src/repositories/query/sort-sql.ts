import type { AttributeRef, ResourceType } from '../../scim/schema/resource-type.ts'
import { column, type FilterScope, rows, searchPath } from './attribute-sql.ts'

/** A row's value of the sort attribute as text; null where it has none. */
export type SortValue = string | null

type SortType = 'text' | 'numeric' | 'boolean' | 'timestamptz'

/** An SQL expression to order by, and the type with which a cursor's value of it is bound. */
export interface SortExpression {
  readonly sql: string
  readonly type: SortType
}

/**
 * The expression by which `sortBy` orders (RFC 7644 §3.4.2.3). Of several values the primary one counts, else the first.
 * Strings are compared by code point, in folded form unless case exact. Numbers are compared by value, dates by instant, and
 * false comes before true. At the server root each type has its own `ref`, or none.
 */
export function sortSql(refs: readonly (AttributeRef | undefined)[], scopes: readonly FilterScope[]): SortExpression {
  const each = refs.map((ref, i) => (ref ? expression(ref, scopes[i] as FilterScope) : undefined))
  const [first] = each
  if (first && each.length === 1) return first
  const types = new Set(each.flatMap((e) => (e ? [e.type] : [])))
  const [type] = types
  const shared = types.size === 1 && type ? type : 'text'
  const cases = each.map((e, i) => {
    const scope = scopes[i] as FilterScope
    return `when ${scope.parameters.bind(scope.type.name, 'text')} then ${e ? `(${e.sql})::${shared}` : 'null'}`
  })
  return collated({ sql: `case r.resource_type ${cases.join(' ')} end`, type: shared })
}

const collated = (e: SortExpression): SortExpression =>
  e.type === 'text' ? { ...e, sql: `(${e.sql}) collate "C"` } : e

function expression(ref: AttributeRef, scope: FilterScope): SortExpression {
  const related = rows(ref, scope)
  if (related) {
    const sub = related.sub(ref.sub?.name ?? 'value')
    return collated({ sql: `select min(${sub}) from ${related.from}`, type: 'text' })
  }
  const type = sortType(ref, scope.type)
  const own = column(ref, scope)
  if (own) return type === 'text' ? collated({ sql: own.sql, type }) : { sql: own.sql, type }
  const json = ref.attribute.multiValued ? ofPrimary(ref, scope) : searchPath(ref, scope)
  const text = `((${json}) #>> '{}')`
  return type === 'text' ? collated({ sql: text, type }) : { sql: `${text}::${type}`, type }
}

function ofPrimary(ref: AttributeRef, scope: FilterScope): string {
  const values = searchPath({ ...ref, sub: undefined }, scope)
  const sub = ref.sub ? ` -> ${scope.parameters.bind(ref.sub.name, 'text')}` : ''
  return `coalesce((select e.v from jsonb_array_elements(${values}) as e(v)
    where jsonb_typeof(e.v) = 'object' and e.v -> 'primary' = 'true' limit 1), (${values}) -> 0)${sub}`
}

function sortType(ref: AttributeRef, type: ResourceType): SortType {
  const attribute = ref.sub ?? ref.attribute
  switch (attribute.type) {
    case 'boolean':
      return 'boolean'
    case 'integer':
    case 'decimal':
      return 'numeric'
    case 'dateTime':
      // Dates of the resource itself are columns, others are microseconds in the search document.
      return ref.extension === undefined && type.core.get('meta') === ref.attribute ? 'timestamptz' : 'numeric'
    default:
      return 'text'
  }
}
