/** A tenant that the benchmark has filled with the people 0 to `users` - 1. */
export interface BenchTenant {
  readonly id: string
  /** Its key in URLs. */
  readonly key: string
  readonly users: number
}

/** A group of the tenant `grouped`; its members are the people 0 to `members` - 1. */
export interface BenchGroup {
  readonly id: string
  readonly members: number
}

/** Everything that is there to be asked for; plain data, so that every process of the benchmark can have it. */
export interface World {
  readonly apiKey: string
  /** Path of a tenant's base URL in the gateway, without the tenant's key. */
  readonly basePath: string
  /** One tenant for each number of users, smallest first. */
  readonly sizes: readonly BenchTenant[]
  readonly groups: {
    readonly tenant: BenchTenant
    readonly all: readonly BenchGroup[]
    /** The first of `SPARE` people who are in no group. */
    readonly firstSpare: number
  }
  /** Sealed cursors by the key of a tenant in `sizes`: of the page in the middle, and of the last one. */
  readonly cursors: Readonly<Record<string, { readonly middle: string; readonly last: string }>>
  /** Empty at first; `tenants` has one for ours and one for the ceiling. */
  readonly sync: SyncSize & { readonly tenants: Readonly<Record<SameRows, BenchTenant>> }
  /** Small tenants, each with `DAY_USERS` users and a group of half of them: a list for each number of them, smallest first. */
  readonly day: readonly (readonly BenchTenant[])[]
  /** Tenants whose users are all in one group, smallest first. */
  readonly crowds: readonly Crowd[]
}

/**
 * Tenants of the same size: all users of each are in its group 0, and the first `CROWD_TEAM` of them in `CROWD_TEAMS` more
 * groups. The ids of groups are those of `idOf`, from `GROUP_INDEX` on.
 */
export interface Crowd {
  readonly users: number
  /** For deletes on both sides. */
  readonly deletes: BenchTenant
  /** For the same writes without role rules, and with `CROWD_RULES`. */
  readonly plain: BenchTenant
  readonly ruled: BenchTenant
}

/** How much a first sync brings. */
export interface SyncSize {
  readonly users: number
  readonly groups: number
  readonly memberships: number
}

/** People who are in no group, for those who add members. */
export const SPARE = 4_000
export const PAGE = 100
export const DAY_USERS = 100
export const CROWD_TEAMS = 20
export const CROWD_TEAM = 10
/** Index of the groups of a tenant for `idOf`; far from the people's. */
export const GROUP_INDEX = 100_000_000

/**
 * What is measured: our gateway; a bare server that writes the same rows and indexes in one statement; and the same server
 * with the least that a write needs, in tables of its own.
 */
export type Side = 'ours' | 'ceiling' | 'bare'
/** Those that write the same rows. */
export type SameRows = Exclude<Side, 'bare'>
export const SIDES: readonly Side[] = ['ours', 'ceiling', 'bare']
