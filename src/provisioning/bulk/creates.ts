import { withColumns } from '../../repositories/resources/stored-form.ts'
import { isTakenKey, mayRetry } from '../../repositories/sql/constraints.ts'
import type { Repositories } from '../../repositories/tenant-scope.ts'
import { type BulkOperation, substitute } from '../../scim/bulk.ts'
import { ScimError } from '../../scim/errors.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { keptIds, revivedMeanwhile, takeKept, takesExisting } from '../kept.ts'
import { settledChange } from '../membership.ts'
import { type PreparedCreate, prepareCreate, uniqueName } from '../prepare.ts'
import { NoSeatLeft, notCreated, writeError } from '../refusals.ts'
import { seatsLeft, takesSeat, tellOfSeats } from '../seats.ts'
import { RolesApply, resultOf } from '../writes.ts'
import { changeMetUser, MeetsUsers, meetUsers, refersTo } from './existing.ts'
import { type BulkRun, failedReference, noteAll, type Outcomes, settled, typeOf } from './outcome.ts'
import { takenValues, wrongReferences } from './refusals.ts'

/** Which operation of a batch has the unique value that a failed one wanted: its index, by the index of the failed one. */
export type Held = Map<number, number>

/** Thrown inside a transaction, to undo the batch and run it again without these operations, which are known to fail. */
class RunAgain extends Error {
  readonly failures: Outcomes

  constructor(failures: Outcomes) {
    super('a batch has to be run again without some of its operations')
    this.failures = failures
  }
}

/** Creates all resources of a batch in one statement, and adds members that the batch itself creates in a second one. */
export async function runCreates(run: BulkRun, operations: readonly BulkOperation[]): Promise<void> {
  const { outcomes, tenant } = run
  let { repositories } = run
  const held: Held = new Map()
  let { prepared, failures } = await prepareAll(run, operations)
  // A reference to a user who comes back needs the old id.
  if (await adoptKept(run, operations, prepared)) ({ prepared, failures } = await prepareAll(run, operations))
  const checkReferences = async (some: ReadonlyMap<number, PreparedCreate>) => {
    const created = new Map([...prepared.values()].map(({ id, type }) => [id, type.name]))
    noteAll(failures, await wrongReferences(repositories, [...some], created))
  }
  await checkReferences(prepared)
  /** Creates that met users, and refer to others that come first. */
  const later: BulkOperation[] = []
  const changeLater = async () => {
    for (const change of later)
      if (!failures.has(change.index)) outcomes.set(change.index, await changeMetUser(run, change))
  }
  for (;;) {
    failDependents(run, operations, failures)
    const remaining = operations.filter(({ index }) => !failures.has(index) && prepared.has(index))
    try {
      const done = await repositories.transaction((inside) => createAll(run, inside, remaining, prepared, held))
      for (const [index, outcome] of [...failures, ...done]) outcomes.set(index, outcome)
      const refused = [...failures.values()].flatMap((outcome) => (outcome.kind === 'failed' ? [outcome.error] : []))
      await tellOfSeats(repositories, ...refused)
      await changeLater()
      return await runReleased(run, operations, held)
    } catch (error) {
      if (error instanceof RunAgain) for (const [index, outcome] of error.failures) failures.set(index, outcome)
      else if (error instanceof MeetsUsers) {
        const meeting = operations.filter(({ index }) => error.indexes.includes(index))
        const { same, refused } = await meetUsers(run, meeting, prepared)
        for (const index of error.indexes) prepared.delete(index)
        for (const [index, outcome] of refused) failures.set(index, outcome)
        for (const operation of same) {
          if (refersTo(run, operation, new Set(prepared.keys()))) later.push(operation)
          else {
            const outcome = await changeMetUser(run, operation)
            const outcomesOf = outcome.kind === 'failed' ? failures : outcomes
            outcomesOf.set(operation.index, outcome)
          }
        }
        // What refers to them is prepared again, with the ids that they have.
        const met = new Set(same.map(({ index }) => index))
        const again = await prepareAll(
          run,
          operations.filter((operation) => prepared.has(operation.index) && refersTo(run, operation, met)),
        )
        for (const [index, create] of again.prepared) prepared.set(index, create)
        for (const [index, outcome] of again.failures) failures.set(index, outcome)
        await checkReferences(again.prepared)
      } else if (error instanceof RolesApply) repositories = repositories.withRoles()
      else if (isTakenKey(error)) {
        const all = remaining.map(({ index }) => [index, prepared.get(index) as PreparedCreate] as const)
        noteAll(failures, await takenValues(repositories, all, held))
      } else {
        const [one, ...more] = remaining
        const refusal = writeError(error, tenant.registry.resourceTypes[0] as ResourceType, null)
        if (!(refusal instanceof ScimError)) {
          if (more.length > 0 && mayRetry(error)) continue
          throw error
        }
        if (one !== undefined && more.length === 0) {
          failures.set(one.index, { kind: 'failed', error: refusal })
          continue
        }
        // A member of one of many groups was deleted at this moment: run alone, each group tells whether it was the one.
        for (const operation of remaining) await runCreates(run, [operation])
        for (const [index, outcome] of failures) outcomes.set(index, outcome)
        await changeLater()
        return await runReleased(run, operations, held)
      }
    }
  }
}

