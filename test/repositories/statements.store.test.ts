import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { publishCatalogue } from '../../src/administration/catalogue/catalogue.ts'
import type { Database } from '../../src/db/database.ts'
import { databaseOver } from '../../src/db/handle.ts'
import type { EnvironmentId } from '../../src/place-ids.ts'
import { findApiKey } from '../../src/repositories/control/api-keys.ts'
import { controlAnswers } from '../../src/repositories/control/control-answers.ts'
import { publicKeysOfKeys } from '../../src/repositories/control/keys/api-key-public-keys.ts'
import { recordSecretUse, secretsOfKeys } from '../../src/repositories/control/keys/api-key-secrets.ts'
import { trustsOfKeys } from '../../src/repositories/control/keys/api-key-trusts.ts'
import { dueDeliveries } from '../../src/repositories/delivery/due-deliveries.ts'
import { endpointFailed, endpointSucceeded, takeProbe } from '../../src/repositories/delivery/endpoint-state.ts'
import { webhookQueueOf } from '../../src/repositories/delivery/webhook-queue.ts'
import { readFeed, tenantsAmong } from '../../src/repositories/log/environment-feed.ts'
import { eventLogOf, findUnnumbered, unnumberedTenants } from '../../src/repositories/log/event-log.ts'
import { closeFeed, idleFeeds, noteFeedRead } from '../../src/repositories/log/feed-closing.ts'
import { openFeed, placeStretches, trimFeed } from '../../src/repositories/log/feed-places.ts'
import { feedHeads, logHeads } from '../../src/repositories/log/heads.ts'
import { appendSeatsRanOut, appendTenantEvents } from '../../src/repositories/log/tenant-events.ts'
import { forTenant } from '../../src/repositories/tenant-scope.ts'
import { adminSender } from '../support/admin-sender.ts'
import { administrationOn } from '../support/administration.ts'
import { openTestDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  bulkBody,
  groupBody,
  type Instance,
  idIn,
  json,
  openInstance,
  type Place,
  patchBody,
  removeMember,
  userBody,
} from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'
import { recordStatements, type Statement } from '../support/statements.ts'

// Each file in `statements` holds what one hot operation sends, so that a review shows the SQL and not what makes it. Run this
// file with `-u` after a change that means to change them.

const FOLDER = join(import.meta.dirname, 'statements')
const ADMIN_KEY = 'an-admin-key-for-accounts-that-are-posted'

let database: Database
let instance: Instance
let tenant: TestTenant
let place: Place
let keeping: TestTenant
let kept: string
/** Its groups give roles. */
let giving: TestTenant
let given: string
let giver: string
/** Its application publishes roles. */
let writing: TestTenant
let written: string
/** Its application has posted accounts. */
let adopting: TestTenant
/** Leads to the second page. */
let cursor: string
const people: string[] = []
const groups: string[] = []
/** The queue before it is empty. */
const endpoint = randomUUID()

beforeAll(async () => {
  database = await openTestDatabase()
  instance = await openInstance(database, { ADMIN_KEY })
  place = await instance.newPlace()
  tenant = await instance.newTenant({ place })
  keeping = await instance.newTenant({ settings: { onDelete: 'deactivate' } })
  kept = idIn(await keeping.scim('POST', '/Users', person('kept')))
  giving = await instance.newTenant({ settings: { roleRules: [{ group: { pattern: 'Sales*' }, role: 'seller' }] } })
  given = idIn(await giving.scim('POST', '/Users', person('given')))
  giver = idIn(await giving.scim('POST', '/Groups', groupBody('Sales')))
  const published = await instance.newPlace()
  const entries = ['admin', 'viewer'].map((value) => ({
    ...{ kind: 'Role', value, displayName: value, description: '', supported: true, contains: [] },
  }))
  await publishCatalogue(administrationOn(database), { ...published, tenantId: null }, { kinds: [], entries })
  writing = await instance.newTenant({ place: published })
  written = idIn(await writing.scim('POST', '/Users', { ...person('written'), ...ROLES }))
  adopting = await instance.newTenant()
  const accounts = [
    { id: 'acc_1', externalId: 'xmeets an account' },
    { id: 'acc_2', userName: 'meets a doubtful one' },
  ]
  const posted = await adminSender(() => instance, ADMIN_KEY)('POST', `${placeOf(adopting)}/accounts`, { accounts })
  expect(posted.status, posted.text).toBe(200)
  for (let i = 0; i < 12; i++) people.push(idIn(await tenant.scim('POST', '/Users', person(`person ${i}`))))
  for (let i = 0; i < 6; i++) groups.push(idIn(await tenant.scim('POST', '/Groups', groupBody(`group ${i}`))))
  await tenant.scim('PATCH', `/Groups/${groups[0]}`, addMembers(at(people, 0), at(people, 1)))
  cursor = String(json(await tenant.scim('GET', '/Users?cursor=&count=5')).nextCursor)
})
afterAll(() => instance.close())

