import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { PERMISSIONS, type Permission, type Scope } from '../../../src/auth/principal.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../../src/place-ids.ts'
import { addMembers, groupBody, patchBody, userBody } from '../instances.ts'
import type { Send, Sink } from './asking.ts'

/** A project, an environment or a tenant with something of every kind in it. */
export interface Place {
  readonly scope: Scope
  /** By which URLs name it, as keys and as ids. */
  readonly keys: Names
  readonly ids: Names
  /** Stands in every text that was written here, and nowhere else. */
  readonly mark: string
  /** By the collection that URLs name, such as `api-keys`: by what each is named, two of most. */
  readonly things: ReadonlyMap<string, readonly string[]>
  /** A key for this place with every permission. */
  readonly key: string
  /** An `Idempotency-Key` that it has used. */
  readonly idempotencyKey: string
}

export type Names = Readonly<Record<string, string>>

/** Path of a place below `/api/v1`. */
export const pathOf = ({ project, environment, tenant }: Names): string =>
  [
    ['projects', project],
    ['environments', environment],
    ['tenants', tenant],
  ].reduce((path, [noun, name]) => (name === undefined ? path : `${path}/${noun}/${encodeURIComponent(name)}`), '')

/** The first thing of a kind in a place. */
export const thingIn = (place: Place, collection: string): string | undefined => place.things.get(collection)?.[0]

const API = '/api/v1'

/** What makes places, as the operator would. */
export interface Builder {
  readonly send: Send
  readonly adminKey: string
  /** Until the provisioning log is written. */
  readonly logged: () => Promise<void>
  readonly sink: Sink
}

export async function newProject(builder: Builder): Promise<Place> {
  const mark = freshMark()
  const made = await create(builder, `${API}/projects`, { key: mark, name: mark })
  const id = String(made.id)
  const project = {
    scope: { kind: 'project', projectId: id as ProjectId } as const,
    keys: { project: mark },
    ids: { project: id },
    mark,
  }
  return filled(builder, project, [['projects', [id, mark]]])
}

export async function newEnvironment(builder: Builder, project: Place): Promise<Place> {
  const mark = freshMark()
  const made = await create(builder, `${API}${pathOf(project.ids)}/environments`, { key: mark, name: mark })
  const id = String(made.id)
  const environment = {
    scope: {
      kind: 'environment',
      projectId: project.ids.project as ProjectId,
      environmentId: id as EnvironmentId,
    } as const,
    keys: { ...project.keys, environment: mark },
    ids: { ...project.ids, environment: id },
    mark,
  }
  const at = API + pathOf(environment.ids)
  const things = [
    ['environments', [id, mark]],
    ...(await endpoints(builder, at, mark)),
    ...(await schemas(builder, at, mark)),
  ] as const
  return filled(builder, environment, things)
}

