import { isMintedId } from '../../auth/minted-secret.ts'
import type { Principal } from '../../auth/principal.ts'
import { SETUP_LINKS } from '../../auth/setup-link.ts'
import type { Database } from '../../db/database.ts'
import { type SetupLinkRow, setupLinksOf, type TenantScope } from '../../repositories/control/keys/setup-links.ts'
import type { IdentityProvider } from '../../tenancy/identity-providers.ts'
import { setupLinkRecord, visitEndRecord } from '../audit-records.ts'
import { type Administration, change } from '../change.ts'
import { holdPlace } from '../places-held.ts'
import { Refusal } from '../refusal.ts'
import { LEAST } from './api-keys.ts'
import { refuseWiderThan } from './minting.ts'

const DAY_MS = 86_400_000
/** How long a link is good at the most, and unless it is said otherwise. */
export const LONGEST_LINK_DAYS = 90
export const USUAL_LINK_DAYS = 7
/** How many browsers may begin a session with a link at the most, and unless it is said otherwise. */
export const MOST_VISITORS = 1_000
export const USUAL_VISITORS = 10
/** Links of a tenant that may be usable at a time. */
const MOST_LINKS = 100
/** How long a visitor's session lasts; use does not prolong it. */
export const VISIT_SECONDS = 8 * 3600

/** What a link is made from. */
export interface NewSetupLink {
  readonly name: string
  /** Default: in a week, and no later than the end of the asking key. */
  readonly expiresAt?: Date | undefined
  readonly maxVisitors?: number | undefined
  /** The one whose steps are shown first; the visitor may choose another. */
  readonly identityProvider?: IdentityProvider | undefined
}

/** A link as stored, and its secret, which is shown this once. */
export type MintedSetupLink = SetupLinkRow & { readonly secret: string }

/**
 * Makes a link to the set-up portal of a tenant. Its visitors make keys for the identity provider, so it takes a key that could
 * make them. The link lives no longer than that key.
 *
 * @throws {Refusal} 400 for too long a life, 403 for what the asking key may not give, 404 when the tenant is gone, 409 where
 *   the tenant has too many
 */
export async function createSetupLink(
  administration: Administration,
  scope: TenantScope,
  input: NewSetupLink,
  by: Principal,
): Promise<MintedSetupLink> {
  refuseWiderThan(by, { scope, permissions: LEAST })
  const expiresAt = endOf(input.expiresAt, by, new Date())
  return change(administration, async (tx, record) => {
    // So that two requests that count at the same time do not both find room.
    await holdPlace(tx, scope, 'no key update')
    const links = setupLinksOf(tx, scope.tenantId)
    await links.trim()
    if ((await links.countUsable()) >= MOST_LINKS)
      throw new Refusal(409, `The tenant has ${MOST_LINKS} set-up links that can be used; revoke some of them.`)
    const { id, key: secret, hash } = SETUP_LINKS.mint()
    const { name, maxVisitors: mostVisitors = USUAL_VISITORS, identityProvider = null } = input
    const made = await links.insert({
      ...{ id, scope, name, hash, mostVisitors, identityProvider, expiresAt },
      madeBy: by.keyId,
    })
    record(setupLinkRecord('created', { before: null, after: made }))
    return { ...made, secret }
  })
}

function endOf(wish: Date | undefined, { expiresAt: latest }: Principal, now: Date): Date {
  const within = (days: number) => new Date(now.getTime() + days * DAY_MS)
  if (wish === undefined)
    return new Date(Math.min(within(USUAL_LINK_DAYS).getTime(), latest ?? Number.POSITIVE_INFINITY))
  const refused = (status: 400 | 403, message: string) =>
    new Refusal(status, `expiresAt ${message}.`, [{ path: 'expiresAt', message }])
  const most = within(LONGEST_LINK_DAYS)
  if (wish > most) throw refused(400, `must be within ${LONGEST_LINK_DAYS} days, by ${most.toISOString()}`)
  if (latest !== undefined && wish.getTime() > latest)
    throw refused(403, `must not be after ${new Date(latest).toISOString()}, when the key that asks ends`)
  return wish
}

/** The link of a tenant with this id. @throws {Refusal} 404 */
export async function existingSetupLink(database: Database, scope: TenantScope, id: string): Promise<SetupLinkRow> {
  const found = isMintedId(id) ? await setupLinksOf(database, scope.tenantId).find(id) : undefined
  return found ?? missing(id)
}

/** Ends a link and all sessions that were begun with it. Revoking it again changes nothing. @throws {Refusal} 404 */
export async function revokeSetupLink(administration: Administration, scope: TenantScope, id: string): Promise<void> {
  await changeLink(administration, scope, id, 'revoked', async (tx, before) => {
    if (before.revokedAt !== null) return before
    const links = setupLinksOf(tx, scope.tenantId)
    await links.endVisits(id)
    return links.change(id, { revokedAt: new Date() })
  })
}

/**
 * Lets a visitor in; gives the id of the session.
 *
 * @throws {Refusal} 404; 409 where the link has expired, is revoked, or has let in as many as it may
 */
export async function beginVisit(
  administration: Administration,
  { scope, id }: SetupLinkRow,
  endsAt: Date,
): Promise<string> {
  let visit: string | undefined
  await changeLink(administration, scope, id, 'visited', async (tx, before) => {
    visit = await setupLinksOf(tx, scope.tenantId).visit(id, endsAt)
    return visit === undefined ? before : setupLinksOf(tx, scope.tenantId).find(id)
  })
  if (visit === undefined) throw new Refusal(409, 'This link takes no more visitors.')
  return visit
}

/** Ends the session of a visitor who leaves. */
export function endVisit(administration: Administration, link: SetupLinkRow, visit: string): Promise<void> {
  return change(administration, async (tx, record) => {
    await setupLinksOf(tx, link.scope.tenantId).endVisit(link.id, visit)
    record(visitEndRecord(link, visit))
  })
}

/** Notes which identity provider is to be connected. @throws {Refusal} 404 */
export async function chooseIdentityProvider(
  administration: Administration,
  { scope, id }: SetupLinkRow,
  identityProvider: IdentityProvider,
): Promise<void> {
  await changeLink(administration, scope, id, 'provider_chosen', (tx) =>
    setupLinksOf(tx, scope.tenantId).change(id, { identityProvider }),
  )
}

/** @param work gives the link as it is afterwards */
function changeLink(
  administration: Administration,
  scope: TenantScope,
  id: string,
  done: 'revoked' | 'visited' | 'provider_chosen',
  work: (tx: Database, before: SetupLinkRow) => Promise<SetupLinkRow | undefined>,
): Promise<void> {
  return change(administration, async (tx, record) => {
    const before = isMintedId(id) ? await setupLinksOf(tx, scope.tenantId).find(id, 'no key update') : undefined
    const after = before && (await work(tx, before))
    if (before === undefined || after === undefined) return missing(id)
    record(setupLinkRecord(done, { before, after }))
  })
}

function missing(id: string): never {
  throw Refusal.notFound('set-up link', id)
}
