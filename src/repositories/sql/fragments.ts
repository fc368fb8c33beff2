import { type Placeholder, type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import { arrayText } from './parameters.ts'

// Parts of statements that Drizzle's query builder does not have. The builder binds what it is given; our statements have one
// plan for all values, so what a plan depends on has to stand in the text.

/**
 * A number for `limit` or `offset` that stands in the statement's text. A plan that does not know how few rows are wanted reads
 * and sorts all of them. `offset(literal(0))` keeps a lateral look-up apart: PostgreSQL would plan it as a join of whole tables.
 *
 * Raw, and safe: `Math.trunc` gives nothing but a number. The cast is for the builder's types alone, which know no SQL there.
 */
export const literal = (number: number): Placeholder => sql.raw(String(Math.trunc(number))) as unknown as Placeholder

/** A list of ids as an array, bound as one text. The statement's text is the same for any number of them. */
export const uuids = (ids: readonly string[]): SQL => sql`${arrayText(ids, 'uuid')}::text::uuid[]`

/** A list of texts as an array, bound as one text. */
export const texts = (list: readonly string[]): SQL => sql`${arrayText(list, 'text')}::text::text[]`

/** Whether a value is one of an array's elements. */
export const isAnyOf = (value: SQLWrapper, array: SQLWrapper): SQL => sql`${value} = any(${array})`

/** A moment as milliseconds since 1970. */
export const milliseconds = (moment: SQLWrapper): SQL<number> =>
  sql<number>`(extract(epoch from ${moment}) * 1000)::float8`
