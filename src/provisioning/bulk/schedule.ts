import { type BulkOperation, type BulkPlan, isRefused, order } from '../../scim/bulk.ts'

/**
 * What an operation does to the store, so that operations of one kind can share statements:
 * `create`; `change` of one resource's attributes; `members` of one group; `delete`; `alone` for all else.
 */
export type BulkKind = 'create' | 'change' | 'members' | 'delete' | 'alone'

/** Operations of one kind that share statements. No two of them change the same resource. */
export interface BulkBatch {
  readonly kind: BulkKind
  readonly operations: BulkOperation[]
}

// Kinds whose order shows in the outcome: whether a name is free, or a member is still there.
const CONFLICTS: Record<BulkKind, readonly BulkKind[]> = {
  create: ['change', 'delete', 'alone'],
  change: ['create', 'delete', 'alone'],
  members: ['delete', 'alone'],
  delete: ['create', 'change', 'members', 'alone'],
  alone: ['create', 'change', 'members', 'delete', 'alone'],
}

/**
 * Puts a plan's runnable operations into batches to run one after the other, with the same outcome as one by one in order
 * (RFC 7644 §3.7: references first, otherwise as sent). An operation joins an earlier batch where nothing in between
 * conflicts with it.
 */
export function schedule(plan: BulkPlan, kindOf: (operation: BulkOperation) => BulkKind): BulkBatch[] {
  const batches: BulkBatch[] = []
  const batchOfTarget = new Map<string, number>()
  const batchOfCreate = new Map<string, number>()

  for (const step of order(plan)) {
    const operations = step.operations.filter((operation): operation is BulkOperation => !isRefused(operation))
    const [first] = operations
    if (first === undefined) continue
    const kind = kindOf(first)
    const at = placeFor(kind, operations)
    const batch = batches[at]
    if (batch) batch.operations.push(...operations)
    else batches.push({ kind, operations: [...operations] })
    for (const operation of operations) {
      if (operation.method === 'POST') batchOfCreate.set(operation.bulkId, at)
      else batchOfTarget.set(targetOf(operation), at)
    }
  }
  return batches

  /** Index of the batch that gets the operations: one of the same kind, after all that conflict with them. */
  function placeFor(kind: BulkKind, operations: readonly BulkOperation[]): number {
    let earliest = 0
    for (const [index, batch] of batches.entries()) {
      if (CONFLICTS[kind].includes(batch.kind)) earliest = Math.max(earliest, index + 1)
    }
    for (const operation of operations) {
      const touched = operation.method === 'POST' ? undefined : batchOfTarget.get(targetOf(operation))
      if (touched !== undefined) earliest = Math.max(earliest, touched + 1)
      for (const bulkId of plan.references[operation.index] ?? []) {
        const created = batchOfCreate.get(bulkId)
        // Creates of a batch may refer to each other. All other operations come after the create that they refer to.
        if (created !== undefined) earliest = Math.max(earliest, kind === 'create' ? created : created + 1)
      }
    }
    if (kind === 'alone') return batches.length
    const fits = (batch: BulkBatch, index: number) => index >= earliest && batch.kind === kind
    // Changes keep their order, since one may give up a name that a later one wants.
    const same = kind === 'change' ? batches.findLastIndex(fits) : batches.findIndex(fits)
    return same === -1 ? batches.length : same
  }
}

const targetOf = (operation: BulkOperation & { id: string }): string => `${operation.endpoint}/${operation.id}`

/** The operations of a batch in parts, of which none has more than `most` creates. Creates that refer to one another stay together. */
export function inParts(
  { references }: Pick<BulkPlan, 'references'>,
  { kind, operations }: BulkBatch,
  most: number,
): (readonly BulkOperation[])[] {
  const areApart = kind === 'create' && operations.every(({ index }) => !references[index]?.length)
  if (!areApart || operations.length <= most) return [operations]
  const starts = Array.from({ length: Math.ceil(operations.length / most) }, (_, i) => i * most)
  return starts.map((start) => operations.slice(start, start + most))
}
