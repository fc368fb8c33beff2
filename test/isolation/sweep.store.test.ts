import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { isApiKeyId, parseApiKey } from '../../src/auth/api-key.ts'
import { covers, PERMISSIONS, type Permission, type Scope } from '../../src/auth/principal.ts'
import type { Database } from '../../src/db/database.ts'
import { HistoryWorker } from '../../src/history/history-worker.ts'
import { apiDocument } from '../support/client-types.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { EVENTS_AND_POSITIONS } from '../support/events.ts'
import { type Instance, ORIGIN, openInstance } from '../support/instances.ts'
import { SCIM_ROUTES } from '../support/scim-routes.ts'
import { type Ask, openSink, plain, plainer, type Send, type Sink, sender, type Told } from '../support/sweep/asking.ts'
import { digestOf } from '../support/sweep/digest.ts'
import { type Field, type Operation, type Own, operationsOf } from '../support/sweep/operations.ts'
import {
  type Builder,
  create,
  done,
  freshJwk,
  freshMark,
  keyFor,
  leave,
  type Names,
  newEnvironment,
  newProject,
  newTenant,
  type Place,
  pathOf,
  scimBase,
  thingIn,
  trustIn,
} from '../support/sweep/places.ts'
import { type Sample, sampleOfSweep } from '../support/sweep/sample.ts'
import { type Ids, type ScimAsk, scimAsks } from '../support/sweep/scim.ts'

const ADMIN = 'an-admin-key-for-the-sweep-of-tests'
const ENV = { ADMIN_KEY: ADMIN, DELIVERY_NETWORKS: '127.0.0.0/8', PUBLIC_URL: ORIGIN }
// Far above what it takes, also where others are at work.
const LONG = 600_000
const RETRIES = {
  ...{ firstMs: 20, growth: 2, longestMs: 100, giveUpAfterMs: 60_000, disableAfterMs: 60_000 },
  restMs: { first: 20, longest: 100 },
}

/**
 * What takes a foreign id and answers as if all were well, because it is no name of a place or of anything in one; with the
 * reason. Such an answer must still be the one that an id that does not exist gets, and change nothing elsewhere.
 */
const OPAQUE: readonly (readonly [where: RegExp, reason: string])[] = [
  [/(?:query|body) after/, 'a page begins after it, whether or not there is such a thing'],
  [/query (?:externalId|userName|email|displayName|role|group|member|user)\b/, 'a condition that nothing here meets'],
  [/query types/, 'types of events that there may come to be'],
  [
    /\/erasures body (?:user|names\[\]|reference)/,
    'whom to look for in what is kept of this tenant, whether there ever was such a user or not',
  ],
  [/sign-in-checks body identity/, 'a name to look for: no user here has it'],
  [/header Idempotency-Key/, 'each API key has its own'],
  [/body (?:.*\.)?(?:name|description|note|audience|token|display)$/, 'words that are kept as they came'],
  [/\/trusts body (?:subject|audiences\[\])$/, 'what somebody else calls a workload, and for whom it vouches'],
  [/body key$/, 'the key of what is made'],
  [/PUT .*\{(?:urn|name)\}$/, 'it is registered here too, as each place has its own'],
  [/body settings\.(?:external|logout)Issuers\[\]\./, "words of somebody else's issuer"],
  [/body settings\.roleRules\[\]\./, 'names of groups and roles that there may come to be'],
  [/poll body ack\[\]/, 'who has no such token acknowledges nothing'],
  [/poll body setErrs\./, 'who has no such token refuses nothing'],
  [/replay body events\[\]/, 'an event that this tenant does not have is not sent'],
  [/self-tests body schemaUrns/, 'a schema to look for in the scratch tenant: it has none of this name'],
  [/import body items\[\]\.resource\.id/, 'an import keeps ids: two tenants may have the same'],
  [/import body items\[\]\.display/, 'words that are kept as they came'],
  [/\{(?:account|domain|run)\}$/, 'two tenants may have the same, as each gives its own'],
  [/accounts (?:query run|body accounts\[\])/, 'accounts and runs are known by ids that the application gives'],
  [/domains body domain/, 'each tenant may say that a domain is its own'],
  [/by-rule body domain/, 'a condition that nothing here meets'],
  [/\/requests(?:\/stream)? query/, 'a search finds nothing for what is not of the tenant'],
  [/\/catalogue body /, 'what the application calls its own roles'],
  [/PUT .*\/catalogue\/entries\/\{value\} (?:\{value\}$|body )/, 'the same, one by one'],
]
/** What shows its own place as it is at that time, which a change of this sweep may have set to the twin's text. */
const SHOWS_ITSELF = /\/preview body |PUT .*\/catalogue(?:\/entries\/\{value\})? body /
const SEARCHES = /\/requests(?:\/stream)? query/
const isOpaque = (where: string): boolean => OPAQUE.some(([pattern]) => pattern.test(where))

let database: Database
let instance: Instance
let sink: Sink
let send: Send
let histories: HistoryWorker
let builder: Builder
/** The places of the caller, from its project down to its tenant, which is the `default` of its environment. */
let home: Readonly<Record<'project' | 'environment' | 'tenant', Place>>
/** Another tenant beside it, another environment of the project, another project, and what is in them. */
let foreign: readonly Place[]
let operations: readonly Operation[]
let before: Readonly<Record<string, string>>
let arrivedBefore: Sink['got']
let combinations = 0
let sample: Sample

