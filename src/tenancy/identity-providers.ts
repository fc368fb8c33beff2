/**
 * The identity providers that have a guide, in the order in which the set-up portal offers them. The name is that of the file in
 * `docs/idp`.
 */
export const IDENTITY_PROVIDERS = {
  okta: 'Okta',
  entra: 'Microsoft Entra ID',
  'google-workspace': 'Google Workspace',
  onelogin: 'OneLogin',
  jumpcloud: 'JumpCloud',
  ping: 'Ping Identity',
  rippling: 'Rippling',
  keycloak: 'Keycloak',
  authentik: 'authentik',
  generic: 'Another identity provider',
} as const

export type IdentityProvider = keyof typeof IDENTITY_PROVIDERS

export const IDENTITY_PROVIDER_NAMES = Object.keys(IDENTITY_PROVIDERS) as readonly IdentityProvider[]

export const isIdentityProvider = (name: string): name is IdentityProvider => Object.hasOwn(IDENTITY_PROVIDERS, name)
