import type { EnvironmentId, TenantId } from '../place-ids.ts'
import type { JsonObject, JsonValue } from '../scim/resource.ts'
import { isObject } from '../scim/resource.ts'
import { PATCH_OP } from '../scim/urn.ts'
import { formatVersion } from '../scim/version.ts'
import type { Change } from './changes.ts'
import type { LoggedEvent } from './event.ts'

/** What a stream of Security Event Tokens says, and how; what its operator has decided. */
export interface StreamSettings {
  /** Whether we send each token (RFC 8935), or the receiver asks for them (RFC 8936). */
  readonly method: 'push' | 'poll'
  /** The gateway's when the stream was made, perhaps with a path. It stays, since receivers go by the issuer. */
  readonly origin: string
  readonly audience: string
  readonly format: SetFormat
  /** Signals for those who know nothing of SCIM, to cut a leaver's sessions. */
  readonly signals: readonly Signal[]
  /** How signals name a person. */
  readonly subject: 'email' | 'iss_sub'
  /** The identity provider, whose `sub` is then the externalId; null for the token's own issuer, and the SCIM id as the `sub`. */
  readonly subjectIssuer: string | null
}

/** Where a stream is: in an environment for all of its tenants, or for one of them. */
export interface StreamPlace {
  readonly environmentId: EnvironmentId
  readonly tenantId: TenantId | null
}

/** Paths of issuers, below the gateway's origin; an id follows. */
export const ISSUER_PATHS = { environment: '/ssf/environments/', tenant: '/ssf/tenants/' } as const

/**
 * Who signs the tokens of a stream: its environment or its tenant, by an id that is used once. So a receiver that goes by its
 * issuer takes nothing that anybody else had signed, whatever audience and subject they chose.
 */
export const issuerAt = (origin: string, { environmentId, tenantId }: StreamPlace): string =>
  origin + (tenantId === null ? ISSUER_PATHS.environment + environmentId : ISSUER_PATHS.tenant + tenantId)

/** Whether a URI names an issuer of the gateway at `origin`, or what all its streams were signed as before they had their own. */
export function isOurs(origin: string, uri: string): boolean {
  const { href } = new URL(uri)
  return href === new URL(origin).href || href.startsWith(new URL(`${origin}/ssf/`).href)
}

/** `notice` names what has changed; `full` says it, and is for receivers of our own administrative domain (RFC 9967 §6). */
export type SetFormat = 'notice' | 'full'
export type Signal = 'caep' | 'risc'

/** One event of a Security Event Token; there is one in each (CAEP Interoperability Profile). */
export interface SecurityEvent {
  /** Its place among all that one event of the log may lead to; the same each time that it is asked for. */
  readonly part: number
  readonly uri: string
  readonly payload: JsonObject
  /** Whether the token's subject is the resource or the person behind it. */
  readonly about: 'resource' | 'person'
}

const SCIM = 'urn:ietf:params:scim:event:prov:'
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'
/** Sent on request, so that an operator sees whether a stream arrives (SSF 1.0 §8.1.4). */
export const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification'

// Signals come first: a session should not have to wait until the receiver has taken the rest.
const PART = { session: 0, account: 1, change: 2, unnamed: 3, activity: 4 }

/** The URIs that a stream of this format can bring (RFC 9967 §7.4). */
export const eventUris = (format: SetFormat): string[] => [
  ...[`${SCIM}create:${format}`, `${SCIM}patch:${format}`],
  ...[`${SCIM}delete`, `${SCIM}activate`, `${SCIM}deactivate`],
]

/**
 * What an event of the log is in the words of RFC 9967 §2.4, CAEP and RISC; nothing where they have no word for it.
 *
 * Every change of what is there is told as a patch, also one that came by PUT: the log knows what has changed, and a PatchOp
 * that brings about the same state is true of both. A stream is about all resources of its place, so that creating and
 * deleting them is all that happens to its feed.
 */
export function securityEvents(
  event: LoggedEvent,
  { format, signals }: Pick<StreamSettings, 'format' | 'signals'>,
): SecurityEvent[] {
  const verb = event.type.slice(event.type.indexOf('.') + 1)
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
      // What is never returned is changed too; only its name may be told.
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
      return [...(verb === 'deactivated' ? leaves() : returner(signals)), ...told, flip]
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
    default:
      return []
  }
}

/** Somebody is to be shut out: all sessions end, and the account with them. */
function leaver(event: LoggedEvent, signals: readonly Signal[]): SecurityEvent[] {
  const at = { event_timestamp: Math.floor(event.occurredAt / 1000) }
  const reason = { en: event.type === 'user.deleted' ? 'The user was deleted.' : 'The user was deactivated.' }
  const revoked = { ...at, initiating_entity: 'admin', reason_admin: reason }
  return [
    ...(signals.includes('caep') ? [person(PART.session, `${CAEP}session-revoked`, revoked)] : []),
    ...(signals.includes('risc') ? [person(PART.account, `${RISC}account-disabled`, {})] : []),
  ]
}

/** And is let in again: whoever disabled the account would go on refusing. */
const returner = (signals: readonly Signal[]): SecurityEvent[] =>
  signals.includes('risc') ? [person(PART.account, `${RISC}account-enabled`, {})] : []

const person = (part: number, uri: string, payload: JsonObject): SecurityEvent => ({
  ...{ part, uri, payload, about: 'person' },
})

/** False for what is never returned, of which the log has the path alone. */
const isTold = ({ before, after }: Change): boolean => before !== undefined || after !== undefined

function operation({ path, before, after }: Change): JsonObject {
  if (after === undefined || after === null) return { op: 'remove', path }
  return { op: before === undefined || before === null ? 'add' : 'replace', path, value: after }
}

/** Attributes of a resource by their paths, those of extensions too. */
const attributeNames = (resource: JsonObject): string[] =>
  Object.entries(resource).flatMap(([name, value]) => {
    if (name === 'schemas') return []
    if (!name.toLowerCase().startsWith('urn:') || !isObject(value)) return [name]
    return Object.keys(value).map((part) => `${name}:${part}`)
  })
