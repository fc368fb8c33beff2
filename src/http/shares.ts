import { InstanceFull, type SharedName, TooManyRequests } from './errors.ts'

/** How much there may be at the same time, and the settings that say so. */
export interface Caps {
  /** Its name in the metrics. */
  readonly name: SharedName
  /** What is counted, in words. */
  readonly what: string
  readonly all: Cap
  readonly perKey: Cap
  readonly perTenant: Cap
}

interface Cap {
  readonly most: number
  readonly setting: string
}

/** Long enough for most of what is under way to end. */
const COME_AGAIN_S = 1

/** Whose something is, as far as that is known. */
export interface Party {
  readonly keyId: string | undefined
  readonly tenantId: string | undefined
}

/** Counts what keys and tenants have of something at the same time. Who has nothing any more is not remembered. */
export class Shares {
  readonly #caps: Caps
  readonly #keys = new Map<string, number>()
  readonly #tenants = new Map<string, number>()
  #all = 0

  constructor(caps: Caps) {
    this.#caps = caps
  }

  /** How much all have together. */
  get all(): number {
    return this.#all
  }

  /** How much they may have. */
  get most(): number {
    return this.#caps.all.most
  }

  /** Keys and tenants that have something. */
  get parties(): number {
    return this.#keys.size + this.#tenants.size
  }

  /**
   * Counts so much more, until it is given back. Who has nothing may take more than a share, since it would never fit otherwise.
   *
   * @throws {TooManyRequests | InstanceFull} where the key or the tenant would have too much, or the instance
   */
  take(party: Party, amount: number): void {
    const { all, perKey, perTenant, what, name } = this.#caps
    const exceeds = (before: number, { most }: Cap) => before > 0 && before + amount > most
    if (exceeds(countOf(this.#tenants, party.tenantId), perTenant)) {
      throw new TooManyRequests(later(what, 'This tenant', perTenant), COME_AGAIN_S, `tenant_${name}`)
    }
    if (exceeds(countOf(this.#keys, party.keyId), perKey)) {
      throw new TooManyRequests(later(what, 'This API key', perKey), COME_AGAIN_S, `key_${name}`)
    }
    if (exceeds(this.#all, all)) {
      throw new InstanceFull(`${words(what, 'This instance', all)} Try again in ${COME_AGAIN_S} s.`, `instance_${name}`)
    }
    this.add(party, amount)
  }

  /** The same for what is there already, and so cannot be refused; a negative amount is given back. */
  add({ keyId, tenantId }: Party, amount: number): void {
    this.#all += amount
    change(this.#keys, keyId, amount)
    change(this.#tenants, tenantId, amount)
  }
}

const countOf = (counts: ReadonlyMap<string, number>, name: string | undefined): number =>
  name === undefined ? 0 : (counts.get(name) ?? 0)

function change(counts: Map<string, number>, name: string | undefined, amount: number): void {
  if (name === undefined) return
  const now = countOf(counts, name) + amount
  if (now > 0) counts.set(name, now)
  else counts.delete(name)
}

const words = (what: string, who: string, { most, setting }: Cap): string =>
  `${who} has ${most} ${what} at the same time already, the most there may be (${setting}).`

const later = (what: string, who: string, cap: Cap): string =>
  `${words(what, who, cap)} Come again in ${COME_AGAIN_S} s.`
