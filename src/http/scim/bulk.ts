import { v7 as uuidv7 } from 'uuid'
import type { BulkOutcome, BulkResult } from '../../provisioning/bulk/outcome.ts'
import { runBulk } from '../../provisioning/bulk/run.ts'
import { type BulkOperation, isRefused, parseBulk, type RefusedOperation } from '../../scim/bulk.ts'
import type { JsonObject } from '../../scim/resource.ts'
import { BULK_RESPONSE } from '../../scim/urn.ts'
import { formatVersion } from '../../scim/version.ts'
import { refusalFor } from '../errors.ts'
import { readJson } from './body.ts'
import type { ScimContext, ScimLimits, ScimRequest } from './env.ts'
import { json } from './respond.ts'

/** Answers bulk requests (RFC 7644 §3.7). */
export function bulkHandler(limits: ScimLimits): (c: ScimContext) => Promise<Response> {
  return async ({ env: request }) => {
    const { repositories, tenant, thread } = request
    const body = await readJson(request, limits.maxPayloadBytes, `maxPayloadSize (${limits.maxPayloadBytes})`)
    const work = thread.work(tenant.id)
    const plan = await work.through(parseBulk(body, limits))
    await request.countOperations(plan.operations.length)
    const outcomeOf = outcomesIn(await runBulk(repositories, tenant, plan, work, () => uuidv7()), request)
    const results: string[] = []
    for (const operation of plan.operations) {
      const pause = work.pause()
      if (pause) await pause
      const outcome = outcomeOf(operation)
      if (outcome) results.push(JSON.stringify(resultOf(operation, outcome, tenant.baseUrl)))
    }
    return json(request, `{"schemas":["${BULK_RESPONSE}"],"Operations":[${results.join()}]}`)
  }
}

/**
 * Gives the outcome of each operation; undefined for one that was not to be run. Where something broke the request off, the
 * operations that are done are told as done (RFC 7644 §3.7), and the others as failed of that. The log has the cause.
 */
function outcomesIn({ outcomes, brokenBy }: BulkResult, { failed, requestId }: ScimRequest) {
  type Operation = BulkOperation | RefusedOperation
  if (brokenBy === undefined) return ({ index }: Operation) => outcomes.get(index)
  failed(brokenBy)
  const rest: BulkOutcome = { kind: 'failed', error: refusalFor(brokenBy, requestId).refusal }
  return ({ index }: Operation): BulkOutcome => outcomes.get(index) ?? rest
}

/** One result of the BulkResponse (RFC 7644 §3.7.3); `status` is a string (B-05). */
function resultOf(operation: BulkOperation | RefusedOperation, outcome: BulkOutcome, baseUrl: string): JsonObject {
  const named = {
    ...(operation.method === undefined ? {} : { method: operation.method }),
    ...('bulkId' in operation && operation.bulkId !== undefined ? { bulkId: operation.bulkId } : {}),
  }
  if (outcome.kind === 'done') {
    return {
      ...named,
      ...(outcome.version === undefined ? {} : { version: formatVersion(outcome.version) }),
      location: `${baseUrl}/${(operation as BulkOperation).endpoint}/${outcome.id}`,
      status: String(outcome.status),
    }
  }
  const body = outcome.error.toBody()
  const place = isRefused(operation) || operation.method === 'POST' ? {} : { location: `${baseUrl}${operation.path}` }
  return { ...named, ...place, status: body.status, response: { ...body } }
}
