import type { Scope } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import { type Difference, DRIFT_KINDS, type DriftKind, driftOf } from '../../repositories/accounts/drift.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import { repairRecord } from '../audit-records.ts'
import { type Administration, change } from '../change.ts'

/** Accounts, or users, that one statement compares. */
const COMPARED_AT_ONCE = 500

/** Where a comparison goes on: behind an account, or behind a user once all accounts are compared. */
export type DriftPosition = { readonly account: string } | { readonly user: string | undefined }

/** A position as text, and back; undefined where the text is none. */
export const positionText = (position: DriftPosition): string =>
  'account' in position ? `a:${position.account}` : `u:${position.user ?? ''}`
export function parseDriftPosition(text: string): DriftPosition | undefined {
  if (text.startsWith('a:')) return { account: text.slice(2) }
  return /^u:(?:[0-9a-f-]{36})?$/.test(text) ? { user: text.slice(2) || undefined } : undefined
}

/** One step of a comparison; `next` is where the next one begins. */
export interface DriftStep {
  readonly differences: readonly Difference[]
  readonly next: DriftPosition | undefined
}

type Compared = Pick<TenantContext, 'id' | 'settings' | 'catalogue'>

/** Compares some hundred accounts, or users, with the other side, from a position on. */
export async function driftStep(
  database: Database,
  { id, settings, catalogue }: Compared,
  from: DriftPosition,
  kinds: readonly DriftKind[] = DRIFT_KINDS,
): Promise<DriftStep> {
  const drift = driftOf(database, id)
  const wanted = ({ differences }: { differences: readonly Difference[] }) =>
    differences.filter(({ kind }) => kinds.includes(kind))
  if ('account' in from) {
    const ofAccounts = kinds.some((kind) => kind !== 'missing')
    if (!ofAccounts) return { differences: [], next: { user: undefined } }
    const hasRoles = settings.roleRules.length > 0 || catalogue !== undefined
    const withRoles = kinds.includes('roles') && hasRoles
    const page = await drift.ofAccounts(from.account, COMPARED_AT_ONCE, withRoles)
    return { differences: wanted(page), next: page.last === undefined ? { user: undefined } : { account: page.last } }
  }
  if (!kinds.includes('missing')) return { differences: [], next: undefined }
  const page = await drift.ofUsers(from.user, COMPARED_AT_ONCE)
  return { differences: wanted(page), next: page.last === undefined ? undefined : { user: page.last } }
}

/** Where a comparison begins. */
export const DRIFT_BEGINS: DriftPosition = { account: '' }

/** All differences, step by step. */
export async function* allDrift(
  database: Database,
  tenant: Compared,
  kinds: readonly DriftKind[] = DRIFT_KINDS,
): AsyncGenerator<readonly Difference[], void> {
  for (let from: DriftPosition | undefined = DRIFT_BEGINS; from !== undefined; ) {
    const step: DriftStep = await driftStep(database, tenant, from, kinds)
    yield step.differences
    from = step.next
  }
}

/** How many differences there are of each kind. */
export async function countDrift(database: Database, tenant: Compared): Promise<Record<DriftKind, number>> {
  const counts = { ghost: 0, missing: 0, state: 0, roles: 0 }
  for await (const differences of allDrift(database, tenant)) for (const { kind } of differences) counts[kind]++
  return counts
}

/**
 * Tells the application again what it has missed, from a position on: one step of the comparison, which one transaction tells of. The
 * events go the way of all events, the leaver brake with them.
 */
export function repairDrift(
  administration: Administration,
  scope: Extract<Scope, { kind: 'tenant' }>,
  tenant: Compared,
  user: ResourceType,
  from: DriftPosition,
  kinds: readonly DriftKind[],
): Promise<{ events: number; next: DriftPosition | undefined }> {
  return change(administration, async (tx, record) => {
    const { differences, next } = await driftStep(tx, tenant, from, kinds)
    if (differences.length === 0) return { events: 0, next }
    const { actor, requestId } = administration.author
    const asking = { actor, requestId: requestId ?? '' }
    const events = await driftOf(tx, tenant.id).repair(differences, user, asking)
    if (events > 0) record(repairRecord(scope, { kinds, events }))
    return { events, next }
  })
}
