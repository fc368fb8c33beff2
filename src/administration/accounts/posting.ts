import { setTimeout as sleep } from 'node:timers/promises'
import type { Scope } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import { sqlState } from '../../db/errors.ts'
import { analyzeGrown } from '../../db/statistics.ts'
import { matchingOf, type UserToMatch } from '../../repositories/accounts/matching.ts'
import {
  type AccountKey,
  type PostedAccount,
  type PostedCounts,
  postedAccountsOf,
} from '../../repositories/accounts/posted.ts'
import { type AccountRun, accountRunsOf } from '../../repositories/accounts/runs.ts'
import { tenantsOf } from '../../repositories/control/tenants.ts'
import { mayRetry } from '../../repositories/sql/constraints.ts'
import { retryOnConflict } from '../../repositories/sql/retry-on-conflict.ts'
import { fold } from '../../scim/comparable.ts'
import type { Resource } from '../../scim/resource.ts'
import { claimsOf, isKey, nameKey } from '../../tenancy/adoption.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import { accountsBegunRecord, runFinishedRecord } from '../audit-records.ts'
import { type Administration, change } from '../change.ts'
import { Refusal } from '../refusal.ts'
import { writersEnd } from '../writers-end.ts'

type TenantScope = Extract<Scope, { kind: 'tenant' }>

/** What became of accounts that were posted. */
export interface Posted extends PostedCounts {
  /** Users who were there already, by what became of them. */
  readonly linked: number
  readonly queued: number
}

/** Accounts in one statement. */
export const ACCOUNTS_AT_ONCE = 500
/** Users that one statement compares with accounts. */
const USERS_AT_ONCE = 200
/** Within a second each instance feels a change of the control plane; alone, it knows at once, and requests are under way. */
const KNOWN_EVERYWHERE_MS = { postgres: 1_200, pglite: 200 } as const
/** For so long accounts wait for creates that were under way when they were stored. */
const MOST_WAIT_MS = 10_000

/**
 * Has creates look for accounts, before the first one is stored. Creates of an instance that does not know of it yet would look
 * for none, so this waits until each of them knows.
 *
 * @throws {Refusal} 404
 */
export async function beginAccounts(administration: Administration, scope: TenantScope): Promise<void> {
  const { database } = administration
  const tenants = (db: Database) => tenantsOf(db, scope.environmentId)
  let since = (await tenants(database).find(scope.tenantId))?.accountsSince
  if (!since) {
    since = await change(administration, async (tx, record) => {
      const before = await tenants(tx).find(scope.tenantId, 'no key update')
      const after = before && (await tenants(tx).hasAccounts(scope.tenantId))
      if (before === undefined || after === undefined) throw Refusal.notFound('tenant', scope.tenantId)
      if (before.accountsSince === null) record(accountsBegunRecord(scope, after))
      return after.accountsSince
    })
  }
  const most = KNOWN_EVERYWHERE_MS[database.engine]
  const left = (since?.getTime() ?? 0) + most - Date.now()
  if (left > 0) await sleep(Math.min(left, most))
}

/**
 * Stores up to `ACCOUNTS_AT_ONCE` accounts, and compares them with the users that the directory has already. A user who is being
 * created meanwhile finds the account, or is found: this looks for users once all creates have ended that may not have seen it.
 *
 * @throws {Refusal} 409 where one of these takes too long; the accounts are stored then
 */
export async function postAccounts(
  administration: Administration,
  tenant: TenantContext,
  accounts: readonly PostedAccount[],
): Promise<Posted> {
  const { database, author } = administration
  const posted = postedAccountsOf(database, tenant.id)
  // Of an id that comes twice, the last one counts.
  const each = new Map(accounts.map((account) => [account.id, { ...account, keys: keysOf(account) }]))
  const counts = await retryOnConflict(() => posted.store([...each.values()]))
  if (counts.created + counts.changed === 0) throw Refusal.notFound('tenant', tenant.key)
  // No event tells of accounts, so nobody else looks whether their tables have grown. A look that fails is told of by the next one.
  await analyzeGrown(database).catch(() => {})
  const until = performance.now() + MOST_WAIT_MS
  if (!(await writersEnd(database, ['resources'], () => performance.now() < until)))
    throw new Refusal(
      409,
      'The accounts are stored, but another request has been writing users for 10 seconds. Post them again, so that these users are found.',
    )
  const matching = matchingOf(database, tenant.id)
  const users = await matching.candidates([...each.keys()])
  let [linked, queued] = [0, 0]
  const asking = { requestId: author.requestId ?? '', actor: author.actor }
  for (let from = 0; from < users.length; from += USERS_AT_ONCE) {
    const some = users.slice(from, from + USERS_AT_ONCE).map((user) => toMatch(user, tenant))
    // Another request may have linked one of them meanwhile.
    const again = (error: unknown) => mayRetry(error) || sqlState(error)?.code === '23505'
    const done = await retryOnConflict(() => matching.match(some, tenant.settings.adoption, asking), again)
    linked += done.linked
    queued += done.queued
  }
  return { ...counts, linked, queued }
}

function toMatch({ id, document }: UserToMatch, { settings, domains }: TenantContext) {
  const attributes = JSON.parse(document) as Resource
  const externalId = typeof attributes.externalId === 'string' ? attributes.externalId || null : null
  return { id, externalId, claims: claimsOf(attributes, settings.adoption, domains) }
}

/** By what an account is found. An address that the application has not verified proves nothing. */
function keysOf({ externalId, userName, addresses }: PostedAccount): AccountKey[] {
  const keys = new Map<string, AccountKey>()
  const add = (kind: AccountKey['kind'], value: string, proves: boolean) => {
    const known = keys.get(`${kind} ${value}`)
    if (isKey(value)) keys.set(`${kind} ${value}`, { kind, value, proves: proves || known?.proves === true })
  }
  const addName = (text: string, proves: boolean) => {
    add('name', nameKey(text), proves)
    // Users are found as SCIM compares their names.
    add('name', fold(text), proves)
  }
  if (externalId !== null) add('id', externalId, true)
  if (userName !== null) addName(userName, true)
  for (const { value, verified } of addresses) addName(value, verified)
  return [...keys.values()]
}

/** Accounts that one statement looks at to find those that have gone. */
const ENDED_AT_ONCE = 1_000

/**
 * Ends a run: accounts that were not posted since it began are gone. Each step is a transaction, so an interrupted one goes on where
 * it was.
 *
 * @param goesOn asked after each step
 * @returns undefined where `goesOn` gave false before the end
 * @throws {Refusal} 404
 */
export async function finishRun(
  administration: Administration,
  scope: TenantScope,
  name: string,
  goesOn: () => boolean,
): Promise<AccountRun | undefined> {
  const { database } = administration
  const runs = accountRunsOf(database, scope.tenantId)
  const run = await runs.find(name)
  if (run === undefined) throw Refusal.notFound('run', name)
  if (run.finishedAt !== null) return run
  const posted = postedAccountsOf(database, scope.tenantId)
  const before = new Date(run.startedAt)
  for (let after: string | undefined = ''; after !== undefined; ) {
    const step: { gone: number; next: string | undefined } = await posted.endOlder(before, after, ENDED_AT_ONCE)
    if (step.gone > 0) await runs.count(name, { gone: step.gone })
    after = step.next
    if (after !== undefined && !goesOn()) return undefined
  }
  return change(administration, async (tx, record) => {
    const finished = await accountRunsOf(tx, scope.tenantId).finish(name)
    if (finished === undefined) throw Refusal.notFound('run', name)
    record(runFinishedRecord(scope, finished))
    return finished
  })
}
