import type { Database } from '../db/database.ts'
import { activationOf } from './activation.ts'
import { countsOf } from './counts.ts'
import { keptUsersOf } from './kept-users.ts'
import { membershipPagesOf } from './membership-pages.ts'
import { membershipsOf } from './memberships.ts'
import { queriesOf } from './queries.ts'
import { resourcesOf } from './resources.ts'
import { lockRoles } from './role-bindings.ts'
import { membershipsWithRoles, resourcesWithRoles } from './role-changes.ts'
import { rolesOf } from './roles.ts'
import { stretchesOf } from './stretches.ts'
import { appendSeatsRanOut } from './tenant-events.ts'

/** Everything a repository knows of the request it works for. */
export interface RepositoryScope {
  readonly tenantId: string
  /** For `$ref` in what is read. */
  readonly baseUrl: string
  /** For the events that writes append. */
  readonly requestId: string
  /** Id of the API key that asks. */
  readonly actor: string
  /** Whether members that are nobody here are kept, as they were sent, instead of refused (G-05). */
  readonly defersReferences: boolean
  /** Whether groups give roles here; put right by the write that finds out that they have begun to. */
  hasRoles: boolean
}

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
  readonly queries: ReturnType<typeof queriesOf>
  readonly roles: ReturnType<typeof rolesOf>
  readonly stretches: ReturnType<typeof stretchesOf>
  /** The same repositories in one transaction. */
  transaction<T>(work: (repositories: Repositories) => Promise<T>): Promise<T>
}

/** Opens the repositories of one tenant, on the pool or, given a transaction's handle, inside it. */
export const forTenant = (db: Database, scope: RepositoryScope): Repositories => open(db, { ...scope })

/** @param scope shared with the transactions that are begun, so that what one of them finds out the next one knows */
function open(db: Database, scope: RepositoryScope): Repositories {
  // Most requests need one of them.
  return {
    get resources() {
      return scope.hasRoles ? resourcesWithRoles(db, scope) : resourcesOf(db, scope)
    },
    get activation() {
      return activationOf(db, scope)
    },
    get counts() {
      return countsOf(db, scope)
    },
    seatsRanOut: (maximum) => appendSeatsRanOut(db, scope.tenantId, scope, maximum),
    get keptUsers() {
      return keptUsersOf(db, scope)
    },
    get memberships() {
      return scope.hasRoles ? membershipsWithRoles(db, scope) : membershipsOf(db, scope)
    },
    get membershipPages() {
      return membershipPagesOf(db, scope)
    },
    get queries() {
      return queriesOf(db, scope)
    },
    get roles() {
      return rolesOf(db, scope)
    },
    get stretches() {
      return stretchesOf(db, scope)
    },
    transaction: (work) =>
      db.transaction(async (tx) => {
        // Before any row of a group is locked: everybody does it in this order.
        if (scope.hasRoles) await lockRoles(tx, scope.tenantId)
        return work(open(tx, scope))
      }),
  }
}
