import type { Principal } from '../../auth/principal.ts'
import type { Repositories } from '../../repositories/tenant-scope.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
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

/** One SCIM request after guard and resolver: who asks, for which tenant, and for what below its base URL. */
export interface ScimRequest {
  readonly tenant: TenantContext
  /** Undefined for an anonymous caller, who gets no further than discovery. */
  readonly principal: Principal | undefined
  /** `GET` for `HEAD` too, whose answer loses its body further out. */
  readonly method: string
  /** The decoded segments below the base URL; what the routes match. */
  readonly segments: readonly string[]
  readonly query: URLSearchParams
  /** A header's value by its name in lower case; several headers of one name are joined with commas. */
  readonly header: (name: string) => string | undefined
  /** The request as it came, for its body alone. */
  readonly raw: Request
  /** The media type to answer with. */
  readonly answerType: string
  readonly requestId: string
  /** Counts this request among those under way. */
  readonly passage: Passage
  readonly repositories: Repositories
}

/** Answers one SCIM request. */
export type ScimHandler = (request: ScimRequest) => Response | Promise<Response>
