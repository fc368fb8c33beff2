import type { EnvironmentPlace } from '../auth/principal.ts'
import type { KeyUse, StoredKey } from '../auth/stored-key.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../place-ids.ts'
import type { Definition } from '../scim/schema/definitions.ts'
import type { SigningKeyStore } from '../signing/keyring.ts'
import type { SecretBox } from '../signing/secret-box.ts'
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
}

export interface KnownTenant {
  readonly id: TenantId
  readonly key: string
  readonly settings: TenantSettings
  /** Schemas and resource types that it alone has. */
  readonly definitions: readonly Definition[]
  /** Event URIs of the Security Event Tokens that are delivered of it alone. */
  readonly eventUris?: readonly string[]
  readonly paused: boolean
}

/** Where the control plane is kept. Names are keys or ids; letter case does not count. */
export interface ControlStore {
  /** False when this process alone writes to the store, so that nothing ever changes behind its back. */
  readonly shared: boolean
  /** Counts every change of the control plane. */
  revision(): Promise<number>
  apiKey(id: string): Promise<StoredKey | undefined>
  project(name: string): Promise<KnownProject | undefined>
  environment(projectId: ProjectId, name: string): Promise<KnownEnvironment | undefined>
  tenant(environmentId: EnvironmentId, name: string): Promise<KnownTenant | undefined>
  /** Whether there is an environment, or a tenant, with this id, wherever it is: its name as an issuer is public. */
  isPlace(kind: IssuingPlace, id: string): Promise<boolean>
  /**
   * Makes a tenant with `key`, or finds the one that another request has just made. Undefined where the key is the endpoint
   * of a resource type. `actor` is the id of the API key that asked for it.
   */
  createTenant(place: EnvironmentPlace, key: string, actor: string): Promise<KnownTenant | undefined>
  /** Notes when keys were last used, in one statement. */
  recordKeyUse(uses: readonly KeyUse[]): Promise<void>
  /** Ends the secret before `version`, now that this one was seen in use. */
  endRotation(keyId: string, version: number): Promise<void>
  /** Takes note of a client assertion of this key until it expires; false where its `jti` is known already. */
  takeAssertion(keyId: string, jti: string, expiresAt: Date): Promise<boolean>
  /** The keys that sign access tokens, and what their private halves are sealed with. */
  readonly signingKeys: SigningKeyStore
  readonly secretBox: SecretBox
}
