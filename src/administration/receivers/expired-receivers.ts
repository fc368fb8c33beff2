import type { Database } from '../../db/database.ts'
import { disableExpired } from '../../repositories/delivery/receiver-streams.ts'
import { dropQueue } from '../../repositories/delivery/stream-queue.ts'
import { everyMinute, type Watch } from '../watch.ts'

const AT_ONCE = 100
const REASON = 'The API key of its receiver has expired.'

/**
 * Disables the streams of receivers whose API keys have expired, and tells the receivers. A receiver whose key is rotated enables its
 * stream again. Instances share the work.
 *
 * @param told is given each stream and the reason
 */
export async function endExpired(db: Database, told: (streamId: string, reason: string) => void): Promise<void> {
  for (let more = true; more; ) {
    const ids = await db.transaction((tx) => disableExpired(tx, AT_ONCE, REASON))
    for (const id of ids) {
      told(id, REASON)
      await dropQueue(db, id)
    }
    more = ids.length === AT_ONCE
  }
}

/** Looks at once and every minute. @param failed is told why a look was in vain */
export const watchReceivers = (
  db: Database,
  told: (streamId: string, reason: string) => void,
  failed: (error: unknown) => void,
): Watch => everyMinute(() => endExpired(db, told), failed)
