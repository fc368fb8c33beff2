import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../db/database.ts'
import { isBusy, sqlState } from '../db/errors.ts'
import type { TenantId } from '../place-ids.ts'
import { bounded } from '../repositories/control/control-revision.ts'
import { type NewBinding, roleBindingsOf } from '../repositories/roles/role-bindings.ts'
import { heldBy, logMoves, movesBetween } from '../repositories/roles/role-holders.ts'
import {
  dropRoleWork,
  dueRoleWork,
  endEnvironmentRoles,
  noteRoleStep,
  postponeRoleWork,
  type RoleWork,
  releaseRoleWork,
  roleProgressOf,
  takeRoleWork,
  type WaitingWork,
  waitingRoleWork,
  writersOfMembers,
} from '../repositories/roles/role-rule-work.ts'
import { retryOnConflict } from '../repositories/sql/retry-on-conflict.ts'
import { EVERY_GROUP, rolesByRules, ruleNames } from '../tenancy/role-rules.ts'
import { sharedName } from './role-rules.ts'

// After a change of rules the groups of a tenant are brought in step by small transactions, each under the tenant's roles: any
// instance does the next one. First all groups give what the rules say, then what they give by other rules ends, so that
// nobody loses a role on the way who has it before and after.

/** What is done in one transaction: bindings that come or go, and groups that are looked at. */
const BINDINGS_AT_ONCE = 500
const GROUPS_AT_ONCE = 200
/** For so long whoever changes rules waits for the work: small tenants are done when the change is answered. */
const FOLLOWED_FOR_MS = 2_000
/** Between two looks for others who are at it. */
const LOOK_AGAIN_MS = 20
const IDLE_MS = 2_000
/** Others get at the tenant's roles in between two steps. */
const BREATH_MS = 10
const AFTER_FAILURE_S = 60
const ATTEMPTS = 5

/** Does the next step of a tenant's work; false where there is none to do now, or another instance is at it. */
export function roleStep(db: Database, tenantId: TenantId): Promise<boolean> {
  const step = async (tx: Database) => {
    const work = await takeRoleWork(await bounded(tx), tenantId)
    if (work !== undefined) await workOn(tx, tenantId, work)
    return work !== undefined
  }
  return retryOnConflict(() => db.transaction(step), undefined, ATTEMPTS)
}

async function workOn(tx: Database, tenantId: TenantId, { actor, requestId, small, ...work }: RoleWork): Promise<void> {
  const most = small ? 1 : BINDINGS_AT_ONCE
  const bindings = roleBindingsOf(tx, tenantId)
  const { rules } = await bindings.around([])
  const names = ruleNames(rules)
  let { ending, after } = work
  let looked = 0
  let problem: string | null = null
  const fresh: NewBinding[] = []
  if (!ending) {
    const rolesOf = rolesByRules(rules)
    const groups = rules.length === 0 ? [] : await bindings.groups(after, GROUPS_AT_ONCE)
    const wanted = groups.map(({ id: groupId, label, bound, ...named }) => ({
      groupId,
      matches: rolesOf(named).flatMap((match) => (bound.includes(match.rule) ? [] : [{ ...match, groupId, label }])),
    }))
    const everyGroup = wanted.flatMap(({ matches }) => matches.filter(({ rule }) => rule === EVERY_GROUP))
    const shared = await bindings.sharedRoles(everyGroup)
    const refused = new Set(shared.map(({ group }) => group.groupId))
    problem = shared[0] === undefined ? null : `${sharedName(shared[0])}; give one of them another name`
    for (const { groupId, matches } of wanted) {
      const going = matches.filter(({ rule }) => rule !== EVERY_GROUP || !refused.has(groupId))
      const room = most - fresh.length
      fresh.push(...going.slice(0, room))
      if (going.length > room) break
      after = groupId
      looked++
    }
    if (looked === groups.length && groups.length < GROUPS_AT_ONCE) {
      ending = true
      after = null
    }
  }
  const ended = ending ? await bindings.beside(names, after, most) : []
  const finished = ending && ended.length < most
  if (fresh.length + ended.length > 0) {
    const roleIds = await bindings.roleIds(fresh.map(({ role }) => role))
    const roles = new Set([...ended.map(({ roleId }) => roleId), ...roleIds.values()])
    const below = [...new Set([...ended, ...fresh].map(({ groupId }) => groupId))]
    const before = await heldBy(tx, tenantId, { below }, roles)
    await bindings.bind(fresh, roleIds)
    await bindings.unbind(ended)
    const now = await heldBy(tx, tenantId, { users: before.users }, roles)
    await logMoves(tx, { tenantId, actor, requestId }, movesBetween(before.holders, now.holders))
  }
  if (ended.length > 0) after = ended.at(-1)?.groupId ?? after
  await noteRoleStep(tx, tenantId, { ending, after, groups: looked, problem, finished })
}

