import type { ClientName } from '../../explanations/clients.ts'
import type { IdentityProvider as GuidedProvider } from '../../tenancy/identity-providers.ts'
import type { Conversation } from '../conversation.ts'
import { ENTRA, OKTA } from './okta-entra.ts'
import { AUTHENTIK, KEYCLOAK } from './open-source.ts'
import { GENERIC, GOOGLE, JUMPCLOUD, ONELOGIN, PING, RIPPLING } from './others.ts'

/** Whose conversation a self-test can play. `generic` keeps to the letter of the RFCs. */
export const IDENTITY_PROVIDERS = [
  ...(['okta', 'entra', 'google', 'onelogin', 'jumpcloud', 'ping', 'rippling', 'keycloak', 'authentik'] as const),
  'generic',
] as const satisfies readonly (ClientName | 'generic')[]
export type IdentityProvider = (typeof IDENTITY_PROVIDERS)[number]

/** Whose conversation is played for an identity provider that has a guide. */
export const playedFor = (provider: GuidedProvider): IdentityProvider =>
  provider === 'google-workspace' ? 'google' : provider

export const CONVERSATIONS: Readonly<Record<IdentityProvider, Conversation>> = {
  okta: OKTA,
  entra: ENTRA,
  google: GOOGLE,
  onelogin: ONELOGIN,
  jumpcloud: JUMPCLOUD,
  ping: PING,
  rippling: RIPPLING,
  keycloak: KEYCLOAK,
  authentik: AUTHENTIK,
  generic: GENERIC,
}
