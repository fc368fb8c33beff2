import type { EnvironmentId, TenantId } from '../place-ids.ts'
import type { JsonObject, JsonValue } from '../scim/resource.ts'
import { isObject } from '../scim/resource.ts'
import { PATCH_OP } from '../scim/urn.ts'
import { formatVersion } from '../scim/version.ts'
import type { SigningAlgorithm } from '../signing/keyring.ts'
import type { Change } from './changes.ts'
import type { LoggedEvent } from './event.ts'
import { type EventType, resourceVerb } from './types.ts'

/** What an operator has decided about a stream of Security Event Tokens. */
export interface StreamSettings {
  /** `push`: the gateway sends each token (RFC 8935). `poll`: the receiver asks for tokens (RFC 8936). */
  readonly method: 'push' | 'poll'
  /** The gateway's origin when the stream was made, perhaps with a path. It never changes, since receivers check the issuer. */
  readonly origin: string
  readonly audience: string
  readonly format: SetFormat
  /** Signals for receivers without SCIM, which end a leaver's sessions. */
  readonly signals: readonly Signal[]
  /** How signals name a person. */
  readonly subject: 'email' | 'iss_sub'
  /** The identity provider, whose `sub` is the externalId; null for the token's own issuer, whose `sub` is the SCIM id. */
  readonly subjectIssuer: string | null
  /** What signs its tokens; undefined for ES256, as all streams of releases that knew nothing else. */
  readonly algorithm?: SigningAlgorithm
  /** Of a stream that its receiver has made: the event URIs that it asked for. An operator's stream tells all that it can. */
  readonly requested?: readonly string[]
}

/** Where a stream is: in an environment for all of its tenants, or for one of them. */
export interface StreamPlace {
  readonly environmentId: EnvironmentId
  readonly tenantId: TenantId | null
}

/** Whether a stream gets events, waits with them, or gets none (SSF 1.0 §8.1.2). */
export type StreamStatus = 'enabled' | 'paused' | 'disabled'

/** Paths of issuers, below the gateway's origin; an id follows. */
export const ISSUER_PATHS = { environment: '/ssf/environments/', tenant: '/ssf/tenants/' } as const

/** Paths of what receivers ask themselves, below their issuer (SSF 1.0 §8.1). */
export const RECEIVER_PATHS = {
  configuration: '/streams',
  status: '/status',
  verification: '/verification',
  poll: (streamId: string) => `/streams/${streamId}/poll`,
} as const

/** Where the receiver of a stream that is polled comes for its tokens, where it manages the stream itself. */
export const pollUrlOf = (row: StreamPlace & { readonly id: string; readonly stream: StreamSettings }): string =>
  issuerAt(row.stream.origin, row) + RECEIVER_PATHS.poll(row.id)

/**
 * The issuer of a stream's tokens: its environment or its tenant, by an id that is never used again. So a receiver that
 * checks the issuer accepts no token of another tenant, with any audience and subject that it may have chosen.
 */
export const issuerAt = (origin: string, { environmentId, tenantId }: StreamPlace): string =>
  origin + (tenantId === null ? ISSUER_PATHS.environment + environmentId : ISSUER_PATHS.tenant + tenantId)

/** Whether a URI names an issuer of the gateway at `origin`, or the origin itself, the issuer of all streams in old versions. */
export function isOurs(origin: string, uri: string): boolean {
  const { href } = new URL(uri)
  return href === new URL(origin).href || href.startsWith(new URL(`${origin}/ssf/`).href)
}

/** `notice` names changed attributes; `full` has their values, for receivers of the same administrative domain (RFC 9967 §6). */
export type SetFormat = 'notice' | 'full'
export type Signal = 'caep' | 'risc'

/** The event of a Security Event Token, which has exactly one (CAEP Interoperability Profile). */
export interface SecurityEvent {
  /** Tells the security events of one event of the log apart; the same every time. */
  readonly part: number
  readonly uri: string
  readonly payload: JsonObject
  /** Whether the token's subject is the resource or the person behind it. */
  readonly about: 'resource' | 'person'
}

