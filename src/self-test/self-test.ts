import { selfTestRecord } from '../administration/audit-records.ts'
import { brakeStatus } from '../administration/brake.ts'
import { type Administration, change } from '../administration/change.ts'
import { LEAST } from '../administration/keys/api-keys.ts'
import type { ClientName } from '../explanations/clients.ts'
import { countsOf } from '../repositories/resources/counts.ts'
import { effectiveSettings } from '../tenancy/settings.ts'
import type { Via } from './ask.ts'
import { checkBaseUrl, checkKey } from './connection.ts'
import { CONVERSATIONS, type IdentityProvider } from './conversations/index.ts'
import { found, type SelfTestStep } from './findings.ts'
import { Player, type Target } from './player.ts'
import { running, type SelfTestPlace, withScratch } from './scratch.ts'

/** What is tested. */
export interface SelfTestInput {
  readonly identityProvider: IdentityProvider
  /** The key that the identity provider has. Without it, its own way to the tenant is not tested. */
  readonly key?: string | undefined
  /** The base URL that the identity provider has; that of the tenant by default. */
  readonly baseUrl?: string | undefined
  /** An IP address from which the identity provider sends. */
  readonly address?: string | undefined
  /** URNs of the schemas that the identity provider maps. */
  readonly schemaUrns?: readonly string[] | undefined
}

/** What came of it. */
export interface SelfTestResult {
  readonly identityProvider: IdentityProvider
  readonly baseUrl: string
  /** True where no step failed. */
  readonly passed: boolean
  readonly steps: readonly SelfTestStep[]
}

/** How the gateway reaches itself, and the base URL of the tenant. */
export interface SelfTestRoute {
  /** Undefined where the request that asks came over no socket. */
  readonly via: Via | undefined
  readonly baseUrl: string
}

/** So many at a time on one instance, since each holds some of its requests. */
const MOST_AT_A_TIME = 4
const underWay = new Set<string>()

/**
 * Plays the conversation of an identity provider over HTTP, and notes in the audit trail that it did. The key and the base URL are tried at the tenant itself, which is
 * only read. All that writes happens in a scratch tenant with the same settings and schemas.
 *
 * @param administration not inside a transaction: the requests of the self-test have to see the scratch tenant
 * @throws {Refusal} 409 while another self-test of the tenant runs, or too many of others
 */
export async function selfTest(
  administration: Administration,
  place: SelfTestPlace,
  input: SelfTestInput,
  route: SelfTestRoute,
): Promise<SelfTestResult> {
  const { identityProvider, baseUrl = route.baseUrl } = input
  const result = (steps: readonly SelfTestStep[]): SelfTestResult => ({
    ...{ identityProvider, baseUrl, steps },
    passed: steps.every(({ state }) => state !== 'failed'),
  })
  const { via } = route
  if (via === undefined) return result([found(OPENS, 'unreachable', clientFor(identityProvider))])
  const { id } = place.tenant
  if (underWay.has(id) || underWay.size >= MOST_AT_A_TIME) throw running()
  underWay.add(id)
  try {
    const { steps, passed } = result(await stepsOf(administration, place, input, { via, baseUrl: route.baseUrl }))
    await change(administration, async (_, record) => {
      const { project, environment, tenant } = place
      const within = { kind: 'tenant', projectId: project.id, environmentId: environment.id, tenantId: id } as const
      record(selfTestRecord(within, tenant, { identityProvider, passed }))
    })
    return result(steps)
  } finally {
    underWay.delete(id)
  }
}

const OPENS = { part: 'connection', title: 'Opens the base URL with its key' } as const
const clientFor = (identityProvider: IdentityProvider): ClientName | undefined =>
  identityProvider === 'generic' ? undefined : identityProvider

async function stepsOf(
  administration: Administration,
  place: SelfTestPlace,
  { identityProvider, key, baseUrl, address, schemaUrns = [] }: SelfTestInput,
  route: { readonly via: Via; readonly baseUrl: string },
): Promise<readonly SelfTestStep[]> {
  const own = new URL(route.baseUrl)
  const player = new Player(CONVERSATIONS[identityProvider], clientFor(identityProvider), route.via, own.host)

  const given = baseUrl === undefined ? own : new URL(baseUrl)
  if (baseUrl !== undefined) checkBaseUrl(player, place, given, own)
  if (key === undefined) player.found(OPENS, 'no-key', 'skipped')
  const { allowedAddresses: allowed } = settingsOf(place)
  const target = { path: given.pathname.replace(/\/$/, ''), key: key ?? '' }
  const permissions =
    key === undefined ? undefined : await checkKey(player, administration, target, { allowed, address })

  await checkTenant(player, administration, place)
  await withScratch(administration, place, permissions ?? LEAST, (scratch) => converse(player, scratch, schemaUrns))
  return player.steps
}

/** What stands in the way at the tenant itself, and would not show in a scratch tenant. */
async function checkTenant(player: Player, { database }: Administration, place: SelfTestPlace): Promise<void> {
  const { project, environment, tenant } = place
  const check = (title: string, isBad: boolean, reason: 'place-paused' | 'seats-gone') => {
    const which = { part: 'tenant', title } as const
    if (isBad) player.fail(which, { status: 403, reason }, { method: 'POST', path: '/Users' })
    else player.pass(which)
  }
  check('Is open', project.paused || environment.paused || tenant.paused, 'place-paused')
  const { maxActiveUsers, leaverBrake } = settingsOf(place)
  if (maxActiveUsers !== 'unlimited') {
    const active = await countsOf(database, { tenantId: tenant.id }).activeUsers()
    check('Has room for another active user', active >= maxActiveUsers, 'seats-gone')
  }
  const which = { part: 'tenant', title: 'Tells the application who leaves' } as const
  const { state } = await brakeStatus(database, tenant.id, leaverBrake)
  if (state === 'engaged') player.found(which, 'brake-holds')
  else player.pass(which)
}

/** Plays the conversation in the scratch tenant. */
async function converse(player: Player, scratch: Target, schemaUrns: readonly string[]): Promise<void> {
  for (const urn of schemaUrns) {
    const asked = { method: 'GET', path: `/Schemas/${encodeURIComponent(urn)}` }
    const which = { part: 'conversation', title: `Finds the schema ${urn}` } as const
    player.judge(which, asked, await player.send(scratch, asked), [200])
  }
  const run = `st${Date.now().toString(36)}`
  const known = new Map([
    ['run', run],
    ['userName', `${run}@self-test.example`],
    ['givenName', 'Self'],
    ['familyName', 'Test'],
    ['groupName', `Self-test ${run}`],
  ])
  for (const step of player.conversation.steps) await player.play(scratch, step, known)
}

const settingsOf = ({ environment, tenant }: SelfTestPlace) => effectiveSettings(environment.settings, tenant.settings)
