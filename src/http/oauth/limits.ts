import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import { TooManyTokens } from './refusal.ts'

const WINDOW_SECONDS = 60
/** From one address, of whatever clients; there may be many behind it. */
const PER_ADDRESS = 1_200
/** What one that fails costs more: its signature or hash was looked at for nothing. */
const FAILED = 9
/** For one client, whose tokens live for a quarter of an hour. */
const PER_CLIENT = 120

/**
 * How often tokens are asked for, counted in windows of a minute on each instance. A secret has 160 random bits, so nobody
 * guesses one: this keeps a client that errs in a loop from taking the time of all others. Nobody uses up a client's share
 * but the client itself, since it is counted once it has proved who it is.
 */
export function tokenLimits() {
  const ofAddress = new RateLimiterMemory({ points: PER_ADDRESS, duration: WINDOW_SECONDS })
  const ofClient = new RateLimiterMemory({ points: PER_CLIENT, duration: WINDOW_SECONDS })
  // Where it is not known all come from one.
  const from = (address: string | undefined) => address ?? 'nowhere'

  return {
    /** Counts a request. @throws {TooManyTokens} */
    asked: (address: string | undefined) => taken(ofAddress.consume(from(address))),
    /** Counts it again, as one whose sender did not prove who it is. */
    async failed(address: string | undefined): Promise<void> {
      await ofAddress.penalty(from(address), FAILED)
    },
    /** Counts a request of this client, who has proved who it is. @throws {TooManyTokens} */
    authenticated: (keyId: string) => taken(ofClient.consume(keyId)),
  }
}

async function taken(consumed: Promise<RateLimiterRes>): Promise<void> {
  try {
    await consumed
  } catch (refused) {
    if (refused instanceof Error) throw refused
    const { msBeforeNext } = refused as RateLimiterRes
    throw new TooManyTokens(Math.max(1, Math.ceil(msBeforeNext / 1000)))
  }
}
