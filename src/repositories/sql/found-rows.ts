/**
 * How a statement changes the rows that an inner look-up has found, so that no plan looks for them once more: where they lie, or by
 * their keys on Citus, where a place in a table means nothing on another machine.
 */
export interface FoundRows {
  /** What the look-up gives of each row `found`. */
  columns(found: string): string
  /** Condition that `row` is the row `found`, of which the look-up has given the columns. */
  isRow(row: string, found: string): string
  /** Condition that `row` is one of those whose columns the query gives. */
  isAmong(row: string, query: string): string
}

/**
 * @param distributed whether the database is
 * @param whose condition of all rows concerned, such as the tenant's; it must not lead a plan, as it is true of many
 * @param key the columns that tell these rows apart
 */
export function foundRows(distributed: boolean, whose: (row: string) => string, ...key: readonly string[]): FoundRows {
  const columnsOf = (row: string) => key.map((column) => `${row}.${column}`)
  if (!distributed)
    return {
      columns: (found) => `${found}.ctid`,
      isRow: (row, found) => `(${whose(row)}) is true and ${row}.ctid = ${found}.ctid`,
      isAmong: (row, query) => `(${whose(row)}) is true and ${row}.ctid = any(array(${query}))`,
    }
  return {
    columns: (found) => columnsOf(found).join(', '),
    isRow: (row, found) => [whose(row), ...key.map((column) => `${row}.${column} = ${found}.${column}`)].join(' and '),
    isAmong: (row, query) => `${whose(row)} and (${columnsOf(row).join(', ')}) in (${query})`,
  }
}
