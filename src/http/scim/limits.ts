import RateLimiterMemory from 'rate-limiter-flexible/lib/RateLimiterMemory.js'
import { isWithin } from '../../network/addresses.ts'
import type { ClientAddress } from '../../network/proxies.ts'
import { ScimError } from '../../scim/errors.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import { TooManyRequests } from '../errors.ts'

// An identity provider may send a burst within one window, and can wait for the next.
const WINDOW_SECONDS = 10

/**
 * Holds a tenant's requests to its `allowedAddresses` and `requestsPerSecond`.
 *
 * Each instance counts each tenant's requests in windows of ten seconds. A burst may use up a whole window; the average stays
 * within `requestsPerSecond`. A bulk request counts as its operations. It is admitted while the window has room, and what goes
 * beyond the window uses up those that follow. So the largest bulk gets through at the lowest limit.
 */
export function tenantLimits() {
  // The limiter only counts: the maximum differs between tenants and may change at any time.
  const counter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: WINDOW_SECONDS })

  return {
    /**
     * The result is undefined where there is nothing to wait for.
     *
     * @throws {ScimError} 403 for an address that is not allowed; 429 (the promise rejects)
     */
    request({ id, settings }: TenantContext, address: () => ClientAddress): Promise<void> | undefined {
      const { allowedAddresses, requestsPerSecond } = settings
      if (allowedAddresses.length > 0) checkAddress(allowedAddresses, address())
      return requestsPerSecond === 'unlimited' ? undefined : count(id, requestsPerSecond)
    },

    /** For a request that was counted as one already. @throws {ScimError} 429 (the promise rejects) */
    operations({ id, settings }: TenantContext, operations: number): Promise<void> | undefined {
      const { requestsPerSecond } = settings
      return requestsPerSecond === 'unlimited' || operations < 2
        ? undefined
        : countMore(id, requestsPerSecond, operations - 1)
    },
  }

  async function count(tenantId: string, perSecond: number): Promise<void> {
    const { consumedPoints, msBeforeNext } = await counter.consume(tenantId)
    if (consumedPoints > perSecond * WINDOW_SECONDS) throw tooMany(perSecond, msBeforeNext)
  }

  async function countMore(tenantId: string, perSecond: number, more: number): Promise<void> {
    const { consumedPoints, msBeforeNext } = await counter.penalty(tenantId, more)
    const window = perSecond * WINDOW_SECONDS
    // Another bulk request has used the window up since this one was counted. How far beyond counts for nothing then.
    if (consumedPoints - more > window) throw tooMany(perSecond, msBeforeNext)
    const beyond = consumedPoints - window
    if (beyond > 0) await counter.set(tenantId, consumedPoints, msBeforeNext / 1000 + beyond / perSecond)
  }
}

function tooMany(perSecond: number, waitMs: number): TooManyRequests {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  const detail = `This tenant allows ${perSecond} requests a second, operations of bulk requests included (requestsPerSecond); try again in ${seconds} s.`
  return new TooManyRequests(detail, seconds, 'rate')
}

function checkAddress(allowed: readonly string[], client: ClientAddress): void {
  if (isWithin(allowed, client.address)) return
  const from =
    client.address === undefined
      ? `where this one came from is not known: ${client.why}`
      : `this one came from ${client.address}`
  throw ScimError.forbidden(
    'address-not-allowed',
    `This tenant accepts requests only from certain addresses (allowedAddresses); ${from}.`,
  )
}
