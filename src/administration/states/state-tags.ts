import { createHash } from 'node:crypto'
import { currentSecret } from '../../auth/key-secrets.ts'
import { issuerAt } from '../../events/security-events.ts'
import type { ApiKeyRow } from '../../repositories/control/api-keys.ts'
import type { CatalogueRow } from '../../repositories/control/catalogues.ts'
import type { EnvironmentRow } from '../../repositories/control/environments.ts'
import type { ProjectRow } from '../../repositories/control/projects.ts'
import type { DefinitionRow } from '../../repositories/control/schema-definitions.ts'
import type { TenantRow } from '../../repositories/control/tenants.ts'
import type { EndpointRow, StreamRow } from '../../repositories/delivery/webhooks.ts'
import { definitionJson } from '../../scim/schema/definitions.ts'
import { matchesTag } from '../../scim/version.ts'
import type { CatalogueEntry } from '../../tenancy/catalogue.ts'
import {
  type EnvironmentSettings,
  effectiveSettings,
  type Settings,
  type TenantSettings,
} from '../../tenancy/settings.ts'
import type { Administration } from '../change.ts'
import { Changed } from '../refusal.ts'

/** A part of a resource that somebody can change. */
interface Part {
  /** Where it stands in the admin API, such as `settings.mode`. */
  readonly path: string
  /** What it is now; never a secret. */
  readonly now: unknown
  /** What else changes the tag, and is not shown. */
  readonly beside?: unknown
}

/**
 * A resource of the admin API as far as it is changed by somebody. It has no counts and no last use, which change by themselves.
 * So a tag of it stays the same while the resource is merely used.
 */
export type State = readonly Part[]

export const projectState = ({ name, paused }: ProjectRow): State => [part('name', name), part('paused', paused)]

export const environmentState = (row: EnvironmentRow): State => placeState(row, effectiveSettings(row.settings))

/** @param inherited the settings of the tenant's environment: they are shown with the tenant */
export const tenantState = (row: TenantRow, inherited: EnvironmentSettings): State =>
  placeState(row, effectiveSettings(inherited, row.settings))

/** The mapping that is in force at a place, which may be the environment's. */
export const mappingState = (environment: EnvironmentSettings, tenant?: TenantSettings): State => [
  part('mapping', effectiveSettings(environment, tenant).mapping, (tenant ?? environment).mapping),
]

export function apiKeyState(row: ApiKeyRow): State {
  const { name, permissions, tokensMayMintAdminKeys, expiresAt, revokedAt, secrets, publicKeys, trusts } = row
  const ends = secrets.map(({ version, endsAt, endsOnUse }) => ({ version, endsAt, endsOnUse }))
  return [
    ...[part('name', name), part('permissions', permissions), part('tokensMayMintAdminKeys', tokensMayMintAdminKeys)],
    ...[part('expiresAt', expiresAt), part('revokedAt', revokedAt)],
    part('secrets', `version ${currentSecret(secrets).version}`, ends),
    part(
      'publicKeys',
      publicKeys.map(({ thumbprint }) => thumbprint),
    ),
    part(
      'trusts',
      trusts.map(({ id }) => id),
    ),
  ]
}

export function webhookState(row: EndpointRow): State {
  const { url, description, events, snapshot, enabled, disabledReason, previousSecretUntil, secret } = row
  return [
    ...[part('url', url), part('description', description), part('events', events), part('snapshot', snapshot)],
    ...[part('enabled', enabled), part('disabledReason', disabledReason)],
    part('previousSecretUntil', previousSecretUntil, secret),
  ]
}

export function streamState(row: StreamRow): State {
  const { url, description, events, enabled, disabledReason, paused, statusReason, secret } = row
  const { origin, ...stream } = row.stream
  return [
    ...Object.entries(stream).map(([name, value]) => part(name, value)),
    ...[part('issuer', issuerAt(origin, row)), part('url', url), part('description', description)],
    ...[part('events', events), part('enabled', enabled), part('disabledReason', disabledReason)],
    ...[part('paused', paused), part('statusReason', statusReason)],
    part('hasToken', secret !== '', secret),
  ]
}

export const definitionState = ({ id, version, definition }: DefinitionRow): State => [
  part('version', version, id),
  ...Object.entries(definitionJson(definition)).map(([name, value]) => part(name, value)),
]

export const catalogueState = ({ id, version, kinds, entries }: CatalogueRow): State => [
  ...[part('version', version, id), part('kinds', kinds), part('entries', `${entries.length} entries`, entries)],
]

export const catalogueEntryState = ({ created, modified, ...entry }: CatalogueEntry): State => [
  part('modified', modified, created),
  ...Object.entries(entry).map(([name, value]) => part(name, value)),
]

const part = (path: string, now: unknown, beside?: unknown): Part => ({ path, now, beside })

function placeState(
  { name, paused, settings }: { readonly name: string; readonly paused: boolean; readonly settings: TenantSettings },
  inForce: Settings,
): State {
  const own: Readonly<Record<string, unknown>> = settings
  return [
    ...[part('name', name), part('paused', paused)],
    ...Object.entries(inForce).map(([setting, value]) => part(`settings.${setting}`, value, own[setting])),
  ]
}

/** Letters of the mark that each part leaves in a tag, by which a refusal names the parts that differ. */
const MARK = 3

/** The opaque text of a state's entity tag: a checksum of all of it, and a mark of each part. */
export function tagOf(state: State): string {
  const all = state.map(({ path, now, beside }) => JSON.stringify([path, now, beside ?? null]))
  return `${checksum(all.join('\n')).slice(0, 22)}.${all.map((text) => checksum(text).slice(0, MARK)).join('')}`
}

const checksum = (text: string): string => createHash('sha256').update(text).digest('base64url')

/**
 * Refuses a change by somebody who has read another state than there is. Only a transaction that holds the rows of the state can
 * say so: nobody changes them until it is over.
 *
 * @param state undefined where there is nothing
 * @throws {Changed} 412
 */
export function refuseChanged({ expected }: Pick<Administration, 'expected'>, state: State | undefined): void {
  if (expected === undefined) return
  if (state === undefined) throw new Changed([], undefined)
  if (matchesTag(expected, tagOf(state))) return
  const known = expected.kind === 'tags' ? expected.tags[0] : undefined
  throw new Changed(changedParts(state, known ?? ''), tagOf(state))
}

/** The parts that differ from those of a tag; none where the tag is of something else. */
function changedParts(state: State, known: string): Part[] {
  const [marks, before] = [tagOf(state), known].map((tag) => tag.slice(tag.indexOf('.') + 1)) as [string, string]
  if (marks.length !== before.length) return []
  const mark = (text: string, i: number) => text.slice(i * MARK, (i + 1) * MARK)
  return state.filter((_, i) => mark(marks, i) !== mark(before, i))
}