beforeAll(async () => {
  sample = sampleOfSweep()
  database = await openFreshDatabase()
  instance = await openInstance(database, ENV, RETRIES)
  sink = await openSink()
  send = sender(instance.send)
  builder = { send, adminKey: ADMIN, sink, logged: () => instance.requestLog.flush() }
  histories = new HistoryWorker(database, (error) => {
    throw error
  })
  operations = operationsOf(apiDocument(), `${sink.origin}/made`)

  const project = await newProject(builder)
  const environment = await newEnvironment(builder, project)
  home = { project, environment, tenant: await newTenant(builder, environment) }
  // What lets go what is held can be asked once: at home it is refused from here on, and refused alike.
  const off = { settings: { leaverBrake: { mode: 'off' } } }
  await done(send(ADMIN, { method: 'PATCH', url: `/api/v1${pathOf(home.tenant.ids)}`, body: off }))
  const beside = await newTenant(builder, environment, freshMark())
  const otherEnvironment = await newEnvironment(builder, project)
  const otherProject = await newProject(builder)
  const itsEnvironment = await newEnvironment(builder, otherProject)
  foreign = [
    ...[beside, otherEnvironment, await newTenant(builder, otherEnvironment)],
    ...[otherProject, itsEnvironment, await newTenant(builder, itsEnvironment)],
  ]
  // The first reader opens the feed of an environment.
  for (const { scope, ids } of [...Object.values(home), ...foreign])
    if (scope.kind === 'environment') await done(send(ADMIN, { method: 'GET', url: `/api/v1${pathOf(ids)}/events` }))
  await quiet()
  // Given up, for those who list what was.
  await database.run(
    `insert into webhook_deliveries (tenant_id, endpoint_id, position, resource_id, dead)
     select e.tenant_id, w.id, p.position, e.resource_id, true from ${EVENTS_AND_POSITIONS} join tenants t on t.id = e.tenant_id
     join webhook_endpoints w on w.environment_id = t.environment_id and (w.tenant_id is null or w.tenant_id = t.id)
     where w.stream is null and p.position <= 2 on conflict do nothing`,
    [],
  )
  before = await digest()
  arrivedBefore = sink.got.filter(({ path }) => foreign.some(({ mark }) => path.startsWith(`/${mark}/`)))
})
afterAll(async () => {
  console.log(`sweep: ${combinations} combinations of caller, operation, field and id (${sample.told})`)
  await instance.close()
  await sink.close()
  await database.close()
})

/** Until every event has its position or is held, histories have what the logs have, and every webhook has arrived. */
async function quiet(): Promise<void> {
  await instance.connections.flush()
  await instance.requestLog.flush()
  const open = async () => {
    const [row] = await database.run<{ fresh: number; waiting: number }>(
      `select (select count(*)::int from waiting_events) + (select count(*)::int from waiting_stretches) as fresh,
         (select count(*)::int from webhook_deliveries d join webhook_endpoints w on w.id = d.endpoint_id
          where not d.dead and w.stream->>'method' is distinct from 'poll') as waiting`,
      [],
    )
    return row
  }
  await vi.waitFor(async () => expect(await open()).toEqual({ fresh: 0, waiting: 0 }), {
    timeout: 60_000,
    interval: 50,
  })
  while (await histories.round());
}

/** Ids of the foreign places and of all that is in them. */
const foreignIds = () =>
  foreign.flatMap((place) => [ownId(place), parseApiKey(place.key) ?? '', ...[...place.things.values()].flat()])
const digest = () => digestOf(database, foreignIds())

const ownId = ({ ids: { project = '', environment = project, tenant = environment } }: Place): string => tenant

const INSTANCE: Pick<Place, 'scope' | 'ids' | 'keys'> = { scope: { kind: 'instance' }, ids: {}, keys: {} }

// ---- What the sweep sends without anything foreign in it

