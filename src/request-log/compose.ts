import { describeClient } from '../network/user-agent.ts'
import type { NewRequest } from '../repositories/log/request-log.ts'
import type { DeviationName } from '../scim/deviations/index.ts'
import type { Mode } from '../scim/deviations/mode.ts'
import { isUuid } from '../tenancy/scim-path.ts'
import type { Exchange, Kept, LoggingTenant } from './exchange.ts'
import { idAt } from './ids.ts'
import { type Operation, operationOf } from './operation.ts'
import { decodedText, queryWithoutSecrets, withoutKeys, withoutSecrets } from './secrets.ts'
import { termsOf } from './terms.ts'

/** What lists show of a request, as it is stored. Members that say nothing are left out. */
export interface Entry {
  readonly ms: number
  readonly method: string
  /** Path and query below the base URL, with people's data. */
  readonly path: string
  /** The client's `User-Agent`. */
  readonly client?: string | undefined
  /** The request's own id, where it is not that of the row. */
  readonly requestId?: string | undefined
  /** The id that its events have, where it is another. */
  readonly inEvents?: string | undefined
  readonly scimType?: string | undefined
  readonly reason?: string | undefined
  readonly detail?: string | undefined
  readonly mode?: Mode | undefined
  readonly deviations?: readonly DeviationName[] | undefined
  /** The resource that it is about. */
  readonly resource?: { readonly endpoint: string; readonly id: string } | undefined
  /** Of a gap: how many requests were left out, until when. */
  readonly dropped?: number | undefined
  readonly until?: number | undefined
}

/** The bodies of a request, as they are stored. */
export interface Bodies {
  readonly request?: StoredBody | undefined
  readonly response?: StoredBody | undefined
}

/** One body. */
export interface StoredBody {
  /** Its beginning; null where it is left out, since a secret in it cannot be taken out. */
  readonly text: string | null
  /** How long it was, in bytes or in characters. */
  readonly length: number
}

/** Makes the row of a request: cut, without secrets, with the terms by which it is found. */
export function composed(exchange: Exchange, tenant: LoggingTenant, keyId: string | undefined): NewRequest {
  const { registry, settings } = tenant
  const { segments, query, refusal, location } = exchange
  const most = settings.requestLogBodyBytes
  const { body } = exchange
  const asked = body && withoutSecrets(textOf(body), registry, isWhole(body))
  const request = body && stored(asked, body, most)
  const operation = operationOf(exchange.method, segments)
  const response = answerOf(exchange, operation, tenant, most)
  const resource = resourceOf(exchange)
  const shown = queryWithoutSecrets(query, registry)
  const path = `/${segments.map((segment) => encoded(withoutKeys(segment))).join('/')}${shown === '' ? '' : `?${shown}`}`
  const entry: Entry = {
    ms: exchange.ms,
    method: exchange.method,
    path: clean(path.slice(0, MOST_PATH)),
    client: clientOf(exchange.userAgent),
    requestId: exchange.isOurs ? undefined : exchange.requestId,
    inEvents: exchange.inEvents === exchange.requestId ? undefined : exchange.inEvents,
    scimType: refusal?.scimType,
    reason: refusal?.reason,
    detail: refusal && clean(withoutKeys(refusal.detail)),
    mode: settings.mode,
    deviations: exchange.deviations.length > 0 ? exchange.deviations : undefined,
    resource,
  }
  const bodies: Bodies = { request, response }
  const named = segments[1] === '.search' ? undefined : segments[1]
  const others = [named, resource?.id, exchange.isOurs ? undefined : exchange.requestId, location && lastOf(location)]
  return {
    tenantId: tenant.id,
    id: exchange.isOurs ? exchange.requestId : idAt(exchange.at),
    operation,
    status: exchange.status,
    keyId: keyId ?? '',
    terms: termsOf(
      asked,
      filterIn(shown),
      others.filter((text) => text !== undefined && withoutKeys(text) === text),
    ),
    entry: JSON.stringify(entry),
    bodies: request === undefined && response === undefined ? null : clean(JSON.stringify(bodies)),
  }
}

/** The row that stands for requests that were left out. */
export function gapOf(
  tenantId: NewRequest['tenantId'],
  { dropped, from, until }: { readonly dropped: number; readonly from: number; readonly until: number },
): NewRequest {
  const entry: Entry = { ms: 0, method: '', path: '', dropped, until }
  const gap = { operation: 'gap', status: 0, keyId: '', terms: [], entry: JSON.stringify(entry), bodies: null }
  return { tenantId, id: idAt(from), ...gap }
}

const MOST_PATH = 4_000

/** A segment as it may stand in an address: a decoded one may have a question mark in it. */
const encoded = (segment: string): string =>
  /^[\w.:@-]*$/.test(segment) ? segment : encodeURIComponent(segment).replaceAll('%3A', ':').replaceAll('%40', '@')

const textOf = ({ content }: Kept): string =>
  typeof content === 'string'
    ? content
    : Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('utf8')

const isWhole = ({ content, length }: Kept): boolean => content.length === length

/** The answer's body. That of a refusal is not kept, since the entry has all of it; nor that of discovery, which tells of nobody. */
function answerOf(
  exchange: Exchange,
  operation: Operation,
  { registry }: LoggingTenant,
  most: number,
): StoredBody | undefined {
  const { answer, refusal } = exchange
  if (answer === undefined || refusal !== undefined || operation === 'discovery') return undefined
  return stored(withoutSecrets(textOf(answer), registry, isWhole(answer)), answer, most)
}

const stored = (text: string | undefined, { length }: Kept, most: number): StoredBody =>
  text === undefined ? { text: null, length } : { text: cutTo(text, most), length }

/** The beginning of a text, up to so many bytes; never half a character. */
function cutTo(text: string, most: number): string {
  // No character takes more than three bytes for each of its units.
  if (text.length * 3 <= most || Buffer.byteLength(text) <= most) return text
  const bytes = Buffer.from(text.slice(0, most)).subarray(0, most)
  const cut = bytes.toString('utf8')
  return cut.endsWith('\uFFFD') ? cut.slice(0, -1) : cut
}

/** PostgreSQL keeps no zero character. */
const clean = (text: string): string =>
  text.includes('\0') || text.includes('\\u0000')
    ? text.replaceAll('\0', '\uFFFD').replaceAll('\\u0000', '\uFFFD')
    : text

const clientOf = (userAgent: string | undefined): string | undefined => {
  const client = describeClient(userAgent)
  return client === null ? undefined : withoutKeys(client)
}

const lastOf = (location: string): string => location.slice(location.lastIndexOf('/') + 1)

function resourceOf({ segments: [endpoint = '', id], location, userId }: Exchange): Entry['resource'] {
  if (endpoint === 'Me' && userId !== undefined) return { endpoint: 'Users', id: userId }
  const touched = location === undefined ? id : lastOf(location)
  return touched !== undefined && isUuid(touched) ? { endpoint, id: touched } : undefined
}

const filterIn = (query: string): string => {
  const part = query.split('&').find((each) => /^filter=/i.test(each))
  return part === undefined ? '' : decodedText(part.slice('filter='.length))
}
