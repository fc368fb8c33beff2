import { expiresSoon } from '../../administration/keys/key-warnings.ts'
import { identityProviderKeys } from '../../administration/keys/setup-keys.ts'
import { parseApiKey } from '../../auth/api-key.ts'
import { currentSecret, rotationOf } from '../../auth/key-secrets.ts'
import type { ApiKeyRow } from '../../repositories/control/api-keys.ts'
import { tenantSummaries } from '../../repositories/control/summaries.ts'
import { issuerFor, type OriginPolicy } from '../../tenancy/base-url.ts'
import { logoutUrlAt } from '../../tenancy/scim-path.ts'
import { effectiveSettings, type Settings } from '../../tenancy/settings.ts'
import { scimBaseUrls } from '../admin/tenants.ts'
import { originOf } from '../control/origin.ts'
import { linkOf, type PortalContext } from './env.ts'
import type { Values } from './guides.ts'

/** How the connection of a tenant stands. */
export interface Standing {
  readonly settings: Settings
  readonly paused: boolean
  /** Tokens that were made in the portal and are good, the newest first. */
  readonly keys: readonly ApiKeyRow[]
  readonly users: number
  readonly groups: number
}

export async function standingOf(c: PortalContext): Promise<Standing> {
  const { link, place } = linkOf(c)
  const { project, environment, tenant } = place
  const { database } = c.var
  const keys = await identityProviderKeys(database, link.scope)
  const [summary] = await tenantSummaries(database, [environment.id], { only: tenant.id, limit: 1 })
  const { users = 0, groups = 0 } = summary ?? {}
  return {
    settings: effectiveSettings(environment.settings, tenant.settings),
    paused: project.paused || environment.paused || tenant.paused,
    ...{ keys, users, groups },
  }
}

/**
 * What the customer enters at the identity provider.
 *
 * @param key whose id stands for the client; undefined where there is none
 * @param token that was made just now, the one time it is known: its key stands for the client then
 */
export function valuesOf(c: PortalContext, config: OriginPolicy, key: ApiKeyRow | undefined, token?: string): Values {
  const { place } = linkOf(c)
  const clientId = token === undefined ? key?.id : parseApiKey(token)
  const [baseUrl] = scimBaseUrls(c, config, place, place.tenant.key)
  const { logoutIssuers } = effectiveSettings(place.environment.settings, place.tenant.settings)
  const issuer = issuerFor(originOf(c, config), config)
  return {
    'base URL': baseUrl,
    ...(token !== undefined && { token, 'client secret': token }),
    ...(clientId !== undefined && { 'client id': clientId }),
    ...(logoutIssuers.length > 0 && { 'logout URL': logoutUrlAt(baseUrl) }),
    ...(issuer !== undefined && { 'token URL': `${issuer}/oauth/token` }),
  }
}

/** When a token was last used; null for never. */
export function lastUse({ secrets }: Pick<ApiKeyRow, 'secrets'>): Date | null {
  const uses = secrets.flatMap(({ lastUsedAt }) => (lastUsedAt === null ? [] : [lastUsedAt.getTime()]))
  return uses.length === 0 ? null : new Date(Math.max(...uses))
}

/** Something that is done, is still to be done, or is wrong. */
export interface Task {
  readonly state: 'done' | 'open' | 'wrong'
  readonly what: string
  /** What to do about it; empty where nothing is. */
  readonly how: string
  /** The part of the portal where it is done. */
  readonly page?: 'steps' | 'tokens' | 'arrivals'
}

/** What is still missing until people arrive by themselves, in the order in which it is done. */
export function tasksOf(
  { settings, paused, keys, users, groups }: Standing,
  provider: string | null,
  now: Date,
): readonly Task[] {
  const used = keys.some((key) => lastUse(key) !== null)
  const done = (is: boolean) => (is ? 'done' : 'open')
  const sendsGroups = settings.groupSync && provider !== 'google-workspace'
  const tasks: readonly (Task | false)[] = [
    paused && { state: 'wrong', what: 'Provisioning is paused', how: 'Ask whoever sent you the link to resume it.' },
    !settings.userSync && {
      ...{ state: 'wrong', what: 'Users are switched off' },
      how: 'Ask whoever sent you the link to switch them on.',
    },
    { state: done(provider !== null), what: 'Choose your identity provider', how: 'Its steps are shown then.' },
    {
      ...{ state: done(keys.length > 0), what: 'Make a token', page: 'steps' },
      how: 'Your identity provider shows it with every request.',
    },
    {
      ...{ state: done(used || users > 0), what: 'The first request arrives', page: 'arrivals' },
      how: 'Enter the values at your identity provider, and test the connection there.',
    },
    {
      ...{ state: done(users > 0), what: 'The first user arrives', page: 'arrivals' },
      how: 'Assign a test user to the application at your identity provider.',
    },
    sendsGroups && {
      ...{ state: done(groups > 0), what: 'The first group arrives', page: 'arrivals' },
      how: 'Where roles depend on groups, send them too. Otherwise leave this open.',
    },
    ...keys.flatMap((key) => keyTasks(key, now)),
    settings.allowedAddresses.length > 0 &&
      !used && {
        ...{ state: 'open', what: 'Only certain addresses may send requests' },
        how: 'Tell whoever sent you the link from which addresses your identity provider sends.',
      },
  ]
  return tasks.filter((task) => task !== false)
}

function keyTasks(key: ApiKeyRow, now: Date): Task[] {
  const rotation = rotationOf(key.secrets, now)
  if (rotation !== undefined && rotation.to.lastUsedAt === null)
    return [
      {
        ...{ state: 'open', what: `Enter the new token of “${key.name}”`, page: 'tokens' },
        how: 'Your identity provider has not used it yet. The old one ends soon.',
      },
    ]
  if (!expiresSoon(key, now)) return []
  const end = currentSecret(key.secrets).expiresAt?.toISOString().slice(0, 10) ?? ''
  const how = `It ends on ${end}. Rotate it, and enter the new one.`
  return [{ state: 'open', what: `The token “${key.name}” expires soon`, how, page: 'tokens' }]
}