describe('what the sweep sends', () => {
  let spare: Readonly<Record<Exclude<Scope['kind'], 'instance'>, Place>>
  beforeAll(async () => {
    const project = await newProject(builder)
    const environment = await newEnvironment(builder, project)
    spare = { project, environment, tenant: await newTenant(builder, environment) }
    await quiet()
  })

  async function namesFor(operation: Operation): Promise<Names> {
    const { level, method, path, slots } = operation
    const place = level === 'instance' ? undefined : spare[level]
    const at = `/api/v1${pathOf(place?.ids ?? {})}`
    if (method === 'DELETE' && level !== 'instance' && slots.length === 0)
      return { ...place?.ids, ...(await emptyPlace(level)) }
    const names: Record<string, string> = { ...place?.ids }
    for (const { name, collection } of slots) {
      const poll = collection !== 'streams' || path.endsWith('/poll')
      const kind = path.endsWith('/verify') ? 'verified' : poll ? collection : 'pushed'
      names[name] = place?.things.get(kind)?.[0] ?? ''
    }
    if ('apiKey' in names) {
      names.apiKey = String((await create(builder, `${at}/api-keys`, { name: 'k' })).id)
      const jwk = freshJwk()
      if ('thumbprint' in names)
        names.thumbprint = String(
          (await create(builder, `${at}/api-keys/${names.apiKey}/public-keys`, { jwk })).thumbprint,
        )
      if ('trust' in names)
        names.trust = String((await create(builder, `${at}/api-keys/${names.apiKey}/trusts`, trustIn('t'))).id)
      if (method === 'DELETE' && path.includes('/rotation'))
        await create(builder, `${at}/api-keys/${names.apiKey}/rotation`, {})
    }
    if ('session' in names) names.session = await signedIn()
    if (path.endsWith('/brake/release')) await holdSome()
    return names
  }

  /** Somebody who is signed in to the console. */
  async function signedIn(): Promise<string> {
    const [session] = await database.run<{ id: string }>(
      `insert into console_sessions (id, key_id, hash, ends_at)
       values (gen_random_uuid(), 'admin', 'x', now() + interval '1 hour') returning id::text`,
      [],
    )
    return session?.id ?? ''
  }

  /** Has the brake of the tenant hold what tells of its leavers. */
  async function holdSome(): Promise<void> {
    const at = `/api/v1${pathOf(spare.tenant.ids)}`
    await done(
      send(ADMIN, { method: 'PATCH', url: at, body: { settings: { leaverBrake: { mode: 'hold', count: 1 } } } }),
    )
    await leave(builder, spare.tenant)
    // The sweep keeps the machine busy, and numbering has its turn behind it.
    const engaged = async () => (await done(send(ADMIN, { method: 'GET', url: `${at}/brake` }))).state
    await expect.poll(engaged).toBe('engaged')
  }

  /** A place with nothing in it, which alone can be deleted. */
  async function emptyPlace(level: Exclude<Scope['kind'], 'instance'>): Promise<Names> {
    const key = freshMark()
    const parent =
      level === 'project'
        ? {}
        : level === 'environment'
          ? { project: spare.project.ids.project ?? '' }
          : spare.environment.ids
    await create(builder, `/api/v1${pathOf(parent)}/${level}s`, { key })
    return { [level]: key }
  }

  test('TEN-04 every operation is accepted in each of its forms: nothing foreign is refused for what is wrong beside it', async () => {
    // Settings of every kind end what the brake holds, and what is deleted is gone, the deepest first. A catalogue takes the place of
    // the entries that were there.
    const turn = ({ method, path }: Operation) =>
      method === 'PUT' && path.endsWith('/catalogue')
        ? 929
        : method === 'DELETE'
          ? 1_000 - path.length
          : path.endsWith('/brake/release')
            ? 0
            : 1
    // A backup names nothing, and the gateway of this test has no folder to make one of.
    const named = operations.filter(({ path }) => path !== '/backup')
    const order = named.toSorted((a, b) => turn(a) - turn(b))
    const refused: string[] = []
    for (const operation of order) {
      const own: Own = (collection) => thingIn(spare.tenant, collection) ?? ''
      const count = operation.asks(await namesFor(operation), own).length
      for (let i = 0; i < count; i++) {
        const asked = operation.asks(await namesFor(operation), own)[i] as Ask
        const { status, text } = await send(ADMIN, asked)
        if (status >= 400) refused.push(`${asked.method} ${asked.url} ${JSON.stringify(asked.body)}: ${status} ${text}`)
      }
    }
    expect(refused).toEqual([])
  })
})

// ---- The sweep

interface Caller {
  readonly name: string
  readonly key: string
  readonly scope: Scope
  /** Whether it has every permission; those with one of them try the nearest ids alone, and put none where it is only kept. */
  readonly full: boolean
  /** Whether it has one permission alone: of what such callers try, a run may take a sample. */
  readonly narrow: boolean
}

/** One request with something foreign in it, and the same with what does not exist. */
interface Probe {
  readonly where: string
  readonly ask: Ask
  readonly twin: Ask
  /** What stands in one of the two requests and not in the other. */
  readonly about: readonly string[]
  readonly opaque: boolean
  /** Not where the caller may see what is foreign, in its own place. */
  readonly compared: boolean
}

async function everyCaller(): Promise<Caller[]> {
  const sets: readonly (readonly [string, readonly Permission[]])[] = [
    ['everything', PERMISSIONS],
    ...PERMISSIONS.map((one) => [one, [one]] as const),
  ]
  const callers: Caller[] = []
  for (const [i, place] of [INSTANCE, home.project, home.environment, home.tenant].entries())
    for (const [j, [may, permissions]] of sets.entries()) {
      const key = await keyFor(builder, place, permissions)
      const name = `a key of the ${place.scope.kind} that may ${may}`
      // Nothing is foreign to the instance but what stands in the wrong place.
      callers.push({ name, key, scope: place.scope, full: i > 0 && j === 0, narrow: j > 0 })
    }
  return callers
}

const homeAt = (level: Operation['level']): Pick<Place, 'scope' | 'ids'> & Partial<Place> =>
  level === 'instance' ? INSTANCE : home[level]

/** Something of the caller's own, of the place itself or, where that has none, of the tenant. */
function ownAt(level: Operation['level']): Own {
  const place = homeAt(level)
  return (collection) =>
    place.things?.get(collection)?.[0] ?? instanceThings.get(collection) ?? thingIn(home.tenant, collection) ?? ''
}
const instanceThings = new Map<string, string>()

