import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'
import { bulkBody, groupBody, idIn, patchBody, searchBody, userBody } from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'
import { withRun } from '../support/statements.ts'

/** What the database says to each statement; undefined while it is well. */
let fault: Error | undefined
let gateway: Gateway
let tenant: TestTenant
let user: string
let group: string
let [directory, session, unknown] = ['', '', '']
beforeAll(async () => {
  gateway = await openGateway({}, (database) =>
    withRun(
      database,
      (handle, ...statement) => (fault === undefined ? handle.run(...statement) : Promise.reject(fault)),
      () => {
        if (fault !== undefined) throw fault
      },
    ),
  )
  tenant = await gateway.newTenant()
  user = idIn(await tenant.scim('POST', '/Users', userBody('there')))
  group = idIn(await tenant.scim('POST', '/Groups', groupBody('group')))
  directory = await gateway.mintKey({ permissions: ['directory:read', 'scim:write', 'admin'], tenant })
  const form = new URLSearchParams({ key: gateway.adminKey })
  const signedIn = await fetch(`${gateway.origin}/console/sign-in`, {
    ...{ method: 'POST', body: form, redirect: 'manual' as const, headers: { Origin: gateway.origin } },
  })
  session = signedIn.headers.get('set-cookie')?.split(';')[0] ?? ''
})
afterAll(() => gateway.close())

const scim = async (method: string, path: string, body?: object) => {
  const headers = { Authorization: `Bearer ${tenant.key}`, 'Content-Type': 'application/scim+json' }
  return fetch(tenant.base + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
}
const admin = (method: string, path: string, body?: object, key = gateway.adminKey, more: object = {}) => {
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', ...more }
  return fetch(`${gateway.origin}/api/v1${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) })
}
const create = { method: 'POST', path: '/Users', bulkId: 'a', data: userBody('bulk') }
const PATHS: readonly (readonly [what: string, ask: () => Promise<Response>])[] = [
  ['a read', () => scim('GET', `/Users/${user}`)],
  ['a group', () => scim('GET', `/Groups/${group}`)],
  ['a page', () => scim('GET', '/Users')],
  ['a look-up', () => scim('GET', '/Users?filter=userName%20eq%20%22there%22')],
  ['a scan', () => scim('GET', '/Users?filter=emails%20co%20%22there%22')],
  ['a search', () => scim('POST', '/Users/.search', searchBody({ filter: 'title pr' }))],
  ['a create', () => scim('POST', '/Users', userBody('new'))],
  ['a replacement', () => scim('PUT', `/Users/${user}`, userBody('there'))],
  ['a replaced group', () => scim('PUT', `/Groups/${group}`, groupBody('group'))],
  ['a change', () => scim('PATCH', `/Users/${user}`, patchBody({ op: 'replace', path: 'title', value: 'x' }))],
  [
    'a member',
    () => scim('PATCH', `/Groups/${group}`, patchBody({ op: 'add', path: 'members', value: [{ value: user }] })),
  ],
  ['a deletion', () => scim('DELETE', `/Users/${user}`)],
  ['a bulk request', () => scim('POST', '/Bulk', bulkBody([create]))],
  ['a bulk request in order', () => scim('POST', '/Bulk', bulkBody([create], { failOnErrors: 1 }))],
  [
    'changes in a bulk request',
    () =>
      scim(
        'POST',
        '/Bulk',
        bulkBody(
          ['x', 'y'].map((value) => ({
            method: 'PATCH',
            path: `/Users/${user}`,
            data: patchBody({ op: 'replace', path: 'title', value }),
          })),
        ),
      ),
  ],
  ['a key that is not known yet', () => admin('GET', '/projects', undefined, unknown)],
  ['projects', () => admin('GET', '/projects')],
  ['a new project', () => admin('POST', '/projects', { key: 'new' })],
  [
    'a new project, once',
    () => admin('POST', '/projects', { key: 'new' }, gateway.adminKey, { 'Idempotency-Key': 'a' }),
  ],
  ['the trail', () => admin('GET', '/audit-log')],
  ['people', () => admin('GET', `${placeOf(tenant)}/users`, undefined, directory)],
  ['a person', () => admin('GET', `${placeOf(tenant)}/users?userName=there`, undefined, directory)],
  ['events', () => admin('GET', `${placeOf(tenant)}/events`, undefined, directory)],
  ['a wait for events', () => admin('GET', `${placeOf(tenant)}/events?wait=1`, undefined, directory)],
  ['a stream of events', () => admin('GET', `${placeOf(tenant)}/events/stream`, undefined, directory)],
  ['a snapshot', () => admin('GET', `${placeOf(tenant)}/snapshot`, undefined, directory)],
  ['changes', () => admin('GET', `${placeOf(tenant)}/changes`, undefined, directory)],
  ['an export', () => admin('GET', `${placeOf(tenant)}/export`, undefined, directory)],
  ['an import', () => admin('POST', `${placeOf(tenant)}/import`, { items: [] }, directory)],
  ['webhooks', () => admin('GET', `${placeOf(tenant)}/webhooks`)],
  ['settings', () => admin('PATCH', placeOf(tenant), { name: 'other' })],
  [
    'a token',
    () =>
      fetch(`${gateway.origin}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
        headers: { Authorization: `Basic ${btoa(`${directory.split('_')[1]}:${directory}`)}` },
      }),
  ],
  ['keys that sign', () => fetch(`${gateway.origin}/.well-known/jwks.json`)],
  ['the console', () => fetch(`${gateway.origin}/console`, { headers: { Cookie: session } })],
  [
    'people in the console',
    () => fetch(`${gateway.origin}/console${placeOf(tenant)}/people`, { headers: { Cookie: session } }),
  ],
]

const coded = (code: string) => Object.assign(new Error('told by a test'), { code })

describe.each([
  ['a statement limit', '57014'],
  ['a lock that was not to be had', '55P03'],
  ['a deadlock', '40P01'],
  ['a full disk', '53100'],
  ['no memory', '53200'],
  ['no connections', '53300'],
  ['a disk that fails', '58030'],
  ['a standby that only reads', '25006'],
  ['an administrator’s shutdown', '57P01'],
  ['a server that starts', '57P03'],
  ['a lost connection', 'CONNECTION_CLOSED'],
  ['a network that swallows everything', 'NO_ANSWER'],
  ['no turn in time', 'NO_TURN'],
  ['no time left', 'OUT_OF_TIME'],
])('E-09 %s is 503 with Retry-After on every path, and is nobody’s fault', (_fault, code) => {
  test('SEC-15 every path', async () => {
    // Of which the instance has not heard yet.
    unknown = await gateway.mintKey()
    const seen = []
    for (const [what, ask] of PATHS) {
      fault = coded(code)
      const answer = await ask()
      fault = undefined
      const text = await answer.text()
      seen.push([
        what,
        answer.status,
        answer.headers.get('retry-after') === null ? 'no Retry-After' : '',
        text.includes('told by'),
      ])
    }
    expect(seen).toEqual(PATHS.map(([what]) => [what, 503, '', false]))
  })
})
