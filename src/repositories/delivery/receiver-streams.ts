import type { Database } from '../../db/database.ts'
import type { StreamSettings } from '../../events/security-events.ts'
import { messagesFollow, tellStatus } from './stream-messages.ts'

// Streams that their receivers manage, and cannot manage any more. They end with the receiver's API key, so that nothing is sent for
// somebody who may not ask for it.

/** One that was enabled until now. */
interface Ended {
  readonly id: string
  readonly stream: StreamSettings
}

const END = 'update webhook_endpoints w set enabled = false, paused = false, disabled_reason = $2::text'
const ENDED = 'w.id::text, w.stream'

/**
 * Disables the streams of the receiver with this API key, which is revoked. A receiver to which tokens are pushed is told; one that
 * polls is told by the refusal of its key.
 */
export async function disableStreamsOf(tx: Database, receiver: string, reason: string): Promise<void> {
  const ended = await tx.run<Ended>(
    `${END} where w.receiver_key = $1::text and w.enabled returning ${ENDED}`,
    [receiver, reason],
    { prepare: false },
  )
  for (const each of ended) await drop(tx, each, each.stream.method === 'push' ? reason : undefined)
}

/** Disables up to `limit` streams of receivers whose API keys have expired, tells the receivers, and gives the streams' ids. */
export async function disableExpired(tx: Database, limit: number, reason: string): Promise<string[]> {
  const ended = await tx.run<Ended>(
    `${END} where w.id = any(array(
       select e.id from webhook_endpoints e where e.receiver_key is not null and e.enabled and not exists (
         select 1 from api_key_secrets s where s.key_id = e.receiver_key
           and (s.expires_at is null or s.expires_at > now()) and (s.ends_at is null or s.ends_at > now()))
       limit $1::int)) and w.enabled returning ${ENDED}`,
    [limit, reason],
    { prepare: false },
  )
  // Who polls is told once the key has a new secret.
  for (const each of ended) await drop(tx, each, reason)
  return ended.map(({ id }) => id)
}

/** What the receiver would have been told is nothing to a stream that is disabled; that it is, it is told for this reason. */
async function drop(tx: Database, { id, stream }: Ended, reason: string | undefined): Promise<void> {
  await messagesFollow(tx, id, { status: 'disabled', pushed: stream.method === 'push' })
  if (reason !== undefined) await tellStatus(tx, { id, stream }, 'disabled', reason)
}
