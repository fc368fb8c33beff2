import type { Scope } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import { clientOf } from '../explanations/clients.ts'
import { type Explained, explain } from '../explanations/explain.ts'
import { keyNames } from '../repositories/control/api-keys.ts'
import { schemaDefinitionsOf } from '../repositories/control/schema-definitions.ts'
import { settingsOf } from '../repositories/control/tenants.ts'
import {
  eventsOfRequest,
  type OpenDelivery,
  openDeliveriesOf,
  type RequestEvent,
} from '../repositories/log/request-events.ts'
import { type LoggedRequest, type RequestFilter, requestLogOf } from '../repositories/log/request-log.ts'
import type { Bodies, Entry, StoredBody } from '../request-log/compose.ts'
import { lowestIdAt, momentOf } from '../request-log/ids.ts'
import { maskedBody, maskedFilter, maskedQuotes, shownAddress } from '../request-log/masking.ts'
import type { Operation } from '../request-log/operation.ts'
import { decodedText } from '../request-log/secrets.ts'
import { termOf } from '../request-log/terms.ts'
import { type DeviationName, deviationsOf } from '../scim/deviations/index.ts'
import { deviationsMet } from '../scim/deviations/met.ts'
import { isUuid } from '../tenancy/scim-path.ts'
import { effectiveSettings } from '../tenancy/settings.ts'
import { registryOf } from '../tenancy/tenant.ts'
import { type Administration, change } from './change.ts'
import { Refusal } from './refusal.ts'

/** Which requests of a tenant are wanted; all conditions hold. */
export interface RequestQuery {
  /** A userName, an address, an externalId or an id that the request has named. */
  readonly person?: string | undefined
  /** The id of the resource that it was about. */
  readonly resourceId?: string | undefined
  readonly requestId?: string | undefined
  readonly operation?: Operation | undefined
  /** The lowest status and the highest. */
  readonly status?: readonly [number, number] | undefined
  readonly keyId?: string | undefined
  /** Milliseconds since 1970. */
  readonly since?: number | undefined
  readonly until?: number | undefined
  /** `nextCursor` of the page before. */
  readonly after?: string | undefined
  readonly limit: number
}

/** What a list shows of a request. */
export interface RequestSummary {
  readonly id: string
  readonly at: number
  readonly operation: Operation
  readonly method: string
  /** Path and query below the base URL. */
  readonly path: string
  readonly status: number
  readonly ms: number
  readonly client: string | null
  /** Null where no key of ours was sent; its name is null where it is none of the control plane's. */
  readonly key: { readonly id: string; readonly name: string | null } | null
  readonly requestId: string
  readonly scimType: string | null
  readonly reason: string | null
  readonly detail: string | null
  /** Of a refusal what was wrong in plain words, and what to change in that identity provider. */
  readonly explanation: Explained | null
  readonly resource: { readonly endpoint: string; readonly id: string } | null
  /** Of a gap: how many requests were left out of the log, and until when. */
  readonly dropped: number | null
  readonly until: number | null
}

/** One body as it is shown. */
export interface ShownBody {
  /** Null where it is left out: it may have had a secret that cannot be taken out. */
  readonly text: string | null
  readonly length: number
  readonly cut: boolean
}

/** A request with all that is known of it. */
export interface RequestDetails extends RequestSummary {
  /** True where people's data is masked. */
  readonly masked: boolean
  readonly deviations: readonly DeviationName[]
  readonly request: ShownBody | null
  readonly response: ShownBody | null
  readonly events: readonly (RequestEvent & {
    /** What receivers have not accepted yet; the others have, or do not want its type. */
    readonly deliveries: readonly OpenDelivery[]
  })[]
}

/** A page of a tenant's requests, the newest first. */
export interface RequestList {
  readonly requests: readonly RequestSummary[]
  /** Undefined on the last page. A page may be empty and still have one. */
  readonly nextCursor: string | undefined
}

type TenantScope = Extract<Scope, { kind: 'tenant' }>