const ROLES = { roles: [{ value: 'admin' }] }
const person = (name: string) =>
  userBody(name, {
    displayName: name,
    title: 'Dr',
    emails: [{ value: `${name.replace(' ', '.')}@x.test`, type: 'work' }],
  })
const at = (list: readonly string[], i: number): string => list[i] ?? ''

const filtered = (path: string, filter: string, rest = '') => `${path}?filter=${encodeURIComponent(filter)}${rest}`
const users = (filter: string) => filtered('/Users', filter)
const groupsBy = (filter: string) => filtered('/Groups', filter, '&excludedAttributes=members')
const get = (path: () => string) => () => tenant.scim('GET', path())
const patchGroup = (i: number, body: () => object) => () => tenant.scim('PATCH', `/Groups/${groups[i]}`, body())

type Requests = Readonly<Record<string, () => ReturnType<TestTenant['scim']>>>

const READS: Requests = {
  'user-read': get(() => `/Users/${people[0]}`),
  'user-read-without-groups': get(() => `/Users/${people[0]}?excludedAttributes=groups`),
  'group-read': get(() => `/Groups/${groups[0]}`),
  'group-read-without-members': get(() => `/Groups/${groups[0]}?excludedAttributes=members`),
  'look-up-user-name': get(() => users('userName eq "person 1"')),
  'look-up-external-id': get(() => users('externalId eq "x1"')),
  'look-up-display-name': get(() => groupsBy('displayName eq "group 1"')),
  'look-up-email': get(() => users('emails.value eq "person.1@x.test"')),
  'look-up-work-email': get(() => users('emails[type eq "work" and value eq "person.1@x.test"]')),
  'look-up-search-document': get(() => users('title eq "Dr"')),
  'page-first': get(() => '/Users?count=5'),
  'page-by-index': get(() => '/Users?startIndex=6&count=5'),
  'page-far-from-the-start': get(() => '/Users?startIndex=5001&count=5'),
  'page-by-cursor': get(() => `/Users?cursor=${cursor}&count=5`),
  'page-filtered': get(() => `${users('userName sw "person" and active ne false')}&startIndex=2&count=5`),
  'page-sorted': get(() => '/Users?sortBy=displayName&count=5'),
}

const WRITES: Requests = {
  'user-create': () => tenant.scim('POST', '/Users', person('created')),
  'group-create': () => tenant.scim('POST', '/Groups', groupBody('created')),
  'group-create-with-members': () => tenant.scim('POST', '/Groups', groupBody('with members', people.slice(0, 2))),
  'users-create-in-bulk': () =>
    tenant.scim(
      'POST',
      '/Bulk',
      bulkBody([1, 2].map((i) => ({ method: 'POST', path: '/Users', bulkId: `b${i}`, data: person(`in bulk ${i}`) }))),
    ),
  'user-replace': () => tenant.scim('PUT', `/Users/${people[2]}`, person('replaced')),
  'user-patch': () =>
    tenant.scim('PATCH', `/Users/${people[3]}`, patchBody({ op: 'replace', path: 'title', value: 'Prof' })),
  'user-deactivate': () =>
    tenant.scim('PATCH', `/Users/${people[4]}`, patchBody({ op: 'replace', path: 'active', value: false })),
  'user-delete': () => tenant.scim('DELETE', `/Users/${people[5]}`),
  'user-delete-and-keep': () => keeping.scim('DELETE', `/Users/${kept}`),
  'group-delete': () => tenant.scim('DELETE', `/Groups/${groups[1]}`),
  'member-add': patchGroup(2, () => addMembers(at(people, 6))),
  'member-remove': patchGroup(0, () => removeMember(at(people, 0))),
  'member-add-following-roles': () => giving.scim('PATCH', `/Groups/${giver}`, addMembers(given)),
  'member-remove-following-roles': () => giving.scim('PATCH', `/Groups/${giver}`, removeMember(given)),
  'user-delete-following-roles': () => giving.scim('DELETE', `/Users/${given}`),
  'user-create-writing-roles': () => writing.scim('POST', '/Users', { ...person('with a role'), ...ROLES }),
  'user-create-beside-accounts': () => adopting.scim('POST', '/Users', person('meets nobody')),
  'user-create-adopting': () =>
    adopting.scim('POST', '/Users', { ...person('meets an account'), externalId: 'xmeets an account' }),
  'user-create-queued': () => adopting.scim('POST', '/Users', person('meets a doubtful one')),
  'user-patch-writing-roles': () =>
    writing.scim(
      'PATCH',
      `/Users/${written}`,
      patchBody({ op: 'replace', path: 'roles', value: [{ value: 'viewer' }] }),
    ),
  'members-add': patchGroup(2, () => addMembers(at(people, 7), at(people, 8))),
  'members-replace': patchGroup(3, () =>
    patchBody({ op: 'replace', path: 'members', value: people.slice(6, 9).map((value) => ({ value })) }),
  ),
  'members-change-in-bulk': () =>
    tenant.scim(
      'POST',
      '/Bulk',
      bulkBody([4, 5].map((i) => ({ method: 'PATCH', path: `/Groups/${groups[i]}`, data: addMembers(at(people, i)) }))),
    ),
}

