import type { Parameters } from '../sql/parameters.ts'
import type { SortExpression, SortValue } from './sort-sql.ts'

export type Page =
  | { readonly kind: 'offset'; readonly offset: number; readonly limit: number }
  /** Rows after `from` in the query's order, or those just before it when `backward`; without `from`, the first ones. */
  | {
      readonly kind: 'keyset'
      readonly from: KeysetPosition | undefined
      readonly backward: boolean
      readonly limit: number
    }

/** The position of a row in the order of a query. */
export interface KeysetPosition {
  readonly sort: SortValue
  readonly id: string
}

/** Whether it is the first page. */
export const isFirst = (page: Page): boolean =>
  page.kind === 'offset' ? page.offset === 0 : page.from === undefined && !page.backward

/** With more rows than this before the page, the statement reads from the nearer end. */
const DEEP_OFFSET = 1_000

/**
 * A page far from the start, read from the end where that is nearer. So the last page costs as much as the first one. The
 * number of rows is exact in the statement's snapshot, and PostgreSQL never runs the branch that does not apply.
 */
export function deepPageSql(matches: string, page: { offset: number; limit: number }, parameters: Parameters): string {
  const offset = parameters.bind(page.offset, 'bigint')
  // In the text, as for other pages. The outer limit cuts the last page, which may be shorter.
  const limit = Math.trunc(page.limit)
  return `(
      select h.id, h.sort from (${matches}) h where (select ${offset} * 2 <= total from counted)
      order by h.id offset ${offset} limit ${limit}
    ) union all (
      select d.id, d.sort from (
        select h.id, h.sort from (${matches}) h where (select ${offset} * 2 > total from counted)
        order by h.id desc offset (select greatest(total - ${offset} - ${limit}, 0) from counted) limit ${limit}
      ) d order by d.id desc limit (select greatest(least(total - ${offset}, ${limit}), 0) from counted)
    )`
}

/** The page, if it is far from the start. */
export const deepPage = (page: Page) => (page.kind === 'offset' && page.offset >= DEEP_OFFSET ? page : undefined)

/** `page` reads the page from `matches`; `order` sorts the rows of the page `p` in the same way. Ids make the order total. */
export function pageSql(
  page: Page,
  sort: SortExpression | undefined,
  descending: boolean,
  matches: string,
  parameters: Parameters,
) {
  const backward = page.kind === 'keyset' && page.backward
  const falling = (sort ? descending : false) !== backward
  const direction = falling ? 'desc' : 'asc'
  // PostgreSQL puts nulls last when ascending and first when descending, as RFC 7644 §3.4.2.3 asks for missing values.
  const orderOf = (alias: string) => `${sort ? `${alias}.sort ${direction}, ` : ''}${alias}.id ${direction}`
  // In the text: a plan that does not know how few rows are wanted sorts the whole tenant.
  const limit = `limit ${Math.trunc(page.limit)}`
  const select = `select h.id, h.sort from ${matches} h`
  if (page.kind === 'offset') {
    return {
      page: `${select} order by ${orderOf('h')} offset ${parameters.bind(page.offset, 'bigint')} ${limit}`,
      order: orderOf('p'),
    }
  }
  const beyond = page.from ? `where ${beyondSql(page.from, sort, falling, parameters)}` : ''
  return { page: `${select} ${beyond} order by ${orderOf('h')} ${limit}`, order: orderOf('p') }
}

function beyondSql(from: KeysetPosition, sort: SortExpression | undefined, falling: boolean, parameters: Parameters) {
  const than = falling ? '<' : '>'
  const id = parameters.bind(from.id, 'uuid')
  if (!sort) return `h.id ${than} ${id}`
  if (from.sort === null) {
    return falling ? `(h.sort is not null or h.id < ${id})` : `(h.sort is null and h.id > ${id})`
  }
  const value = `${parameters.bind(from.sort, 'text')}::${sort.type}${sort.type === 'text' ? ' collate "C"' : ''}`
  const nulls = falling ? '' : ' or h.sort is null'
  return `(h.sort ${than} ${value} or (h.sort = ${value} and h.id ${than} ${id})${nulls})`
}