const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** Requests of a tenant that were logged, with people's data masked. */
export async function listRequests(
  database: Database,
  { tenantId }: TenantScope,
  query: RequestQuery,
): Promise<RequestList> {
  const { person, resourceId, requestId, operation, status, keyId, since, until, after, limit } = query
  const log = requestLogOf(database, tenantId)
  const filter: RequestFilter = {
    ...{ operation, status, keyId },
    terms: [requestId, resourceId, person].flatMap((text) => (text === undefined ? [] : [termOf(text)])),
  }
  const page = {
    before: after ?? (until === undefined ? LAST_ID : lowestIdAt(until)),
    from: lowestIdAt(since ?? 0),
    limit,
  }
  if (requestId !== undefined && isUuid(requestId) && after === undefined) {
    // The id that the gateway has given a request is that of its row.
    const own = await log.one(requestId.toLowerCase())
    if (own !== undefined) return { requests: await summaries(database, [own], false), nextCursor: undefined }
  }
  const { requests, next } = await log.list(filter, page)
  return { requests: await summaries(database, requests, false), nextCursor: next }
}

/**
 * One request, with its bodies, its events and what became of them. People's data is masked, unless it is to be revealed: then that
 * stands in the audit trail before anything is shown.
 *
 * @throws {Refusal} 404
 */
export async function oneRequest(
  administration: Administration,
  place: TenantScope,
  id: string,
  { reveal }: { readonly reveal: boolean },
): Promise<RequestDetails> {
  const { database } = administration
  const { tenantId } = place
  const row = isUuid(id) ? await requestLogOf(database, tenantId).one(id) : undefined
  if (row === undefined) throw Refusal.notFound('request', id)
  if (reveal)
    await change(administration, async (_, record) => {
      const target = { id: row.id, name: `request ${row.id}` }
      record({ action: 'request.revealed', place, target, before: null, after: { operation: row.operation } })
    })
  const [summary] = (await summaries(database, [row], reveal)) as [RequestSummary]
  const entry = JSON.parse(row.entry) as Entry
  const bodies = JSON.parse(row.bodies ?? '{}') as Bodies
  const { environmentId } = place
  const inEvents = entry.inEvents ?? summary.requestId
  const until = summary.at + entry.ms
  const events = await eventsOfRequest(database, tenantId, { inEvents, from: summary.at, until })
  const logged = events.filter(({ state }) => state === 'logged').map(({ seq }) => seq)
  const open = await openDeliveriesOf(database, { tenantId, environmentId }, logged)
  // A refusal of the token endpoint has another form than SCIM's errors.
  const refusal = row.status >= 400 && row.operation !== 'token' ? refusalBody(row.status, entry) : undefined
  return {
    ...summary,
    masked: !reveal,
    deviations: [...(entry.deviations ?? []), ...(await deviationsIn(database, place, entry, bodies))],
    request: shown(bodies.request, reveal),
    response: shown(bodies.response ?? refusal, reveal),
    events: events.map((event) => ({ ...event, deliveries: open.filter(({ seq }) => seq === event.seq) })),
  }
}

/** A reader that follows the log sees requests of this time again, and passes over those that it knows: instances write side by side. */
const OVERLAP_MS = 10_000
const FOLLOWED_AT_ONCE = 100

/**
 * Gives what has been written of a tenant's requests since the last call, the oldest first. The first call gives nothing but what is
 * newer than `since`.
 */
export function requestFollower(database: Database, place: TenantScope, query: Omit<RequestQuery, 'after' | 'limit'>) {
  let from = query.since ?? Date.now()
  let known = new Set<string>()
  return async (): Promise<readonly RequestSummary[]> => {
    const since = Math.max(query.since ?? 0, from - OVERLAP_MS)
    const { requests } = await listRequests(database, place, { ...query, since, limit: FOLLOWED_AT_ONCE })
    const fresh = requests.filter(({ id, at }) => !known.has(id) && (known.size > 0 || at >= from - OVERLAP_MS))
    from = Math.max(from, ...requests.map(({ at }) => at))
    known = new Set(requests.map(({ id }) => id))
    return fresh.toReversed()
  }
}

