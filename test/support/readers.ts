import { faultsOf } from '../../src/events/catalogue/index.ts'
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
    /** @throws {Error} for an event that is not as the catalogue says */
    async events(query = ''): Promise<EventList> {
      const response = await ask(`/events${query}`)
      const text = await response.text()
      if (response.status !== 200) throw new Error(`${response.status}: ${text}`)
      const list = JSON.parse(text) as EventList
      const faults = list.items.flatMap(faultsOf)
      if (faults.length > 0) throw new Error(`not as the catalogue of events says: ${faults.join('; ')}`)
      return list
    },
  }
}
