import { currentSecret, rotationOf } from '../auth/key-secrets.ts'
import { idsOf, type Scope } from '../auth/principal.ts'
import { issuerAt } from '../events/security-events.ts'
import type { ApiKeyVerb } from '../events/types.ts'
import type { DomainRow } from '../repositories/accounts/domains.ts'
import type { Pair } from '../repositories/accounts/reviews.ts'
import type { AccountRun } from '../repositories/accounts/runs.ts'
import type { ApiKeyRow } from '../repositories/control/api-keys.ts'
import type { AuditRecord } from '../repositories/control/audit.ts'
import type { CatalogueRow } from '../repositories/control/catalogues.ts'
import type { ConsoleSessionRow } from '../repositories/control/console-sessions.ts'
import type { SetupLinkRow } from '../repositories/control/keys/setup-links.ts'
import type { DefinitionRow } from '../repositories/control/schema-definitions.ts'
import type { EndpointRow, StreamRow } from '../repositories/delivery/webhooks.ts'
import type { ErasureRow } from '../repositories/erasure/erasures.ts'
import { definitionJson, definitionName } from '../scim/schema/definitions.ts'

/** What there was before a change, and what there is after it; one of them at least. */
type Change<Row> =
  | { readonly before: Row; readonly after: Row }
  | { readonly before: null; readonly after: Row }
  | { readonly before: Row; readonly after: null }

interface PlaceRow {
  readonly id: string
  readonly key: string
  readonly name: string
  readonly paused: boolean
  readonly settings?: object
}

/** A project, an environment or a tenant was created, changed or deleted. */
export function placeRecord(place: Scope, change: Change<PlaceRow>): AuditRecord {
  const { id, key } = change.after ?? change.before
  const shown = ({ key, name, paused, settings }: PlaceRow) => ({ key, name, paused, ...(settings && { settings }) })
  return { action: `${place.kind}.${verb(change)}`, place, target: { id, name: key }, ...both(change, shown) }
}

/** A tenant has moved: what is recorded where it is now, and where it was. What is recorded there does not tell where it went. */
export function moveRecords(
  places: { readonly from: Scope; readonly to: Scope },
  { before, after }: { readonly before: PlaceRow; readonly after: PlaceRow },
): AuditRecord[] {
  const { id } = after
  const [from, to] = [idsOf(places.from).environmentId, idsOf(places.to).environmentId]
  const shown = ({ key, settings }: PlaceRow, environmentId: string | null) => ({ key, environmentId, settings })
  const here = {
    ...{ action: 'tenant.moved', place: places.to, target: { id, name: after.key } },
    ...{ before: shown(before, from), after: shown(after, to) },
  }
  if (from === to) return [here]
  const { key, name } = before
  const target = { id, name: key }
  return [{ action: 'tenant.moved_away', place: places.from, target, before: { key, name }, after: null }, here]
}

/** Base URLs from before a tenant's moves lead to it no longer. */
export const formerEndedRecord = (place: Scope, tenant: PlaceRow, ended: readonly string[]): AuditRecord => ({
  action: 'tenant.former_urls_ended',
  ...{ place, target: { id: tenant.id, name: tenant.key } },
  before: { formerKeys: ended },
  after: { formerKeys: [] },
})

/**
 * An API key was created or changed. The log of the key's tenant has an event with the same verb.
 */
export function apiKeyRecord(done: ApiKeyVerb, change: Change<ApiKeyRow>): AuditRecord {
  const { id, name, scope } = change.after ?? change.before
  const shown = (row: ApiKeyRow) => {
    const { name, permissions, userId, tokensMayMintAdminKeys, expiresAt, revokedAt, secrets, publicKeys, trusts } = row
    const rotation = rotationOf(secrets, new Date())
    const ends = rotation && (rotation.from.endsAt ?? 'on use of the new one')
    return {
      ...{ name, permissions, userId, tokensMayMintAdminKeys, expiresAt, revokedAt },
      secretVersion: currentSecret(secrets).version,
      oldSecret: rotation ? { version: rotation.from.version, ends } : null,
      publicKeys: publicKeys.map(({ thumbprint }) => thumbprint),
      trusts: trusts.map(({ id, issuer, jwksUri, subject, audiences, algorithms }) => ({
        ...{ id, issuer, jwksUri, subject, audiences, algorithms },
      })),
    }
  }
  return { action: `api_key.${done}`, place: scope, target: { id, name }, ...both(change, shown) }
}

