import { randomBytes } from 'node:crypto'
import { covers, type EnvironmentPlace, type Principal, type Scope } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import { sqlState } from '../../db/errors.ts'
import { txtRecords } from '../../network/txt-records.ts'
import type { TenantId } from '../../place-ids.ts'
import { type DomainRow, domainsOf } from '../../repositories/accounts/domains.ts'
import { domainName } from '../../tenancy/adoption.ts'
import { domainRecord } from '../audit-records.ts'
import { type Administration, change } from '../change.ts'
import { Refusal } from '../refusal.ts'

type TenantScope = Extract<Scope, { kind: 'tenant' }>

/** Domains of one tenant. */
const MOST_DOMAINS = 100

/** Where the TXT record is, and how it begins. */
export const recordName = (domain: string): string => `_rollcall.${domain}`
export const recordText = (token: string): string => `rollcall-domain-verification=${token}`

/** A domain as DNS has it. @throws {Refusal} 400 */
export function parseDomain(text: string): string {
  const name = domainName(text)
  const message = 'must be a domain such as acme.example'
  if (name === undefined) throw new Refusal(400, `The domain ${message}.`, [{ path: 'domain', message }])
  return name
}

const of = (database: Database, { environmentId, tenantId }: TenantScope) =>
  domainsOf(database, environmentId, tenantId)

/** Adds a domain that is to be verified. One that is there stays as it is, with its record. @throws {Refusal} 400, 409 */
export function addDomain(administration: Administration, scope: TenantScope, text: string): Promise<DomainRow> {
  const name = parseDomain(text)
  return change(administration, async (tx, record) => {
    const domains = of(tx, scope)
    const there = await domains.find(name)
    if (there !== undefined) return there
    if ((await domains.count()) >= MOST_DOMAINS)
      throw new Refusal(409, `A tenant has ${MOST_DOMAINS} domains at most; delete one.`)
    await domains.add(name, randomBytes(20).toString('base64url'))
    const row = await found(tx, scope, name)
    record(domainRecord(scope, { before: null, after: row }))
    return row
  })
}

/**
 * Verifies a domain by its TXT record.
 *
 * @param servers as `txtRecords` takes them
 * @throws {Refusal} 404; 409 where the record is not there, or another tenant of the environment has the domain
 */
export async function verifyDomain(
  administration: Administration,
  scope: TenantScope,
  text: string,
  servers: readonly string[],
): Promise<DomainRow> {
  const name = parseDomain(text)
  const { database } = administration
  const { token, verifiedBy } = await found(database, scope, name)
  if (verifiedBy !== null) return found(database, scope, name)
  // Not within a transaction: the server of another takes as long as it likes.
  const answer = await txtRecords(recordName(name), servers)
  if (answer.outcome === 'failed')
    throw new Refusal(409, `DNS did not answer for ${recordName(name)} (${answer.reason}). Try again.`)
  if (answer.outcome === 'none' || !answer.texts.includes(recordText(token))) {
    const seen = answer.outcome === 'none' ? 'none' : answer.texts.length
    throw new Refusal(
      409,
      `${recordName(name)} has no TXT record that says ${recordText(token)} (TXT records there: ${seen}). Make it; DNS may take a while to tell of it.`,
    )
  }
  return verified(administration, scope, name, 'dns', false)
}

/**
 * Says as the operator that a domain is a tenant's own. It takes the domain from another tenant of the environment only where that
 * is asked for, by a key for the environment.
 *
 * @throws {Refusal} 400; 403 and 409 where another tenant has verified it
 */
export async function setDomain(
  administration: Administration,
  scope: TenantScope,
  text: string,
  principal: Principal,
  takeOver: boolean,
): Promise<DomainRow> {
  const { kind, ...place } = scope
  const within: Scope = { kind: 'environment', projectId: place.projectId, environmentId: place.environmentId }
  if (!covers(principal.scope, within))
    throw new Refusal(
      403,
      'Only a key for the environment says so without DNS. Add the domain, make its TXT record, and verify it.',
    )
  const name = parseDomain(text)
  // Looked at before, so that a refusal leaves nothing behind; another tenant may still be faster than this.
  if (!takeOver && (await of(administration.database, scope).otherHolder(name)) !== undefined) throw heldByAnother(name)
  await addDomain(administration, scope, name)
  return verified(administration, scope, name, 'operator', takeOver)
}

/** Ends a domain, verified or not. @throws {Refusal} 404 */
export function deleteDomain(administration: Administration, scope: TenantScope, text: string): Promise<void> {
  const name = parseDomain(text)
  return change(administration, async (tx, record) => {
    const before = await found(tx, scope, name)
    await of(tx, scope).delete(name)
    record(domainRecord(scope, { before, after: null }))
  })
}

/** Refuses the move of a tenant. @throws {Refusal} 409 where a tenant of the destination has verified a domain that the tenant has verified too */
export async function refuseHeldDomains(
  tx: Database,
  from: EnvironmentPlace,
  to: EnvironmentPlace,
  id: TenantId,
): Promise<void> {
  const domains = domainsOf(tx, from.environmentId, id)
  for (const domain of await domains.verified())
    if ((await domains.otherHolder(domain, to.environmentId)) !== undefined)
      throw new Refusal(409, `Another tenant there has verified the domain ${domain}; delete it from one of the two.`)
}

/** A domain of the tenant. @throws {Refusal} 404 */
async function found(database: Database, scope: TenantScope, name: string): Promise<DomainRow> {
  const row = await of(database, scope).find(name)
  if (row === undefined) throw Refusal.notFound('domain', name)
  return row
}

async function verified(
  administration: Administration,
  scope: TenantScope,
  name: string,
  by: 'dns' | 'operator',
  takeOver: boolean,
): Promise<DomainRow> {
  const work = change(administration, async (tx, record) => {
    const domains = of(tx, scope)
    const before = await found(tx, scope, name)
    const holder = await domains.otherHolder(name)
    if (holder !== undefined && !takeOver) throw heldByAnother(name)
    if (holder !== undefined) {
      const other = { ...scope, tenantId: holder }
      record(domainRecord(other, { before: await found(tx, other, name), after: null }))
      await of(tx, other).delete(name)
    }
    await domains.verify(name, by)
    const after = await found(tx, scope, name)
    record(domainRecord(scope, { before, after }))
    return after
  })
  return work.catch((error: unknown) => {
    // Another tenant was faster.
    throw sqlState(error)?.constraint === 'tenant_domains_verified' ? heldByAnother(name) : error
  })
}

/** 409 that does not tell which tenant it is. */
const heldByAnother = (name: string): Refusal =>
  new Refusal(
    409,
    `Another tenant of this environment has verified the domain ${name}. The operator takes it over with a key for the environment ("takeOver": true).`,
  )