const SCIM = 'urn:ietf:params:scim:event:prov:'
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'
const SSF = 'https://schemas.openid.net/secevent/ssf/event-type/'
/** Sent on request, so that an operator or the receiver sees whether tokens arrive (SSF 1.0 §8.1.4). */
export const VERIFICATION = `${SSF}verification`
/** Tells the receiver that somebody else has changed the status of its stream (SSF 1.0 §8.1.5). */
export const STREAM_UPDATED = `${SSF}stream-updated`

// Signals come first, so that a session ends before the receiver has accepted the other tokens.
const PART = { session: 0, account: 1, change: 2, unnamed: 3, activity: 4 }

/** The event URIs that a stream of this format can deliver (RFC 9967 §7.4). */
export const eventUris = (format: SetFormat): string[] => [
  ...[`${SCIM}create:${format}`, `${SCIM}patch:${format}`],
  ...[`${SCIM}delete`, `${SCIM}activate`, `${SCIM}deactivate`],
]

const SIGNAL_URIS: Readonly<Record<Signal, readonly string[]>> = {
  caep: [`${CAEP}session-revoked`],
  risc: [`${RISC}account-disabled`, `${RISC}account-enabled`],
}

/** The event URIs that a stream can tell (SSF 1.0 §8.1.1, `events_supported`): signals first. */
export const supportedUris = ({ format, signals }: Pick<StreamSettings, 'format' | 'signals'>): string[] => [
  ...signals.flatMap((signal) => SIGNAL_URIS[signal]),
  ...eventUris(format),
]

/** The event URIs that a stream tells: what it can, and where the receiver has asked for some, these alone. */
export function deliveredUris(stream: Pick<StreamSettings, 'format' | 'signals' | 'requested'>): string[] {
  const { requested } = stream
  return supportedUris(stream).filter((uri) => requested === undefined || requested.includes(uri))
}

/** Types of the log that lead to signals. */
const SIGNAL_TYPES: readonly EventType[] = [
  ...(['user.activated', 'user.deactivated', 'user.deleted'] as const),
  'user.sessions_revoked',
]

/** The filter of the log that goes with these event URIs: none where any resource may be told of. */
export const typesToldBy = (uris: readonly string[]): readonly EventType[] =>
  uris.some((uri) => uri.startsWith(SCIM)) ? [] : SIGNAL_TYPES

/**
 * An event of the log as events of RFC 9967 §2.4, CAEP and RISC; none when these standards have no event for it.
 *
 * Every change of a resource becomes a patch, also a change by PUT. The log knows what has changed but not by which verb,
 * and a PatchOp with the same result is true of both. A stream is about all resources of its place, so it has no feed events.
 */
export function securityEvents(
  event: LoggedEvent,
  { requested, ...stream }: Pick<StreamSettings, 'format' | 'signals' | 'requested'>,
): SecurityEvent[] {
  const all = allSecurityEvents(event, stream)
  return requested === undefined ? all : all.filter(({ uri }) => requested.includes(uri))
}

