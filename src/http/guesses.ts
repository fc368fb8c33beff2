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
  return tooManyGuesses(failures, keyId, client)
}

/**
 * Counts a secret that was none of ours: of an API key, or of a set-up link.
 *
 * @param id what the secret named; undefined where it had not even the form of one
 */
export function tooManyGuesses(
  failures: FailedAttempts,
  id: string | undefined,
  client: ClientAddress,
  what: 'key' | 'link' = 'key',
): TooManyRequests | undefined {
  const seconds = failures.count(id, client.address)
  if (seconds === undefined) return undefined
  const advice = `A good ${what} is accepted all the same: look for a typing mistake.`
  return new TooManyRequests(
    `Too many ${what}s that are not ours were sent; come again in ${seconds} s. ${advice}`,
    seconds,
    'wrong_keys',
  )
}
