import type { Context } from 'hono'
import type { ControlPlane } from '../../context/control-plane.ts'
import { requestOf } from '../../db/caller.ts'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import type { Passage } from '../in-flight.ts'
import type { AdminEnv } from './env.ts'
import { authenticateRequest } from './origin.ts'

/** A reader ends within so long after its key was revoked. */
const CHECK_MS = 1_000

/** A request that follows events or waits for them. */
export interface EventReader {
  /** Aborted when the client has gone, and when it may read no longer. */
  readonly signal: AbortSignal
  /** Counts the request; undefined where nothing is counted. */
  readonly passage: Passage | undefined
  /** The request waits no longer; may be called again. */
  end(): void
}

interface Reader {
  readonly c: Context<AdminEnv>
  readonly tenantId: string | undefined
  readonly ended: AbortController
}

/**
 * Requests that follow events or wait for them. There may be thousands, and most are idle. So they are counted apart from those
 * under way, and their keys are looked at together: once a second for each key, however many readers it has.
 */
export class EventReaders {
  readonly #control: ControlPlane
  readonly #policy: OriginPolicy
  readonly #readers = new Map<string, Set<Reader>>()

  constructor(control: ControlPlane, policy: OriginPolicy) {
    this.#control = control
    this.#policy = policy
  }

  /**
   * Counts a request among the readers, and among those under way no longer. From now on each of its statements has its own time.
   *
   * @param tenantId undefined for the events of several tenants
   * @throws {ScimError} 429, 503
   */
  enter(c: Context<AdminEnv>, tenantId: string | undefined): EventReader {
    const { underWay, passage: counted, principal } = c.var
    const passage = underWay?.streams.enter(principal.keyId, tenantId)
    counted?.leave()
    c.set('database', c.var.database.for(requestOf(principal.keyId)))
    const reader = { c, tenantId, ended: new AbortController() }
    const label = c.req.header('authorization') ?? ''
    const others = this.#readers.get(label) ?? this.#newKey(label)
    others.add(reader)
    const { signal } = c.req.raw
    const end = () => {
      others.delete(reader)
      signal.removeEventListener('abort', end)
      reader.ended.abort()
      passage?.leave()
    }
    if (signal.aborted) end()
    else signal.addEventListener('abort', end)
    return { signal: reader.ended.signal, passage, end }
  }

  #newKey(label: string): Set<Reader> {
    const readers = new Set<Reader>()
    this.#readers.set(label, readers)
    const timer = setInterval(async () => {
      // An access token is good for one origin, so that a request is asked for which there still is a connection.
      const [first] = readers
      const mayRead = first !== undefined && (await this.#mayRead(first))
      for (const reader of readers) if (!mayRead || !(await this.#isThere(reader))) reader.ended.abort()
      if (mayRead) return
      if (readers.size > 0 || this.#readers.get(label) !== readers) return
      this.#readers.delete(label)
      clearInterval(timer)
    }, CHECK_MS).unref()
    return readers
  }

  /** False where the tenant is there no longer, such as after a move. A key of the tenant goes with it. */
  async #isThere({ c, tenantId }: Reader): Promise<boolean> {
    const { scope } = c.var.principal
    const { project = '', environment, tenant } = c.req.param() as Readonly<Record<string, string | undefined>>
    if (tenantId === undefined || tenant === undefined || scope.kind === 'tenant') return true
    try {
      return (await this.#control.place({ project, environment, tenant }, scope)).tenant?.id === tenantId
    } catch {
      return false
    }
  }

  /** Where that can not be told, readers end, and find out when they come again. */
  async #mayRead({ c }: Reader): Promise<boolean> {
    try {
      return 'principal' in (await authenticateRequest(this.#control, c, this.#policy))
    } catch {
      return false
    }
  }
}
