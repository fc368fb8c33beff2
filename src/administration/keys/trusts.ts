import { v7 as uuidv7 } from 'uuid'
import type { IssuerTrust } from '../../auth/issuer-trust.ts'
import type { Principal, Scope } from '../../auth/principal.ts'
import { addressProblem, type Networks } from '../../network/delivery-address.ts'
import { type TrustRow, trustsOf } from '../../repositories/control/keys/api-key-trusts.ts'
import { apiKeyRecord } from '../audit-records.ts'
import { type Administration, change } from '../change.ts'
import { Refusal } from '../refusal.ts'
import { existingApiKey, holdApiKey } from './api-keys.ts'
import { refuseOutliving, refuseWiderThan } from './minting.ts'

/** One workload needs one, or two while it changes its audience; more are for fleets. */
const MOST = 5

/** What is said of a new trust. */
export type NewTrust = Omit<IssuerTrust, 'id'>

/**
 * Has an API key trust an issuer. A workload of that issuer can use the API key from then on. So the asking key has to be at least
 * as wide as the API key.
 *
 * @param networks that are not public, from which the issuer's keys may be fetched
 * @throws {Refusal} 400 for an address that is not public, 403 for a key wider than the asking one, 404; 409 where it is revoked,
 *   has that trust or too many
 */
export async function addTrust(
  administration: Administration,
  networks: Networks,
  place: Scope,
  id: string,
  given: NewTrust,
  by: Principal,
): Promise<TrustRow> {
  const problem = addressProblem(given.jwksUri, networks)
  if (problem !== undefined) throw new Refusal(400, `jwksUri ${problem}.`, [{ path: 'jwksUri', message: problem }])
  const trust = { id: uuidv7(), ...given }
  return change(administration, async (tx, record) => {
    const before = await holdApiKey(administration, tx, place, id)
    if (before.revokedAt !== null) throw new Refusal(409, 'The API key is revoked; make a new one.')
    refuseWiderThan(by, before)
    refuseOutliving(by, before)
    const twin = before.trusts.find((other) => overlap(other, trust))
    if (twin !== undefined)
      throw new Refusal(409, `The trust "${twin.id}" of the API key has this issuer, subject and audience already.`)
    if (before.trusts.length >= MOST) throw new Refusal(409, `An API key has ${MOST} trusts at most; remove one first.`)
    await trustsOf(tx, id).insert(trust)
    const after = await existingApiKey(tx, place, id)
    record(apiKeyRecord('trust_added', { before, after }))
    const added = after.trusts.find((row) => row.id === trust.id)
    if (added === undefined) throw new Error('the inserted trust is not there')
    return added
  })
}

/** So one assertion is never good by two trusts, of which one might ask less. */
const overlap = (one: NewTrust, other: NewTrust): boolean =>
  one.issuer === other.issuer &&
  one.subject === other.subject &&
  one.audiences.some((audience) => other.audiences.includes(audience))

/** Removes a trust; access tokens that were got by it end within a second. @throws {Refusal} 404 */
export async function removeTrust(
  administration: Administration,
  place: Scope,
  id: string,
  trust: string,
): Promise<void> {
  await change(administration, async (tx, record) => {
    const before = await holdApiKey(administration, tx, place, id)
    if (!before.trusts.some((row) => row.id === trust)) throw Refusal.notFound('trust', trust)
    await trustsOf(tx, id).delete(trust)
    const after = await existingApiKey(tx, place, id)
    record(apiKeyRecord('trust_removed', { before, after }))
  })
}
