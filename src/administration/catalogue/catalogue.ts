import { isDeepStrictEqual } from 'node:util'
import { scopeOf } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'
import { type CatalogueRow, cataloguesOf } from '../../repositories/control/catalogues.ts'
import { environmentsOf } from '../../repositories/control/environments.ts'
import { schemaDefinitionsOf } from '../../repositories/control/schema-definitions.ts'
import { tenantsOf } from '../../repositories/control/tenants.ts'
import { beginCatalogueWork } from '../../repositories/roles/catalogue-work.ts'
import { fold } from '../../scim/comparable.ts'
import { CATALOGUE_URNS, type CatalogueKind } from '../../scim/schema/catalogue-types.ts'
import {
  type Catalogue,
  type CatalogueEntry,
  catalogueMistakes,
  type GivenEntry,
  kindsApart,
  kindsInForce,
} from '../../tenancy/catalogue.ts'
import { catalogueRecord } from '../audit-records.ts'
import { type Administration, change } from '../change.ts'
import { Refusal } from '../refusal.ts'
import { catalogueEntryState, catalogueState, refuseChanged, type State } from '../states/state-tags.ts'

/** Whose catalogue it is: with a `tenantId` of null, that of all tenants of the environment. */
export interface CataloguePlace {
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  readonly tenantId: TenantId | null
}

/** What a change of a catalogue left; `made` where nothing was published before. */
export interface Published {
  readonly row: CatalogueRow
  readonly made: boolean
}

const NOTHING: Catalogue = { kinds: [], entries: [] }

/**
 * Publishes a whole catalogue in the place of the one before. The same one again changes nothing.
 *
 * Users keep what they have, whatever goes. Who has a value that comes gets the role behind the request.
 *
 * @throws {Refusal} 400 with the place of each mistake; 404; 409 for kinds that do not fit beside what there is; 412
 */
export const publishCatalogue = (
  administration: Administration,
  place: CataloguePlace,
  given: Catalogue<GivenEntry>,
): Promise<Published> =>
  changeCatalogue(
    administration,
    place,
    (before) => before && catalogueState(before),
    () => given,
  )

/** Withdraws a catalogue, if there is one: nothing of it shows any more, and values are no longer checked. @throws {Refusal} 404, 412 */
export async function withdrawCatalogue(administration: Administration, place: CataloguePlace): Promise<void> {
  const { database, expected } = administration
  const known = await cataloguesOf(database, place.environmentId).kindsAt(place.tenantId)
  // Where nothing was ever published, no trace of a catalogue is left either.
  if (known === undefined && expected === undefined) return
  await publishCatalogue(administration, place, NOTHING)
}

/** 404 where nothing is published. */
export const noCatalogue = (): Refusal => new Refusal(404, 'No catalogue is published here.')

/** Whether anything of a catalogue shows. */
export const isPublished = ({ kinds, entries }: Catalogue): boolean => kinds.length + entries.length > 0

/** Puts one entry into a catalogue, or changes it. @throws {Refusal} as `publishCatalogue` */
export async function putCatalogueEntry(
  administration: Administration,
  place: CataloguePlace,
  given: GivenEntry,
): Promise<{ readonly entry: CatalogueEntry; readonly made: boolean }> {
  let made = true
  const { row } = await changeCatalogue(
    administration,
    place,
    (before) => entryState(before, given.value),
    ({ kinds, entries } = NOTHING as CatalogueRow) => {
      const at = entries.findIndex(({ value }) => fold(value) === fold(given.value))
      made = at < 0
      return { kinds, entries: made ? [...entries, given] : entries.with(at, { ...given } as CatalogueEntry) }
    },
  )
  return { made, entry: entryIn(row, given.value) as CatalogueEntry }
}

/** Takes one entry out of a catalogue. @throws {Refusal} 404, 412 */
export async function deleteCatalogueEntry(
  administration: Administration,
  place: CataloguePlace,
  value: string,
): Promise<void> {
  await changeCatalogue(
    administration,
    place,
    (before) => entryState(before, value),
    (before) => {
      if (before === undefined || entryIn(before, value) === undefined) throw Refusal.notFound('entry', value)
      const entries = before.entries.filter((entry) => fold(entry.value) !== fold(value))
      return { kinds: before.kinds, entries }
    },
  )
}

/** The entry of a catalogue with this value; letter case does not count. */
export const entryIn = ({ entries }: Catalogue, value: string): CatalogueEntry | undefined =>
  entries.find((entry) => fold(entry.value) === fold(value))

function entryState(before: CatalogueRow | undefined, value: string): State | undefined {
  const entry = before && entryIn(before, value)
  return entry && catalogueEntryState(entry)
}

/**
 * @param stateOf what the caller has read, for `If-Match`
 * @param edit gives the catalogue from what there is
 */