/** Somebody signed in to the console, or a session of it was ended. */
export function consoleSessionRecord(place: Scope, change: Change<ConsoleSessionRow>): AuditRecord {
  const { id, keyId, person } = change.after ?? change.before
  const shown = ({ keyId, person, address, client }: ConsoleSessionRow) => {
    const { issuer, name, email } = person ?? {}
    return { ...(person === null ? { apiKey: keyId } : { person: keyId, issuer, name, email }), address, client }
  }
  return {
    action: `console_session.${verb(change)}`,
    place,
    target: { id, name: person?.name ?? keyId },
    ...both(change, shown),
  }
}

/** A set-up link was created or revoked, let a visitor in (`visited`), or its visitor chose an identity provider. */
export function setupLinkRecord(
  done: 'created' | 'revoked' | 'visited' | 'provider_chosen',
  change: Change<SetupLinkRow>,
): AuditRecord {
  const { id, name, scope } = change.after ?? change.before
  const shown = ({ name, identityProvider, mostVisitors, visitors, expiresAt, revokedAt }: SetupLinkRow) => ({
    ...{ name, identityProvider, maxVisitors: mostVisitors, visitors, expiresAt, revokedAt },
  })
  return { action: `setup_link.${done}`, place: scope, target: { id, name }, ...both(change, shown) }
}

/** A visitor of a set-up link has left. */
export function visitEndRecord({ id, name, scope }: SetupLinkRow, visit: string): AuditRecord {
  const target = { id, name }
  return { action: 'setup_link.left', place: scope, target, before: { session: visit }, after: { session: null } }
}

/** The connection of a tenant was tested; `after` says as what, and what came of it. */
export function selfTestRecord(place: Scope, { id, key }: Pick<PlaceRow, 'id' | 'key'>, after: object): AuditRecord {
  return { action: 'tenant.self_tested', place, target: { id, name: key }, before: null, after: { ...after } }
}

/** A schema extension or a resource type was created, changed or deleted. */
export function definitionRecord(place: Scope, change: Change<DefinitionRow>): AuditRecord {
  const { id, definition } = change.after ?? change.before
  const noun = definition.kind === 'extension' ? 'schema_extension' : 'resource_type'
  const shown = (row: DefinitionRow) => ({ version: row.version, ...definitionJson(row.definition) })
  const target = { id, name: definitionName(definition) }
  return { action: `${noun}.${verb(change)}`, place, target, ...both(change, shown) }
}

/** The most values that a record of a catalogue names of each list. */
const VALUES_NAMED = 100

/** A catalogue of roles and entitlements was published or changed; the record names values, not all that is said of them. */
export function catalogueRecord(place: Scope, before: CatalogueRow | undefined, after: CatalogueRow): AuditRecord {
  const by = (row: CatalogueRow | undefined) => new Map((row?.entries ?? []).map((entry) => [entry.value, entry]))
  const [had, has] = [by(before), by(after)]
  const named = (values: string[]) =>
    values.length > VALUES_NAMED ? [...values.slice(0, VALUES_NAMED), `… ${values.length} in all`] : values
  const shown = ({ version, kinds, entries }: CatalogueRow) => ({ version, kinds, entries: entries.length })
  const changes = {
    added: named([...has.keys()].filter((value) => !had.has(value))),
    removed: named([...had.keys()].filter((value) => !has.has(value))),
    changed: named(
      [...has.values()].flatMap((entry) => {
        const was = had.get(entry.value)
        return was !== undefined && was.modified !== entry.modified ? [entry.value] : []
      }),
    ),
  }
  return {
    action: before === undefined ? 'catalogue.created' : 'catalogue.changed',
    ...{ place, target: { id: after.id, name: 'catalogue' } },
    ...{ before: before === undefined ? null : shown(before), after: { ...shown(after), ...changes } },
  }
}

/** A webhook was created, changed or deleted, or got a new secret (`secret_rotated`). */
export function webhookRecord(
  done: 'created' | 'changed' | 'deleted' | 'secret_rotated',
  place: Scope,
  change: Change<EndpointRow>,
): AuditRecord {
  const { id, url: name } = change.after ?? change.before
  const shown = ({ url, description, events, snapshot, enabled, previousSecretUntil }: EndpointRow) => ({
    ...{ url, description, events, snapshot, enabled, previousSecretUntil },
  })
  return { action: `webhook.${done}`, place, target: { id, name }, ...both(change, shown) }
}

/** A stream of Security Event Tokens was created, changed or deleted. */
export function streamRecord(place: Scope, change: Change<StreamRow>): AuditRecord {
  const { id, stream } = change.after ?? change.before
  const shown = (row: StreamRow) => {
    const { url, description, events, enabled, paused, receiverKey } = row
    const { origin, ...stream } = row.stream
    return { ...stream, issuer: issuerAt(origin, row), url, description, events, enabled, paused, receiverKey }
  }
  return { action: `stream.${verb(change)}`, place, target: { id, name: stream.audience }, ...both(change, shown) }
}

