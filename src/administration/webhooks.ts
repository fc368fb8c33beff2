import { randomBytes } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import type { Scope } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import { parseEventTypes } from '../events/event.ts'
import { addressProblem, type Networks } from '../network/delivery-address.ts'
import type { TenantId } from '../place-ids.ts'
import { tenantsOf } from '../repositories/control/tenants.ts'
import { type ReplayFrom, replayEvents } from '../repositories/delivery/webhook-backlog.ts'
import {
  countEndpoints,
  type EndpointPlace,
  type EndpointRow,
  tenantsFor,
  webhooksOf,
} from '../repositories/delivery/webhooks.ts'
import type { Hold } from '../repositories/sql/lists.ts'
import type { SecretBox } from '../signing/secret-box.ts'
import { isUuid } from '../tenancy/scim-path.ts'
import { sendingRecord, webhookRecord } from './audit-records.ts'
import { type Administration, change } from './change.ts'
import { holdPlace } from './places-held.ts'
import { type Mistake, Refusal } from './refusal.ts'
import { refuseChanged, webhookState } from './states/state-tags.ts'

/** What the functions below need beside the store. */
export interface WebhookTools {
  readonly box: SecretBox
  /** Networks that are not public, to which events may be sent. */
  readonly networks: Networks
  /** Webhooks and streams that an environment, or a tenant, may have of its own. */
  readonly endpointsPerPlace: number
}

/** An environment with all of its tenants, or one tenant. */
export type WebhookPlace = Extract<Scope, { kind: 'environment' | 'tenant' }>

/** What an operator says of an endpoint. */
export interface EndpointInput {
  readonly url: string
  readonly description: string
  readonly events: readonly string[]
  /** Whether each event is sent with its resource as it is then. */
  readonly snapshot: boolean
}

/** An endpoint, and its secret in the form of Standard Webhooks, which is shown this once. */
export type WithSecret = EndpointRow & { readonly newSecret: string }

const REPLAYED_AT_ONCE = 1_000
const TENANTS_AT_ONCE = 200

/** @throws {Refusal} 404 */
export async function findWebhook(
  database: Database,
  place: EndpointPlace,
  id: string,
  hold?: Hold,
): Promise<EndpointRow> {
  const found = isUuid(id) ? await webhooksOf(database, place).find(id, hold) : undefined
  return found ?? missing(id)
}

/** Makes an endpoint with a new secret; it gets what happens from now on. @throws {Refusal} 400, 409 where the place has as many as it may */
export async function createWebhook(
  administration: Administration,
  { box, networks, endpointsPerPlace }: WebhookTools,
  place: WebhookPlace,
  { url, description, events, snapshot }: EndpointInput,
): Promise<WithSecret> {
  refuse(endpointMistakes({ url, events }, networks))
  const [id, newSecret] = [uuidv7(), freshSecret()]
  const secret = await box.seal(newSecret, id)
  const row = { id, url, description, events: filterOf(events), snapshot, secret, stream: null }
  return change(administration, async (tx, record) => {
    await refuseFull(tx, place, endpointsPerPlace)
    const made = await webhooksOf(tx, place).insert(row)
    if (made === undefined) throw new Error('an endpoint that was made is not there')
    record(webhookRecord('created', place, { before: null, after: made }))
    return { ...made, newSecret }
  })
}

/** Changes what is named. Enabling an endpoint forgets its failures. @throws {Refusal} 400, 404, 412 */
export function changeWebhook(
  administration: Administration,
  { networks }: WebhookTools,
  place: WebhookPlace,
  id: string,
  input: { readonly [Name in keyof EndpointInput]?: EndpointInput[Name] | undefined } & {
    readonly enabled?: boolean | undefined
  },
): Promise<EndpointRow> {
  refuse(endpointMistakes(input, networks))
  return change(administration, async (tx, record) => {
    const before = await findWebhook(tx, place, id, 'no key update')
    refuseChanged(administration, webhookState(before))
    const { url, description, events, snapshot, enabled } = input
    const after = await webhooksOf(tx, place).change(id, {
      url: url ?? before.url,
      description: description ?? before.description,
      events: filterOf(events ?? before.events),
      snapshot: snapshot ?? before.snapshot,
      ...(enabled === undefined ? {} : { enabled, disabledReason: enabled ? null : 'Disabled by an operator.' }),
      // A new address is a new chance too.
      ...(enabled || url !== undefined ? { failures: 0, failingSince: null, resumeAt: null } : {}),
    })
    if (after === undefined) return missing(id)
    record(webhookRecord('changed', place, { before, after }))
    return after
  })
}

/**
 * Gives an endpoint a new secret; the one before signs beside it for `keepHours`, so that the receiver can change over
 * without losing anything.
 *
 * @throws {Refusal} 404, 412
 */
export function rotateWebhookSecret(
  administration: Administration,
  { box }: WebhookTools,
  place: WebhookPlace,
  id: string,
  keepHours: number,
  now: Date,
): Promise<WithSecret> {
  return change(administration, async (tx, record) => {
    const before = await findWebhook(tx, place, id, 'no key update')
    refuseChanged(administration, webhookState(before))
    const newSecret = freshSecret()
    const after = await webhooksOf(tx, place).change(id, {
      secret: await box.seal(newSecret, id),
      previousSecret: keepHours > 0 ? before.secret : null,
      previousSecretUntil: keepHours > 0 ? new Date(now.getTime() + keepHours * 3_600_000) : null,
    })
    if (after === undefined) return missing(id)
    record(webhookRecord('secret_rotated', place, { before, after }))
    return { ...after, newSecret }
  })
}

