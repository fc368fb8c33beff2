/** One page of a list in the order of creation: up to `limit` rows after the row with the id `after`. */
export interface ListPage {
  readonly after: string | undefined
  readonly limit: number
}

/**
 * How a row is locked until the end of the transaction. `key share` keeps it from being deleted, and `share` also from being
 * changed. `no key update` is for changing it. `update` is for deleting it: no new row can refer to it then. Rows are locked
 * from the outer place to the inner one.
 */
export type Hold = 'key share' | 'share' | 'no key update' | 'update'

/** The query, which locks the rows that it finds. */
export const holding = <Query extends { for(strength: Hold): unknown }>(query: Query, hold: Hold | undefined): Query =>
  (hold === undefined ? query : query.for(hold)) as Query
