import { mayRetry } from './constraints.ts'

/** Writers that meet on one resource try again; this many times in a row means that something else is wrong. */
export const ATTEMPTS = 50

/** Does work again that a deadlock or a serialization failure has undone, or what else `again` says; nothing is done twice. */
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
