import type { TestTenant } from './gateway.ts'
import type { Instance } from './instances.ts'

/** An event as readers get it. */
export interface ReadEvent {
  readonly id: string
  readonly position: number
  readonly type: string
  readonly resource: { readonly type: string; readonly id: string; readonly version: number }
  readonly changes: Readonly<Record<string, unknown>>
  /** For who asks for it. */
  readonly snapshot?: unknown
}

export interface EventList {
  readonly items: readonly ReadEvent[]
  readonly next: number
  readonly more: boolean
}

/** `/projects/…/tenants/…` of a tenant on the admin API. */
export function placeOf({ base }: TestTenant): string {
  const [, project, environment, tenant] = /\/scim\/v2\/([^/]+)\/([^/]+)\/v2\/([^/]+)$/.exec(base) ?? []
  return `/projects/${project}/environments/${environment}/tenants/${tenant}`
}

/** Asks an instance for what its tenant's application reads; `path` follows the tenant's place. */
export function reader({ send }: Instance, tenant: TestTenant, key = tenant.key) {
  const ask = (path: string, init: RequestInit = {}) =>
    send(
      new Request(`http://scim.test/api/v1${placeOf(tenant)}${path}`, {
        ...init,
        headers: { Authorization: `Bearer ${key}`, ...init.headers },
      }),
    )
  return {
    ask,
    async events(query = ''): Promise<EventList> {
      const response = await ask(`/events${query}`)
      const text = await response.text()
      if (response.status !== 200) throw new Error(`${response.status}: ${text}`)
      return JSON.parse(text) as EventList
    },
  }
}
