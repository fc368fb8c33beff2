import type { Deviations } from '../scim/deviations/index.ts'
import { deviationsOf } from '../scim/deviations/index.ts'
import { buildRegistry, builtInRegistry } from '../scim/schema/registry.ts'
import type { SchemaRegistry } from '../scim/schema/resource-type.ts'
import type { Settings } from './settings.ts'

declare const tenantId: unique symbol

/** The id of a tenant that a request was resolved to; plain text cannot take its place by mistake. */
export type TenantId = string & { readonly [tenantId]: true }

/** The one tenant that a request belongs to (TEN-01), decided before anything of it is read. Frozen. */
export interface TenantContext {
  readonly id: TenantId
  readonly projectId: string
  readonly environmentId: string
  readonly key: string
  readonly settings: Settings
  readonly deviations: Deviations
  readonly registry: SchemaRegistry
  /** Where the client sees this tenant, without a slash at the end; all that differs between the three base URLs. */
  readonly baseUrl: string
  readonly paused: boolean
}

/** A tenant as the control plane knows it. */
export interface TenantPlace {
  readonly projectId: string
  readonly environmentId: string
  readonly tenantId: string
  readonly key: string
  readonly settings: Settings
  readonly paused: boolean
}

/** Puts a tenant context together; cheap enough for every request. */
export function tenantContext(place: TenantPlace, baseUrl: string): TenantContext {
  return Object.freeze({
    id: place.tenantId as TenantId,
    projectId: place.projectId,
    environmentId: place.environmentId,
    key: place.key,
    settings: place.settings,
    deviations: deviationsOf(place.settings.mode),
    registry: registryOf(place.settings),
    baseUrl,
    paused: place.paused,
  })
}

const registryWithoutPassword = buildRegistry({ withoutPassword: true })

/** The resource types and schemas under `settings`: a tenant that keeps no passwords shows no such attribute. */
export const registryOf = (settings: Settings): SchemaRegistry =>
  settings.password === 'hash' ? builtInRegistry : registryWithoutPassword
