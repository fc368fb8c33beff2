import { createHash } from 'node:crypto'
import type { Database } from '../db/database.ts'
import type { LoggedEvent } from '../events/event.ts'
import {
  issuerAt,
  type SecurityEvent,
  type StreamPlace,
  type StreamSettings,
  securityEvents,
} from '../events/security-events.ts'
import type { TenantId } from '../place-ids.ts'
import type { StreamMessage } from '../repositories/delivery/stream-messages.ts'
import { type EventSubject, endpointsOfTypes, subjectsOf } from '../repositories/log/event-subjects.ts'
import { isObject, type JsonObject } from '../scim/resource.ts'
import { agentType } from '../scim/schema/agents.ts'
import { builtInRegistry } from '../scim/schema/registry.ts'
import { type Keyring, SIGNING_ALGORITHM, type SigningAlgorithm } from '../signing/keyring.ts'
import { isUuid } from '../tenancy/scim-path.ts'
import { type SetClaims, signSet } from './sending/security-event-token.ts'

/** A stream as far as its tokens go. */
export interface Stream extends StreamPlace {
  readonly id: string
  readonly stream: StreamSettings
}

/** One Security Event Token of an event, before it is signed. */
export interface Token {
  /** Its bit among those of the event. */
  readonly bit: number
  readonly jti: string
  sign(): Promise<string>
}

/** Where a token stands, by its `jti`; of the receiver's making, so the id may be that of no tenant. */
export interface TokenPlace {
  readonly tenant: string
  readonly position: number
  readonly part: number
}

export type StreamTokens = ReturnType<typeof streamTokens>

/** Makes Security Event Tokens of events, in the name of the stream's place, signed with the keys that its issuer names. */
export function streamTokens(keyrings: Readonly<Record<SigningAlgorithm, Keyring>>) {
  const signerOf = ({ stream }: Stream) => keyrings[stream.algorithm ?? SIGNING_ALGORITHM]
  return {
    /** Has the key ready that signs: the first one takes a second to make, which no leaver and no logout is to wait. */
    ready: (algorithm: SigningAlgorithm): Promise<unknown> => keyrings[algorithm].signing(),

    /** The tokens of each event by its position, in their order. An event that SETs have no word for has none. */
    async of(
      db: Database,
      to: Stream,
      tenantId: TenantId,
      events: readonly LoggedEvent[],
    ): Promise<Map<number, readonly Token[]>> {
      const endpoints = await endpointsOf(db, tenantId, events)
      const subjects = await subjectsOf(db, tenantId, [...new Set(events.map((event) => event.resourceId))])
      return new Map(
        events.map((event) => {
          const endpoint = endpoints.get(event.resourceType)
          if (endpoint === undefined) return [event.position, []]
          const about = { event, uri: `${endpoint}/${event.resourceId}`, known: subjectOf(event, subjects) }
          return [
            event.position,
            securityEvents(event, to.stream).map((one) => ({
              bit: 1 << one.part,
              jti: jtiOf(to.id, tenantId, event, one.part),
              sign: () => signSet(signerOf(to), claims(to, tenantId, about, one)),
            })),
          ]
        }),
      )
    },

    /** A token about the stream itself, which is the subject (SSF 1.0 §8.1.4.1, §8.1.5). */
    about(to: Stream, { id, uri, payload, createdAt }: StreamMessage): Promise<string> {
      const { origin, audience } = to.stream
      return signSet(signerOf(to), {
        ...{ iss: issuerAt(origin, to), aud: audience, jti: id, txn: id },
        toe: Math.floor(createdAt / 1000),
        sub_id: { format: 'opaque', id: to.id },
        events: { [uri]: payload },
      })
    },
  }
}

interface About {
  readonly event: LoggedEvent
  readonly uri: string
  readonly known: EventSubject
}

function claims(
  to: Stream,
  tenant: string,
  { event, uri, known }: About,
  { part, uri: eventUri, payload, about }: SecurityEvent,
): SetClaims {
  const { resourceId, requestId, version, occurredAt } = event
  const { origin, audience } = to.stream
  const iss = issuerAt(origin, to)
  const externalId = known.externalId === null ? {} : { externalId: known.externalId }
  return {
    ...{ iss, aud: audience, tenant, toe: Math.floor(occurredAt / 1000) },
    jti: jtiOf(to.id, tenant, event, part),
    // A bulk request is several changes.
    txn: `${requestId}:${resourceId}:${version}`,
    sub_id:
      about === 'person'
        ? person(to.stream, iss, resourceId, known)
        : { format: 'scim', uri, ...externalId, id: resourceId },
    events: { [eventUri]: payload },
  }
}

/** Who a signal is about. Where we do not know by what the receiver knows a subject, we send our id. */
function person(
  { subject, subjectIssuer }: StreamSettings,
  issuer: string,
  resourceId: string,
  { externalId, emails: [email] }: EventSubject,
): Readonly<Record<string, string>> {
  if (subject === 'email' && email !== undefined) return { format: 'email', email }
  if (subject === 'iss_sub' && subjectIssuer !== null && externalId !== null)
    return { format: 'iss_sub', iss: subjectIssuer, sub: externalId }
  return { format: 'iss_sub', iss: issuer, sub: resourceId }
}

/** The event itself knows those that are gone. */
function subjectOf({ resourceId, changes }: LoggedEvent, subjects: ReadonlyMap<string, EventSubject>): EventSubject {
  const known = subjects.get(resourceId)
  if (known !== undefined) return known
  const { before } = JSON.parse(changes) as JsonObject
  if (!isObject(before)) return { externalId: null, emails: [] }
  const emails = (Array.isArray(before.emails) ? before.emails : []).filter(isObject)
  const primary = [...emails].sort((a, b) => Number(b.primary === true) - Number(a.primary === true))
  return {
    externalId: typeof before.externalId === 'string' ? before.externalId : null,
    emails: primary.flatMap(({ value }) => (typeof value === 'string' ? [value] : [])),
  }
}

const BUILT_IN = builtInRegistry.endpoints
/** Agents are at this endpoint, unless a registered type is in their place. */
const UNLESS_REGISTERED: readonly [string, string][] = [[agentType.name, agentType.endpoint]]

async function endpointsOf(
  db: Database,
  tenantId: TenantId,
  events: readonly LoggedEvent[],
): Promise<ReadonlyMap<string, string>> {
  const names = new Set(events.map((event) => event.resourceType).filter((name) => !BUILT_IN.has(name)))
  if (names.size === 0) return BUILT_IN
  return new Map([...BUILT_IN, ...UNLESS_REGISTERED, ...(await endpointsOfTypes(db, tenantId, [...names]))])
}

/**
 * The token's name, unique over all streams and restored stores. It says where the event stands, so that an acknowledgement needs
 * no search.
 */
function jtiOf(streamId: string, tenant: string, event: LoggedEvent, part: number): string {
  const mark = createHash('sha256').update(`${streamId} ${event.id} ${part}`).digest('base64url').slice(0, 22)
  return `${mark}.${tenant}.${event.position}.${part}`
}

/** Reads what `jtiOf` has written; undefined for anything else. Whether there is such a token it does not say. */
export function placeOfToken(jti: string): TokenPlace | undefined {
  const [, tenant = '', position, part] = /^[\w-]{22}\.([^.]+)\.(\d{1,15})\.(\d)$/.exec(jti) ?? []
  return isUuid(tenant) ? { tenant, position: Number(position), part: Number(part) } : undefined
}