/** What does not exist, in the place of `value`: of the same form, and beside it where things are in an order. */
function twinOf(value: string): string {
  if (value === 'default') return value
  return value.replace(/[0-9a-zA-Z](?=[^0-9a-zA-Z]*$)/, (last) => (last === '0' ? '1' : '0'))
}

const NOBODY = '0198c0de-0000-7000-8000-000000000000'

/** What does not exist, one and the same for all ids of a form. */
const missing = (value: string): string =>
  NOBODY.length === value.length && value.split('-').length === 5
    ? NOBODY
    : isApiKeyId(value)
      ? 'nobodynobody'
      : twinOf(value)

/** What tenants see of what is around them, by name: that is no secret there. */
const INHERITED = new Set(['schema-extensions', 'resource-types'])

/** Foreign things of a kind, as seen from a place, and one of the caller's own of another kind. */
function candidates(collection: string | undefined, at: Scope, all: readonly Place[], caller: Scope): string[] {
  const kind = collection ?? 'tenants'
  const outside = all.filter(({ scope, things, ids }) => {
    if (covers(at, scope) || !things.has(kind) || (INHERITED.has(kind) && covers(scope, at))) return false
    const sameProject = 'projectId' in at && ids.project === at.projectId
    // Where a tenant may move to, for who reaches that; and its own project may be named by all who reach the tenant.
    if (kind === 'projects') return !sameProject && !covers(caller, scope)
    return !(kind === 'environments' && sameProject && covers(caller, scope))
  })
  // As deep as the place itself, and one around it: those beside each other are of one kind.
  const alike = outside.filter(({ scope }) => scope.kind === at.kind)
  const around = outside.filter(({ scope }) => covers(scope, at)).slice(-1)
  const chosen = kind === 'tenants' ? outside : alike.length > 0 ? [...alike, ...around] : outside.slice(0, 3)
  const theirs = chosen.flatMap(({ things }) => things.get(kind)?.slice(0, 1) ?? [])
  const others = collection === undefined ? [foreign[0]] : []
  const people = others.flatMap((place) => place?.things.get('users')?.[0] ?? [])
  const wrong = ['users', 'webhooks'].find((other) => other !== kind) ?? ''
  return [...theirs, ...people, thingIn(home.tenant, wrong) ?? '']
}

/** Whom names in a URL lead to: every place that there is, by keys and by ids. */
function placeNamed(names: Names, all: readonly Place[]): Place | undefined {
  const same = (place: Place) =>
    ['project', 'environment', 'tenant'].every((one) => {
      const asked = names[one]
      return asked === undefined ? place.ids[one] === undefined : [place.ids[one], place.keys[one]].includes(asked)
    })
  return all.find(same)
}

/** Foreign places by how much lies between: in one's own environment, in one's own project, elsewhere. */
const ringOf = ({ ids }: Place): number =>
  ids.project !== home.project.ids.project ? 2 : ids.environment !== home.environment.ids.environment ? 1 : 0

/**
 * Of the foreign places those nearest to the caller, which one check alone keeps it from; and for one with every permission
 * others in turn, with every third operation.
 */
function foreignTo({ scope, full }: Caller, turn: number): Place[] {
  const nearest = { tenant: 0, environment: 1, project: 2, instance: turn % 3 }[scope.kind]
  const also = full && turn % 3 === 0 ? (nearest + 1 + (turn % 2)) % 3 : nearest
  return [nearest, also].flatMap((ring, i) =>
    i > 0 && also === nearest ? [] : foreign.filter((place) => ringOf(place) === ring),
  )
}

