import { mayRetry } from './constraints.ts'

/** Writers that meet on one resource try again. More attempts than this in a row mean that something else is wrong. */
export const ATTEMPTS = 50

/**
 * Repeats work that a deadlock or a serialization failure has undone. A database undoes such work whole, so nothing is done
 * twice.
 *
 * @param again which other errors the work is repeated for
 */
export async function retryOnConflict<T>(
  work: () => Promise<T>,
  again: (error: unknown) => boolean = mayRetry,
  attempts: number = ATTEMPTS,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt >= attempts || !again(error)) throw error
    }
  }
}
