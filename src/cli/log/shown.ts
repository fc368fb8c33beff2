import type { Schemas } from '../../client/index.ts'
import { sheet, table } from '../io.ts'

type Summary = Schemas['LoggedRequest']
type Details = Schemas['LoggedRequestDetails']

/** Requests in aligned columns. */
export const listText = (requests: readonly Summary[]): string =>
  requests.length === 0 ? 'nothing is logged here\n' : table(requests.map(rowOf))

/** One request in one line, for those who follow. */
export const lineOf = (request: Summary): string => `${Object.values(rowOf(request)).join('  ').trimEnd()}\n`

const rowOf = (request: Summary) => ({
  time: request.time,
  request: request.id,
  what: request.operation === 'gap' ? 'gap' : `${request.method} ${request.path}`,
  status: request.operation === 'gap' ? '' : String(request.status),
  ms: request.operation === 'gap' ? '' : String(request.ms),
  key: request.key === null ? '' : (request.key.name ?? request.key.id),
  why: whyOf(request),
})

function whyOf({ operation, dropped, detail, explanation }: Summary): string {
  if (operation === 'gap') return `${dropped} requests were not logged, since too much came at once`
  return explanation?.problem ?? detail ?? ''
}

/** All that is known of one request. */
export function detailsText(request: Details): string {
  const {
    time,
    method,
    path,
    status,
    ms,
    client,
    key,
    requestId,
    scimType,
    detail,
    resource,
    deviations,
    explanation,
  } = request
  const facts = sheet({
    ...{ time, request: `${method} ${path}`, status: String(status), ms: String(ms), client: client ?? 'unknown' },
    key: key === null ? 'none that is known' : `${key.name ?? ''} ${key.id}`.trim(),
    'request id': requestId,
    ...(scimType === null ? {} : { 'scim type': scimType }),
    ...(explanation === null ? {} : { 'what is wrong': explanation.problem, 'what to change': explanation.remedy }),
    ...(detail === null ? {} : { detail }),
    ...(resource === null ? {} : { resource: `${resource.endpoint} ${resource.id}` }),
    ...(deviations.length === 0 ? {} : { deviations: deviations.join(', ') }),
  })
  return facts + bodyText('Request', request.request) + bodyText('Response', request.response) + eventsText(request)
}

function bodyText(title: string, body: Details['request']): string {
  if (body === null) return ''
  const { text, length, cut } = body
  if (text === null) return `\n${title}: left out, since it may have a secret\n`
  return `\n${title}${cut ? `, the beginning of ${length}` : ''}:\n${pretty(text)}\n`
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

function eventsText({ events }: Details): string {
  if (events.length === 0) return ''
  const rows = events.map(({ type, resource, state, deliveries }) => ({
    event: type,
    of: `${resource.type} ${resource.id}`,
    state: state === 'logged' ? 'in the log' : state,
    'not accepted': deliveries
      .map(({ kind, endpoint, attempts, dead, lastStatus, lastError }) => {
        const last = lastStatus ?? lastError
        return `${kind} ${endpoint}: ${dead ? 'given up' : 'waits'} after ${attempts} attempts${last === null ? '' : ` (${last})`}`
      })
      .join('; '),
  }))
  return `\n${table(rows)}`
}