/** All requests of a caller to an operation in which something is foreign. */
function probesOf(operation: Operation, caller: Caller, given: Given): Probe[] {
  const { level, slots, title } = operation
  const at = homeAt(level)
  const own = ownAt(level)
  const names: Names = {
    ...at.ids,
    ...Object.fromEntries(slots.map(({ name, collection }) => [name, own(collection)])),
  }
  const probes: Probe[] = []
  const some = <T>(all: readonly T[]): readonly T[] => (caller.full ? all : all.slice(0, 1))

  const named = (where: string, changed: Names, compared = true) => {
    const [asked] = operation.asks(changed, own)
    const without = Object.fromEntries(
      Object.entries(changed).map(([name, value]) => [name, value === names[name] ? value : missing(value)]),
    )
    const [twin] = operation.asks(without, own)
    if (asked === undefined || twin === undefined) throw new Error(`${title} cannot be asked`)
    const about = [changed, without].flatMap((one) =>
      Object.entries(one).flatMap(([name, value]) => (value === names[name] || value === 'default' ? [] : [value])),
    )
    const whole = `${title} ${where}`
    probes.push({
      where: whole,
      ask: asked,
      twin: { ...twin, ...(isOpaque(whole) ? {} : bodyOf(asked)) },
      about,
      opaque: isOpaque(whole),
      compared,
    })
  }
  const reach = (changed: Names) => {
    const { project, environment, tenant } = changed
    const names = { ...(project && { project }), ...(environment && { environment }), ...(tenant && { tenant }) }
    const place = placeNamed(names, given.places)
    return place !== undefined && covers(caller.scope, place.scope)
  }

  // Foreign places, whole and a name at a time, and with what is in them.
  const elsewhere = given.foreign.filter(({ scope }) => scope.kind === level)
  for (const place of some(elsewhere)) {
    const theirs = slots.map(({ name, collection }) => [name, thingIn(place, collection) ?? own(collection)])
    const there = { ...names, ...place.ids, ...Object.fromEntries(theirs) }
    if (!reach(there)) {
      named(`in ${place.mark}`, there)
      named(`in ${place.mark}, by its key`, { ...names, ...place.keys })
    }
    for (const one of Object.keys(at.ids)) {
      const changed = { ...names, [one]: place.ids[one] ?? '' }
      if (place.ids[one] === names[one] || reach(changed)) continue
      named(`{${one}} of ${place.mark}`, changed, !covers(caller.scope, place.scope))
    }
  }
  for (const one of Object.keys(at.ids))
    named(`{${one}} of another kind`, { ...names, [one]: own(one === 'environment' ? 'users' : 'webhooks') })

  // What a place has, by the ids of what others have.
  for (const { name, collection } of slots)
    for (const value of some(candidates(collection, at.scope, given.others, caller.scope)))
      named(`{${name}}`, { ...names, [name]: value })
  for (const place of some(elsewhere)) {
    const inside = slots.map(({ name, collection }) => [name, thingIn(place, collection) ?? own(collection)])
    if (slots.length > 1 && !covers(at.scope, place.scope))
      named(`with all of ${place.mark}`, { ...names, ...Object.fromEntries(inside) })
  }

  const somebody = thingIn(foreign[0] as Place, 'users') ?? ''
  for (const field of operation.fields(own)) {
    const where = `${title} ${field.label}`
    const opaque = isOpaque(where)
    const values = valuesFor(operation, field, at.scope, caller.scope, given)
    // Of what is only kept one is enough, and no word by which its place would be known elsewhere.
    const kept = opaque && operation.method !== 'GET' && !/header|import/.test(where)
    if (kept && !caller.full) continue
    for (const value of kept ? [somebody] : some(values)) {
      // A search is for everything of the tenant's own, whatever its kind.
      if (SEARCHES.test(where) && [...home.tenant.things.values()].some((own) => own.includes(value))) continue
      // What is kept is beside it in an order, or made, and then there.
      const twin = opaque ? twinOf(value) : missing(value)
      probes.push({
        ...{ where, ask: field.ask(names, value), twin: field.ask(names, twin) },
        ...{ about: [value, twin], opaque, compared: !SHOWS_ITSELF.test(where) },
      })
    }
  }
  return probes
}

/** Of both requests the same, so that no word in them differs but what is foreign. */
const bodyOf = ({ body }: Ask) => (body === undefined ? {} : { body })

/** What the probes are made from. */
interface Given {
  readonly places: readonly Place[]
  readonly foreign: readonly Place[]
  /** All but the caller's own tenant, environment and project, which still are others as seen from what is in them. */
  readonly others: readonly Place[]
  /** By operation and place: the `next` that a list there gave. */
  readonly nexts: ReadonlyMap<string, readonly string[]>
}

function valuesFor(operation: Operation, field: Field, at: Scope, caller: Scope, given: Given): string[] {
  const { others, nexts, foreign: near } = given
  if (field.label.startsWith('header')) return near.slice(0, 1).map((place) => place.idempotencyKey)
  if (!field.label.startsWith('query after')) {
    const values = candidates(field.collection, at, others, caller)
    // An import makes what is not there: by ids that nothing else asks for.
    return operation.path.endsWith('/import') && field.label.endsWith('.id')
      ? near.flatMap(({ things }) => things.get('users')?.[1] ?? [])
      : values
  }
  return others
    .filter(({ scope }) => !covers(at, scope))
    .flatMap(({ mark }) => nexts.get(`${operation.title} ${mark}`) ?? [])
}

/** Of the places in a place there may be one alone. */
const PLACES_OF = {
  environments: {
    noun: 'environments',
    idsIn: ({ ids }: Place) => below(ids).flatMap((one) => one.ids.environment ?? []),
  },
  tenants: { noun: 'tenants', idsIn: ({ ids }: Place) => below(ids).flatMap((one) => one.ids.tenant ?? []) },
}
const below = (ids: Names) => foreign.filter((place) => Object.entries(ids).every(([one, id]) => place.ids[one] === id))

/** The cursors that lists elsewhere give, as the operator gets them. */
async function nextsElsewhere(): Promise<Map<string, string[]>> {
  const nexts = new Map<string, string[]>()
  const without: string[] = []
  for (const operation of operations.filter(({ pages }) => pages)) {
    const { level, slots, title } = operation
    const places = foreign.filter(({ scope }) => scope.kind === level)
    for (const place of places) {
      // A stream that is polled has what waits for its receiver.
      const things = slots.map(({ name, collection }) => [name, thingIn(place, collection) ?? ''])
      const found: string[] = []
      for (const { method, url, body } of operation.asks({ ...place.ids, ...Object.fromEntries(things) }, () => '')) {
        const { next } = await done(send(ADMIN, { method, body, url: `${url}${url.includes('?') ? '&' : '?'}limit=1` }))
        if (typeof next === 'string') found.push(next)
      }
      // Where there is one thing alone, the next would begin after it.
      const only = PLACES_OF[level === 'environment' ? 'tenants' : 'environments']
      if (found.length === 0 && title.endsWith(`/${only.noun}`)) found.push(...only.idsIn(place))
      // Every tenant here has rules of its own, so that a preview for an environment finds none that inherits.
      if (title.endsWith('{environment}/preview')) found.push(...PLACES_OF.tenants.idsIn(place))
      // People of a name are in one tenant alone here, and so on one page.
      if (title.endsWith('{environment}/events/stream'))
        found.push(...(nexts.get(`${title.replace('/stream', '')} ${place.mark}`) ?? []))
      if (title.endsWith('{environment}/users'))
        found.push(...below(place.ids).flatMap((one) => `${one.ids.tenant}.${thingIn(one, 'users')}`))
      if (found.length === 0) without.push(`${title} in ${place.mark}`)
      nexts.set(`${title} ${place.mark}`, found)
    }
  }
  expect(without).toEqual([])
  return nexts
}

