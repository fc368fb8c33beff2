import { eventNoun } from '../../events/types.ts'
import { withColumns } from '../../repositories/resources/stored-form.ts'
import { mayRetry } from '../../repositories/sql/constraints.ts'
import type { Repositories } from '../../repositories/tenant-scope.ts'
import { type BulkOperation, type BulkPlan, isRefused, order, substitute } from '../../scim/bulk.ts'
import { ScimError } from '../../scim/errors.ts'
import { splitMembership } from '../../scim/patch/members.ts'
import { parsePatch } from '../../scim/patch/parse.ts'
import type { Resource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { matches } from '../../scim/version.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import type { LongWork } from '../../thread.ts'
import { keepDays } from '../kept.ts'
import { settledChange } from '../membership.ts'
import { operationsUnderPasswordPolicy } from '../password.ts'
import { hasMemberRows, type PreparedChange, patched, prepareChange, replaced } from '../prepare.ts'
import { missing, staleVersion, writeError } from '../refusals.ts'
import { hasMaximum } from '../seats.ts'
import { provisioningService } from '../service.ts'
import { RolesApply, resultOf } from '../writes.ts'
import { runCreates } from './creates.ts'
import { type BulkOutcome, type BulkResult, type BulkRun, noteAll, type Outcomes, settled, typeOf } from './outcome.ts'
import { cannotRun, handOver, wrongReferences } from './refusals.ts'
import { type BulkBatch, type BulkKind, inParts, schedule } from './schedule.ts'

/** Operations of one statement that keep the database busy for a while. */
const MANY = 100

/**
 * Runs a bulk plan (RFC 7644 §3.7). Operations of one kind share statements. Each operation is done whole or not at all, and
 * fails without the others. Gives the outcome of every operation that was run, by its index. With failOnErrors later ones
 * may be missing.
 *
 * @throws what is no refusal of an operation, such as an outage; but once an operation is done, it is given with the outcomes
 */
export async function runBulk(
  repositories: Repositories,
  tenant: TenantContext,
  plan: BulkPlan,
  work: LongWork,
  newId: () => string,
): Promise<BulkResult> {
  const service = provisioningService(repositories, tenant, newId)
  const outcomes: Outcomes = new Map()
  // Ids are given before anything runs, so that references can be filled in, in any order.
  const ids = new Map<string, string>()
  for (const operation of plan.operations) {
    if (isRefused(operation)) outcomes.set(operation.index, { kind: 'failed', error: operation.error })
    else if (operation.method === 'POST') ids.set(operation.bulkId, newId())
  }
  const run: BulkRun = { repositories, tenant, service, plan, work, ids, revived: new Set(), outcomes }
  try {
    if (plan.failOnErrors === undefined) await runAll()
    else await runUntil(plan.failOnErrors)
    return { outcomes, brokenBy: undefined }
  } catch (error) {
    if (![...outcomes.values()].some(({ kind }) => kind === 'done')) throw error
    return { outcomes, brokenBy: error }
  }

  async function runAll(): Promise<void> {
    const kinds = new Map<BulkOperation, BulkKind>()
    for (const operation of plan.operations) {
      const pause = work.pause()
      if (pause) await pause
      if (!isRefused(operation)) kinds.set(operation, kindOf(operation))
    }
    for (const batch of schedule(plan, (operation) => kinds.get(operation) as BulkKind)) await runBatch(batch)
  }

  /** Nothing may run after the last error that is allowed (RFC 7644 §3.7.3), so operations run step by step, in order. */
  async function runUntil(failOnErrors: number): Promise<void> {
    const refused = new Map(outcomes)
    outcomes.clear()
    for (const { operations } of order(plan)) {
      const failed = [...outcomes.values()].filter((outcome) => outcome.kind === 'failed').length
      if (failed >= failOnErrors) return
      const runnable = operations.filter((operation): operation is BulkOperation => !isRefused(operation))
      for (const { index } of operations) {
        const refusal = refused.get(index)
        if (refusal) outcomes.set(index, refusal)
      }
      const [first] = runnable
      if (first) await runBatch({ kind: kindOf(first), operations: runnable })
    }
  }

  function kindOf(operation: BulkOperation): BulkKind {
    if (operation.method === 'POST') return 'create'
    if (operation.method === 'DELETE') return 'delete'
    const type = typeOf(run, operation)
    if (type === undefined || !hasMemberRows(type)) return 'change'
    return membershipOf(operation, type) === undefined ? 'alone' : 'members'
  }

  /** The one membership step that a PATCH of a group consists of; undefined for anything else. */
  function membershipOf(operation: BulkOperation, type: ResourceType) {
    if (operation.method !== 'PATCH' || operation.ifMatch) return undefined
    try {
      const parsed = parsePatch(substitute(operation.data, ids), tenant.deviations)
      const { operations, membership } = splitMembership(type, parsed, tenant.deviations)
      const [only, ...more] = membership
      return operations.length === 0 && more.length === 0 && only?.kind === 'change' ? only : undefined
    } catch {
      // The service says what is wrong with it.
      return undefined
    }
  }

  async function runBatch(batch: BulkBatch): Promise<void> {
    const ready = batch.operations.filter((operation) => {
      const error = cannotRun(run, operation)
      if (error) outcomes.set(operation.index, { kind: 'failed', error })
      return error === undefined
    })
    if (ready.length === 0) return
    const work = async () => {
      for (const part of inParts(plan, { ...batch, operations: ready }, repositories.createsAtOnce()))
        await runTogether(batch.kind, part)
    }
    return ready.length < MANY || batch.kind === 'alone' ? work() : repositories.inTurn(work)
  }

  function runTogether(kind: BulkKind, operations: readonly BulkOperation[]): Promise<void> {
    switch (kind) {
      case 'create':
        return runCreates(run, operations)
      case 'change':
        return atOnce(operations, runChanges)
      case 'members':
        return atOnce(operations, runMembers)
      case 'delete':
        return atOnce(operations, runDeletes)
      case 'alone':
        return oneByOne(operations)
    }
  }

  /** Does `work` for all at once. Where a constraint refuses the whole, the operations run one by one, to find which it was. */
  async function atOnce(operations: readonly BulkOperation[], work: (all: readonly BulkOperation[]) => Promise<void>) {
    if (operations.length === 1) return oneByOne(operations)
    try {
      await work(operations)
    } catch (error) {
      if (
        !mayRetry(error) &&
        !(error instanceof RolesApply) &&
        !(writeError(error, tenant.registry.resourceTypes[0] as ResourceType, null) instanceof ScimError)
      ) {
        throw error
      }
      await oneByOne(operations.filter((operation) => !outcomes.has(operation.index)))
    }
    await oneByOne(operations.filter((operation) => !outcomes.has(operation.index)))
  }

  async function oneByOne(operations: readonly BulkOperation[]): Promise<void> {
    for (const operation of operations) {
      outcomes.set(operation.index, await settled(() => runAlone(operation)))
    }
  }

  async function runAlone(operation: BulkOperation): Promise<BulkOutcome> {
    const type = typeOf(run, operation) as ResourceType
    if (operation.method === 'POST') throw new Error('creates are run in batches')
    const id = substitute(operation.id, ids)
    if (operation.method === 'DELETE') {
      await service.delete(type, id, operation.ifMatch)
      return { kind: 'done', status: 204, id, version: undefined }
    }
    const data = substitute(operation.data, ids)
    if (operation.method === 'PUT') {
      const row = await service.replace(type, id, data, operation.ifMatch)
      return { kind: 'done', status: 200, id, version: row.version }
    }
    const written = await service.modify(type, id, parsePatch(data, tenant.deviations), operation.ifMatch)
    const version = written.kind === 'row' ? written.row.version : written.version
    return { kind: 'done', status: 200, id, version }
  }

  // ---- Changes, memberships, deletes

  function byType(operations: readonly BulkOperation[]): Map<ResourceType, BulkOperation[]> {
    const groups = new Map<ResourceType, BulkOperation[]>()
    for (const operation of operations) {
      const type = typeOf(run, operation) as ResourceType
      groups.set(type, [...(groups.get(type) ?? []), operation])
    }
    return groups
  }

  async function runChanges(operations: readonly BulkOperation[]): Promise<void> {
    for (const [type, ofType] of byType(operations)) {
      const targets = ofType.map((operation) => substitute((operation as { id: string }).id, ids))
      const found = await repositories.resources.retrieveAll(type, targets, { groups: false, members: false })
      const rows = new Map(found.map((row) => [row.id, row]))
      const changes = new Map<number, PreparedChange>()
      for (const [i, operation] of ofType.entries()) {
        if (operation.method !== 'PUT' && operation.method !== 'PATCH') continue
        const pause = work.pause()
        if (pause) await pause
        const id = targets[i] as string
        const outcome = await settled(async (): Promise<BulkOutcome | undefined> => {
          const row = rows.get(id) ?? missing(type, id)
          if (operation.ifMatch && !matches(operation.ifMatch, row.version)) throw staleVersion()
          const change = await prepareChange(tenant, type, row, nextState(operation, type))
          if (change === undefined) return { kind: 'done', status: 200, id, version: row.version }
          changes.set(operation.index, { ...change, stored: withColumns(type, change.stored) })
          return undefined
        })
        if (outcome) outcomes.set(operation.index, outcome)
      }
      const wrong = await wrongReferences(repositories, [...changes])
      noteAll(outcomes, wrong)
      for (const index of wrong.keys()) changes.delete(index)
      // Which users get the last seats is decided one by one.
      if (hasMaximum(tenant)) for (const [index, { activeDelta }] of changes) if (activeDelta > 0) changes.delete(index)
      // Where one resource gets the unique value of another, the order decides. One statement for all has none: one by one.
      if (changes.size === 0 || handOver([...changes.values()])) continue
      const updated = resultOf(await repositories.resources.update([...changes.values()]))
      for (const [index, { id }] of changes) {
        const after = updated.get(id)
        // Where another writer was faster, the operation runs again by itself.
        if (after) outcomes.set(index, { kind: 'done', status: 200, id, version: after.version })
      }
    }
  }

  function nextState(operation: BulkOperation & { method: 'PUT' | 'PATCH' }, type: ResourceType) {
    const data = substitute(operation.data, ids)
    if (operation.method === 'PUT') return (stored: Resource) => replaced(tenant, type, stored, data)
    const operations = operationsUnderPasswordPolicy(type, parsePatch(data, tenant.deviations), tenant)
    return (stored: Resource) => patched(tenant, type, stored, operations)
  }

  async function runMembers(operations: readonly BulkOperation[]): Promise<void> {
    const changes = operations.flatMap((operation) => {
      const type = typeOf(run, operation) as ResourceType
      const step = membershipOf(operation, type)
      if (step === undefined || operation.method === 'POST') return []
      const groupId = substitute(operation.id, ids)
      return [{ index: operation.index, type, groupId, expectedVersion: null, ...step }]
    })
    const done = resultOf(await repositories.memberships.change(changes))
    for (const [i, { index, type, groupId }] of changes.entries()) {
      const outcome = done[i]
      outcomes.set(
        index,
        await settled(async () => {
          const { version } = settledChange(outcome, type, groupId)
          return { kind: 'done', status: 200, id: groupId, version }
        }),
      )
    }
  }

  async function runDeletes(operations: readonly BulkOperation[]): Promise<void> {
    const plain = operations.filter((operation) => operation.method === 'DELETE' && operation.ifMatch === undefined)
    for (const [type, ofType] of byType(plain)) {
      const targets = ofType.map((operation) => ({
        id: substitute((operation as { id: string }).id, ids),
        expectedVersion: null,
      }))
      const removal = { type, targets, eventNoun: eventNoun(type.name), keepDays: keepDays(tenant, type) }
      const removed = resultOf(await repositories.resources.remove(removal))
      for (const [i, operation] of ofType.entries()) {
        const id = targets[i]?.id as string
        outcomes.set(
          operation.index,
          await settled(async () => {
            if (!removed.get(id)?.removed) missing(type, id)
            return { kind: 'done', status: 204, id, version: undefined }
          }),
        )
      }
    }
  }
}
