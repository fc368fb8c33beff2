import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, runNode } from './children.ts'
import { groupBody, patchBody, removeMember, userBody } from './instances.ts'
import { openProvider, signInBy } from './issuers.ts'
import { openReceiver } from './receiver.ts'

/** What pages of the example are about, by ids. */
export interface ExampleIds {
  readonly user: string
  /** A user whom the leaver brake holds. */
  readonly leaver: string
  readonly group: string
  readonly apiKey: string
  readonly webhook: string
  readonly stream: string
  /** A request that was refused. */
  readonly request: string
  /** A set-up link. */
  readonly link: string
}

/** A gateway with customers, people and troubles, and where it is. */
export interface Example {
  readonly origin: string
  readonly adminKey: string
  readonly ids: ExampleIds
  /** Where the set-up link leads in. */
  readonly setupUrl: string
}

export interface RunningExample extends Example {
  close(): Promise<void>
}

const ADMIN_KEY = 'the-admin-key-of-the-example'
export const PROD = '/projects/shop/environments/prod'
export const ACME = `${PROD}/tenants/acme`
/** An extension of users. */
export const SCHEMA = 'urn:example:shop:Employment'
const CUSTOMERS = ['Acme', 'Globex', 'Initech', 'Umbrella', 'Hooli', 'Stark Industries', 'Wayne Enterprises']
const PEOPLE = [
  ...['Ada Lovelace', 'Grace Hopper', 'Katherine Johnson', 'Dorothy Vaughan', 'Mary Jackson', 'Hedy Lamarr'],
  ...['Joan Clarke', 'Radia Perlman', 'Barbara Liskov', 'Frances Allen', 'Karen Spärck Jones', 'Annie Easley'],
]

/**
 * Starts the gateway with an embedded database and fills it: customers with people, a webhook that fails, a stream, keys of which one
 * expires soon, a schema, a set-up link, a request that was refused, and a leaver brake that holds. People sign in with npm's `oidc-provider` as `ada`, who may do everything.
 *
 * @param main `dist/main.js`
 */