async function summaries(
  database: Database,
  rows: readonly LoggedRequest[],
  reveal: boolean,
): Promise<RequestSummary[]> {
  const names = await keyNames(database, [...new Set(rows.map(({ keyId }) => keyId).filter((id) => id !== ''))])
  return rows.map(({ id, operation, status, keyId, entry: text }) => {
    const entry = JSON.parse(text) as Entry
    const explanation = status < 400 ? null : explain({ ...entry, status, client: clientOf(entry.client) })
    const refusal = { explanation, detail: entry.detail ?? null }
    return {
      ...{ id, at: momentOf(id), operation: operation as Operation, method: entry.method, status, ms: entry.ms },
      path: shownAddress(entry.path, reveal),
      client: entry.client ?? null,
      key: keyId === '' ? null : { id: keyId, name: names.get(keyId) ?? null },
      requestId: entry.requestId ?? id,
      scimType: entry.scimType ?? null,
      reason: entry.reason ?? null,
      ...(reveal ? refusal : maskedRefusal(refusal)),
      resource: entry.resource ?? null,
      ...{ dropped: entry.dropped ?? null, until: entry.until ?? null },
    }
  })
}

/** What a refusal says without people. The attribute that it names may have a person in its filter, between quotes within quotes. */
function maskedRefusal({ explanation, detail }: Refused): Refused {
  const field = explanation?.field
  const without = (text: string) => (field === undefined ? text : text.replaceAll(field, () => maskedFilter(field)))
  return {
    explanation:
      explanation && field !== undefined
        ? { problem: without(explanation.problem), remedy: without(explanation.remedy), field: without(field) }
        : explanation,
    detail: detail && maskedQuotes(without(detail)),
  }
}
type Refused = Pick<RequestSummary, 'explanation' | 'detail'>

function shown(body: StoredBody | undefined, reveal: boolean): ShownBody | null {
  if (body === undefined) return null
  const { text, length } = body
  if (text === null) return { text, length, cut: false }
  const cut = text.length < length && Buffer.byteLength(text) < length
  return { text: reveal ? text : maskedBody(text), length, cut }
}

/** The body of a refusal, which has nothing but what the entry has. */
function refusalBody(status: number, { scimType, detail = '' }: Entry): StoredBody {
  const text = JSON.stringify({ status: String(status), ...(scimType === undefined ? {} : { scimType }), detail })
  return { text, length: text.length }
}

/** Which of the tenant's deviations the message has needed, as far as all of it is kept. */
async function deviationsIn(
  database: Database,
  { tenantId, environmentId }: TenantScope,
  { method, path, mode, deviations = [] }: Entry,
  { request }: Bodies,
): Promise<DeviationName[]> {
  const stored = await settingsOf(database, tenantId)
  if (stored === undefined || mode === undefined) return []
  const settings = effectiveSettings(stored.environment, stored.tenant)
  const definitions = schemaDefinitionsOf(database, environmentId)
  const registry = registryOf(settings, await definitions.definitions(null), await definitions.definitions(tenantId))
  const [address = '', query = ''] = path.split('?')
  const [endpoint = '', id] = address.split('/').slice(1)
  const type = registry.byEndpoint.get(endpoint)
  const body = request?.text ?? undefined
  if (type === undefined || (request !== undefined && (body === undefined || shown(request, true)?.cut))) return []
  const filter = query.split('&').find((part) => /^filter=/i.test(part))
  const message = {
    ...{ method, type, body, ofOne: id !== undefined && id !== '.search' },
    filter: filter === undefined ? undefined : decodedText(filter.slice('filter='.length)),
  }
  const met = deviationsMet(message, deviationsOf(mode, settings.unknownAttributes))
  return met.filter((name) => !deviations.includes(name))
}
