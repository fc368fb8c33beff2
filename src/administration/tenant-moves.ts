import { isDeepStrictEqual } from 'node:util'
import type { EnvironmentPlace } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import type { TenantId } from '../place-ids.ts'
import { cataloguesOf } from '../repositories/control/catalogues.ts'
import { type EnvironmentRow, environmentsOf } from '../repositories/control/environments.ts'
import { projectsIn } from '../repositories/control/projects.ts'
import { schemaDefinitionsOf } from '../repositories/control/schema-definitions.ts'
import {
  countSharedDeliveries,
  dropSharedDeliveries,
  dropSharedDeliveriesInSteps,
  followsRules,
  formerAddressesOf,
  holdLog,
  isFormerAddress,
  moveTenantRows,
} from '../repositories/control/tenant-moves.ts'
import { type TenantRow, tenantsOf } from '../repositories/control/tenants.ts'
import { followHistorySetting } from '../repositories/history/switching.ts'
import { ScimError } from '../scim/errors.ts'
import { definitionJson, definitionName, registryInput } from '../scim/schema/definitions.ts'
import { buildRegistry } from '../scim/schema/registry.ts'
import { kindsApart } from '../tenancy/catalogue.ts'
import { DEFAULT_TENANT, foldKey, keyProblem } from '../tenancy/scim-path.ts'
import { effectiveSettings, type TenantSettings, tenantSettings } from '../tenancy/settings.ts'
import { refuseHeldDomains } from './accounts/domains.ts'
import { formerEndedRecord, moveRecords } from './audit-records.ts'
import { type Administration, change, type Recorder } from './change.ts'
import { Refusal } from './refusal.ts'

/** Where a tenant is to be. */
export interface Destination {
  readonly to: EnvironmentPlace
  /** Its key there. */
  readonly key: string
  /** For how many days its base URL from before leads to it; 0 for not at all. */
  readonly keepFormerUrlDays: number
}

/** A setting that the tenant inherits, and that is another one at the destination. */
export interface Difference {
  readonly setting: string
  readonly here: unknown
  readonly there: unknown
  /** Whether the tenant keeps what it has, as a setting of its own. */
  readonly kept: boolean
}

export interface Moved {
  readonly tenant: TenantRow
  readonly differences: readonly Difference[]
  /** Deliveries to endpoints of the old environment that were waiting, and are not sent. */
  readonly droppedDeliveries: number
  /** Until when the base URL from before leads to it. */
  readonly formerUrlEndsAt: Date | undefined
}

/** A move drops so many deliveries in its own transaction, for which others of the tenant and of both environments may wait. */
const DROPPED_WITHIN = 5_000
/** A preview counts so many. */
const MOST_COUNTED = 100_000
/** How often a move begins anew because more deliveries were queued meanwhile. */
const ATTEMPTS = 10
const DAY_MS = 86_400_000

/**
 * Moves a tenant to another environment, or to another key, with everything that is its own. Its id stays, and so do those of its
 * resources, its events with their positions, its keys and its endpoints. What it inherits and would lose becomes its own.
 *
 * Keys of the old environment lose it, and those of the new one gain it. The caller has looked both up for the key that asks.
 *
 * Deliveries that wait for endpoints of the old environment are dropped. Where they are many, most of them are dropped before, in
 * steps, once everything else allows the move.
 *
 * @throws {Refusal} 400 for an invalid key; 404; 409 for `default`, for a key in use, for schemas that the destination does not
 *   have, while role rules are being followed, and on Citus for another environment
 */
export async function moveTenant(
  administration: Administration,
  from: EnvironmentPlace,
  id: TenantId,
  destination: Destination,
): Promise<Moved> {
  const { database } = administration
  let dropped = 0
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const moved = await change(administration, (tx, record) => move(tx, record, from, id, destination))
    if (moved !== undefined) return { ...moved, droppedDeliveries: moved.droppedDeliveries + dropped }
    if (database.inTransaction)
      throw new Refusal(
        409,
        `More than ${DROPPED_WITHIN} deliveries wait for endpoints of the old environment, which is too much for one transaction. ` +
          'Send the request without Idempotency-Key.',
      )
    dropped += await dropSharedDeliveriesInSteps(database, id, from.environmentId)
  }
  throw new Refusal(
    409,
    'Deliveries to endpoints of the old environment are queued faster than they can be dropped. Pause the tenant, and try again.',
  )
}

/** What `moveTenant` would do; it counts deliveries up to 100,000, and changes nothing. @throws {Refusal} as that does */
export async function previewMove(
  administration: Administration,
  from: EnvironmentPlace,
  id: TenantId,
  destination: Destination,
): Promise<Moved> {
  // What this process knows stays true.
  const reading = { ...administration, changed: () => {} }
  const plan = await change(reading, (tx) => planOf(tx, from, id, destination))
  if (!plan.elsewhere) return outcomeOf(plan, 0)
  const count = (tx: Database) => countSharedDeliveries(tx, id, from.environmentId, MOST_COUNTED)
  return outcomeOf(plan, await administration.database.transaction(count))
}

