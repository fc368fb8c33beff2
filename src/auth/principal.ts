import type { EnvironmentId, ProjectId, TenantId } from '../place-ids.ts'

/**
 * What a key may do where its scope reaches. `scim:read` and `scim:write` are for provisioning clients, `directory:read` for
 * applications that read resources and events, `admin` for the admin API. To have people's data sent takes both.
 * `requests:reveal`, beside `admin`, shows people's data in the provisioning log. `ssf.read` and `ssf.manage` are for receivers of
 * Security Event Tokens: the CAEP Interoperability Profile gives these scopes their names. `accounts:write` is for applications that
 * post their accounts. `people:erase`, beside `admin`, erases people for good.
 */
export type Permission =
  | 'scim:read'
  | 'scim:write'
  | 'directory:read'
  | 'admin'
  | 'requests:reveal'
  | 'ssf.read'
  | 'ssf.manage'
  | 'accounts:write'
  | 'people:erase'

export const PERMISSIONS: readonly Permission[] = [
  'scim:read',
  'scim:write',
  'directory:read',
  'admin',
  'requests:reveal',
  'ssf.read',
  'ssf.manage',
  'accounts:write',
  'people:erase',
]

/** Permissions of receivers: a key may give them that may have people's data sent itself (`needsPeopleToSend`). */
const OF_RECEIVERS: ReadonlySet<Permission> = new Set(['ssf.read', 'ssf.manage'])

/** Whether a key with `own` may make a key with `permission`. */
export const mayGive = (own: ReadonlySet<Permission>, permission: Permission): boolean =>
  own.has(permission) || (OF_RECEIVERS.has(permission) && own.has('admin') && own.has('directory:read'))

/** How far a key reaches: what it names, and everything below. */
export type Scope =
  | { readonly kind: 'instance' }
  | { readonly kind: 'project'; readonly projectId: ProjectId }
  | { readonly kind: 'environment'; readonly projectId: ProjectId; readonly environmentId: EnvironmentId }
  | {
      readonly kind: 'tenant'
      readonly projectId: ProjectId
      readonly environmentId: EnvironmentId
      readonly tenantId: TenantId
    }

/** An environment by its ids, for what lies in it. */
export type EnvironmentPlace = Omit<Extract<Scope, { kind: 'environment' }>, 'kind'>

/**
 * Who asks: one API key (SEC-13). A key of scope `instance` may use the whole admin API and, as its owner could mint a key
 * for any tenant anyhow, SCIM in every tenant too.
 */
export interface Principal {
  /** The public id of the key; `admin` for the key that the operator's configuration gives; of a person, see `personId`. */
  readonly keyId: string
  readonly scope: Scope
  readonly permissions: ReadonlySet<Permission>
  /** The user of its tenant for whom the key stands; undefined for a provisioning client. */
  readonly userId: string | undefined
  /** Milliseconds since 1970; undefined for a key that does not expire. */
  readonly expiresAt: number | undefined
  /** Whether the key itself was sent, or a token in its place: an access token of ours, or the JWT of an external issuer. */
  readonly via: 'key' | 'token'
  /** Whether the access tokens of the key may make keys with `admin`, as the key itself may. */
  readonly tokensMayMintAdminKeys: boolean
}

/** The key that the configuration gives (`ADMIN_KEY`); it has no row in the store. */
export const CONFIGURED_ADMIN: Principal = {
  keyId: 'admin',
  scope: { kind: 'instance' },
  permissions: new Set(PERMISSIONS),
  userId: undefined,
  expiresAt: undefined,
  via: 'key',
  tokensMayMintAdminKeys: false,
}

/** By what people begin who signed in with an issuer, where keys have their id. */
export const PERSON = 'oidc:'

/** What stands in the place of a key's id for a person whom the issuer knows by this subject. */
export const personId = (subject: string): string => `${PERSON}${subject}`

/** The subject in what `personId` made. */
export const subjectOf = (id: string): string => id.slice(PERSON.length)

/** True when `place` is what `scope` names or lies below it. A place has the form of a scope. */
export function covers(scope: Scope, place: Scope): boolean {
  switch (scope.kind) {
    case 'instance':
      return true
    case 'project':
      return place.kind !== 'instance' && place.projectId === scope.projectId
    case 'environment':
      return (place.kind === 'environment' || place.kind === 'tenant') && place.environmentId === scope.environmentId
    case 'tenant':
      return place.kind === 'tenant' && place.tenantId === scope.tenantId
  }
}

/** The scope that is stored as three ids, of which those outside it are null. */
export function scopeOf(ids: {
  readonly projectId: ProjectId | null
  readonly environmentId: EnvironmentId | null
  readonly tenantId: TenantId | null
}): Scope {
  const { projectId, environmentId, tenantId } = ids
  if (projectId === null) return { kind: 'instance' }
  if (environmentId === null) return { kind: 'project', projectId }
  if (tenantId === null) return { kind: 'environment', projectId, environmentId }
  return { kind: 'tenant', projectId, environmentId, tenantId }
}

/** The three ids of a scope, as they are stored. */
export function idsOf(scope: Scope) {
  return {
    projectId: scope.kind === 'instance' ? null : scope.projectId,
    environmentId: scope.kind === 'environment' || scope.kind === 'tenant' ? scope.environmentId : null,
    tenantId: scope.kind === 'tenant' ? scope.tenantId : null,
  }
}

/** The id of the place that a scope names; undefined for the whole instance. */
export function narrowestIdOf(scope: Scope): string | undefined {
  const { projectId, environmentId, tenantId } = idsOf(scope)
  return tenantId ?? environmentId ?? projectId ?? undefined
}
