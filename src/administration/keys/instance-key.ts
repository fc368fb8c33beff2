import type { Database } from '../../db/database.ts'
import { CannotOpen } from '../../db/errors.ts'
import { keyFileOf, keyFromFile, keyInFile } from '../../db/key-file.ts'
import { type Sealing, sealUnder, standingOf } from '../../repositories/control/instance-secrets.ts'

/** Where an instance's key may come from. */
export interface KeySettings {
  readonly secretsKey: string | undefined
  /** Undefined for the embedded database. */
  readonly databaseUrl: string | undefined
  readonly dataDir: string
}

/**
 * The key by which the instance seals its secrets; from now on all of them are sealed under it. It comes from the configuration,
 * or from the key file of an embedded database. Undefined on PostgreSQL without one: then the key is in the database.
 *
 * @param warn is told, in one line each, what the operator should know
 * @throws {CannotOpen} where the secrets are sealed under a key and none is given
 */
export async function instanceKey(
  database: Database,
  { secretsKey, databaseUrl, dataDir }: KeySettings,
  warn: (line: string) => void,
): Promise<string | undefined> {
  const embedded = databaseUrl === undefined
  if (secretsKey !== undefined || embedded) {
    const key = secretsKey ?? (await keyFromFile(dataDir))
    // An instance that was begun without a key in its configuration has sealed with that of the file.
    const before = secretsKey !== undefined && embedded ? await keyInFile(dataDir) : undefined
    const words = told(
      await sealUnder(database, key, before),
      secretsKey === undefined ? keyFileOf(dataDir) : 'SECRETS_KEY',
    )
    if (words !== undefined) warn(words)
    return key
  }
  if ((await standingOf(database, undefined)) === 'another key')
    throw new CannotOpen('SECRETS_KEY is not set, and the secrets in this database are sealed with one: set that one')
  warn(
    `SECRETS_KEY is not set: anyone who reads the database can sign access tokens and open sessions; make one: openssl rand -base64 32`,
  )
  return undefined
}

function told({ changed, sealedAnew, unopened }: Sealing, key: string): string | undefined {
  if (!changed) return undefined
  const ended = 'access tokens and sessions of the console have ended'
  if (unopened === 0)
    return `the secrets in this database are sealed with ${key} now, ${sealedAnew} of webhooks and streams anew; ${ended}`
  return `${unopened} secrets of webhooks and streams are sealed with another key than ${key}: set that one, or rotate them; ${ended}`
}