/**
 * Goes on with the work of these tenants for a moment, after the change of rules was committed. What is left then, or fails, is
 * for whoever works behind the requests.
 */
export async function followRules(
  db: Database,
  tenants: Iterable<{ readonly id: TenantId }> | AsyncIterable<{ readonly id: TenantId }>,
  forMs: number = FOLLOWED_FOR_MS,
): Promise<void> {
  const until = performance.now() + forMs
  const isTime = () => performance.now() < until
  try {
    for await (const { id } of tenants) {
      await followOne(db, id, isTime)
      if (!isTime()) return
    }
  } catch {
    // Whoever works behind the requests meets it too, and tells.
  }
}

async function followOne(db: Database, tenantId: TenantId, isTime: () => boolean): Promise<void> {
  while (isTime()) {
    if (await roleStep(db, tenantId)) continue
    const progress = await roleProgressOf(db, tenantId)
    if (progress === undefined || progress.state === 'done') return
    if (progress.state === 'waiting') await letBegin(db, [tenantId], isTime)
    else await sleep(LOOK_AGAIN_MS)
  }
}

/** Lets work begin that waits for writers, once they are gone. */
async function letBegin(db: Database, tenants: readonly TenantId[], goesOn: () => boolean): Promise<void> {
  const waiting = await waitingRoleWork(db, tenants)
  let writers = await writersOfMembers(db)
  while (writers.size > 0 && goesOn()) {
    await sleep(LOOK_AGAIN_MS)
    writers = intersection(writers, await writersOfMembers(db))
  }
  if (writers.size === 0) await releaseRoleWork(db, waiting)
}

const intersection = (one: ReadonlySet<string>, other: ReadonlySet<string>): ReadonlySet<string> =>
  new Set([...one].filter((each) => other.has(each)))

/** Works off what changes of rules have left; every instance does, and takes over from those that died. */
export class RoleWorker {
  readonly #db: Database
  readonly #failed: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #pass: Promise<void> | undefined
  #stopped = false
  /** Work that waits, and those of the writers at that moment who are not gone. */
  #waiting: { readonly work: readonly WaitingWork[]; readonly writers: ReadonlySet<string> } | undefined

  /** @param failed told of what failed; it is tried again a minute later */
  constructor(db: Database, failed: (error: unknown) => void) {
    this.#db = db
    this.#failed = failed
  }

  start(everyMs: number = IDLE_MS): void {
    this.#schedule(everyMs, everyMs)
  }

  /** Ends it, once the step under way is done. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#pass
  }

  #schedule(ms: number, everyMs: number): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#pass = this.pass()
        .catch((error: unknown) => {
          this.#failed(error)
          return false
        })
        .then((more) => this.#schedule(more ? BREATH_MS : everyMs, everyMs))
    }, ms).unref()
  }

  /** A step for each tenant that has work, up to some; true where there may be more. */
  async pass(): Promise<boolean> {
    const due = await dueRoleWork(this.#db)
    let more = false
    for (const { kind, id } of due) {
      if (this.#stopped) return false
      if (kind === 'environment') await this.#db.transaction((tx) => endEnvironmentRoles(tx, id))
      if (kind === 'tenant') more = (await this.#step(id)) || more
    }
    if (!due.some(({ kind }) => kind === 'waiting')) return more
    await this.#letBegin()
    return true
  }

  async #step(tenantId: TenantId): Promise<boolean> {
    try {
      if (await roleStep(this.#db, tenantId)) return true
      await dropRoleWork(this.#db, tenantId)
    } catch (error) {
      // Somebody holds the tenant: others have their turn first.
      const busy = isBusy(error)
      if (!busy) this.#failed(error)
      const tooMuch = sqlState(error)?.code === '57014'
      await postponeRoleWork(this.#db, tenantId, { seconds: busy ? 0 : AFTER_FAILURE_S, tooMuch })
    }
    return false
  }

  /** As `letBegin`, but waiting for nobody: it is looked at again by the next pass. */
  async #letBegin(): Promise<void> {
    if (this.#waiting === undefined) {
      const work = await waitingRoleWork(this.#db, undefined)
      this.#waiting = { work, writers: await writersOfMembers(this.#db) }
    } else {
      const writers = intersection(this.#waiting.writers, await writersOfMembers(this.#db))
      this.#waiting = { work: this.#waiting.work, writers }
    }
    if (this.#waiting.writers.size > 0) return
    await releaseRoleWork(this.#db, this.#waiting.work)
    this.#waiting = undefined
  }
}
