import type { EnvironmentPlace, Scope } from '../auth/principal.ts'
import type { KeyUse, StoredKey } from '../auth/stored-key.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../place-ids.ts'
import type { CatalogueKind } from '../scim/schema/catalogue-types.ts'
import type { Definition } from '../scim/schema/definitions.ts'
import type { SigningKeyStore } from '../signing/keyring.ts'
import type { SecretBox } from '../signing/secret-box.ts'
import type { CatalogueEntry } from '../tenancy/catalogue.ts'
import type { EnvironmentSettings, TenantSettings } from '../tenancy/settings.ts'

/** What Security Event Tokens are issued by. */
export type IssuingPlace = 'environment' | 'tenant'

export interface KnownProject {
  readonly id: ProjectId
  readonly key: string
  readonly paused: boolean
}

export interface KnownEnvironment {
  readonly id: EnvironmentId
  readonly key: string
  readonly settings: EnvironmentSettings
  readonly paused: boolean
  /** Schemas and resource types that all of its tenants have beside the built-in ones. */
  readonly definitions: readonly Definition[]
  /** Event URIs of the Security Event Tokens that are delivered of all of its tenants. */
  readonly eventUris?: readonly string[]
  /** Kinds of roles and entitlements that all of its tenants have; undefined where it has never published any. */
  readonly kinds?: readonly CatalogueKind[] | undefined
}

export interface KnownTenant {
  readonly id: TenantId
  readonly key: string
  readonly settings: TenantSettings
  /** Schemas and resource types that it alone has. */
  readonly definitions: readonly Definition[]
  /** Event URIs of the Security Event Tokens that are delivered of it alone. */
  readonly eventUris?: readonly string[]
  /** The same of it alone. */
  readonly kinds?: readonly CatalogueKind[] | undefined
  readonly paused: boolean
  /** Whether the application has posted accounts of it. */
  readonly hasAccounts?: boolean
  /** Domains of e-mail addresses that are proven to be its own. */
  readonly domains?: readonly string[]
}

/** An address that leads to a tenant which has moved, until its end. */
export interface FormerAddress {
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  /** Keys. */
  readonly project: string
  readonly environment: string
  readonly tenant: string
  /** Milliseconds since 1970. */
  readonly endsAt: number
}

/** A tenant where it is now, and until when a former address leads to it, in milliseconds since 1970. */
export interface LedTo extends EnvironmentPlace {
  readonly tenantId: TenantId
  readonly endsAt: number
}

/** A project, an environment in it and a tenant in that, by keys or ids in lower case. */
export interface PlaceNames {
  readonly project: string
  readonly environment?: string | undefined
  readonly tenant?: string | undefined
}

/** What a request needs to know, to be answered in one round trip. */
export interface Question {
  /** The last change that is known; undefined before the first answer. */
  readonly since?: number | undefined
  /**
   * The API key with this id. With `credential` (the hash of a secret, a secret's version, a public key's thumbprint or a trust's id) the
   * place is looked up only where that is good, and as far as the key reaches. So the time of a refusal tells of no place.
   */
  readonly key?: { readonly id: string; readonly credential?: string | undefined } | undefined
  readonly place?: PlaceNames | undefined
  /** How far the place is looked up, where no key is asked for. */
  readonly reach?: Scope
  /** The environment that is in memory and need not be told again. */
  readonly knownEnvironment?: EnvironmentId | undefined
}

/** What was looked up: undefined where it is not there. */
export interface Looked<T> {
  readonly value: T | undefined
  /** About how much memory it takes. */
  readonly bytes: number
}

/** What has changed in the control plane, by the audit trail. */
export interface Changes {
  /** The number of the last change; 0 before the first. */
  readonly last: number
  /** Ids of the places and API keys that were changed since; undefined where they were not asked for, or are too many. */
  readonly changed: readonly string[] | undefined
}

/** The parts of an answer are undefined where they were not looked up. */
export interface Answer extends Changes {
  readonly key?: Looked<StoredKey> | undefined
  readonly project?: Looked<KnownProject> | undefined
  readonly environment?: Looked<KnownEnvironment> | 'as known' | undefined
  readonly tenant?: Looked<KnownTenant> | undefined
}

/** Where the control plane is kept. */
export interface ControlStore {
  /** False when this process alone writes to the store, so that nothing ever changes behind its back. */
  readonly shared: boolean
  /** Answers as of one moment. */
  ask(question: Question): Promise<Answer>
  /** Whether there is an environment, or a tenant, with this id, wherever it is: its name as an issuer is public. */
  isPlace(kind: IssuingPlace, id: string): Promise<boolean>
  /**
   * Makes a tenant with `key`, or finds the one that another request has just made. Undefined where the key is the endpoint
   * of a resource type. `actor` is the id of the API key that asked for it.
   */
  createTenant(place: EnvironmentPlace, key: string, actor: string): Promise<KnownTenant | undefined>
  /** The addresses from before a tenant's moves that still lead to it. */
  formerAddresses(tenantId: TenantId): Promise<readonly FormerAddress[]>
  /** The tenant that a former address leads to, by its environment and the key or id of the tenant; undefined where none does. */
  ledFrom(environmentId: EnvironmentId, tenant: string): Promise<LedTo | undefined>
  /** The roles and entitlements that an environment has published for all of its tenants, or a tenant for itself. */
  catalogueEntries(environmentId: EnvironmentId, tenantId: TenantId | null): Promise<readonly CatalogueEntry[]>
  /** Notes when keys were last used, in one statement. */
  recordKeyUse(uses: readonly KeyUse[]): Promise<void>
  /** Ends the secret before `version`, now that this one was seen in use. */
  endRotation(keyId: string, version: number): Promise<void>
  /** Takes note of a client assertion of this key until it expires; false where it is known already. @param name by which it is told from others */
  takeAssertion(keyId: string, name: string, expiresAt: Date): Promise<boolean>
  /** The keys that sign access tokens, and what their private halves are sealed with. */
  readonly signingKeys: SigningKeyStore
  /** Keys that sign Security Event Tokens alone; here they are published. */
  readonly rsaSigningKeys: SigningKeyStore
  readonly secretBox: SecretBox
}
