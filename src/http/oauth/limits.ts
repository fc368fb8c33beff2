import { type FailedAttempts, Windows } from '../../auth/attempts.ts'
import type { ClientAddress } from '../../network/proxies.ts'
import { ComeAgain, type TokenRefusal } from './refusal.ts'

const WINDOW_SECONDS = 60
/** For one client from one address; its tokens live for an hour. */
const OF_CLIENT_FROM_ADDRESS = 120
/** For one client, wherever it runs. */
const OF_CLIENT = 600

/**
 * How often tokens are asked for, counted on each instance. So a client that errs in a loop leaves time for all others. A
 * client is counted once it has proved who it is, so it alone uses up its share. Failed attempts are counted apart, and refuse no
 * client that proves who it is.
 */
export function tokenLimits(failures: FailedAttempts) {
  const pairs = new Windows(OF_CLIENT_FROM_ADDRESS, WINDOW_SECONDS)
  const clients = new Windows(OF_CLIENT, WINDOW_SECONDS)

  return {
    /** Counts a request of this client, who has proved who it is. @throws {ComeAgain} */
    authenticated(keyId: string, { address = 'nowhere' }: ClientAddress): void {
      const [here, anywhere] = [pairs.count(`${keyId} ${address}`), clients.count(keyId)]
      const seconds = here ?? anywhere
      if (seconds !== undefined)
        throw new ComeAgain(429, 'tokens-too-often', seconds, 'Too many requests', 'Keep tokens until they expire.')
    },
    /** Counts a request whose sender did not prove to be the key that it names. Gives `refusal`, or where there were too many, that. */
    failed(refusal: TokenRefusal, keyId: string | undefined, { address }: ClientAddress): TokenRefusal {
      const seconds = failures.count(keyId, address)
      if (seconds === undefined) return refusal
      return new ComeAgain(
        429,
        'wrong-keys-too-many',
        seconds,
        'Too many attempts failed',
        'Good credentials are accepted all the same.',
      )
    },
  }
}
