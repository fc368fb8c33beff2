import type { PlaceNames } from '../context/control-store.ts'
import type { TenantId } from '../place-ids.ts'
import type { DeviationName } from '../scim/deviations/index.ts'
import type { Refused } from '../scim/errors.ts'
import type { SchemaRegistry } from '../scim/schema/resource-type.ts'
import type { Settings } from '../tenancy/settings.ts'

/** What the log keeps of a tenant, and which of its attributes are secret. */
export interface LoggingTenant {
  readonly id: TenantId
  readonly settings: Pick<Settings, 'requestLog' | 'requestLogBodyBytes' | 'mode'>
  readonly registry: SchemaRegistry
}

/** Takes requests that are answered. */
export interface ProvisioningLog {
  /** Whether a request of this tenant is to be noted; one that is not is counted, and the log shows that it is missing. */
  takes(tenantId: TenantId, status: number): boolean
  note(exchange: Exchange): void
}

/** Where a request belongs. Of one that was refused before its tenant was known, that is found out behind it. */
export type Belongs =
  | { readonly tenant: LoggingTenant; readonly keyId: string | undefined }
  | {
      readonly names: PlaceNames
      /** The public id inside the key that was sent; undefined where it is none of ours. */
      readonly keyId: string | undefined
      /** True where the key may have been a guess: its id says nothing then. */
      readonly unknownKey: boolean
    }
  | {
      /** The key that a request for an access token names; it belongs to the tenant of that key. */
      readonly clientId: string
      /** False where the client did not prove to be it: whoever has seen the id may have sent the request. */
      readonly isProven: boolean
    }

/** One request and its answer, as they were, while they wait to be written. */
export interface Exchange {
  readonly belongs: Belongs
  /** The request's id; `isOurs` where the gateway gave it, so that it has the time in it and is no other's. */
  readonly requestId: string
  readonly isOurs: boolean
  /** The id that events of the request have. */
  readonly inEvents: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly ms: number
  readonly method: string
  /** Segments below the base URL, decoded. */
  readonly segments: readonly string[]
  /** What follows the `?`, undecoded. */
  readonly query: string
  readonly userAgent: string | undefined
  readonly status: number
  readonly refusal: Refused | undefined
  /** Deviations that no body or query shows. */
  readonly deviations: readonly DeviationName[]
  readonly body: Kept | undefined
  readonly answer: Kept | undefined
  /** The URL of what was created. */
  readonly location: string | undefined
  /** The user for whom the key stands. */
  readonly userId: string | undefined
}

/** A body, or its beginning, and how long all of it is: bytes, or characters of a text. */
export interface Kept {
  readonly content: string | Uint8Array
  readonly length: number
}
