import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../db/database.ts'
import { isBusy, sqlState } from '../../db/errors.ts'
import type { TenantId } from '../../place-ids.ts'
import {
  dropRoleWork,
  dueRoleWork,
  endEnvironmentRoles,
  postponeRoleWork,
  releaseRoleWork,
  roleProgressOf,
  type WaitingWork,
  waitingRoleWork,
} from '../../repositories/roles/role-rule-work.ts'
import { writersOf } from '../../repositories/sql/writers.ts'
import { catalogueWorkPass } from '../catalogue/catalogue-work.ts'
import { Passes } from '../watch.ts'
import { intersection, writersEnd } from '../writers-end.ts'
import { newStepSize, roleStep } from './role-step.ts'

// After a change of rules, small transactions bring the groups of a tenant in step. Each locks the tenant's roles, and any
// instance does the next one. First all groups give what the rules say; then what they give by other rules ends. So a user who
// has a role before and after never loses it on the way.

/** For so long the request that changes rules waits for the work. Small tenants are done when it is answered. */
const FOLLOWED_FOR_MS = 2_000
/** The pause before looking again whether others have finished. */
const LOOK_AGAIN_MS = 20
const IDLE_MS = 2_000
/** The pause between two steps, in which other writers get the tenant's roles. */
const BREATH_MS = 10
const AFTER_FAILURE_S = 60

/**
 * Works for these tenants for a moment, after the change of rules was committed. The worker behind the requests does what is
 * left then, or fails.
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
    // The worker behind the requests meets the same failure, and reports it.
  }
}

async function followOne(db: Database, tenantId: TenantId, isTime: () => boolean): Promise<void> {
  const size = newStepSize()
  while (isTime()) {
    const step = await roleStep(db, tenantId, { size, leavesLarge: true })
    if (step === 'left') return
    if (step) {
      await sleep(size.restMs)
      continue
    }
    const progress = await roleProgressOf(db, tenantId)
    if (progress === undefined || progress.state === 'done') return
    if (progress.state === 'waiting') await letBegin(db, [tenantId], isTime)
    else await sleep(LOOK_AGAIN_MS)
  }
}

/** Starts work that waits for writers, once they have ended. */
async function letBegin(db: Database, tenants: readonly TenantId[], goesOn: () => boolean): Promise<void> {
  const waiting = await waitingRoleWork(db, tenants)
  if (await writersEnd(db, ['memberships'], goesOn)) await releaseRoleWork(db, waiting)
}

/** Does the work that changes of rules and catalogues have left. Every instance has one, and takes over from instances that died. */
export class RoleWorker {
  readonly #db: Database
  readonly #failed: (error: unknown) => void
  readonly #size = newStepSize()
  readonly #passes: Passes
  /** Work that waits, and those of the writers at that moment that have not ended. */
  #waiting: { readonly work: readonly WaitingWork[]; readonly writers: ReadonlySet<string> } | undefined

  /** @param failed called with each failure; the step is tried again a minute later */
  constructor(db: Database, failed: (error: unknown) => void) {
    this.#db = db
    this.#failed = failed
    this.#passes = new Passes(
      () => this.pass(),
      failed,
      () => BREATH_MS + this.#size.restMs,
    )
  }

  start(everyMs: number = IDLE_MS): void {
    this.#passes.start(everyMs)
  }

  /** Stops, once the step under way is done. */
  stop(): Promise<void> {
    return this.#passes.stop()
  }

  /** Does a step for each of some tenants that have work. True where there may be more. */
  async pass(): Promise<boolean> {
    const due = await dueRoleWork(this.#db)
    let more = await catalogueWorkPass(this.#db, () => this.#passes.stopped, this.#failed)
    for (const { kind, id } of due) {
      if (this.#passes.stopped) return false
      if (kind === 'environment') await this.#db.transaction((tx) => endEnvironmentRoles(tx, id))
      if (kind === 'tenant') more = (await this.#step(id)) || more
    }
    if (!due.some(({ kind }) => kind === 'waiting')) return more
    await this.#letBegin()
    return true
  }

  async #step(tenantId: TenantId): Promise<boolean> {
    try {
      const goesOn = () => !this.#passes.stopped
      if (await roleStep(this.#db, tenantId, { size: this.#size, goesOn })) return true
      await dropRoleWork(this.#db, tenantId)
    } catch (error) {
      // Another transaction has locked the tenant: other tenants come first.
      const busy = isBusy(error)
      if (!busy) this.#failed(error)
      const tooMuch = sqlState(error)?.code === '57014'
      await postponeRoleWork(this.#db, tenantId, { seconds: busy ? 0 : AFTER_FAILURE_S, tooMuch })
    }
    return false
  }

  /** As `letBegin`, but without waiting: the next pass looks again. */
  async #letBegin(): Promise<void> {
    if (this.#waiting === undefined) {
      const work = await waitingRoleWork(this.#db, undefined)
      this.#waiting = { work, writers: await writersOf(this.#db, ['memberships']) }
    } else {
      const writers = intersection(this.#waiting.writers, await writersOf(this.#db, ['memberships']))
      this.#waiting = { work: this.#waiting.work, writers }
    }
    if (this.#waiting.writers.size > 0) return
    await releaseRoleWork(this.#db, this.#waiting.work)
    this.#waiting = undefined
  }
}