/** What an answer must not hold: marks and ids of places that have nothing to do with where it was asked, or with who asked. */
function tracesFrom(caller: Caller, level: Operation['level']): string[] {
  const at = homeAt(level).scope
  const narrower = covers(caller.scope, at) ? at : caller.scope
  return foreign
    .filter(({ scope }) => !covers(narrower, scope) && !covers(scope, narrower))
    .flatMap((place) => [place.mark, ownId(place)])
}

async function tried(
  { where, ask, twin, about, opaque, compared }: Probe,
  caller: Caller,
  traces: readonly string[],
): Promise<string[]> {
  const told = await send(caller.key, ask)
  await takeBack(ask, told)
  const expected = opaque ? await send(caller.key, twin) : await refusal(caller, where, twin)
  if (opaque) await takeBack(twin, expected)
  combinations++
  const faults: string[] = []
  if (told.status >= 500) faults.push('fails')
  if (told.status < 400 && !opaque) faults.push('is taken')
  const write = opaque && told.status < 400 && ask.method !== 'GET'
  const [a, b] = [told, expected].map((one) => (write ? plainer : plain)(one, about))
  if (compared && a !== b) faults.push(`differs from ${expected.status} ${expected.text.slice(0, 300)}`)
  const left = plain(told, about)
  faults.push(...traces.filter((trace) => left.includes(trace)).map((trace) => `tells of ${trace}`))
  return faults.map(
    (fault) => `${caller.name}: ${where}: ${JSON.stringify(ask)} ${fault}: ${told.status} ${told.text.slice(0, 300)}`,
  )
}

/** What is told to a key of what does not exist; asked once, as nothing is made by it. */
function refusal({ key }: Caller, where: string, twin: Ask): Promise<Told> {
  const name = withoutMarks(JSON.stringify([where, twin.body])) + key + twin.url
  const known = refusals.get(name) ?? send(key, twin)
  refusals.set(name, known)
  return known
}
const refusals = new Map<string, Promise<Told>>()

/** The same in every run: marks of places are made at random. */
const withoutMarks = (text: string): string => text.replaceAll(/\bm[0-9a-f]{12}\b/g, '')

/** Deletes what was made, so that the caller's places stay as they are. */
async function takeBack({ method, url }: Ask, { status, headers }: Told): Promise<void> {
  const [, location] = headers.find(([name]) => name === 'location') ?? []
  const made = method === 'PUT' ? url : location
  // The domain of another has been made the caller's own.
  const isDomain = status === 200 && method === 'PUT' && /\/domains\/[^/]+$/.test(url)
  if ((status === 201 || isDomain) && made !== undefined)
    await send(ADMIN, { method: 'DELETE', url: made.startsWith('http') ? new URL(made).pathname : made })
}

let callers: readonly Caller[]
beforeAll(async () => {
  callers = await everyCaller()
  instanceThings.set('api-keys', String((await create(builder, '/api/v1/api-keys', { name: 'of the instance' })).id))
})

test(
  'TEN-02 TEN-04 SEC-13 the admin API answers for foreign ids as for what is not there, whichever key asks',
  async () => {
    const own = Object.values(home)
    const nexts = await nextsElsewhere()
    const faults: string[] = []
    for (const caller of callers) {
      const probes = operations.flatMap((operation, i) => {
        const near = foreignTo(caller, i)
        const given = { places: [...own, ...foreign], foreign: near, others: [...own, ...near], nexts }
        const traces = tracesFrom(caller, operation.level)
        return probesOf(operation, caller, given)
          .filter(({ where }) => !caller.narrow || sample.has(`${caller.name}: ${withoutMarks(where)}`))
          .map((probe) => ({ probe, traces }))
      })
      const changes = ({ probe }: (typeof probes)[number]) => probe.opaque && probe.ask.method !== 'GET'
      const ask = async ({ probe, traces }: (typeof probes)[number]) => {
        faults.push(...(await tried(probe, caller, traces)))
      }
      // What makes something comes last, when nothing is compared any more.
      await quiet()
      await inTurns(
        probes.filter((one) => !changes(one)),
        ask,
      )
      for (const one of probes.filter(changes)) await ask(one)
    }
    expect(shown(faults)).toEqual([])
  },
  LONG,
)

/** Does `work` for all, eight at a time. */
async function inTurns<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const rest = all.values()
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const one of rest) await work(one)
    }),
  )
}

