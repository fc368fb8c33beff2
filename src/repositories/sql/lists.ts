/** One page of a list in the order of creation: up to `limit` rows after the row with the id `after`. */
export interface ListPage {
  readonly after: string | undefined
  readonly limit: number
}

/**
 * How a row that is found is held until the end of the transaction: so that it stays there (`key share`), that it also stays as
 * it is (`share`), for whoever changes it (`no key update`), or for whoever deletes it (`update`), when nothing new can refer to
 * it. Rows are held from the outer place to the inner one.
 */
export type Hold = 'key share' | 'share' | 'no key update' | 'update'

/** The query, which holds the rows that it finds. */
export const holding = <Query extends { for(strength: Hold): unknown }>(query: Query, hold: Hold | undefined): Query =>
  (hold === undefined ? query : query.for(hold)) as Query