async function prepareAll(run: BulkRun, operations: readonly BulkOperation[]) {
  const prepared = new Map<number, PreparedCreate>()
  const failures: Outcomes = new Map()
  for (const operation of operations) {
    if (operation.method !== 'POST') continue
    const pause = run.work.pause()
    if (pause) await pause
    const type = typeOf(run, operation) as ResourceType
    const id = run.ids.get(operation.bulkId) as string
    const outcome = await settled(async () => {
      const create = await prepareCreate(run.tenant, type, id, substitute(operation.data, run.ids))
      prepared.set(operation.index, { ...create, stored: withColumns(type, create.stored) })
      return undefined
    })
    if (outcome) failures.set(operation.index, outcome)
  }
  return { prepared, failures }
}

/** Gives users who come back the ids that they had. True where that changed an id. */
async function adoptKept(
  { ids, repositories, revived, tenant }: BulkRun,
  operations: readonly BulkOperation[],
  prepared: ReadonlyMap<number, PreparedCreate>,
): Promise<boolean> {
  const creates = operations.flatMap((operation) => {
    const create = prepared.get(operation.index)
    return operation.method === 'POST' && create ? [{ ...create, bulkId: operation.bulkId }] : []
  })
  let adopted = false
  for (const [place, id] of await keptIds(repositories, tenant, creates)) {
    // A second create of the same user is refused for the name, or is another user.
    if (revived.has(id)) continue
    ids.set(creates[place]?.bulkId as string, id)
    revived.add(id)
    adopted = true
  }
  return adopted
}

/** Runs operations again that failed for a value of another one, where that one failed too and left the value free. */
async function runReleased(run: BulkRun, operations: readonly BulkOperation[], held: Held): Promise<void> {
  const isFailed = (index: number) => run.outcomes.get(index)?.kind === 'failed'
  const released: Outcomes = new Map()
  for (const [index, holder] of held) {
    const outcome = run.outcomes.get(index)
    if (outcome && isFailed(holder)) released.set(index, outcome)
  }
  failDependents(run, operations, released)
  // There are fewer each time. Operations that wait for each other in a ring stay refused.
  if (released.size === 0 || released.size === operations.length) return
  await runCreates(
    run,
    operations.filter(({ index }) => released.has(index)),
  )
}

/** Operations that refer to a failed create of the same batch fail with it. */
function failDependents({ plan }: BulkRun, operations: readonly BulkOperation[], failures: Outcomes): void {
  for (let grew = true; grew; ) {
    grew = false
    for (const operation of operations) {
      if (failures.has(operation.index)) continue
      const needed = plan.references[operation.index] ?? []
      const failed = needed.find((bulkId) => failures.has(plan.creates.get(bulkId) ?? -1))
      if (failed === undefined) continue
      failures.set(operation.index, { kind: 'failed', error: failedReference(failed) })
      grew = true
    }
  }
}