export async function openExample(main: string): Promise<RunningExample> {
  const dataDir = mkdtempSync(join(tmpdir(), 'rollcall-example-'))
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const [provider, receiver] = [await openProvider(`${origin}/console`), await openReceiver()]
  const gateway = runNode('gateway', [main], {
    ...{ NODE_ENV: '', DATABASE_URL: '', PORT: String(port), DATA_DIR: dataDir, PUBLIC_URL: origin },
    ...{ ADMIN_KEY, LOG_LEVEL: 'warn' },
    ...signInBy(provider.url),
  })
  await gateway.says('Create a user:')
  return {
    ...{ origin, adminKey: ADMIN_KEY, ...(await fill(origin, receiver.origin)) },
    close: async () => {
      gateway.process.kill('SIGTERM')
      await gateway.ended()
      await provider.close()
      await receiver.close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** Asks a gateway as its operator. @throws {Error} for a refusal */
export async function operate<Body = { readonly id: string; readonly key: string }>(
  { origin, adminKey }: Pick<Example, 'origin' | 'adminKey'>,
  method: string,
  path: string,
  body?: object,
): Promise<Body> {
  const answer = await fetch(origin + path, {
    ...{ method, headers: { Authorization: `Bearer ${adminKey}`, 'Content-Type': 'application/json' } },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text || 'null') as Body
}

async function fill(origin: string, receiver: string): Promise<Pick<Example, 'ids' | 'setupUrl'>> {
  const at = { origin, adminKey: ADMIN_KEY }
  const api = (method: string, path: string, body?: object) => operate(at, method, `/api/v1${path}`, body)
  const scim = (tenant: string, method: string, path: string, body?: object) =>
    operate(at, method, `/scim/v2/shop/prod/v2/${tenant}${path}`, body)
  await api('POST', '/projects', { key: 'shop', name: 'The shop' })
  for (const [key, name] of [['prod', 'Production'] as const, ['staging', 'Staging'] as const])
    await api('POST', '/projects/shop/environments', { key, name })
  const keyOf = (name: string) => name.toLowerCase().replaceAll(' ', '-')
  for (const name of CUSTOMERS) await api('POST', `${PROD}/tenants`, { key: keyOf(name), name })

  const roleRules = [{ group: { pattern: 'Staff*' }, role: 'orders:read' }]
  const leaverBrake = { mode: 'hold', count: 1 }
  await api('PATCH', ACME, { settings: { roleRules, leaverBrake, history: true } })
  const soon = new Date(Date.now() + 9 * 86_400_000).toISOString()
  const apiKey = await api('POST', `${ACME}/api-keys`, { name: 'Okta of Acme', expiresAt: soon })
  await api('POST', `${PROD}/api-keys`, { name: 'The shop itself', permissions: ['directory:read'] })
  await api('POST', `${ACME}/webhooks`, { url: `${receiver}/acme`, description: 'The shop', events: ['user.*'] })
  const webhook = await api('POST', `${ACME}/webhooks`, { url: 'http://127.0.0.1:9/hook', description: 'The old shop' })
  const stream = await api('POST', `${ACME}/streams`, { method: 'poll', audience: 'https://shop.example.com' })

  const attributes = [{ name: 'badge', type: 'string', multiValued: false, required: false }]
  const schema = { id: SCHEMA, name: 'Employment', description: 'What the shop keeps.', attributes }
  await api('PUT', `${PROD}/schema-extensions/${encodeURIComponent(SCHEMA)}`, { schema, resourceType: 'User' })
  const roles = ['Administrator', 'Editor', 'Viewer'].map((displayName) => ({
    ...{ kind: 'Role', value: displayName.toLowerCase(), displayName, supported: displayName !== 'Editor' },
  }))
  const seat = {
    kind: 'License',
    value: 'seat.full',
    displayName: 'Full seat',
    description: 'Sees and changes everything.',
  }
  const kinds = [{ name: 'License', endpoint: '/Licenses' }]
  await api('PUT', `${PROD}/catalogue`, { kinds, entries: [...roles, seat] })
  const made = { name: 'IT of Acme', identityProvider: 'okta' }
  const link = await operate<{ id: string; url: string }>(at, 'POST', `/api/v1${ACME}/setup-links`, made)

  const people: string[] = []
  for (const [i, displayName] of PEOPLE.entries()) {
    const [givenName = '', familyName = ''] = displayName.split(/ (.*)/)
    const login = `${givenName}.${familyName}`.toLowerCase().replaceAll(' ', '.')
    const emails = [{ value: `${login}@acme.example`, type: 'work', primary: true }]
    const body = userBody(`${login}@acme.example`, {
      ...{ displayName, externalId: `00u${i}`, active: true, title: i % 2 === 0 ? 'Engineer' : 'Analyst' },
      ...{ name: { givenName, familyName }, emails },
    })
    people.push((await scim('acme', 'POST', '/Users', body)).id)
    if (i < 3) await scim('globex', 'POST', '/Users', body)
  }
  const [user = '', second = '', third = '', fourth = ''] = people
  const group = await scim('acme', 'POST', '/Groups', groupBody('Staff of Acme', people))
  await scim('acme', 'POST', '/Groups', groupBody('Night shift', [user, second]))
  await scim('acme', 'PATCH', `/Groups/${group.id}`, removeMember(third))
  // More than one at a time, and the brake holds.
  const leave = patchBody({ op: 'replace', path: 'active', value: false })
  for (const one of [third, fourth]) await scim('acme', 'PATCH', `/Users/${one}`, leave)
  await api('PATCH', `${PROD}/tenants/initech`, { paused: true })
  // A name that is taken.
  await scim('acme', 'POST', '/Users', userBody('ada.lovelace@acme.example')).catch(() => {})
  await historyOn(at)
  const ids = { user, leaver: third, group: group.id, apiKey: apiKey.id, webhook: webhook.id, stream: stream.id }
  return { ids: { ...ids, request: await refusedRequest(at), link: link.id }, setupUrl: link.url }
}

/** The id of a request of Acme that was refused, once the provisioning log has it: it is written behind the request. */
async function refusedRequest(at: Pick<Example, 'origin' | 'adminKey'>): Promise<string> {
  for (;;) {
    const path = `/api/v1${ACME}/requests?status=4xx`
    const [found] = (await operate<{ items: { id: string }[] }>(at, 'GET', path)).items
    if (found !== undefined) return found.id
  }
}

/** Waits for the starting picture of Acme's history, which is taken behind the requests. */
async function historyOn(at: Pick<Example, 'origin' | 'adminKey'>): Promise<void> {
  for (;;) {
    const { state } = await operate<{ state: string }>(at, 'GET', `/api/v1${ACME}/history/status`)
    if (state === 'on') return
  }
}
