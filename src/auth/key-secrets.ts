/**
 * One secret of an API key. A key has one, and two while it is rotated; each opens the same door, under the same id.
 */
export interface KeySecret {
  /** 1 for the first, and one more for each rotation. */
  readonly version: number
  /** SHA-256 of the whole key with this secret. */
  readonly hash: string
  readonly createdAt: Date
  /** When the key expires for those who have this secret; null for never. */
  readonly expiresAt: Date | null
  /** When a rotation puts or has put an end to it; null for none. */
  readonly endsAt: Date | null
  /** True for one that ends as soon as the newer one is used. */
  readonly endsOnUse: boolean
  readonly lastUsedAt: Date | null
  /** User-Agent of the client that used it last. */
  readonly lastUsedBy: string | null
}

/** A rotation under way: both secrets are good. */
export interface Rotation {
  readonly from: KeySecret
  readonly to: KeySecret
}

/** The secret that is to stay. There always is one, the newest unless its rotation was undone. */
export function currentSecret(secrets: readonly KeySecret[]): KeySecret {
  const [first, ...others] = [...secrets].sort((a, b) => b.version - a.version)
  if (first === undefined) throw new Error('an API key without a secret')
  return [first, ...others].find(isToStay) ?? first
}

/** The rotation under way; undefined where the older secret is good no longer, or was never to end. */
export function rotationOf(secrets: readonly KeySecret[], now: Date): Rotation | undefined {
  const to = currentSecret(secrets)
  const from = secrets.find((secret) => secret.version < to.version && !isToStay(secret) && isGood(secret, now))
  return from && { from, to }
}

const isGood = ({ endsAt, expiresAt }: KeySecret, now: Date): boolean =>
  (endsAt === null || endsAt > now) && (expiresAt === null || expiresAt > now)

const isToStay = ({ endsAt, endsOnUse }: KeySecret): boolean => endsAt === null && !endsOnUse