/** So many that they can be read. */
const shown = (faults: readonly string[]): string[] =>
  faults.length > 60 ? [...faults.slice(0, 60), `and ${faults.length - 40} more`] : [...faults]

/** Bases of SCIM by which names lead to a tenant, or to the `default` of an environment. */
function basesOf(names: Names): readonly string[] {
  const { tenant, ...environment } = names
  if (tenant !== undefined && tenant !== 'default') return [scimBase(names)]
  return [
    scimBase(environment),
    `${scimBase(environment)}/v2`,
    scimBase({ ...environment, tenant: tenant ?? 'default' }),
  ]
}

async function idsIn(place: Place): Promise<Ids> {
  const { nextCursor } = await done(send(ADMIN, { method: 'GET', url: `${scimBase(place.ids)}/Users?cursor=&count=1` }))
  const [user = '', group = ''] = [thingIn(place, 'users'), thingIn(place, 'groups')]
  return {
    ...{ user, group, etag: 'W/"1"', cursor: String(nextCursor) },
    ...{ typeName: thingIn(place, 'resource-types') ?? '', urn: thingIn(place, 'schema-extensions') ?? '' },
  }
}

/** The same of nothing at all. */
const twinsOf = ({ etag, cursor, ...ids }: Ids): Ids => ({
  ...(Object.fromEntries(Object.entries(ids).map(([name, value]) => [name, twinOf(value)])) as typeof ids),
  etag,
  // Changed where every bit counts.
  cursor: `${cursor.slice(0, 40)}${cursor[40] === 'A' ? 'B' : 'A'}${cursor.slice(41)}`,
})

const placeless = ({ method, url, ...rest }: Ask, base: string): Ask => ({ method, url: base + url, ...rest })

/** What is wrong with an answer to a SCIM request with something foreign in it. */
function misdeeds({ status, text }: Told, expected: ScimAsk['expected']): string[] {
  if (status >= 500) return ['fails']
  if (status >= 400 || expected === 'kept') return []
  if (expected === 'nothing found') return JSON.parse(text).totalResults === 0 ? [] : ['finds something']
  const each: { status: string }[] =
    expected === 'each refused' ? JSON.parse(text).Operations : [{ status: String(status) }]
  return each.every((one) => Number(one.status) >= 400) ? [] : ['is taken']
}

