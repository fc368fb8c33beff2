import type { Attributes } from '../receiver/events.ts'
import { type MappedValue, type MirroredGateway, MirrorRefused } from './types.ts'

/** What a mapping gives of a user, by name. */
export type Mapped = Readonly<Record<string, MappedValue>>

/** An event with the resource as it is now; null where that is gone, or no resource. */
export interface FeedEvent {
  readonly position: number
  readonly type: string
  readonly tenant: string
  readonly time: string
  readonly resource: { readonly type: string; readonly id: string }
  readonly account?: string
  /** It tells of a person who was erased since: then the changes are empty, whatever the type says. */
  readonly erased?: true
  readonly changes: Readonly<Record<string, unknown>>
  readonly snapshot?: State | null
  readonly mapped?: Mapped
}

/** A resource as it is now. */
export interface State {
  readonly version: number
  readonly active?: boolean
  readonly attributes: Attributes
}

/** Events after a cursor. */
export interface FeedPage {
  readonly items: readonly FeedEvent[]
  readonly next: string
  readonly more: boolean
}

/** A tenant that is in the environment. */
export interface ListedTenant {
  readonly id: string
  readonly key: string | null
  readonly name: string | null
}

/** A line of a snapshot, with the tenant whose it is. */
export type Line =
  | { readonly kind: 'tenant'; readonly tenant: string; readonly key?: string; readonly name?: string }
  | {
      readonly kind: 'resource'
      readonly resource: { readonly type: string; readonly id: string; readonly version: number }
      readonly active?: boolean
      readonly account?: string
      readonly attributes: Attributes
      readonly mapped?: Mapped
    }
  | { readonly kind: 'members'; readonly group: string; readonly members: readonly string[] }
  | { readonly kind: 'role'; readonly role: string; readonly users: readonly string[] }
  | { readonly kind: 'end' }

/** What mapped values users have now, and whose snapshot has to be read for all of them. */
export interface MappedNow {
  readonly users: readonly { readonly tenant: string; readonly id: string; readonly mapped: Mapped | null }[]
  readonly tenants: readonly string[]
}

/** What a mirror asks of a gateway. */
export interface Source {
  /** Project and environment, perhaps a tenant; not where the gateway is, which may change. */
  readonly name: string
  /** Whether tenants come and go. */
  readonly severalTenants: boolean
  /** The tenants that there are, and a cursor with all that was committed before. */
  tenants(signal: AbortSignal): Promise<{ readonly cursor: string; readonly tenants: readonly ListedTenant[] }>
  /** What some tenants have: the lines of each begin with its `tenant`. Without `end` they are not whole. */
  snapshot(tenants: readonly string[], signal: AbortSignal): AsyncGenerator<Line>
  /** The events after a cursor; where there are none yet, those that come within `wait` seconds. */
  events(after: string, wait: number, signal: AbortSignal): Promise<FeedPage>
  /**
   * The mapped values that the events after a cursor have changed, without an event of their own.
   *
   * @param tenant the one that is mirrored, where it is one
   */
  mapped(after: string, tenant: string, signal: AbortSignal): Promise<MappedNow>
}

/** The gateway did not give what was asked for. */
export class GatewayFailure extends Error {
  override readonly name = 'GatewayFailure'
  readonly status: number
  /** How long the gateway asks to be left alone. */
  readonly retryAfterMs: number | undefined

