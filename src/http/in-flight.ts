import type { IncomingMessage } from 'node:http'
import type { Config } from '../config.ts'
import { ScimError } from '../scim/errors.ts'
import { TooManyRequests } from './errors.ts'

/** How many there may be at the same time, and the settings that say so. */
export interface Caps {
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

/** Counts what is under way on this instance, for each key and each tenant. What has ended is not remembered. */
export class InFlight {
  readonly #caps: Caps
  readonly #keys = new Map<string, number>()
  readonly #tenants = new Map<string, number>()
  #all = 0

  constructor(caps: Caps) {
    this.#caps = caps
  }

  /** How many are under way. */
  get count(): number {
    return this.#all
  }

  /** Keys and tenants of which something is under way. */
  get parties(): number {
    return this.#keys.size + this.#tenants.size
  }

  /**
   * Counts one more until it leaves.
   *
   * @throws {ScimError} 429 where the key or the tenant has too many, 503 where the instance has
   */
  enter(keyId: string | undefined, tenantId: string | undefined): Passage {
    const { all, perKey, perTenant, what } = this.#caps
    const ofKey = keyId === undefined ? 0 : (this.#keys.get(keyId) ?? 0)
    const ofTenant = tenantId === undefined ? 0 : (this.#tenants.get(tenantId) ?? 0)
    if (ofTenant >= perTenant.most) throw tooMany(what, 'This tenant', perTenant)
    if (ofKey >= perKey.most) throw tooMany(what, 'This API key', perKey)
    if (this.#all >= all.most) {
      throw new ScimError(503, undefined, `${words(what, 'This instance', all)} Try again in ${COME_AGAIN_S} s.`)
    }
    this.#all++
    if (keyId !== undefined) this.#keys.set(keyId, ofKey + 1)
    if (tenantId !== undefined) this.#tenants.set(tenantId, ofTenant + 1)
    return new Passage(this, keyId, tenantId)
  }

  /** Called by a passage, once. */
  left(keyId: string | undefined, tenantId: string | undefined): void {
    this.#all--
    if (keyId !== undefined) oneLess(this.#keys, keyId)
    if (tenantId !== undefined) oneLess(this.#tenants, tenantId)
  }
}

type Connection = Pick<IncomingMessage, 'socket'> | undefined

/** One of those that are counted. */
export class Passage {
  readonly #inFlight: InFlight
  readonly #keyId: string | undefined
  readonly #tenantId: string | undefined
  #forgetSocket: (() => void) | undefined
  #left = false
  /** Set where the answer goes out bit by bit: the code that sends it says when it is over. */
  streams = false

  constructor(inFlight: InFlight, keyId: string | undefined, tenantId: string | undefined) {
    this.#inFlight = inFlight
    this.#keyId = keyId
    this.#tenantId = tenantId
  }

  /** Counts it no longer; once. */
  leave(): void {
    if (this.#left) return
    this.#left = true
    this.#forgetSocket?.()
    this.#inFlight.left(this.#keyId, this.#tenantId)
  }

  /**
   * The answer is there. One that streams is counted until it is sent or its connection is gone; the body of a HEAD request is
   * never sent.
   */
  answered(method: string, connection: Connection): void {
    const socket = connection?.socket
    if (this.#left) return
    if (!this.streams || method === 'HEAD' || socket?.destroyed) this.leave()
    else if (socket) {
      // A body that waits behind another on a connection is not told that the connection has gone.
      const gone = () => this.leave()
      socket.once('close', gone)
      this.#forgetSocket = () => socket.off('close', gone)
    }
  }
}

function oneLess(counts: Map<string, number>, name: string): void {
  const left = (counts.get(name) ?? 0) - 1
  if (left > 0) counts.set(name, left)
  else counts.delete(name)
}

const words = (what: string, who: string, { most, setting }: Cap): string =>
  `${who} has ${most} ${what} at the same time already, the most there may be (${setting}).`

const tooMany = (what: string, who: string, cap: Cap): TooManyRequests =>
  new TooManyRequests(`${words(what, who, cap)} Come again in ${COME_AGAIN_S} s.`, COME_AGAIN_S)

/** What is under way on this instance. */
export interface UnderWay {
  readonly requests: InFlight
  /** Event streams, and requests that wait for events: they hold a connection and next to nothing else. */
  readonly streams: InFlight
}

/** Nothing under way yet, and what there may be by the configuration. */
export function nothingUnderWay(config: Config): UnderWay {
  return {
    requests: new InFlight({
      what: 'requests under way',
      all: { most: config.maxInFlight, setting: 'MAX_IN_FLIGHT' },
      perKey: { most: config.keyMaxInFlight, setting: 'KEY_MAX_IN_FLIGHT' },
      perTenant: { most: config.tenantMaxInFlight, setting: 'TENANT_MAX_IN_FLIGHT' },
    }),
    streams: new InFlight({
      what: 'event streams and requests that wait for events',
      all: { most: config.maxStreams, setting: 'MAX_STREAMS' },
      perKey: { most: config.keyMaxStreams, setting: 'KEY_MAX_STREAMS' },
      perTenant: { most: config.tenantMaxStreams, setting: 'TENANT_MAX_STREAMS' },
    }),
  }
}
