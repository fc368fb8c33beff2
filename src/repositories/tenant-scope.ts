import type { Database } from '../db/database.ts'
import { sessionsOf } from './log/sessions.ts'
import { appendSeatsRanOut } from './log/tenant-events.ts'
import { membershipPagesOf } from './memberships/membership-pages.ts'
import { membershipsOf } from './memberships/memberships.ts'
import { queriesOf } from './query/queries.ts'
import { activationOf } from './resources/activation.ts'
import { countsOf } from './resources/counts.ts'
import { exportPagesOf } from './resources/export-pages.ts'
import { keptUsersOf } from './resources/kept-users.ts'
import { memberPagesOf } from './resources/member-pages.ts'
import { resourcesOf } from './resources/resources.ts'
import { membershipsFollowingRoles, removalsFollowingRoles, resourcesFollowingRoles } from './roles/giving-roles.ts'
import { lockRoles } from './roles/role-bindings.ts'
import { rolesOf } from './roles/roles.ts'
import type { RepositoryScope } from './scope.ts'
import { inTurn } from './sql/heavy-work.ts'

/** The repositories of one tenant; there are no others. */
export interface Repositories {
  readonly resources: ReturnType<typeof resourcesOf>
  readonly activation: ReturnType<typeof activationOf>
  readonly counts: ReturnType<typeof countsOf>
  /** Tells in the log that there is no seat left for an active user, once until there are free ones again. */
  seatsRanOut(maximum: number): Promise<void>
  readonly keptUsers: ReturnType<typeof keptUsersOf>
  readonly memberships: ReturnType<typeof membershipsOf>
  readonly membershipPages: ReturnType<typeof membershipPagesOf>
  readonly memberPages: ReturnType<typeof memberPagesOf>
  readonly queries: ReturnType<typeof queriesOf>
  readonly roles: ReturnType<typeof rolesOf>
  readonly exportPages: ReturnType<typeof exportPagesOf>
  readonly sessions: ReturnType<typeof sessionsOf>
  /** The same repositories in one transaction. */
  transaction<T>(work: (repositories: Repositories) => Promise<T>): Promise<T>
  /** Counts work that is done again because another writer came first. */
  retried(): void
  /** How many resources one statement should create at most: all tenants wait for a statement of the embedded engine. */
  createsAtOnce(): number
  /** Does work on many resources when it is the tenant's turn; see `inTurn`. @throws {ScimError} 503 when it does not come */
  inTurn<T>(work: () => Promise<T>): Promise<T>
  /** The same repositories with writes that follow roles, for the caller of a write that said `roles-apply`. */
  withRoles(): Repositories
}

/** Opens the repositories of one tenant, on the pool or, given a transaction's handle, inside it. */
export const forTenant = (db: Database, scope: RepositoryScope): Repositories => new TenantRepositories(db, scope)

/** So many creates take the embedded engine some 15 milliseconds. */
const CREATES_AT_ONCE = 250

/** Makes each repository when it is asked for: most requests need one of them. */
class TenantRepositories implements Repositories {
  readonly #db: Database
  readonly #scope: RepositoryScope

  constructor(db: Database, scope: RepositoryScope) {
    this.#db = db.asTenant(scope.tenantId)
    this.#scope = scope
  }

  get resources() {
    const { hasRoles, hasWrittenRoles } = this.#scope
    if (hasRoles) return resourcesFollowingRoles(this.#db, this.#scope)
    return hasWrittenRoles ? removalsFollowingRoles(this.#db, this.#scope) : resourcesOf(this.#db, this.#scope)
  }

  get activation() {
    return activationOf(this.#db, this.#scope)
  }

  get counts() {
    return countsOf(this.#db, this.#scope)
  }

  get keptUsers() {
    return keptUsersOf(this.#db, this.#scope)
  }

  get memberships() {
    return this.#scope.hasRoles
      ? membershipsFollowingRoles(this.#db, this.#scope)
      : membershipsOf(this.#db, this.#scope)
  }

  get membershipPages() {
    return membershipPagesOf(this.#db, this.#scope)
  }

  get memberPages() {
    return memberPagesOf(this.#db, this.#scope)
  }

  get queries() {
    return queriesOf(this.#db, this.#scope)
  }

  get roles() {
    return rolesOf(this.#db, this.#scope)
  }

  get exportPages() {
    return exportPagesOf(this.#db, this.#scope)
  }

  get sessions() {
    return sessionsOf(this.#db, this.#scope)
  }

  seatsRanOut(maximum: number): Promise<void> {
    return appendSeatsRanOut(this.#db, this.#scope.tenantId, this.#scope, maximum)
  }

  transaction<T>(work: (repositories: Repositories) => Promise<T>): Promise<T> {
    return this.#db.transaction(async (tx) => {
      // Before the row of any group: all writers lock in this order.
      if (this.#scope.hasRoles || this.#scope.hasWrittenRoles) await lockRoles(tx, this.#scope.tenantId)
      return work(new TenantRepositories(tx, this.#scope))
    })
  }

  retried(): void {
    const { tally } = this.#scope
    if (tally !== undefined) tally.retries++
  }

  createsAtOnce(): number {
    return this.#db.engine === 'pglite' ? CREATES_AT_ONCE : Number.POSITIVE_INFINITY
  }

  inTurn<T>(work: () => Promise<T>): Promise<T> {
    return inTurn(this.#db, 'bulks', this.#scope.tenantId, work, this.#scope.reader)
  }

  withRoles(): Repositories {
    return new TenantRepositories(this.#db, { ...this.#scope, hasRoles: true, roleRules: undefined })
  }
}
