import type { Reader } from '../db/database.ts'
import type { TenantId } from '../place-ids.ts'
import type { Adoption } from '../tenancy/adoption.ts'
import type { RoleRule } from '../tenancy/role-rules.ts'
import type { TenantContext } from '../tenancy/tenant.ts'

/** What a repository knows of the request. */
export interface RequestScope {
  /** For the events that writes append. */
  readonly requestId: string
  /** Id of the API key that asks. */
  readonly actor: string
  /** Who waits for what is read. Without it, reads go on to their end. */
  readonly reader?: Reader | undefined
  /** The most that a query may cost (filter-cost). Without it, a query may cost anything. */
  readonly filterBudget?: number | undefined
  /** Counts how often work is done again, for the log. */
  readonly tally?: { retries: number } | undefined
}

/** Everything that a repository knows of the tenant and the request that it works for. It never changes. */
export interface RepositoryScope extends RequestScope {
  readonly tenantId: TenantId
  /** For `$ref` in what is read. */
  readonly baseUrl: string
  /** Whether members that the tenant does not have are kept, as they were sent, instead of refused (G-05). */
  readonly defersReferences: boolean
  /**
   * Whether groups give roles, as far as the caller knows. Writes then follow roles (`roles/giving-roles`). A write for which
   * this turns out to be wrong changes nothing and says `roles-apply`.
   */
  readonly hasRoles: boolean
  /**
   * The rules by which groups give roles, as far as the caller knows. With them, the statement for one user follows roles by
   * itself. Without them, who writes where groups give roles holds `lockRoles` and follows roles around the statement.
   */
  readonly roleRules?: readonly RoleRule[] | undefined
  /** Whether users may have roles that the identity provider wrote: somebody has published a catalogue. */
  readonly hasWrittenRoles?: boolean | undefined
  /** What becomes of new users who are, or may be, people with accounts; undefined where the application has posted none. */
  readonly adoption?: Adoption | undefined
}

/**
 * The scope of a tenant's repositories. This is the one place that builds it from a tenant's settings and mode, so SCIM, bulk,
 * the admin API, import and the console keep and refuse the same.
 */
export const scopeOf = (
  { id: tenantId, baseUrl, settings, deviations, catalogue, hasAccounts }: TenantContext,
  { requestId, actor, reader, filterBudget, tally }: RequestScope,
): RepositoryScope => ({
  tenantId,
  baseUrl,
  requestId,
  actor,
  defersReferences: settings.deferReferenceChecks && deviations.has('deferred-references'),
  // Once the last rule has ended, groups may give roles for a moment longer: then the write says so.
  hasRoles: settings.roleRules.length > 0,
  roleRules: settings.roleRules,
  hasWrittenRoles: catalogue !== undefined,
  adoption: hasAccounts ? settings.adoption : undefined,
  reader,
  filterBudget,
  tally,
})