function changeCatalogue(
  administration: Administration,
  place: CataloguePlace,
  stateOf: (before: CatalogueRow | undefined) => State | undefined,
  edit: (before: CatalogueRow | undefined) => Catalogue<GivenEntry>,
): Promise<Published> {
  return change(administration, async (tx, record) => {
    await hold(tx, place)
    const catalogues = cataloguesOf(tx, place.environmentId)
    const before = await catalogues.find(place.tenantId)
    refuseChanged(administration, stateOf(before))
    const given = edit(before)
    const mistakes = catalogueMistakes(given)
    if (mistakes.length > 0) throw new Refusal(400, 'The catalogue is not right; see errors.', mistakes)
    const next = { kinds: given.kinds, entries: timed(before?.entries ?? [], given.entries) }
    if (before !== undefined && isDeepStrictEqual({ kinds: before.kinds, entries: before.entries }, next))
      return { row: before, made: false }
    await refuseMisfit(tx, place, kindsInForce(next))
    const row = await catalogues.put(place.tenantId, next)
    record(catalogueRecord(scopeOf(place), before, row))
    const had = new Set((before?.entries ?? []).map(({ kind, value }) => `${kind} ${fold(value)}`))
    if (row.entries.some(({ kind, value }) => !had.has(`${kind} ${fold(value)}`)))
      await beginCatalogueWork(tx, place, administration.author)
    return { row, made: before === undefined || !isPublished(before) }
  })
}

/** The entries with their times: one that stays as it is keeps both. */
function timed(before: readonly CatalogueEntry[], given: readonly GivenEntry[]): CatalogueEntry[] {
  const now = Date.now()
  const known = new Map(before.map((entry) => [fold(entry.value), entry]))
  return given.map(({ kind, value, displayName, description, supported, contains }) => {
    const entry = { kind, value, displayName, description, supported, contains }
    const was = known.get(fold(value))
    if (was === undefined) return { ...entry, created: now, modified: now }
    const { created, modified, ...content } = was
    const stays = isDeepStrictEqual(content, entry)
    return { ...entry, created, modified: stays ? modified : Math.max(now, modified + 1) }
  })
}

/** Holds what endpoints of kinds must differ from: keys of tenants and resource types. @throws {Refusal} 404 */
async function hold(tx: Database, { projectId, environmentId, tenantId }: CataloguePlace): Promise<void> {
  if ((await environmentsOf(tx, projectId).find(environmentId, 'no key update')) === undefined)
    throw Refusal.notFound('environment', environmentId)
  if (tenantId !== null && (await tenantsOf(tx, environmentId).find(tenantId, 'no key update')) === undefined)
    throw Refusal.notFound('tenant', tenantId)
}

/** @throws {Refusal} 409 for a kind that does not fit beside a tenant, a resource type or another kind */
async function refuseMisfit(tx: Database, place: CataloguePlace, kinds: readonly CatalogueKind[]): Promise<void> {
  const { environmentId, tenantId } = place
  const concerns = (other: TenantId | null) => tenantId === null || other === null || other === tenantId
  for (const { endpoint } of kinds) {
    if ((await tenantsOf(tx, environmentId).find(endpoint.slice(1))) !== undefined)
      throw misfit(`a tenant of the environment has the key of the endpoint "${endpoint}" (letter case does not count)`)
  }
  for (const { tenantId: other, definition } of await schemaDefinitionsOf(tx, environmentId).all()) {
    if (!concerns(other) || definition.kind !== 'resourceType') continue
    const { name, endpoint, schema } = definition.type
    const taken = kinds.find((kind) => fold(kind.name) === fold(name) || fold(kind.endpoint) === fold(endpoint))
    if (taken !== undefined) throw misfit(`"${taken.name}" at "${taken.endpoint}" is a registered resource type`)
    if (kinds.length > 0 && CATALOGUE_URNS.some((urn) => fold(urn) === fold(schema.id)))
      throw misfit(`the registered resource type "${name}" has a schema of catalogues, "${schema.id}"`)
  }
  for (const other of await cataloguesOf(tx, environmentId).kinds()) {
    if (other.tenantId === tenantId || !concerns(other.tenantId)) continue
    const apart = kindsApart(kinds, other.kinds)
    if (apart === undefined) continue
    const whose = other.tenantId === null ? 'the environment' : 'a tenant'
    throw misfit(
      `"${apart[0].name}" at "${apart[0].endpoint}" is "${apart[1].name}" at "${apart[1].endpoint}" in ${whose}`,
    )
  }
}

const misfit = (reason: string): Refusal =>
  new Refusal(409, `The kinds do not fit beside what there is: ${reason}.`, [{ path: 'kinds', message: reason }])
