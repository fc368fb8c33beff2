import type { HttpBindings } from '@hono/node-server'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Administration } from '../../administration/change.ts'
import type { FailedAttempts } from '../../auth/attempts.ts'
import type { Principal } from '../../auth/principal.ts'
import type { Setting } from '../../config/in-force.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import type { Database } from '../../db/database.ts'
import type { Deliveries } from '../../delivery/deliveries.ts'
import type { Tracing } from '../../observability/tracing/tracing.ts'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import type { Passage, UnderWay } from '../in-flight.ts'
import type { RequestLimits } from '../in-time.ts'
import type { Noted } from '../middleware.ts'
import type { Problem } from '../problem.ts'

/** What the admin API is made from. */
export interface AdminDependencies {
  readonly database: Database
  readonly config: OriginPolicy &
    RequestLimits & {
      readonly dataDir: string
      readonly settings: readonly Setting[]
      readonly dnsServers: readonly string[]
    }
  readonly control: ControlPlane
  readonly deliveries: Deliveries
  /** Counts keys that were none, on all surfaces together. */
  readonly failures: FailedAttempts
  /** Where requests and streams are counted; nothing is counted without it. */
  readonly underWay?: UnderWay
  /** Undefined where nothing is traced. */
  readonly tracing?: Tracing | undefined
}

/**
 * Who asks, and the store as this request sees it: the pool, or the transaction that holds all of a request with an
 * `Idempotency-Key`. Routes have no other handle, since one more would wait for that transaction for ever.
 */
export interface AdminRequest {
  readonly principal: Principal
  readonly database: Database
  readonly administration: Administration
  /** For the line in the log. */
  readonly noted?: Noted
}

/** What requests to the admin API carry; `requestId` is set by the application around it. */
export interface AdminEnv {
  Bindings: Partial<HttpBindings>
  Variables: AdminRequest & {
    requestId?: string
    /** For the line in the log. */
    keyId?: string
    readonly underWay?: UnderWay | undefined
    /** Counts this request among those under way. */
    readonly passage?: Passage | undefined
    /** What a repeat of this request is told, in place of an answer with a secret, which says `no-store`. */
    toRepeats?: Problem
  }
}

export type AdminApp = OpenAPIHono<AdminEnv>
