import type { HttpBindings } from '@hono/node-server'
import type { Config } from '../config.ts'
import { type Caps, type Party, Shares } from './shares.ts'

/** What the requests of an instance share besides their number. */
interface Shared {
  /** Bytes that they hold in memory: bodies that came, and answers that clients have not taken. */
  readonly bytes: Shares
  /** A client that takes nothing of its answer for so long has lost its connection. */
  readonly sendTimeoutMs: number
}

/** Counts what is under way on this instance, for each key and each tenant. */
export class InFlight {
  readonly #places: Shares
  readonly #shared: Shared

  constructor(caps: Caps, shared: Shared) {
    this.#places = new Shares(caps)
    this.#shared = shared
  }

  /** How many are under way. */
  get count(): number {
    return this.#places.all
  }

  /** How many there may be. */
  get most(): number {
    return this.#places.most
  }

  /** Keys and tenants of which something is under way. */
  get parties(): number {
    return this.#places.parties
  }

  /**
   * Counts one more until it leaves.
   *
   * @throws {ScimError} 429 where the key or the tenant has too many, 503 where the instance has
   */
  enter(keyId: string | undefined, tenantId: string | undefined): Passage {
    const party = { keyId, tenantId }
    this.#places.take(party, 1)
    return new Passage(party, this.#places, this.#shared)
  }
}

type Connection = Partial<Pick<HttpBindings, 'incoming' | 'outgoing'>> | undefined

/** What a body takes in memory for each of its bytes: the bytes, their text, the value in it, and the values of statements. */
const BODY_FACTOR = 5
/** Bodies and answers up to this size are not counted: as many as may be under way are no danger together. */
const UNCOUNTED_BYTES = 65_536

/** One of those that are counted. */
export class Passage {
  readonly #party: Party
  readonly #places: Shares
  readonly #shared: Shared
  #socket: HttpBindings['incoming']['socket'] | undefined
  #forgetConnection: (() => void) | undefined
  #bodyBytes = 0
  #answerBytes = 0
  #left = false
  /** Set where the answer goes out bit by bit: the code that sends it says when it is over. */
  streams = false

  constructor(party: Party, places: Shares, shared: Shared) {
    this.#party = party
    this.#places = places
    this.#shared = shared
  }

  /** A client that takes nothing for so long is not waited for any longer. */
  get sendTimeoutMs(): number {
    return this.#shared.sendTimeoutMs
  }

  /**
   * Counts the bytes of a body until the answer is there.
   *
   * @param arrived how many are there, or are announced
   * @param whole how many there may be in the end
   * @throws {ScimError} 429 or 503 where there is no room for it
   */
  holdBody(arrived: number, whole = arrived): void {
    if (arrived * BODY_FACTOR <= UNCOUNTED_BYTES || this.#bodyBytes > 0 || this.#left) return
    this.#shared.bytes.take(this.#party, whole * BODY_FACTOR)
    this.#bodyBytes = whole * BODY_FACTOR
  }

  /**
   * Counts the bytes of an answer until the client has taken it.
   *
   * @param refusable false where the request has changed something: then its answer counts, and others are refused
   * @throws {ScimError} 429 or 503 where there is no room for it
   */
  holdAnswer(bytes: number, refusable: boolean): void {
    if (bytes <= UNCOUNTED_BYTES || this.#left) return
    if (refusable) this.#shared.bytes.take(this.#party, bytes)
    else this.#shared.bytes.add(this.#party, bytes)
    this.#answerBytes += bytes
  }

  /** Counts it no longer; once. */
  leave(): void {
    if (this.#left) return
    this.#left = true
    this.#forgetConnection?.()
    this.#places.add(this.#party, -1)
    this.#giveBack(this.#bodyBytes + this.#answerBytes)
  }

  #giveBack(bytes: number): void {
    if (bytes > 0) this.#shared.bytes.add(this.#party, -bytes)
  }

  /** Ends the connection, so that the client sees that its answer is not whole. False where there is none. */
  cut(): boolean {
    this.#socket?.resetAndDestroy()
    return this.#socket !== undefined
  }

  /**
   * The answer is there. One that streams or is large is counted until it is sent or its connection is gone; the body of a HEAD
   * request is never sent.
   */
  answered(method: string, connection: Connection): void {
    if (this.#left) return
    this.#giveBack(this.#bodyBytes)
    this.#bodyBytes = 0
    const { incoming, outgoing } = connection ?? {}
    const socket = incoming?.socket
    this.#socket = socket
    if ((!this.streams && this.#answerBytes === 0) || method === 'HEAD' || socket?.destroyed) {
      this.leave()
      return
    }
    if (socket === undefined) {
      if (!this.streams) this.leave()
      return
    }
    const gone = () => this.leave()
    // A body that waits behind another on a connection is not told that the connection has gone.
    socket.once('close', gone)
    if (!this.streams) {
      outgoing?.once('close', gone)
      // Node ends a connection on which nothing moves for so long, and sets its own time when the answer is sent.
      socket.setTimeout(this.#shared.sendTimeoutMs)
    }
    this.#forgetConnection = () => {
      socket.off('close', gone)
      outgoing?.off('close', gone)
    }
  }
}

/** What is under way on this instance. */
export interface UnderWay {
  readonly requests: InFlight
  /** Event streams, and requests that wait for events: they hold a connection and next to nothing else. */
  readonly streams: InFlight
  /** Bytes that all of them hold. */
  readonly bytes: Shares
}

/** Which part of `MAX_BYTES_IN_FLIGHT` one key may have, and one tenant. */
const [KEYS_PART, TENANTS_PART] = [2, 4]

/** Nothing under way yet, and what there may be by the configuration. */
export function nothingUnderWay(config: Config): UnderWay {
  const { maxBytesInFlight, sendTimeoutMs } = config
  const bytes = new Shares({
    name: 'bytes',
    what: 'bytes in bodies and answers',
    all: { most: maxBytesInFlight, setting: 'MAX_BYTES_IN_FLIGHT' },
    perKey: { most: Math.trunc(maxBytesInFlight / KEYS_PART), setting: 'half of MAX_BYTES_IN_FLIGHT' },
    perTenant: { most: Math.trunc(maxBytesInFlight / TENANTS_PART), setting: 'a quarter of MAX_BYTES_IN_FLIGHT' },
  })
  const shared = { bytes, sendTimeoutMs }
  const requests = {
    name: 'requests' as const,
    what: 'requests under way',
    all: { most: config.maxInFlight, setting: 'MAX_IN_FLIGHT' },
    perKey: { most: config.keyMaxInFlight, setting: 'KEY_MAX_IN_FLIGHT' },
    perTenant: { most: config.tenantMaxInFlight, setting: 'TENANT_MAX_IN_FLIGHT' },
  }
  const streams = {
    name: 'streams' as const,
    what: 'event streams and requests that wait for events',
    all: { most: config.maxStreams, setting: 'MAX_STREAMS' },
    perKey: { most: config.keyMaxStreams, setting: 'KEY_MAX_STREAMS' },
    perTenant: { most: config.tenantMaxStreams, setting: 'TENANT_MAX_STREAMS' },
  }
  return { requests: new InFlight(requests, shared), streams: new InFlight(streams, shared), bytes }
}