/** A tenant with people; without a key of its own it is the environment's `default`. */
export async function newTenant(builder: Builder, environment: Place, key = 'default'): Promise<Place> {
  const { send, adminKey } = builder
  const mark = freshMark()
  const tenants = `${API}${pathOf(environment.ids)}/tenants`
  if (key !== 'default') await create(builder, tenants, { key, name: mark })
  const id = String((await done(send(adminKey, { method: 'GET', url: `${tenants}/${key}` }))).id)
  const { projectId, environmentId } = environment.scope as Extract<Scope, { kind: 'environment' }>
  const tenant = {
    scope: { kind: 'tenant', projectId, environmentId, tenantId: id as TenantId } as const,
    keys: { ...environment.keys, tenant: key },
    ids: { ...environment.ids, tenant: id },
    mark,
  }
  const at = API + pathOf(tenant.ids)
  const roles = ['a', 'b'].map((one) => ({ group: { pattern: `${mark} *` }, role: `${mark}-${one}` }))
  const settings = { roleRules: roles, leaverBrake: { mode: 'hold', count: 1 }, history: true }
  await done(send(adminKey, { method: 'PATCH', url: at, body: { name: mark, settings } }))
  const own = await endpoints(builder, at, mark)
  const defined = await schemas(builder, at, mark)

  const scim = async (method: string, path: string, body: object) =>
    String((await done(send(adminKey, { method, url: scimBase(tenant.ids) + path, body }))).id)
  const links: string[] = []
  for (const name of ['a', 'b'])
    links.push(String((await create(builder, `${at}/setup-links`, { name: `${mark} ${name}` })).id))
  const [users, groups] = [[] as string[], [] as string[]]
  // One after the other, so that lists begin with the first.
  for (const name of ['a', 'b'])
    users.push(
      await scim('POST', '/Users', userBody(`${mark} ${name}`, { title: mark, externalId: `${mark} ${name}` })),
    )
  for (const [i, name] of ['a', 'b'].entries())
    groups.push(await scim('POST', '/Groups', groupBody(`${mark} ${name}`, [users[i] ?? ''])))
  await scim('PATCH', `/Groups/${groups[0]}`, addMembers(users[1] ?? ''))
  const leaver = await scim('POST', '/Users', userBody(`${mark} leaver`))
  await done(send(adminKey, { method: 'DELETE', url: `${scimBase(tenant.ids)}/Users/${leaver}` }))
  await leave(builder, tenant)
  const log = await done(send(adminKey, { method: 'GET', url: `${at}/events` }))
  await builder.logged()
  const sent = await done(send(adminKey, { method: 'GET', url: `${at}/requests` }))
  const requests = (sent.items as { id: string }[]).slice(0, 2).map((request) => request.id)
  const events = (log.items as { id: string }[]).slice(0, 2).map((event) => event.id)

  const accounts = ['a', 'b'].map((one) => ({ id: `${mark}-${one}`, userName: `${mark} ${one}`, displayName: mark }))
  await done(send(adminKey, { method: 'POST', url: `${at}/accounts?run=${mark}-run`, body: { accounts } }))
  // Of one environment one tenant alone has a domain that is verified; others may ask for the first of these.
  const [domain, verified] = ['a', 'b'].map((one) => `${mark}-${one}.example`) as [string, string]
  await done(send(adminKey, { method: 'POST', url: `${at}/domains`, body: { domain } }))
  await done(send(adminKey, { method: 'PUT', url: `${at}/domains/${verified}`, body: {} }))

  const erasures: string[] = []
  for (const name of ['a', 'b'])
    erasures.push(String((await create(builder, `${at}/erasures`, { names: [`${mark} nobody ${name}`] })).id))

  return filled(builder, tenant, [
    ['erasures', erasures],
    ['leavers', [leaver]],
    ['accounts', accounts.map((account) => account.id)],
    ['account-runs', [`${mark}-run`]],
    ['domains', [domain]],
    ['verified', [verified]],
    ['tenants', key === 'default' ? [id] : [id, key]],
    ...[...own, ...defined],
    ['users', users],
    ['groups', groups],
    ['roles', roles.map(({ role }) => role)],
    ['setup-links', links],
    ['events', events],
    ['requests', requests],
  ])
}

/** Makes more people of a tenant leave than its brake lets pass. */
export async function leave({ send, adminKey }: Builder, { ids, mark }: Pick<Place, 'ids' | 'mark'>): Promise<void> {
  const scim = (method: string, path: string, body: object) =>
    done(send(adminKey, { method, url: scimBase(ids) + path, body }))
  for (const _ of [1, 2, 3]) {
    const { id } = await scim('POST', '/Users', userBody(`${mark} ${freshMark()}`))
    await scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
  }
}

/** Base URL of a tenant's SCIM resources, as a path. */
export const scimBase = ({ project, environment, tenant }: Names): string =>
  `/scim/v2/${project}/${environment}${tenant === undefined ? '' : `/v2/${tenant}`}`

async function filled(
  builder: Builder,
  place: Pick<Place, 'scope' | 'keys' | 'ids' | 'mark'>,
  things: readonly (readonly [string, readonly string[]])[],
): Promise<Place> {
  const { mark } = place
  const at = API + pathOf(place.ids)
  const [keys, thumbprints, trusts] = [[] as string[], [] as string[], [] as string[]]
  for (const name of ['a', 'b']) {
    const id = String((await create(builder, `${at}/api-keys`, { name: `${mark} ${name}` })).id)
    keys.push(id)
    thumbprints.push(
      String((await create(builder, `${at}/api-keys/${id}/public-keys`, { jwk: freshJwk() })).thumbprint),
    )
    trusts.push(String((await create(builder, `${at}/api-keys/${id}/trusts`, trustIn(mark))).id))
  }
  const key = await keyFor(builder, place, PERMISSIONS)
  const idempotencyKey = `idempotent ${mark}`
  const asked = { method: 'POST', url: `${at}/api-keys`, body: { name: `${mark} once` } }
  await done(builder.send(key, { ...asked, headers: { 'Idempotency-Key': idempotencyKey } }))
  return {
    ...place,
    ...{ key, idempotencyKey },
    things: new Map([...things, ['api-keys', keys], ['public-keys', thumbprints], ['trusts', trusts]]),
  }
}

