import { parseApiKey } from '../../auth/api-key.ts'
import { basicUser } from '../../auth/basic-credentials.ts'
import type { Principal } from '../../auth/principal.ts'
import { namesIn } from '../../context/resolve.ts'
import type { Belongs, Kept, ProvisioningLog } from '../../request-log/exchange.ts'
import { type Refused, ScimError } from '../../scim/errors.ts'
import type { ScimPath } from '../../tenancy/scim-path.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import { ChallengeError, TooManyRequests } from '../errors.ts'
import type { HeaderReader } from '../headers.ts'
import type { Trace } from '../middleware.ts'
import type { Seen } from './env.ts'
import { isLogout } from './logout-admission.ts'

/** A request on its way through the gateway, as far as it has come. */
export interface Way {
  located: ScimPath | undefined
  header: HeaderReader | undefined
  tenant: TenantContext | undefined
  principal: Principal | undefined
  rest: readonly string[]
  seen: Seen | undefined
}

/** A way at its beginning. All members from the start, since an object that grows is slower. */
export const newWay = (): Way => ({
  located: undefined,
  header: undefined,
  tenant: undefined,
  principal: undefined,
  rest: [],
  seen: undefined,
})

/** What is seen of a request of this tenant; undefined where the log keeps none. */
export const seenOf = ({ settings }: TenantContext): Seen | undefined =>
  settings.requestLog === 'off'
    ? undefined
    : { body: undefined, answer: undefined, location: undefined, deviations: [] }

/** How a request ended; of a refusal what its client read, and what was thrown. */
interface Ended {
  readonly method: string
  readonly status: number
  readonly refused?: Refused
  readonly thrown?: unknown
}

/** Notes a request with its answer. */
export function noteExchange(
  log: ProvisioningLog,
  trace: Trace,
  way: Way,
  { method, status, refused, thrown }: Ended,
): void {
  const { tenant, principal, located, header, seen } = way
  if (tenant !== undefined) {
    const { requestLog } = tenant.settings
    if (requestLog === 'off' || (requestLog === 'failures' && status < 400)) return
    if (!log.takes(tenant.id, status)) return
  } else if (located === undefined) return
  // What asks to end sessions is for the tenant that the URL names.
  else if (!isLogout(located) && isTokenElsewhere(header?.('authorization'), thrown)) return
  const belongs: Belongs = tenant
    ? { tenant, keyId: principal?.keyId }
    : { names: namesIn(located as ScimPath), ...claimedKey(header?.('authorization'), thrown) }
  const most = tenant?.settings.requestLogBodyBytes ?? 0
  log.note({
    belongs,
    requestId: trace.requestId,
    isOurs: trace.isOurs,
    inEvents: trace.inEvents,
    at: Date.now(),
    ms: Math.round((performance.now() - trace.startedAt) * 10) / 10,
    method,
    segments: tenant === undefined ? (located?.rest ?? []) : way.rest,
    query: located?.query ?? '',
    userAgent: header?.('user-agent'),
    status,
    refusal: refused,
    deviations: seen?.deviations ?? [],
    body: kept(seen?.body, MOST_LOOKED_THROUGH, most),
    answer: kept(seen?.answer, most, most),
    location: seen?.location,
    userId: principal?.userId,
  })
}

/** A request's body is kept whole up to this size until it is written: secrets are looked for in all of it. */
const MOST_LOOKED_THROUGH = 1_000_000
/** So much beyond what is wanted is kept, rather than copied. */
const SPARE = 65_536

/** @param whole up to which length all of it is kept; of what is longer, the first `most` bytes */
function kept(content: string | Uint8Array | undefined, whole: number, most: number): Kept | undefined {
  if (content === undefined || content.length === 0) return undefined
  const { length } = content
  if (length <= Math.max(whole, SPARE)) return { content, length }
  // A copy: a part of a text or of a buffer would keep all of it in memory.
  return { content: Buffer.from(content.slice(0, most) as string), length }
}

/** A good access token at an address that it is not for: no id in it tells whose log that belongs to. */
const isTokenElsewhere = (authorization: string | undefined, thrown: unknown): boolean => {
  const { keyId, unknownKey } = claimedKey(authorization, thrown)
  return keyId === undefined && !unknownKey
}

/**
 * The id inside the key that was sent. It is the key's own where the gateway knows the key, and may be anybody's where it does not.
 */
function claimedKey(
  authorization: string | undefined,
  thrown: unknown,
): { readonly keyId: string | undefined; readonly unknownKey: boolean } {
  const token = authorization?.trim().split(/ +/)[1] ?? ''
  const keyId = basicUser(authorization) ?? parseApiKey(token)
  const isKnown =
    thrown instanceof ChallengeError
      ? thrown.status === 401 && thrown.isOfKnownKey
      : thrown instanceof ScimError && thrown.status < 500 && !(thrown instanceof TooManyRequests)
  return { keyId, unknownKey: !isKnown }
}
