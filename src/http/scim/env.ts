import type { Context } from 'hono'
import type { LogoutSender } from '../../auth/logout-token.ts'
import type { Principal } from '../../auth/principal.ts'
import type { Repositories } from '../../repositories/tenant-scope.ts'
import type { DeviationName } from '../../scim/deviations/index.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import type { Thread } from '../../thread.ts'
import type { Passage } from '../in-flight.ts'

/** Limits that discovery announces and the routes enforce. */
export interface ScimLimits {
  readonly maxBodyBytes: number
  readonly maxOperations: number
  readonly maxPayloadBytes: number
  readonly defaultPageSize: number
  readonly maxPageSize: number
  readonly cursorTimeoutSeconds: number
}

/** One SCIM request that the gateway has admitted: who asks, which tenant, and what below its base URL. */
export interface ScimRequest {
  readonly tenant: TenantContext
  /** Undefined for an anonymous client, which may read discovery alone. */
  readonly principal: Principal | undefined
  /** Who asks to end sessions, of a request for that. */
  readonly logout: LogoutSender | undefined
  /** `GET` for `HEAD` too: Hono drops the body of its answer. */
  readonly method: string
  /** The decoded segments below the base URL, which the routes match. */
  readonly segments: readonly string[]
  readonly query: URLSearchParams
  /** Reads a header by its name in lower case. Several headers of one name come joined with commas. */
  readonly header: (name: string) => string | undefined
  /** The request as it came; handlers read its body alone. */
  readonly raw: Request
  /** The media type to answer with. */
  readonly answerType: string
  readonly requestId: string
  /** Counts this request among those under way. */
  readonly passage: Passage
  /** Told of what fails after the answer has begun. */
  readonly failed: (error: unknown) => void
  /** Counts the operations of a bulk request in the tenant's `requestsPerSecond`. @throws {ScimError} 429 (the promise rejects) */
  readonly countOperations: (operations: number) => Promise<void> | undefined
  readonly repositories: Repositories
  /** Shares itself out among the long work of requests. */
  readonly thread: Thread
  /** What the provisioning log is to have of the request; undefined where it keeps none of the tenant's. */
  readonly seen?: Seen | undefined
}

/** What is seen of a request on its way: whoever sees it puts it here. */
export interface Seen {
  body: Uint8Array | undefined
  answer: string | Uint8Array | undefined
  /** URL of what was created. */
  location: string | undefined
  /** Deviations of the client that no body and no query shows. */
  readonly deviations: DeviationName[]
}

/** The environment of the SCIM routes: the admitted request takes the place of Hono's bindings. */
export interface ScimEnv {
  Bindings: ScimRequest
}

/** What Hono gives a handler: the admitted request as `env`, and the parameters of `Path` by their names. */
export type ScimContext<Path extends string = string> = Context<ScimEnv, Path>
