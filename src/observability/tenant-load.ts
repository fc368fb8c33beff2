import { LRUCache } from 'lru-cache'
import { Counter, Gauge, Registry } from 'prom-client'

/** Tenants of which an instance remembers what they ask: those that were here last. */
const MOST_TENANTS = 10_000
/** What a tenant did so long ago counts half for how loud it is. */
const HALF_LIFE_MS = 5 * 60_000

/** What one tenant has asked of this instance, since the instance remembers it. */
interface Asked {
  requests: number
  requestMs: number
  databaseMs: number
  /** Database time that fades, and when it was last counted. */
  recentMs: number
  recentAt: number
  /** Milliseconds since 1970; undefined before the first request. */
  lastAt: number | undefined
}

/** A tenant and what it asked. */
export type LoudTenant = Readonly<Asked> & { readonly tenantId: string }

/** What each tenant asks of this instance. */
export interface TenantLoad {
  /** A request of the tenant was answered. */
  request(tenantId: string, ms: number): void
  /** The tenant has used a connection to the database for so long: that is what others have to wait for. */
  database(tenantId: string, ms: number): void
  /** How many tenants had a request answered within so many milliseconds before now. */
  active(withinMs: number): number
  /** The tenants with the most database time of late, and those whose last request was answered the longest time ago. */
  chosen(asked: { readonly loudest: number; readonly silent: number }): LoudTenant[]
}

/** Remembers tenants, none so far. @param now milliseconds since 1970; for tests */
export function tenantLoad(now: () => number = Date.now): TenantLoad {
  const tenants = new LRUCache<string, Asked>({ max: MOST_TENANTS })
  const of = (tenantId: string): Asked => {
    const known = tenants.get(tenantId)
    if (known !== undefined) return known
    const made = { requests: 0, requestMs: 0, databaseMs: 0, recentMs: 0, recentAt: now(), lastAt: undefined }
    tenants.set(tenantId, made)
    return made
  }
  const faded = ({ recentMs, recentAt }: Asked, at: number) => recentMs * 0.5 ** ((at - recentAt) / HALF_LIFE_MS)
  return {
    request(tenantId, ms) {
      const asked = of(tenantId)
      asked.requests++
      asked.requestMs += ms
      asked.lastAt = now()
    },
    database(tenantId, ms) {
      const asked = of(tenantId)
      const at = now()
      asked.databaseMs += ms
      asked.recentMs = faded(asked, at) + ms
      asked.recentAt = at
    },
    active(withinMs) {
      const from = now() - withinMs
      let count = 0
      for (const { lastAt } of tenants.values()) if (lastAt !== undefined && lastAt >= from) count++
      return count
    },
    chosen({ loudest, silent }) {
      const at = now()
      const all = [...(tenants.rentries() as Iterable<[string, Asked]>)].map(([tenantId, asked]) => ({
        ...asked,
        tenantId,
      }))
      const loud = all.toSorted((a, b) => faded(b, at) - faded(a, at)).slice(0, loudest)
      const quiet = all
        .filter(({ lastAt }) => lastAt !== undefined)
        .toSorted((a, b) => (a.lastAt ?? 0) - (b.lastAt ?? 0))
        .slice(0, silent)
      return [...new Set([...loud, ...quiet])]
    },
  }
}

/** Metrics of some tenants, in the text format of Prometheus. */
export function tenantMetrics(tenants: readonly LoudTenant[]): Promise<string> {
  const registry = new Registry()
  const described = (name: string, help: string) => ({
    ...{ name: `rollcall_tenant_${name}`, help },
    ...{ labelNames: ['tenant'], registers: [registry] },
  })
  const requests = new Counter(described('requests_total', 'Requests of a tenant that this instance has answered.'))
  const seconds = new Counter(
    described(
      'request_seconds_total',
      'Time from the arrival of the requests of a tenant to their answers, with all waiting.',
    ),
  )
  const database = new Counter(
    described('database_seconds_total', 'For how long the tenant has used connections to the database.'),
  )
  const last = new Gauge(
    described('last_request_timestamp_seconds', 'When this instance has last answered a request of the tenant.'),
  )
  for (const { tenantId: tenant, requests: count, requestMs, databaseMs, lastAt } of tenants) {
    requests.inc({ tenant }, count)
    seconds.inc({ tenant }, requestMs / 1000)
    database.inc({ tenant }, databaseMs / 1000)
    if (lastAt !== undefined) last.set({ tenant }, lastAt / 1000)
  }
  return registry.metrics()
}