function allSecurityEvents(
  event: LoggedEvent,
  { format, signals }: Pick<StreamSettings, 'format' | 'signals'>,
): SecurityEvent[] {
  const verb = resourceVerb(event.type)
  if (verb === undefined) return []
  const isUser = event.resourceType === 'User'
  const changes = JSON.parse(event.changes) as JsonObject
  const version = formatVersion(event.version)
  const resource = (part: number, name: string, payload: JsonObject): SecurityEvent => ({
    ...{ part, uri: SCIM + name, payload, about: 'resource' },
  })
  const patch = (list: readonly Change[], operations: () => JsonValue[]): SecurityEvent[] => {
    const notice = (part: number, of: readonly Change[]) =>
      resource(part, 'patch:notice', { version, attributes: of.map(({ path }) => path) })
    if (format === 'notice') return [notice(PART.change, list)]
    const [told, untold] = [list.filter(isTold), list.filter((change) => !isTold(change))]
    const data = { schemas: [PATCH_OP], Operations: operations() }
    return [
      ...(told.length > 0 ? [resource(PART.change, 'patch:full', { version, data })] : []),
      // An attribute that is never returned changes too; only its name may be told.
      ...(untold.length > 0 ? [notice(PART.unnamed, untold)] : []),
    ]
  }
  const leaves = () => (isUser ? leaver(event, signals) : [])

  switch (verb) {
    case 'created': {
      const after = isObject(changes.after) ? changes.after : {}
      if (format === 'notice')
        return [resource(PART.change, 'create:notice', { version, attributes: attributeNames(after) })]
      return [resource(PART.change, 'create:full', { version, data: { ...after, id: event.resourceId } })]
    }
    case 'updated':
    case 'activated':
    case 'deactivated': {
      const list = (changes.changed ?? []) as unknown as Change[]
      const told = patch(list, () => list.filter(isTold).map(operation))
      if (verb === 'updated') return told
      const flip = resource(PART.activity, verb === 'activated' ? 'activate' : 'deactivate', {})
      return [...(verb === 'deactivated' ? leaves() : isUser ? returner(signals) : []), ...told, flip]
    }
    case 'member_added':
    case 'member_removed': {
      const ids = (changes.members ?? []) as string[]
      return patch([{ path: 'members', after: ids }], () =>
        verb === 'member_added'
          ? [{ op: 'add', path: 'members', value: ids.map((value) => ({ value })) }]
          : ids.map((id) => ({ op: 'remove', path: `members[value eq ${JSON.stringify(id)}]` })),
      )
    }
    case 'deleted':
      return [...leaves(), resource(PART.change, 'delete', {})]
    case 'sessions_revoked':
      return revoked(event, signals, 'An identity provider asked to end all sessions of the user.')
    default:
      return verb satisfies never
  }
}

/** The signals that a user leaves: all sessions end, and the account is disabled. */
function leaver(event: LoggedEvent, signals: readonly Signal[]): SecurityEvent[] {
  const why = event.type === 'user.deleted' ? 'The user was deleted.' : 'The user was deactivated.'
  return [
    ...revoked(event, signals, why, { initiating_entity: 'admin' }),
    ...(signals.includes('risc') ? [person(PART.account, `${RISC}account-disabled`, {})] : []),
  ]
}

/** The signal that all sessions of a user end. @param why for administrators */
function revoked(event: LoggedEvent, signals: readonly Signal[], why: string, by: JsonObject = {}): SecurityEvent[] {
  const payload = { event_timestamp: Math.floor(event.occurredAt / 1000), ...by, reason_admin: { en: why } }
  return signals.includes('caep') ? [person(PART.session, `${CAEP}session-revoked`, payload)] : []
}

/** The signal that a user is back: a receiver that has disabled the account enables it. */
const returner = (signals: readonly Signal[]): SecurityEvent[] =>
  signals.includes('risc') ? [person(PART.account, `${RISC}account-enabled`, {})] : []

const person = (part: number, uri: string, payload: JsonObject): SecurityEvent => ({
  ...{ part, uri, payload, about: 'person' },
})

/** False for an attribute that is never returned: the log has its path alone. */
const isTold = ({ before, after }: Change): boolean => before !== undefined || after !== undefined

function operation({ path, before, after }: Change): JsonObject {
  if (after === undefined || after === null) return { op: 'remove', path }
  return { op: before === undefined || before === null ? 'add' : 'replace', path, value: after }
}

/** Paths of a resource's attributes, with those of extensions. */
const attributeNames = (resource: JsonObject): string[] =>
  Object.entries(resource).flatMap(([name, value]) => {
    if (name === 'schemas') return []
    if (!name.toLowerCase().startsWith('urn:') || !isObject(value)) return [name]
    return Object.keys(value).map((part) => `${name}:${part}`)
  })
