import type { Administration } from '../administration/change.ts'
import { findApiKey, LEAST } from '../administration/keys/api-keys.ts'
import { parseApiKey } from '../auth/api-key.ts'
import type { Permission } from '../auth/principal.ts'
import { isWithin } from '../network/addresses.ts'
import { DEFAULT_TENANT, locate } from '../tenancy/scim-path.ts'
import type { Player, Target } from './player.ts'
import type { SelfTestPlace } from './scratch.ts'

const part = 'connection'
const PRINTABLE = /^[!-~]+$/

/** Checks a base URL that an identity provider has, without sending anything. */
export function checkBaseUrl(
  player: Player,
  { project, environment, tenant }: SelfTestPlace,
  given: URL,
  own: URL,
): void {
  const which = { part, title: 'Has the base URL of this tenant' } as const
  const located = locate(given.pathname)
  if ('refused' in located) {
    player.fail(which, { ...located, status: located.refused })
    return
  }
  if (given.host !== own.host) {
    player.fail(which, { status: 421, reason: 'host-unknown' })
    return
  }
  const names = (text: string, { key, id }: { readonly key: string; readonly id: string }) =>
    [key.toLowerCase(), id].includes(text.toLowerCase())
  const isHere =
    names(located.project, project) &&
    names(located.environment, environment) &&
    names(located.tenant ?? DEFAULT_TENANT, tenant) &&
    located.rest.length === 0
  if (isHere) player.pass(which)
  else player.found(which, 'base-url-of-another-tenant')
}

/**
 * Tries the key of an identity provider at its base URL, reading only.
 *
 * @param allowed the tenant's `allowedAddresses`, among which the gateway itself is not
 * @param address from which the identity provider sends
 * @returns the permissions of the key, where it was let in and is no token
 */
export async function checkKey(
  player: Player,
  { database }: Pick<Administration, 'database'>,
  target: Target,
  { allowed, address }: { readonly allowed: readonly string[]; readonly address: string | undefined },
): Promise<readonly Permission[] | undefined> {
  const which = { part, title: 'Opens the base URL with its key' } as const
  if (!PRINTABLE.test(target.key)) {
    player.fail(which, { status: 400, reason: 'key-malformed' })
    return undefined
  }
  const asked = { method: 'GET', path: '/ServiceProviderConfig' }
  const open = await player.send(target, asked)
  const isElsewhere = open.reason === 'address-not-allowed'
  if (isElsewhere) player.pass(which)
  else if (!player.judge(which, asked, open, [200])) return undefined
  if (allowed.length > 0) checkAddress(player, allowed, address)
  const permissions = await permissionsOf(database, target.key)
  if (permissions !== undefined) checkPermissions(player, permissions)
  if (!isElsewhere) await readPages(player, target)
  return permissions
}

function checkAddress(player: Player, allowed: readonly string[], address: string | undefined): void {
  const which = { part, title: 'Comes from an address that the tenant allows' } as const
  if (address === undefined) player.found(which, 'address-unknown', 'skipped')
  else if (isWithin(allowed, address)) player.pass(which)
  else player.fail(which, { status: 403, reason: 'address-not-allowed' })
}

async function permissionsOf(
  database: Administration['database'],
  key: string,
): Promise<readonly Permission[] | undefined> {
  const id = parseApiKey(key)
  const row = id === undefined ? undefined : await findApiKey(database, { kind: 'instance' }, id)
  return row?.permissions.filter((permission) => LEAST.includes(permission))
}

function checkPermissions(player: Player, permissions: readonly Permission[]): void {
  const which = { part, title: 'Has a key that may read and write' } as const
  const lacking = LEAST.find((permission) => !permissions.includes(permission))
  if (lacking === undefined) {
    player.pass(which)
    return
  }
  const asked = { method: lacking === 'scim:read' ? 'GET' : 'POST', path: '/Users' }
  player.fail(which, { status: 403, reason: 'key-lacks-permission' }, asked)
}

/** Reads a page of users, and of groups where the identity provider sends any. */
async function readPages(player: Player, target: Target): Promise<void> {
  const sendsGroups = player.conversation.steps.some(({ path }) => path === '/Groups')
  for (const what of sendsGroups ? ['users', 'groups'] : ['users']) {
    const asked = { method: 'GET', path: what === 'users' ? '/Users?count=1' : '/Groups?count=1' }
    player.judge({ part, title: `Reads ${what} of the tenant` }, asked, await player.send(target, asked), [200])
  }
}