/** Ends the base URLs from before a tenant's moves. @throws {Refusal} 404 */
export function endFormerUrls(
  administration: Administration,
  { projectId, environmentId }: EnvironmentPlace,
  id: TenantId,
): Promise<void> {
  return change(administration, async (tx, record) => {
    const tenant = await tenantsOf(tx, environmentId).find(id, 'no key update')
    if (tenant === undefined) throw Refusal.notFound('tenant', id)
    const former = formerAddressesOf(tx, id)
    const ended = (await former.list()).map(({ tenant }) => tenant)
    await former.end()
    record(formerEndedRecord({ kind: 'tenant', projectId, environmentId, tenantId: id }, tenant, ended))
  })
}

/** What a move comes to. */
interface Plan {
  readonly before: TenantRow
  readonly after: TenantRow
  /** Whether the environment is another one. */
  readonly elsewhere: boolean
  readonly differences: readonly Difference[]
  readonly formerUrlEndsAt: Date | undefined
}

const outcomeOf = ({ after, differences, formerUrlEndsAt }: Plan, droppedDeliveries: number): Moved => ({
  ...{ tenant: after, differences, droppedDeliveries, formerUrlEndsAt },
})

/** Undefined where more deliveries wait than one transaction drops; then nothing was changed. */
async function move(
  tx: Database,
  record: Recorder,
  from: EnvironmentPlace,
  id: TenantId,
  destination: Destination,
): Promise<Moved | undefined> {
  const { to, key } = destination
  const plan = await planOf(tx, from, id, destination)
  const { before, after, elsewhere, formerUrlEndsAt } = plan
  if (before === after) return outcomeOf(plan, 0)
  if (elsewhere) {
    await holdLog(tx, id)
    const waiting = await countSharedDeliveries(tx, id, from.environmentId, DROPPED_WITHIN + 1)
    if (waiting > DROPPED_WITHIN) return undefined
  }
  const former = formerAddressesOf(tx, id)
  await former.clear(to.environmentId, key)
  if (elsewhere) {
    await moveTenantRows(tx, id, { from: from.environmentId, to, key, settings: after.settings })
    await followHistorySetting(tx, [id])
  } else await tenantsOf(tx, to.environmentId).rename(id, key)
  if (formerUrlEndsAt !== undefined) await former.add(from.environmentId, before.key, formerUrlEndsAt)
  const dropped = elsewhere ? await dropSharedDeliveries(tx, id, from.environmentId) : 0
  const placed = (place: EnvironmentPlace) => ({ kind: 'tenant' as const, ...idsOnly(place), tenantId: id })
  for (const each of moveRecords({ from: placed(from), to: placed(to) }, { before, after })) record(each)
  return outcomeOf(plan, dropped)
}

/** Holds all that the move depends on, and says what it comes to; `after` is `before` where nothing would change. */
async function planOf(
  tx: Database,
  from: EnvironmentPlace,
  id: TenantId,
  { to, key, keepFormerUrlDays }: Destination,
): Promise<Plan> {
  const problem = keyProblem(key)
  if (problem !== undefined) throw Refusal.badKey(problem)
  const [here, there] = await holdEnvironments(tx, [from, to])
  const before = await tenantsOf(tx, from.environmentId).find(id, 'update')
  if (before === undefined) throw Refusal.notFound('tenant', id)
  const elsewhere = from.environmentId !== to.environmentId
  if (!elsewhere && key === before.key)
    return { before, after: before, elsewhere, differences: [], formerUrlEndsAt: undefined }
  if (before.key === DEFAULT_TENANT)
    throw new Refusal(
      409,
      'The tenant "default" cannot be moved; every environment has one. Make another one and move its data.',
    )
  if (elsewhere && tx.distributed)
    throw new Refusal(
      409,
      'The database is distributed (Citus), and a tenant gets another key there, but no other environment. Make a tenant there and move its data.',
    )
  await refuseTaken(tx, to, key, id)
  if (elsewhere) await refuseLoss(tx, from, to, id)
  if (elsewhere) await refuseHeldDomains(tx, from, to, id)
  const differences = elsewhere ? differencesOf(here, there, before.settings) : []
  const kept = differences.filter((difference) => difference.kept).map(({ setting, here }) => [setting, here])
  const settings: TenantSettings = { ...before.settings, ...Object.fromEntries(kept) }
  // The same name in another case leads to it anyway.
  const keeps = keepFormerUrlDays > 0 && (elsewhere || foldKey(key) !== foldKey(before.key))
  return {
    ...{ before, after: { ...before, environmentId: to.environmentId, key, settings }, elsewhere, differences },
    formerUrlEndsAt: keeps ? new Date(Date.now() + keepFormerUrlDays * DAY_MS) : undefined,
  }
}

