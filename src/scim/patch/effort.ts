import { ScimError } from '../errors.ts'

/** Comparisons of values that one PATCH may cause: far above what clients need, and well below a second. */
const MAX_COMPARISONS = 1_000_000

/**
 * Bounds what one PATCH costs (RFC 7644 §7.7): each operation is small, but a thousand of them may each look at a thousand
 * values, on the thread that serves every tenant.
 */
export class Effort {
  #left = MAX_COMPARISONS

  /** @throws {ScimError} tooMany when the operations so far compare too much */
  spend(comparisons: number): void {
    this.#left -= comparisons
    if (this.#left < 0)
      throw ScimError.tooMany(
        'patch-too-costly',
        'the operations compare too many values; send them in several requests',
      )
  }
}
