import { parseApiKey } from '../auth/api-key.ts'
import type { FailedAttempts } from '../auth/attempts.ts'
import type { Challenge } from '../auth/authenticate.ts'
import { basicUser } from '../auth/basic-credentials.ts'
import type { ClientAddress } from '../network/proxies.ts'
import { TooManyRequests } from './errors.ts'

/**
 * Counts a key that was refused, where it may have been a guess. A client that tries too many is told to wait, in place of the
 * challenge. A good key never comes here.
 *
 * @param authorization the header by which it was sent
 */
export function guessed(
  failures: FailedAttempts,
  { mayBeGuess }: Pick<Challenge, 'mayBeGuess'>,
  authorization: string | undefined,
  client: ClientAddress,
): TooManyRequests | undefined {
  if (!mayBeGuess) return undefined
  const keyId = basicUser(authorization) ?? parseApiKey(authorization?.trim().split(/ +/)[1] ?? '')
  const seconds = failures.count(keyId, client.address)
  if (seconds === undefined) return undefined
  const advice = 'A good key is accepted all the same: look for a typing mistake.'
  return new TooManyRequests(
    `Too many keys that are not ours were sent; come again in ${seconds} s. ${advice}`,
    seconds,
    'wrong_keys',
  )
}