const idsOnly = ({ projectId, environmentId }: EnvironmentPlace): EnvironmentPlace => ({ projectId, environmentId })

/**
 * Holds both environments, so that nobody takes a key or changes what is inherited: in the order of their ids, so that no two moves
 * wait for each other.
 */
async function holdEnvironments(
  tx: Database,
  [from, to]: readonly [EnvironmentPlace, EnvironmentPlace],
): Promise<[EnvironmentRow, EnvironmentRow]> {
  const found = new Map<string, EnvironmentRow>()
  for (const projectId of [...new Set([from.projectId, to.projectId])].sort())
    await projectsIn(tx).find(projectId, 'key share')
  for (const { projectId, environmentId } of [from, to].sort((a, b) => (a.environmentId < b.environmentId ? -1 : 1))) {
    const environment = await environmentsOf(tx, projectId).find(environmentId, 'no key update')
    if (environment === undefined) throw Refusal.notFound('environment', environmentId)
    found.set(environmentId, environment)
  }
  return [found.get(from.environmentId), found.get(to.environmentId)] as [EnvironmentRow, EnvironmentRow]
}

/** @throws {Refusal} 409 where another tenant has the key at the destination, or had it, or where it is an endpoint */
async function refuseTaken(
  tx: Database,
  { environmentId }: EnvironmentPlace,
  key: string,
  id: TenantId,
): Promise<void> {
  const there = await tenantsOf(tx, environmentId).find(key)
  if (there !== undefined && there.id !== id) throw Refusal.keyTaken('tenant', key)
  if (await schemaDefinitionsOf(tx, environmentId).hasEndpoint(key)) throw Refusal.keyIsEndpoint(key)
  if (await isFormerAddress(tx, environmentId, key, id)) throw Refusal.keyIsFormer(key)
}

/** @throws {Refusal} 409 where the move would take schemas from the tenant's data, or roles from its users */
async function refuseLoss(tx: Database, from: EnvironmentPlace, to: EnvironmentPlace, id: TenantId): Promise<void> {
  const [here, there] = [schemaDefinitionsOf(tx, from.environmentId), schemaDefinitionsOf(tx, to.environmentId)]
  const [inherited, own, others] = [
    await here.definitions(null),
    await here.definitions(id),
    await there.definitions(null),
  ]
  const isThere = (one: (typeof others)[number]) =>
    others.some((other) => other.kind === one.kind && isDeepStrictEqual(definitionJson(other), definitionJson(one)))
  const missing = inherited.filter((one) => !isThere(one)).map(definitionName)
  if (missing.length > 0) {
    const mistakes = missing.map((name) => ({ path: 'environment', message: `has no "${name}", or another one` }))
    throw new Refusal(
      409,
      'The destination lacks schemas or resource types that the tenant has from its environment; see errors. Register the same ones there first.',
      mistakes,
    )
  }
  try {
    buildRegistry(registryInput([...others, ...own]))
  } catch (error) {
    if (!(error instanceof ScimError)) throw error
    throw new Refusal(409, `The schemas of the tenant and of the destination do not fit together: ${error.message}.`)
  }
  const catalogues = [cataloguesOf(tx, from.environmentId), cataloguesOf(tx, to.environmentId)] as const
  const apart = kindsApart((await catalogues[0].kindsAt(id)) ?? [], (await catalogues[1].kindsAt(null)) ?? [])
  if (apart !== undefined)
    throw new Refusal(
      409,
      `"${apart[0].name}" of the tenant's catalogue does not fit beside "${apart[1].name}" of the destination's: they share a name or an endpoint, and not the rest.`,
    )
  if (await followsRules(tx, id))
    throw new Refusal(
      409,
      'Groups of the tenant are being brought in step with role rules. Try again when that is done.',
    )
}

/** What the tenant inherits and would be another one. What only an environment sets cannot be kept. */
function differencesOf(here: EnvironmentRow, there: EnvironmentRow, own: TenantSettings): Difference[] {
  const [before, after] = [effectiveSettings(here.settings, own), effectiveSettings(there.settings, own)]
  const ofTenant = new Set(Object.keys(tenantSettings.shape))
  return Object.entries(before).flatMap(([setting, value]) => {
    const other = after[setting as keyof typeof after]
    if (isDeepStrictEqual(value, other)) return []
    return [{ setting, here: value, there: other, kept: ofTenant.has(setting) }]
  })
}
