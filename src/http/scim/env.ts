import type { HttpBindings } from '@hono/node-server'
import type { Principal } from '../../context/principal.ts'
import type { TenantContext } from '../../context/tenant.ts'
import type { Repositories } from '../../repositories/tenant-scope.ts'

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
  /** The path below the base URL, each segment encoded anew; what the router matches. */
  readonly path: string
  readonly query: URLSearchParams
  readonly requestId: string
  readonly repositories: Repositories
}

/** What Hono hands to SCIM handlers. */
export interface ScimEnv {
  Bindings: Partial<HttpBindings> & { readonly scim: ScimRequest }
}
