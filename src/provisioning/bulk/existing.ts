import { type BulkOperation, substitute } from '../../scim/bulk.ts'
import { ScimError } from '../../scim/errors.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { samePerson } from '../kept.ts'
import type { PreparedCreate } from '../prepare.ts'
import { type BulkOutcome, type BulkRun, type Outcomes, settled, typeOf } from './outcome.ts'

/** Thrown inside a transaction, to undo the batch: these creates, by their indexes, meet users with their `userName`. */
export class MeetsUsers extends Error {
  readonly indexes: readonly number[]

  constructor(indexes: readonly number[]) {
    super('creates of a batch meet users who are there')
    this.indexes = indexes
  }
}

/** What became of creates that met users. */
export interface Met {
  /** Who are the same person; the ids of their users are those of the run from here on. */
  readonly same: readonly BulkOperation[]
  /** The refusals of all others. */
  readonly refused: Outcomes
}

/** Tells for creates of a batch whether the users whom they meet are the same person, as for a single create. */
export async function meetUsers(
  { repositories, tenant, ids }: BulkRun,
  operations: readonly BulkOperation[],
  prepared: ReadonlyMap<number, PreparedCreate>,
): Promise<Met> {
  const same: BulkOperation[] = []
  const refused: Outcomes = new Map()
  // Asked at the same time, they share statements.
  const found = await Promise.allSettled(
    operations.map(({ index }) => {
      const { type, stored } = prepared.get(index) as PreparedCreate
      return samePerson(repositories, tenant, type, stored)
    }),
  )
  for (const [i, operation] of operations.entries()) {
    const outcome = found[i] as PromiseSettledResult<string>
    if (outcome.status === 'rejected') {
      if (!(outcome.reason instanceof ScimError)) throw outcome.reason
      refused.set(operation.index, { kind: 'failed', error: outcome.reason })
    } else if (operation.method === 'POST') {
      ids.set(operation.bulkId, outcome.value)
      same.push(operation)
    }
  }
  return { same, refused }
}

/** Brings the user whom a create has met to what it says, as a single create does. */
export function changeMetUser(run: BulkRun, operation: BulkOperation): Promise<BulkOutcome> {
  return settled(async (): Promise<BulkOutcome> => {
    if (operation.method !== 'POST') throw new Error('only a create meets a user')
    const id = run.ids.get(operation.bulkId) as string
    const type = typeOf(run, operation) as ResourceType
    const { version } = await run.service.replace(type, id, substitute(operation.data, run.ids))
    return { kind: 'done', status: 200, id, version }
  })
}

/** Whether an operation refers to one of the creates with these indexes. */
export const refersTo = ({ plan }: BulkRun, { index }: BulkOperation, creates: ReadonlySet<number>): boolean =>
  (plan.references[index] ?? []).some((bulkId) => creates.has(plan.creates.get(bulkId) ?? -1))