  constructor(status: number, message: string, retryAfterMs?: number) {
    super(message)
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}

/** Events in one page, the most that the gateway gives. */
const PAGE = 500
/** Longer than any wait or pause of a gateway that is there. */
const SILENCE_MS = 60_000

/** @throws {MirrorRefused} for an origin or a key that cannot be used */
export function sourceOf({
  origin,
  key,
  project = 'default',
  environment = 'dev',
  tenant,
  ...rest
}: MirroredGateway): Source {
  if (!URL.canParse(origin) || !/^https?:$/.test(new URL(origin).protocol))
    throw new MirrorRefused('the URL of the gateway must be such as https://scim.example.com')
  if (!/^[\x21-\x7e]+$/.test(key)) throw new MirrorRefused('a key with directory:read is needed for the gateway')
  const send = rest.fetch ?? ((request: Request) => fetch(request))
  const environmentPath = `/projects/${encodeURIComponent(project)}/environments/${encodeURIComponent(environment)}`
  const path = tenant === undefined ? environmentPath : `${environmentPath}/tenants/${encodeURIComponent(tenant)}`
  const base = `${origin.replace(/\/$/, '')}/api/v1${path}`
  const asked = async (question: string, signal: AbortSignal): Promise<{ response: Response; heard: () => void }> => {
    const silence = new AbortController()
    const alarm = setTimeout(() => silence.abort(new Error('the gateway is silent')), SILENCE_MS)
    const either = AbortSignal.any([signal, silence.signal])
    const request = new Request(base + question, { headers: { Authorization: `Bearer ${key}` }, signal: either })
    const response = await send(request).catch((error: Error) => {
      clearTimeout(alarm)
      throw new GatewayFailure(0, `the gateway cannot be reached: ${reasonOf(error)}`)
    })
    either.addEventListener('abort', () => clearTimeout(alarm))
    if (response.ok) return { response, heard: () => alarm.refresh() }
    clearTimeout(alarm)
    throw await failureOf(response)
  }
  const json = async <Answer>(question: string, signal: AbortSignal): Promise<Answer> => {
    const done = new AbortController()
    try {
      const { response } = await asked(question, AbortSignal.any([signal, done.signal]))
      return (await response.json()) as Answer
    } finally {
      done.abort()
    }
  }
  /** Lines of JSON; the request ends with the reader. */
  async function* lines<OfLine>(question: string, signal: AbortSignal): AsyncGenerator<OfLine> {
    const done = new AbortController()
    try {
      const { response, heard } = await asked(question, AbortSignal.any([signal, done.signal]))
      let rest = ''
      for await (const text of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
        heard()
        const parts = (rest + text).split('\n')
        rest = parts.pop() ?? ''
        for (const part of parts) yield JSON.parse(part) as OfLine
      }
    } finally {
      done.abort()
    }
  }
  const events = (after: string, wait: number, signal: AbortSignal) =>
    json<FeedPage>(`/events?snapshot=true&limit=${PAGE}&wait=${wait}&after=${after}`, signal)
  const name = `${project}/${environment}${tenant === undefined ? '' : `/${tenant}`}`

  if (tenant !== undefined)
    return {
      ...{ name, severalTenants: false },
      async tenants(signal) {
        for await (const start of lines<{ tenant: string; position: number }>('/snapshot', signal))
          return { cursor: String(start.position), tenants: [{ id: start.tenant, key: null, name: null }] }
        throw new GatewayFailure(0, 'the gateway broke off its answer')
      },
      async *snapshot([id = ''], signal) {
        yield { kind: 'tenant', tenant: id }
        for await (const line of lines<Line | { readonly kind: 'start' }>('/snapshot', signal))
          if (line.kind !== 'start') yield line
      },
      events: async (after, wait, signal) => {
        const page = await events(after, wait, signal)
        return { ...page, next: String(page.next) }
      },
      async mapped(after, tenant, signal) {
        const { items, mappingChanged } = await json<Changes>(`/changes?limit=${PAGE}&after=${after}`, signal)
        return { users: usersIn(items, tenant), tenants: mappingChanged === true ? [tenant] : [] }
      },
    }
  return {
    ...{ name, severalTenants: true, events },
    async tenants(signal) {
      let cursor: string | undefined
      const tenants: ListedTenant[] = []
      for await (const line of lines<TenantLine>('/snapshot?resources=false', signal)) {
        if (line.kind === 'start') cursor = line.cursor
        else if (line.kind === 'tenant') tenants.push({ id: line.tenant, key: line.key, name: line.name })
        else if (cursor !== undefined) return { cursor, tenants }
      }
      throw new GatewayFailure(0, 'the gateway broke off its answer')
    },
    async *snapshot(tenants, signal) {
      for await (const line of lines<Line | { readonly kind: 'start' }>(
        `/snapshot?tenants=${tenants.join(',')}`,
        signal,
      ))
        if (line.kind !== 'start') yield line
    },
    async mapped(after, tenant, signal) {
      const { items, mappingChanged } = await json<Changes>(`/changes?limit=${PAGE}&after=${after}`, signal)
      return { users: usersIn(items, tenant), tenants: Array.isArray(mappingChanged) ? mappingChanged : [] }
    },
  }
}

type TenantLine =
  | { readonly kind: 'start'; readonly cursor: string }
  | { readonly kind: 'tenant'; readonly tenant: string; readonly key: string; readonly name: string }
  | { readonly kind: 'end' }

/** As much of `changes` as is read. */
interface Changes {
  readonly items: readonly {
    readonly type: string
    readonly id: string
    readonly tenant?: string
    readonly resource: { readonly mapped?: Mapped } | null
  }[]
  readonly mappingChanged?: boolean | readonly string[]
}

/** The users of `changes` that are there. */
const usersIn = (items: Changes['items'], only: string): MappedNow['users'] =>
  items.flatMap(({ type, id, tenant = only, resource }) =>
    type === 'User' && resource !== null ? [{ tenant, id, mapped: resource.mapped ?? null }] : [],
  )

/** What a refusal says, in its own words where it has some. */
async function failureOf(response: Response): Promise<GatewayFailure> {
  const text = await response.text().catch(() => '')
  const detail = /^\s*\{/.test(text) ? (parsed(text)?.detail ?? '') : ''
  const words = detail === '' ? `the gateway answered ${response.status}` : detail
  return new GatewayFailure(response.status, words, retryAfterOf(response.headers.get('Retry-After')))
}

function parsed(text: string): { readonly detail?: string } | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Seconds, or a date (RFC 9110). */
function retryAfterOf(value: string | null): number | undefined {
  if (value === null) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

function reasonOf(error: Error): string {
  const { cause } = error
  return cause instanceof Error ? cause.message || cause.name : error.message
}