test(
  'TEN-02 TEN-04 TEN-07 E-07 SCIM answers for foreign ids as for what is not there, whichever key asks, at each base URL',
  async () => {
    const faults: string[] = []
    const user = { userId: thingIn(home.tenant, 'users') ?? '' }
    const standsForUser: Caller = {
      name: 'a key that stands for a user',
      key: await keyFor(builder, home.tenant, ['scim:read', 'scim:write'], { user: user.userId }),
      ...{ scope: home.tenant.scope, full: false, narrow: false },
    }
    const ownIds = await idsIn(home.tenant)
    const theirs = await Promise.all(
      foreign.filter(({ scope }) => scope.kind === 'tenant').map(async (place) => ({ place, ids: await idsIn(place) })),
    )
    // What the operator has asked of them for that stands in their provisioning logs.
    await quiet()
    const { request_log = '' } = await digest()
    before = { ...before, request_log }
    const ofOtherKinds = {
      ...ownIds,
      ...{ user: thingIn(home.tenant, 'streams') ?? '', group: thingIn(home.tenant, 'webhooks') ?? '' },
      ...{ cursor: theirs[0]?.ids.cursor ?? '', typeName: 'sample', urn: ownId(home.tenant) },
    }
    const all = [...Object.values(home), ...foreign]
    const compared = async (
      caller: Caller,
      one: ScimAsk | undefined,
      twin: ScimAsk | undefined,
      bases: readonly [string, string],
      about: readonly string[],
    ) => {
      if (one === undefined || twin === undefined) throw new Error('a request has no twin')
      const [told, expected] = [
        await send(caller.key, placeless(one.ask, bases[0])),
        await send(caller.key, placeless(twin.ask, bases[1])),
      ]
      combinations++
      const wrong = misdeeds(told, one.expected)
      const kept = one.expected === 'kept' && told.status < 400
      const [a, b] = [told, expected].map((answer) => (kept ? plainer : plain)(answer, about))
      if (a !== b) wrong.push(`differs from ${expected.status} ${expected.text.slice(0, 300)}`)
      const left = plain(told, about)
      wrong.push(
        ...tracesFrom(caller, 'tenant')
          .filter((trace) => left.includes(trace))
          .map((trace) => `tells of ${trace}`),
      )
      for (const what of wrong)
        faults.push(
          `${caller.name}: ${one.label} at ${bases[0]}: ${JSON.stringify(one.ask)} ${what}: ${told.status} ${told.text.slice(0, 300)}`,
        )
    }

    for (const [turn, caller] of [...callers, standsForUser].entries()) {
      const some = <T>(list: readonly T[]): readonly T[] => (caller.full ? list : list.slice(0, 1))
      const near = foreignTo(caller, turn)
      const aliens = [...theirs.flatMap(({ place, ids }) => (near.includes(place) ? [ids] : [])), ofOtherKinds]
      // Foreign ids below the caller's own base URLs.
      // All of them below one, and others in turn below the other forms of it.
      for (const [i, base] of some([...[...basesOf(home.tenant.keys), scimBase(home.tenant.ids)].entries()]))
        for (const alien of caller.full && i === 0 ? aliens : aliens.slice(i % aliens.length).slice(0, 1)) {
          const twins = twinsOf(alien)
          const about = Object.values({ ...alien, etag: '' }).concat(Object.values({ ...twins, etag: '' }))
          const pairs = SCIM_ROUTES.flatMap((route) => {
            const [asks, others] = [alien, twins].map((ids) => scimAsks(route, ids, ownIds))
            return (asks ?? []).map((one, i) => ({ one, twin: others?.[i] }))
          })
          const changes = ({ one }: { one: ScimAsk }) => one.expected === 'kept'
          await inTurns(
            pairs.filter((pair) => !changes(pair)),
            ({ one, twin }) => compared(caller, one, twin, [base, base], about),
          )
          for (const { one, twin } of pairs.filter(changes)) await compared(caller, one, twin, [base, base], about)
        }
      // Base URLs of others, with what is there.
      for (const place of near.filter(({ scope }) => scope.kind !== 'project'))
        for (const names of [place.keys, place.ids]) {
          if (covers(caller.scope, place.scope)) continue
          const missing = Object.fromEntries(
            Object.entries(names).map(([one, value]) => [
              one,
              Object.values(home.tenant.keys).concat(Object.values(home.tenant.ids)).includes(value)
                ? value
                : twinOf(value),
            ]),
          )
          const about = Object.values(names)
            .concat(Object.values(missing))
            .filter((value) => value !== 'default')
          const there = theirs.find((one) => covers(place.scope, one.place.scope))?.ids ?? ownIds
          const asks = SCIM_ROUTES.flatMap((route): ScimAsk[] => {
            const [one] = scimAsks(route, there, there)
            const [method = '', url = ''] = route.split(' ')
            return [one ?? { label: route, ask: { method, url }, expected: 'refused' }]
          })
          for (const [i, base] of basesOf(names).entries())
            await inTurns(asks, (one) =>
              compared(caller, { ...one, expected: 'refused' }, one, [base, basesOf(missing)[i] ?? ''], about),
            )
        }
      // Names of one's own and of others in one base URL.
      for (const place of near)
        for (const one of ['project', 'environment', 'tenant'].filter((name) => place.ids[name] !== undefined)) {
          const names = { ...home.tenant.ids, [one]: place.ids[one] ?? '' }
          const reached = placeNamed(names, all)
          if (Object.values(names).every((id) => Object.values(home.tenant.ids).includes(id))) continue
          if (reached !== undefined && covers(caller.scope, reached.scope)) continue
          // Who may see the other place may be told that it has nothing of this name.
          const missing = covers(caller.scope, place.scope) ? names : { ...names, [one]: twinOf(names[one] ?? '') }
          const ask: ScimAsk = {
            label: `{${one}} of ${place.mark}`,
            ask: { method: 'GET', url: '/Users' },
            expected: 'refused',
          }
          await compared(caller, ask, ask, [scimBase(names), scimBase(missing)], [names[one] ?? '', missing[one] ?? ''])
        }
    }
    expect(shown(faults)).toEqual([])
  },
  LONG,
)

describe('after all of that', () => {
  test('TEN-04 nothing has changed in the other places: no row of any table, no queue, no position', async () => {
    await quiet()
    expect(await digest()).toEqual(before)
  })

  test('TEN-04 EV-04 nothing of them has arrived at a webhook of the caller, and nothing at their own', async () => {
    const at = (places: readonly Place[]) =>
      sink.got.filter(({ path }) => places.some(({ mark }) => path.startsWith(`/${mark}/`)))
    expect(at(foreign)).toEqual(arrivedBefore)
    expect(at([home.tenant]).length).toBeGreaterThan(0)
    expect(at([home.environment]).length).toBeGreaterThan(at([home.tenant]).length)
    for (const place of Object.values(home)) {
      const apart = foreign.filter(({ scope }) => !covers(place.scope, scope))
      const told = at([place]).filter(({ text }) => apart.some(({ mark }) => text.includes(mark)))
      expect(told).toEqual([])
    }
  })

  test('TEN-04 nothing of them is in a stream that the caller polls', async () => {
    for (const place of [home.environment, home.tenant]) {
      const apart = foreign.filter(({ scope }) => !covers(place.scope, scope))
      for (const stream of place.things.get('streams')?.slice(0, 1) ?? []) {
        const tokens = await polled(`/api/v1${pathOf(place.ids)}/streams/${stream}/poll`)
        expect(tokens.length).toBeGreaterThan(0)
        expect(tokens.filter((token) => apart.some(({ mark }) => token.includes(mark)))).toEqual([])
      }
    }
  })

  /** The claims of all tokens that wait. */
  async function polled(url: string): Promise<string[]> {
    const tokens: string[] = []
    for (let ack: string[] = []; ; ) {
      const body = { returnImmediately: true, maxEvents: 500, ack }
      const { sets } = (await done(send(ADMIN, { method: 'POST', url, body }))) as { sets: Record<string, string> }
      if (Object.keys(sets).length === 0) return tokens
      tokens.push(...Object.values(sets).map((token) => Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()))
      ack = Object.keys(sets)
    }
  }
})