async function createAll(
  run: BulkRun,
  inside: Repositories,
  operations: readonly BulkOperation[],
  prepared: ReadonlyMap<number, PreparedCreate>,
  held: Held,
): Promise<Outcomes> {
  if (operations.length === 0) return new Map()
  const creates = operations.map((operation) => prepared.get(operation.index) as PreparedCreate)
  const returning = creates.filter(({ id }) => run.revived.has(id))
  const { maxActiveUsers } = run.tenant.settings
  const needsSeats = creates.some(({ type, stored }) => takesSeat(type, stored))
  let seats = needsSeats ? await seatsLeft(inside, run.tenant) : 0
  const kept = await takeKept(
    inside,
    returning.map(({ id }) => id),
  )
  if (kept.size < returning.length) {
    const overtaken = operations.filter((_, i) => returning.some((each) => each === creates[i] && !kept.has(each.id)))
    throw new RunAgain(new Map(overtaken.map(({ index }) => [index, { kind: 'failed', error: revivedMeanwhile() }])))
  }
  const resources = creates.map((create) => ({ ...create, revived: kept.get(create.id) }))
  const created = await inside.resources.create(resources)
  const done: Outcomes = new Map()
  const failures: Outcomes = new Map()
  const makers = new Map<string, number>()
  const unseated: Outcomes = new Map()
  const meeting: number[] = []
  for (const [i, { index }] of operations.entries()) {
    const { id, type, stored } = resources[i] as PreparedCreate
    const result = created[i]
    if (result?.outcome === 'created') {
      done.set(index, { kind: 'done', status: 201, id, version: result.row.version })
      makers.set(`${type.name} ${stored.uniqueKey}`, index)
      if (takesSeat(type, stored) && --seats < 0 && maxActiveUsers !== 'unlimited')
        unseated.set(index, { kind: 'failed', error: new NoSeatLeft(maxActiveUsers) })
    } else {
      failures.set(index, { kind: 'failed', error: notCreated(result, type, uniqueName(type, stored)) })
      const holder = makers.get(`${type.name} ${stored.uniqueKey}`)
      if (holder !== undefined) held.set(index, holder)
      else if (result?.outcome === 'taken' && takesExisting(run.tenant, type)) meeting.push(index)
    }
  }
  if (meeting.length > 0) throw new MeetsUsers(meeting)
  const refused = failures.size
  for (const [index, outcome] of unseated) failures.set(index, outcome)
  failDependents(run, operations, failures)
  if (failures.size === refused) await addMembers(inside, operations, resources, done, failures)
  const lost = operations.some(
    ({ index }, i) => failures.has(index) && returning.includes(creates[i] as PreparedCreate),
  )
  // A resource that was created and then failed, or refers to one that failed, must not stay. A kept user that was not
  // created again must not be lost.
  if (failures.size > refused || lost) throw new RunAgain(failures)
  return new Map([...done, ...failures])
}

/** Members come last, when all that the batch creates is there. */
async function addMembers(
  inside: Repositories,
  operations: readonly BulkOperation[],
  resources: readonly PreparedCreate[],
  done: Outcomes,
  failures: Outcomes,
): Promise<void> {
  const groups = operations.flatMap(({ index }, i) => {
    const { id, members, type } = resources[i] as PreparedCreate
    return done.has(index) && members.add.length > 0 ? [{ index, id, members, type }] : []
  })
  if (groups.length === 0) return
  const changes = groups.map(({ id, members }) => {
    return { groupId: id, expectedVersion: null, clear: false, remove: [], counted: true, ...members }
  })
  const joined = resultOf(await inside.memberships.change(changes))
  for (const [i, { index, id, type }] of groups.entries()) {
    const outcome = await settled(async () => {
      settledChange(joined[i], type, id)
      return undefined
    })
    if (outcome) failures.set(index, outcome)
  }
}
