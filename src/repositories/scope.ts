import type { Reader } from '../db/database.ts'
import type { TenantId } from '../place-ids.ts'

/** Everything a repository knows of the request it works for. */
export interface RepositoryScope {
  readonly tenantId: TenantId
  /** For `$ref` in what is read. */
  readonly baseUrl: string
  /** For the events that writes append. */
  readonly requestId: string
  /** Id of the API key that asks. */
  readonly actor: string
  /** Whether members that are nobody here are kept, as they were sent, instead of refused (G-05). */
  readonly defersReferences: boolean
  /** Who waits for what is read; without it nobody is known to, and reads go on to their end. */
  readonly reader?: Reader
  /** What a query may cost at the most (filter-cost); without it all may be asked. */
  readonly filterBudget?: number
  /** Whether groups give roles here; put right by the write that finds out that they have begun to. */
  hasRoles: boolean
}