/** A key for a place, or for the whole instance. */
export async function keyFor(
  builder: Builder,
  place: Pick<Place, 'ids'>,
  permissions: readonly Permission[],
  more: object = {},
): Promise<string> {
  const made = await create(builder, `${API}${pathOf(place.ids)}/api-keys`, { name: 'caller', permissions, ...more })
  return String(made.key)
}

async function endpoints(builder: Builder, at: string, mark: string): Promise<[string, string[]][]> {
  const { sink } = builder
  const made: Record<string, string[]> = { webhooks: [], streams: [], pushed: [] }
  for (const name of ['a', 'b']) {
    const url = `${sink.origin}/${mark}/${name}`
    const webhook = { url, description: mark, snapshot: true }
    made.webhooks?.push(String((await create(builder, `${at}/webhooks`, webhook)).id))
    const stream = { method: 'poll', audience: `urn:${mark}`, description: mark, format: 'full' }
    made.streams?.push(String((await create(builder, `${at}/streams`, stream)).id))
  }
  const pushed = { method: 'push', url: `${sink.origin}/${mark}/sets`, audience: `urn:${mark}`, description: mark }
  made.pushed?.push(String((await create(builder, `${at}/streams`, pushed)).id))
  return Object.entries(made)
}

async function schemas(builder: Builder, at: string, mark: string): Promise<[string, string[]][]> {
  const { send, adminKey } = builder
  const [urns, names] = [['a', 'b'].map((one) => `urn:${mark}:${one}`), ['A', 'B'].map((one) => `Type${mark}${one}`)]
  for (const urn of urns)
    await done(send(adminKey, { method: 'PUT', url: `${at}/schema-extensions/${urn}`, body: extension(urn) }))
  for (const name of names)
    await done(send(adminKey, { method: 'PUT', url: `${at}/resource-types/${name}`, body: resourceType(name) }))
  const values = ['a', 'b'].map((one) => `role.${mark}.${one}`)
  const entries = values.map((value) => ({ kind: 'Role', value, displayName: mark }))
  await done(send(adminKey, { method: 'PUT', url: `${at}/catalogue`, body: { entries } }))
  return [
    ['entries', values],
    ['schema-extensions', urns],
    ['resource-types', names],
  ]
}

export const extension = (id: string) => ({ schema: { id, attributes: [{ name: 'code' }] }, resourceType: 'User' })

export function resourceType(name: string) {
  const id = `urn:example:type:${name}`
  return {
    resourceType: { name, endpoint: `/${name}s`, schema: id },
    schemas: [{ id, attributes: [{ name: 'code' }] }],
  }
}

/** A public key that is not registered. */
export const freshJwk = (): object =>
  // By way of DER: Node 20 locks a key while it exports it as JWK. A garbage collection meanwhile may wait for that lock, where it
  // ends the job that made the key, and then the process stands still.
  createPublicKey({
    key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' }),
    ...{ type: 'spki', format: 'der' },
  }).export({ format: 'jwk' })

/** An issuer for an API key to trust. */
export const trustIn = (mark: string): object => ({
  ...{ issuer: `https://${mark}.example`, jwksUri: `https://${mark}.example/keys`, subject: mark },
  ...{ audiences: [`urn:${mark}`], algorithms: ['RS256'] },
})

export const freshMark = (): string => `m${randomBytes(6).toString('hex')}`

/** Asks as the operator for something to be made. */
export const create = ({ send, adminKey }: Builder, url: string, body: object): Promise<Record<string, unknown>> =>
  done(send(adminKey, { method: 'POST', url, body }))

/** The answer's body. @throws {Error} where it is a refusal */
export async function done(asked: ReturnType<Send>): Promise<Record<string, unknown>> {
  const { status, text } = await asked
  if (status >= 400) throw new Error(`${status}: ${text}`)
  return text === '' ? {} : JSON.parse(text)
}
