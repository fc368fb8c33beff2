import { RateLimiterMemory } from 'rate-limiter-flexible'
import { isWithin } from '../../network/addresses.ts'
import type { ClientAddress } from '../../network/proxies.ts'
import { ScimError } from '../../scim/errors.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import { TooManyRequests } from '../errors.ts'

// An identity provider may send a burst within one window, and can wait for the next.
const WINDOW_SECONDS = 10

/**
 * Checks a request against the tenant's `allowedAddresses` and `requestsPerSecond`. The result is undefined where there is
 * nothing to wait for.
 *
 * Each instance counts each tenant's requests in windows of ten seconds. A burst may use up a whole window; the average stays
 * within `requestsPerSecond`.
 *
 * @throws {ScimError} 403 for an address that is not allowed; 429 (the promise rejects)
 */
export function tenantLimits() {
  // The limiter only counts: the maximum differs between tenants and may change at any time.
  const counter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: WINDOW_SECONDS })

  return ({ id, settings }: TenantContext, address: () => ClientAddress): Promise<void> | undefined => {
    const { allowedAddresses, requestsPerSecond } = settings
    if (allowedAddresses.length > 0) checkAddress(allowedAddresses, address())
    return requestsPerSecond === 'unlimited' ? undefined : count(id, requestsPerSecond)
  }

  async function count(tenantId: string, perSecond: number): Promise<void> {
    const { consumedPoints, msBeforeNext } = await counter.consume(tenantId)
    if (consumedPoints <= perSecond * WINDOW_SECONDS) return
    const seconds = Math.max(1, Math.ceil(msBeforeNext / 1000))
    const detail = `This tenant allows ${perSecond} requests a second (requestsPerSecond); try again in ${seconds} s.`
    throw new TooManyRequests(detail, seconds)
  }
}

function checkAddress(allowed: readonly string[], client: ClientAddress): void {
  if (isWithin(allowed, client.address)) return
  const from =
    client.address === undefined
      ? `where this one came from is not known: ${client.why}`
      : `this one came from ${client.address}`
  throw ScimError.forbidden(`This tenant accepts requests only from certain addresses (allowedAddresses); ${from}.`)
}