/**
 * A webhook or a stream was sent something on request: events again (`replayed`), or a message that says nothing (`tested`).
 */
export function sendingRecord(
  done: 'replayed' | 'tested',
  place: Scope,
  { id, url, stream }: EndpointRow,
  outcome: Readonly<Record<string, unknown>>,
): AuditRecord {
  const [noun, name] = stream === null ? ['webhook', url] : ['stream', stream.audience]
  return { action: `${noun}.${done}`, place, target: { id, name }, before: { sent: null }, after: { sent: outcome } }
}

/** The leaver brake of a tenant released the events that it held. */
export function brakeRecord(
  place: Scope,
  holdId: string,
  released: { readonly events: number; readonly note: string | null },
): AuditRecord {
  const target = { id: holdId, name: 'leaver brake' }
  return {
    action: 'brake.released',
    place,
    target,
    before: { held: released.events },
    after: { held: 0, note: released.note },
  }
}

/** The application has posted accounts of the tenant for the first time. */
export const accountsBegunRecord = (place: Scope, { id, key }: Pick<PlaceRow, 'id' | 'key'>): AuditRecord => ({
  ...{ action: 'accounts.begun', place, target: { id, name: key } },
  ...{ before: { accounts: false }, after: { accounts: true } },
})

/** A run has come to its end, in which the application has posted all of its accounts. */
export function runFinishedRecord(place: Scope, { run, posted, gone }: AccountRun): AuditRecord {
  return {
    action: 'accounts.run_finished',
    place,
    target: { id: run, name: run },
    before: { finished: false },
    after: { finished: true, posted, gone },
  }
}

/** Somebody decided whether users and accounts are the same people: of one user, or of all who meet a rule. */
export function reviewRecord(
  place: Scope,
  decision: 'confirm' | 'separate' | 'merge',
  { user, rule, ...after }: { user?: string; rule?: object; pairs: readonly Pair[]; merged: readonly string[] },
): AuditRecord {
  const done = { confirm: 'confirmed', separate: 'separated', merge: 'merged' }[decision]
  const target = user === undefined ? { id: 'rule', name: JSON.stringify(rule) } : { id: user, name: 'account review' }
  return {
    action: `account_review.${done}`,
    place,
    target,
    before: { pairs: [] },
    after: { ...after, ...(rule && { rule }) },
  }
}

/** The application is told again of what it has missed. */
export const repairRecord = (
  place: Scope,
  after: { readonly kinds: readonly string[]; readonly events: number },
): AuditRecord => ({
  ...{
    action: 'accounts.repaired',
    place,
    target: { id: 'drift', name: 'drift' },
    before: { events: 0 },
    after: { ...after },
  },
})

/** A domain of a tenant was added, verified or deleted. */
export function domainRecord(place: Scope, change: Change<DomainRow>): AuditRecord {
  const { domain } = change.after ?? change.before
  const shown = ({ domain, verifiedBy, verifiedAt }: DomainRow) => ({ domain, verifiedBy, verifiedAt })
  const done = change.before !== null && change.after !== null ? 'verified' : verb(change)
  return { action: `domain.${done}`, place, target: { id: domain, name: domain }, ...both(change, shown) }
}

/** Somebody asked to erase a person; the record has the user's id alone. */
export const erasureRecord = (
  place: Scope,
  { id, userId, reference }: Pick<ErasureRow, 'id' | 'userId' | 'reference'>,
): AuditRecord => ({
  ...{ action: 'erasure.begun', place, target: { id, name: reference ?? 'erasure' } },
  ...{ before: { state: null }, after: { state: 'running', subject: userId } },
})

/** A person is erased: from where, and how many rows. */
export const erasureEndRecord = (
  place: Scope,
  { id, reference, erased, storage }: Pick<ErasureRow, 'id' | 'reference' | 'erased' | 'storage'>,
): AuditRecord => ({
  ...{ action: 'erasure.finished', place, target: { id, name: reference ?? 'erasure' } },
  ...{ before: { state: 'running' }, after: { state: 'done', erased, storage } },
})

function verb({ before, after }: Change<unknown>): 'created' | 'changed' | 'deleted' {
  if (before === null) return 'created'
  return after === null ? 'deleted' : 'changed'
}

const both = <Row>({ before, after }: Change<Row>, shown: (row: Row) => Readonly<Record<string, unknown>>) => ({
  before: before && shown(before),
  after: after && shown(after),
})