const environment = () => place.environmentId as EnvironmentId
/** An event of the tenant gets its position. */
const logGrows = async () => {
  await appendTenantEvents(database, tenant.id, doer, [{ type: 'tenant.paused', changes: { changed: [] } }])
  await eventLogOf(database, tenant.id).number({ wait: true })
}

const doer = { actor: 'a', requestId: 'r' }
const ALL = { types: [], nouns: [] }

const OTHERS: Readonly<Record<string, (db: Database) => Promise<unknown>>> = {
  'members-page': (db) => {
    const scope = { tenantId: tenant.id, baseUrl: '', defersReferences: false, hasRoles: false, ...doer }
    const query = {
      groupId: groups[0],
      memberId: undefined,
      after: { groupId: at(groups, 0), memberId: at(people, 0) },
    }
    return forTenant(db, scope).membershipPages.list({ ...query, limit: 100 })
  },
  'events-append-of-tenant': (db) =>
    appendTenantEvents(db, tenant.id, doer, [{ type: 'tenant.paused', changes: { changed: [] } }]),
  'events-append-seats-exhausted': (db) => appendSeatsRanOut(db, tenant.id, doer, 10),
  'events-number': (db) => eventLogOf(db, tenant.id).number({ wait: true }),
  'events-read': (db) => eventLogOf(db, tenant.id).read(0, 100, ALL),
  'events-read-of-types': (db) => eventLogOf(db, tenant.id).read(0, 100, { types: ['user.deleted'], nouns: ['group'] }),
  'events-unnumbered': (db) => unnumberedTenants(db, undefined, 100),
  'events-unnumbered-for-readers': (db) =>
    findUnnumbered(db, undefined, 100, { tenants: [tenant.id], environments: [environment()] }),
  'events-heads': (db) => logHeads(db, [tenant.id]),
  'feed-open': (db) => openFeed(db, environment()),
  'feed-place': (db) => placeStretches(db, environment()),
  'feed-place-of-all': async (db) => {
    await logGrows()
    await placeStretches(db)
  },
  'feed-read': (db) => readFeed(db, environment(), 0, 100, { types: ALL, tenants: undefined, forgiven: 0 }),
  'feed-read-of-types-and-tenants': async (db) => {
    const types = { types: ['user.deleted'], nouns: ['group'] }
    await readFeed(db, environment(), 0, 100, { types, tenants: [tenant.id], forgiven: 0 })
  },
  'feed-heads': (db) => feedHeads(db, [environment()]),
  'feed-tenants-among': (db) => tenantsAmong(db, environment(), [tenant.id]),
  'feed-noted': (db) => noteFeedRead(db, environment()),
  'feed-trim': async (db) => {
    await database.run(
      `update feed_stretches set placed_at = now() - interval '1 year' where environment_id = $1::uuid`,
      [environment()],
    )
    await trimFeed(db, environment(), 30)
  },
  'feed-close': async (db) => {
    await logGrows()
    await placeStretches(database)
    await closeFeed(db, environment(), 0)
  },
  'feed-idle': (db) => idleFeeds(db, 90),
  'deliveries-due': (db) => dueDeliveries(db),
  'deliveries-claim': (db) => webhookQueueOf(db, tenant.id, endpoint).claim(16),
  'deliveries-delivered': async (db) => {
    await webhookQueueOf(db, tenant.id, endpoint).delivered([{ position: 1, attempts: 1 }])
    await endpointSucceeded(db, endpoint)
  },
  'deliveries-probe': async (db) => {
    await takeProbe(db, endpoint)
    const failure = { retryAfterMs: 0, restMs: { first: 1, longest: 1 }, disableAfterMs: 1, reason: '' }
    await endpointFailed(db, endpoint, { verdict: 'still down', ...failure })
  },
  'control-key': async (db) => {
    await findApiKey(db, 'k')
    await secretsOfKeys(db, ['k'])
    await publicKeysOfKeys(db, ['k'])
    await trustsOfKeys(db, ['k'])
  },
  'control-key-use': (db) => recordSecretUse(db, []),
  'control-answer': (db) => controlAnswers(db)({ key: { id: 'k', credential: 'c' }, place: { project: 'p' } }),
}

