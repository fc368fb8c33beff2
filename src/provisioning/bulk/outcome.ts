import type { Repositories } from '../../repositories/tenant-scope.ts'
import type { BulkOperation, BulkPlan } from '../../scim/bulk.ts'
import { ScimError } from '../../scim/errors.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import type { LongWork } from '../../thread.ts'
import type { provisioningService } from '../service.ts'

/** What became of one operation; `id` is that of the resource where there is one. */
export type BulkOutcome =
  | {
      readonly kind: 'done'
      readonly status: 200 | 201 | 204
      readonly id: string
      readonly version: number | undefined
    }
  | { readonly kind: 'failed'; readonly error: ScimError }

/** Outcomes by the operation's index. */
export type Outcomes = Map<number, BulkOutcome>

/** What became of a bulk request. */
export interface BulkResult {
  readonly outcomes: ReadonlyMap<number, BulkOutcome>
  /** What ended the request before its last operation, though some are done; operations without an outcome failed of it. */
  readonly brokenBy: unknown
}

/** One bulk request while it runs. */
export interface BulkRun {
  readonly repositories: Repositories
  readonly tenant: TenantContext
  /** What runs operations by themselves. */
  readonly service: ReturnType<typeof provisioningService>
  readonly plan: BulkPlan
  /** Has the thread in slices. Each loop over many operations pauses before each of them. */
  readonly work: LongWork
  /** The id of every resource that the request creates, by bulkId, given before anything runs; users who come back or are there keep theirs. */
  readonly ids: Map<string, string>
  /** Those among the ids under which a kept user comes back. */
  readonly revived: Set<string>
  readonly outcomes: Outcomes
}

/** The resource type of an operation's endpoint; undefined where this tenant has none. */
export const typeOf = ({ tenant }: BulkRun, operation: BulkOperation): ResourceType | undefined =>
  tenant.registry.byEndpoint.get(operation.endpoint)

/** A refusal becomes the operation's own outcome; anything else is our fault and ends the request. */
export async function settled<T extends BulkOutcome | undefined>(work: () => Promise<T>): Promise<T | BulkOutcome> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ScimError) return { kind: 'failed', error }
    throw error
  }
}

/** Notes refusals as outcomes. */
export function noteAll(outcomes: Outcomes, errors: ReadonlyMap<number, ScimError>): void {
  for (const [index, error] of errors) outcomes.set(index, { kind: 'failed', error })
}

/** 400 for what refers to nothing in the request (B-08). */
export const unknownReference = (bulkId: string): ScimError =>
  ScimError.invalidValue('bulk-reference-unknown', `bulkId:${bulkId} is not in this request.`)

/** 409 for what refers to a create that failed (B-08). */
export const failedReference = (bulkId: string): ScimError =>
  new ScimError(
    409,
    undefined,
    'bulk-reference-failed',
    `bulkId:${bulkId} was not created, so what refers to it cannot be done.`,
  )
