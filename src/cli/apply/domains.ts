import { z } from 'zod'
import type { Schemas } from '../../client/index.ts'
import { domainName } from '../../tenancy/adoption.ts'
import type { Following } from './following.ts'
import { nameOf, type PlaceKeys, type placeOn } from './places.ts'

/** A domain of a tenant in a file: by its name where the operator vouches for it, else with how it is verified. */
export const domainPart = z.union([z.string(), z.strictObject({ domain: z.string(), verify: z.literal('dns') })])
export type DomainPart = z.infer<typeof domainPart>

/** A domain that is there, as a file has it. */
export const domainAsPart = ({ domain, verifiedBy }: Schemas['Domain']): DomainPart =>
  verifiedBy === 'operator' ? domain : { domain, verify: 'dns' }

/**
 * Adds the domains of a file to a tenant. Those that the operator vouches for are verified by that; for others their owner makes
 * the DNS record. A domain that is verified stays so.
 */
export async function followDomains(
  place: PlaceKeys,
  wanted: readonly DomainPart[],
  there: readonly Schemas['Domain'][],
  on: ReturnType<typeof placeOn>,
  { dry, told, prune }: Following,
): Promise<void> {
  const left = new Map(there.map((one) => [one.domain, one]))
  const tell = (domain: string) => ({ what: 'domain', at: `${nameOf(place)} ${domain}`, differences: [], notes: [] })
  for (const part of wanted) {
    const [given, vouched] = typeof part === 'string' ? [part, true] : [part.domain, false]
    const domain = domainName(given) ?? given
    const stored = left.get(domain)
    left.delete(domain)
    if (stored !== undefined && (stored.verified || !vouched)) continue
    const done = dry ? undefined : await (vouched ? on.setDomain(domain) : on.addDomain(domain))
    if (stored === undefined) {
      const { name, type, value } = done?.record ?? {}
      const notes = vouched || done === undefined ? [] : [`verify it by this record in DNS: ${name}  ${type}  ${value}`]
      told({ ...tell(domain), action: 'create', notes })
    } else told({ ...tell(domain), action: 'change', differences: [{ path: 'verified', before: false, after: true }] })
  }
  for (const domain of left.keys()) {
    if (prune && !dry) await on.deleteDomain(domain)
    told({ ...tell(domain), action: prune ? 'delete' : 'left' })
  }
}
