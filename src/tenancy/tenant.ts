import type { EnvironmentId, ProjectId, TenantId } from '../place-ids.ts'
import type { Deviations } from '../scim/deviations/index.ts'
import { deviationsOf } from '../scim/deviations/index.ts'
import { ScimError } from '../scim/errors.ts'
import { agentType, isLikeAgents } from '../scim/schema/agents.ts'
import { type Definition, NO_DEFINITIONS, registryInput } from '../scim/schema/definitions.ts'
import { buildRegistry, builtInRegistry } from '../scim/schema/registry.ts'
import type { SchemaRegistry } from '../scim/schema/resource-type.ts'
import { AGENT_SCHEMA, sameUrn } from '../scim/urn.ts'
import type { TenantCatalogue } from './catalogue.ts'
import type { Settings } from './settings.ts'

/** The one tenant that a request belongs to (TEN-01), decided before anything of it is read. Frozen. */
export interface TenantContext {
  readonly id: TenantId
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  readonly key: string
  readonly settings: Settings
  readonly deviations: Deviations
  readonly registry: SchemaRegistry
  /** Event URIs of the Security Event Tokens that are delivered of it; none where there is no receiver. */
  readonly eventUris: readonly string[]
  /** The roles and entitlements that its users can be given; undefined where nobody has ever published any. */
  readonly catalogue: TenantCatalogue | undefined
  /** Whether the application has posted accounts of this tenant. */
  readonly hasAccounts: boolean
  /** Domains of e-mail addresses that are proven to be this tenant's. */
  readonly domains: readonly string[]
  /** Where the client sees this tenant, without a slash at the end; all that differs between the three base URLs. */
  readonly baseUrl: string
}

/** A tenant as the control plane knows it. */
export interface TenantPlace {
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  readonly tenantId: TenantId
  readonly key: string
  readonly settings: Settings
  /** False by default. */
  readonly hasAccounts?: boolean | undefined
  /** None by default. */
  readonly domains?: readonly string[] | undefined
}

/** Puts a tenant context together; cheap enough for every request. */
export function tenantContext(
  place: TenantPlace,
  baseUrl: string,
  registry: SchemaRegistry = registryOf(place.settings),
  eventUris: readonly string[] = [],
  catalogue?: TenantCatalogue,
): TenantContext {
  return Object.freeze({
    id: place.tenantId,
    projectId: place.projectId,
    environmentId: place.environmentId,
    key: place.key,
    settings: place.settings,
    deviations: deviationsOf(place.settings.mode, place.settings.unknownAttributes),
    registry,
    eventUris,
    catalogue,
    hasAccounts: place.hasAccounts ?? false,
    domains: place.domains ?? [],
    baseUrl,
  })
}

/** The same tenant with the values of its catalogue at hand: inside a transaction nothing else may be waited for. */
export async function withValues(tenant: TenantContext): Promise<TenantContext> {
  const { catalogue } = tenant
  if (catalogue === undefined) return tenant
  const values = await catalogue.values()
  return Object.freeze({ ...tenant, catalogue: { ...catalogue, values: () => values } })
}

type Definitions = readonly Definition[]

/** By the definitions of the environment, then those of the tenant: what the control plane gives out while nothing changes. */
const registries = new WeakMap<Definitions, WeakMap<Definitions, Map<string, SchemaRegistry>>>()

/**
 * The resource types and schemas of a tenant: the built-in ones, those of its environment and its own (TEN-09). A tenant that
 * keeps no passwords shows no such attribute (U-05). One that has switched agents on has these too, unless a registered type stands
 * in their place. Built once for the same definitions; tenants without any of their own
 * share what their environment has.
 *
 * @throws {ScimError} 503 when the two do not fit together, as they may for a moment while one of them is changed
 */
export function registryOf(
  settings: Settings,
  ofEnvironment: Definitions = NO_DEFINITIONS,
  ofTenant: Definitions = NO_DEFINITIONS,
): SchemaRegistry {
  const shape = { withoutPassword: settings.password !== 'hash', withAgents: settings.agents }
  const inEnvironment = remembered(registries, ofEnvironment, () => new WeakMap())
  const ofBoth = remembered(inEnvironment, ofTenant, () => new Map())
  const name = `${shape.withoutPassword} ${shape.withAgents}`
  return remembered(ofBoth, name, () => build([...ofEnvironment, ...ofTenant], shape))
}

function remembered<K, V>(
  known: { get(key: K): V | undefined; set(key: K, value: V): unknown },
  key: K,
  make: () => V,
): V {
  const found = known.get(key)
  if (found !== undefined) return found
  const made = make()
  known.set(key, made)
  return made
}

interface Shape {
  readonly withoutPassword: boolean
  readonly withAgents: boolean
}

/** Whether an operator has registered something in the place of the agents. */
const definesAgents = (definitions: Definitions): boolean =>
  definitions.some((definition) =>
    definition.kind === 'resourceType' ? isLikeAgents(definition.type) : sameUrn(definition.schema.id, AGENT_SCHEMA),
  )

function build(definitions: Definitions, { withoutPassword, withAgents }: Shape): SchemaRegistry {
  if (definitions.length === 0 && !withoutPassword && !withAgents) return builtInRegistry
  const { extensions, resourceTypes } = registryInput(definitions)
  const agents = withAgents && !definesAgents(definitions) ? [agentType] : []
  try {
    return buildRegistry({ extensions, resourceTypes: [...agents, ...resourceTypes], withoutPassword })
  } catch (error) {
    if (!(error instanceof ScimError)) throw error
    throw new ScimError(
      503,
      undefined,
      'definitions-misfit',
      `The schemas of this tenant do not fit together: ${error.message}; try again.`,
    )
  }
}