describe('the SQL of each hot request is what its file shows', () => {
  test.each(Object.entries({ ...READS, ...WRITES }))('%s', async (name, send) => {
    const { result, statements } = await instance.recorder.during(send)
    expect(result.status, result.text).toBeLessThan(300)
    await compare(name, statements)
  })
})

describe('the SQL of the log, of deliveries and of the control plane is what its file shows', () => {
  test.each(Object.entries(OTHERS))('%s', async (name, ask) => {
    const recorder = recordStatements(database)
    const built: Statement[] = []
    if (name.startsWith('feed-')) await openedFeed(name === 'feed-open')
    await ask({
      ...recorder.database,
      orm: builtStatements(built),
    })
    await compare(name, [...built, ...recorder.statements])
  })
})

test('each file is compared', () => {
  const names = Object.keys({ ...READS, ...WRITES, ...OTHERS }).map((name) => `${name}.sql`)
  expect(readdirSync(FOLDER).sort()).toEqual(names.sort())
})

/** Opens the feed, with places for what the tenants' logs have. @param again and closes it, so that every log has a row */
async function openedFeed(again: boolean): Promise<void> {
  await openFeed(database, environment())
  await logGrows()
  await placeStretches(database, environment())
  if (again) await closeFeed(database, environment(), 0)
}

/** A query builder that notes what it builds; each statement runs, and is told that nothing was found. */
function builtStatements(into: Statement[]): Database['orm'] {
  return databaseOver({
    engine: database.engine,
    connections: 1,
    execute: async (text, values) => {
      // The query builder writes no line breaks.
      into.push({
        text: text.replaceAll(/ (from|where|order by) /g, '\n$1 '),
        values,
        options: {},
        inTransaction: false,
      })
      await database.run(text, values, { prepare: false })
      return []
    },
    begin: () => Promise.reject(new Error('the query builder was to run one statement')),
    close: () => Promise.resolve(),
  }).orm
}

async function compare(name: string, statements: readonly Statement[]): Promise<void> {
  expect(statements.length).toBeGreaterThan(0)
  await expect(`${statements.map(shown).join('\n\n')}\n`).toMatchFileSnapshot(join(FOLDER, `${name}.sql`))
}

/** A statement with how it is run. */
function shown({ text, options, inTransaction }: Statement): string {
  const how = [...(inTransaction ? ['in a transaction'] : []), ...(options.replan ? ['plans are made anew'] : [])]
  return [...how.map((each) => `-- ${each}`), `${indented(text)};`].join('\n')
}

const CLAUSE =
  /^(\)|with|select|from|where|(left |cross )?join|order by|group by|limit|union|except|insert|update|delete|on conflict|returning|for |--|\w+ as (not )?(materialized )?\()/

/** The lines of a statement, indented by the brackets around them; what goes on with a clause stands below it. */
function indented(text: string): string {
  let depth = 0
  const lines = text.split('\n').map((line) => line.trim())
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const before = line.startsWith(')') ? depth - 1 : depth
      // What stands in quotes or in a comment opens nothing.
      for (const bracket of line.replaceAll(/'[^']*'|--.*/g, '').match(/[()]/g) ?? []) depth += bracket === '(' ? 1 : -1
      return '  '.repeat(CLAUSE.test(line) ? before : before + 1) + line
    })
    .join('\n')
}
