/** What asks for a turn at the database. */
export interface Asking {
  /** The text with its placeholders; undefined for a transaction, whose statements are asked for one by one. */
  readonly statement: string | undefined
  /** Whose share of the connections it uses. */
  readonly share: 'control' | 'tenant' | 'background'
}

/**
 * Watches a statement or a transaction from its asking to its outcome, for traces.
 *
 * @param take asks for the turn, and is to be called once. What it is given goes around the work, once it is its turn.
 */
export type StatementWatch = <T>(
  asking: Asking,
  take: (inTurn: <R>(work: () => Promise<R>) => Promise<R>) => Promise<T>,
) => Promise<T>
