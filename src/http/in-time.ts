import { type Caller, RequestTime, requestOf } from '../db/caller.ts'
import type { Reader } from '../db/database.ts'
import { OutOfTime } from '../db/errors.ts'

/** How long requests may take in the database, with all their waiting; `bulk` for bulk requests and imports. */
export interface RequestLimits {
  readonly requestTimeoutMs: number
  readonly bulkTimeoutMs: number
}

/**
 * The caller for the statements of a request.
 *
 * @param startedAt when the request came, by `performance.now()`; undefined where nothing was waited for since
 * @param streams true once the answer goes out bit by bit
 */
export function callerOf(
  keyId: string,
  limitMs: number,
  { startedAt, reader, streams }: { startedAt: number | undefined; reader: Reader; streams: () => boolean },
): Caller {
  const spentMs = startedAt === undefined ? 0 : performance.now() - startedAt
  return requestOf(keyId, new RequestTime(limitMs - spentMs, reader, streams))
}

/**
 * What `promise` gives within so many milliseconds. For statements that requests share, so that none of them may end it for all.
 *
 * @throws {OutOfTime}
 */
export async function inTime<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new OutOfTime(`a request was not admitted within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