/** Deletes an endpoint with all that waits for it. @throws {Refusal} 404, 412 */
export function deleteWebhook(administration: Administration, place: WebhookPlace, id: string): Promise<void> {
  return change(administration, async (tx, record) => {
    const before = await findWebhook(tx, place, id, 'update')
    refuseChanged(administration, webhookState(before))
    await webhooksOf(tx, place).delete(id)
    record(webhookRecord('deleted', place, { before, after: null }))
  })
}

/**
 * Queues events of the log for a webhook or a stream once more, of its types. The events are those of the tenant with the given
 * id, else of all tenants that the endpoint is for. Gives how many.
 *
 * @throws {Refusal} 400 for a tenant that the endpoint is not for, wherever there is one
 */
export async function replayEndpoint(
  administration: Administration,
  place: WebhookPlace,
  endpoint: EndpointRow,
  from: ReplayFrom,
  onlyTenant: string | undefined,
): Promise<number> {
  const { database } = administration
  const only = onlyTenant === undefined ? endpoint.tenantId : await tenantFor(database, endpoint, onlyTenant)
  const queued = await replayAll(database, endpoint, from, only)
  const { kind, ...which } = from
  const outcome = { kind, ...which, tenant: only, queued }
  await change(administration, async (_, record) => record(sendingRecord('replayed', place, endpoint, outcome)))
  return queued
}

/** Puts into the audit trail that an endpoint was sent a message for trying. */
export function recordEndpointTest(
  administration: Administration,
  place: WebhookPlace,
  endpoint: EndpointRow,
  delivered: boolean,
): Promise<void> {
  return change(administration, async (_, record) => record(sendingRecord('tested', place, endpoint, { delivered })))
}

/** The tenant with the id that the caller has written. @throws {Refusal} 400 unless the endpoint is for it */
async function tenantFor(database: Database, endpoint: EndpointRow, id: string): Promise<TenantId> {
  const [found] = isUuid(id) ? await tenantsFor(database, endpoint.id, [id]) : []
  if (found !== undefined) return found
  const message = 'must be the id of a tenant that the endpoint is for'
  throw new Refusal(400, `tenantId ${message}.`, [{ path: 'tenantId', message }])
}

async function replayAll(
  database: Database,
  { id, environmentId }: EndpointRow,
  from: ReplayFrom,
  only: TenantId | null,
): Promise<number> {
  if (only !== null) return replayOf(database, only, id, from)
  const tenants = tenantsOf(database, environmentId)
  let queued = 0
  for (let after: string | undefined; ; ) {
    const page = await tenants.list({ after, limit: TENANTS_AT_ONCE })
    for (const tenant of page) queued += await replayOf(database, tenant.id, id, from)
    if (page.length < TENANTS_AT_ONCE) return queued
    after = page.at(-1)?.id
  }
}

async function replayOf(database: Database, tenantId: TenantId, id: string, from: ReplayFrom): Promise<number> {
  const queue = { tenantId, endpointId: id }
  let queued = 0
  for (let after = 0; ; ) {
    const batch = await replayEvents(database, queue, from, after, REPLAYED_AT_ONCE)
    if (batch.last === null) return queued
    queued += batch.queued
    after = batch.last
  }
}

/**
 * Refuses one endpoint more where a place has as many as it may: each is another request for every change of the directory.
 *
 * @throws {Refusal} 409
 */
export async function refuseFull(tx: Database, place: WebhookPlace, most: number): Promise<void> {
  // So that two requests that count at the same time do not both find room, and the place is not deleted meanwhile.
  await holdPlace(tx, place, 'no key update')
  if ((await countEndpoints(tx, place)) < most) return
  const one = most === 1 ? 'webhook or stream' : 'webhooks and streams'
  const detail = `This ${place.kind} has ${most} ${one} of its own, as many as the gateway allows (ENDPOINTS_PER_PLACE).`
  throw new Refusal(409, `${detail} Delete one that is not needed any more.`)
}

const freshSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`

/** What is stored of a wish for events: nothing where all are wanted. */
export const filterOf = (events: readonly string[]): string[] => (events.includes('*') ? [] : [...events])

/** What is wrong with an address or a filter; nothing of what is not named. */
export function endpointMistakes(
  { url, events }: { readonly url?: string | undefined; readonly events?: readonly string[] | undefined },
  networks: Networks,
): Mistake[] {
  const problem = url === undefined ? undefined : addressProblem(url, networks)
  const known = events === undefined || parseEventTypes(filterOf(events)) !== undefined
  return [
    ...(problem === undefined ? [] : [{ path: 'url', message: problem }]),
    ...(known ? [] : [{ path: 'events', message: 'must be types of events, such as user.deleted or group.*, or *' }]),
  ]
}

/** @throws {Refusal} 400 unless nothing was found */
export function refuse(found: readonly Mistake[]): void {
  const [first] = found
  if (first !== undefined) throw new Refusal(400, `${first.path} ${first.message}.`, found)
}

function missing(id: string): never {
  throw Refusal.notFound('webhook', id)
}
