import type { JsonObject, JsonValue } from '../../src/scim/resource.ts'
import { GROUP_SCHEMA, USER_SCHEMA } from '../../src/scim/urn.ts'
import { fill, fillText, type LookUp } from './case-templates.ts'
import { memberOf } from './checks.ts'
import { jsonIn, send } from './http-client.ts'
import { converse } from './raw-connection.ts'

/** A request of a hostile case; texts are templates. */
export interface RequestTemplate {
  readonly method?: string
  /** Appended to the base URL as written, percent signs and dots included. */
  readonly path?: string
  readonly query?: Readonly<Record<string, string | number | readonly string[]>>
  /** Null takes a header away. */
  readonly headers?: Readonly<Record<string, string | null>>
  readonly body?: JsonValue
  readonly rawBody?: string
  readonly rawBodyBase64?: string
  /** The other tenant asks, at its own base URL. */
  readonly as?: 'other'
  /** Whose key: `own`, `other`, `none`, or the header's text. */
  readonly auth?: string
  /** Asks at the base URL of the tenant of this name. */
  readonly tenant?: string
  /** Bytes for a connection instead of a request. */
  readonly raw?: {
    readonly text?: string
    readonly chunks?: readonly { readonly text: string; readonly times?: number; readonly everyMs?: number }[]
    readonly answers?: number
    readonly waitMs?: number
  }
}

/** Where a tenant is and the key for it. */
export interface Party {
  readonly base: string
  readonly key: string
}

/** The gateway as hostile cases see it. */
export interface Target {
  readonly own: Party
  readonly other: Party
  /** Base URL with `{tenant}` where the tenant's name goes. */
  readonly tenantTemplate: string
  /** Variables that somebody has to prepare: keys of other kinds, the other tenant's name. */
  readonly prepared: Readonly<Record<string, string>>
}

/** An answer, or what there was instead of one: status 0. */
export interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  readonly json: unknown
  readonly ms: number
  /** HEAD and raw bytes: nothing is expected of the body. */
  readonly bodyCounts: boolean
  /** Statuses of all answers on a raw connection. */
  readonly pipeline: readonly number[]
  readonly closed: boolean
}

/** Sends one request of a case. */
export async function perform(template: RequestTemplate, target: Target, lookUp: LookUp): Promise<Received> {
  if (template.raw) return performRaw(template.raw, target, lookUp)
  const { method = 'GET', path = '' } = template
  const { origin, pathname } = new URL(template.as === 'other' ? target.other.base : target.own.base)
  const named = template.tenant
  const place =
    named === undefined
      ? pathname
      : new URL(target.tenantTemplate).pathname.replace(/(\{|%7B)tenant(\}|%7D)/, () => fillText(named, lookUp))
  const address = place + fillText(path, lookUp)
  const query = queryOf(template.query ?? {}, lookUp)
  const body = bodyOf(template, lookUp)
  const answer = await send({
    ...{ method, origin, body },
    target: query === '' ? address : `${address}${address.includes('?') ? '&' : '?'}${query}`,
    headers: headersOf(template, body !== undefined, target, lookUp),
  })
  const { status, headers, text, ms } = answer
  const closed = status === 0
  return { ...{ status, headers, text, ms, closed }, json: jsonIn(text), bodyCounts: method !== 'HEAD', pipeline: [] }
}

function queryOf(query: NonNullable<RequestTemplate['query']>, lookUp: LookUp): string {
  const encode = (text: string | number) => encodeURIComponent(fillText(String(text), lookUp))
  return Object.entries(query)
    .flatMap(([name, values]) => [values].flat().map((value) => `${encodeURIComponent(name)}=${encode(value)}`))
    .join('&')
}

function bodyOf({ body, rawBody, rawBodyBase64 }: RequestTemplate, lookUp: LookUp): Buffer | undefined {
  if (body !== undefined) return Buffer.from(JSON.stringify(fill(body, lookUp)))
  if (rawBody !== undefined) return Buffer.from(fillText(rawBody, lookUp))
  return rawBodyBase64 === undefined ? undefined : Buffer.from(rawBodyBase64, 'base64')
}

function headersOf({ headers = {}, as, auth }: RequestTemplate, hasBody: boolean, target: Target, lookUp: LookUp) {
  const keys: Record<string, string> = { own: target.own.key, other: target.other.key }
  const who = auth ?? (as === 'other' ? 'other' : 'own')
  const key = keys[who]
  // By lower-cased name, with the spelling that is sent.
  const sent = new Map<string, [string, string]>([['accept', ['Accept', 'application/scim+json']]])
  if (key !== undefined) sent.set('authorization', ['Authorization', `Bearer ${key}`])
  else if (who !== 'none') sent.set('authorization', ['Authorization', fillText(who, lookUp)])
  if (hasBody) sent.set('content-type', ['Content-Type', 'application/scim+json'])
  for (const [name, value] of Object.entries(headers)) {
    if (value === null) sent.delete(name.toLowerCase())
    else sent.set(name.toLowerCase(), [name, fillText(value, lookUp)])
  }
  return Object.fromEntries(sent.values())
}

async function performRaw(raw: NonNullable<RequestTemplate['raw']>, target: Target, lookUp: LookUp): Promise<Received> {
  const given = raw.chunks ?? [{ text: raw.text ?? '' }]
  const chunks = given.map(({ text, times = 1, everyMs = 0 }) => ({ text: fillText(text, lookUp), times, everyMs }))
  const wanted = { chunks, answers: raw.answers ?? 1, waitMs: raw.waitMs ?? 3000 }
  const { answers, closed, ms } = await converse(new URL(target.own.base).origin, wanted)
  const text = answers.map(({ body }) => body).join('\n')
  return {
    ...{ text, ms, closed, bodyCounts: false },
    status: answers[0]?.status ?? 0,
    headers: answers[0]?.headers ?? {},
    json: jsonIn(text),
    pipeline: answers.map(({ status }) => status),
  }
}

type Variables = Map<string, JsonValue>

interface Fixture {
  readonly names: RegExp
  readonly path: '/Users' | '/Groups'
  readonly as?: 'other'
  body(run: string, variables: Variables): JsonObject
  variables(made: Received, run: string): Record<string, JsonValue>
}

const person = (tag: string, run: string): JsonObject => ({
  schemas: [USER_SCHEMA],
  userName: `fx-${tag}-${run}@example.com`,
  externalId: `fx-ext-${tag}-${run}`,
  displayName: `Fixture ${tag} ${run}`,
  active: true,
  name: { givenName: 'Fix', familyName: `Ture-${tag}-${run}` },
  emails: [{ value: `fx-${tag}-${run}@example.com`, type: 'work', primary: true }],
})
const circle = (tag: string, run: string): JsonObject => ({
  schemas: [GROUP_SCHEMA],
  displayName: `fx-group-${tag}-${run}`,
})
const idOf = (made: Received) => memberOf(made.json, 'id') as string

/** What cases find in place: each is made for the case that names one of its variables, just before it runs. */
const FIXTURES: readonly Fixture[] = [
  {
    names: /^user(Id|Name|Etag|ExternalId|Marker)$|^memberGroupId$/,
    path: '/Users',
    body: (run) => person('a', run),
    variables: (made, run) => ({
      userId: idOf(made),
      userName: `fx-a-${run}@example.com`,
      userExternalId: `fx-ext-a-${run}`,
      userMarker: `Fixture a ${run}`,
      userEtag: made.headers.etag ?? '',
    }),
  },
  {
    names: /^user2(Id|Name)$/,
    path: '/Users',
    body: (run) => person('b', run),
    variables: (made, run) => ({ user2Id: idOf(made), user2Name: `fx-b-${run}@example.com` }),
  },
  {
    names: /^group(Id|Name|Etag)$/,
    path: '/Groups',
    body: (run) => circle('g', run),
    variables: (made, run) => ({
      groupId: idOf(made),
      groupName: `fx-group-g-${run}`,
      groupEtag: made.headers.etag ?? '',
    }),
  },
  {
    names: /^memberGroupId$/,
    path: '/Groups',
    body: (run, variables) => ({ ...circle('m', run), members: [{ value: variables.get('userId') ?? '' }] }),
    variables: (made) => ({ memberGroupId: idOf(made) }),
  },
  {
    names: /^otherTenant(User(Id|Name|Etag)|Marker|ExternalId)$/,
    path: '/Users',
    as: 'other',
    body: (run) => person('x', run),
    variables: (made, run) => ({
      otherTenantUserId: idOf(made),
      otherTenantUserName: `fx-x-${run}@example.com`,
      otherTenantMarker: `Fixture x ${run}`,
      otherTenantExternalId: `fx-ext-x-${run}`,
      otherTenantUserEtag: made.headers.etag ?? '',
    }),
  },
  {
    names: /^otherTenantGroup(Id|Name)$/,
    path: '/Groups',
    as: 'other',
    body: (run) => circle('y', run),
    variables: (made, run) => ({ otherTenantGroupId: idOf(made), otherTenantGroupName: `fx-group-y-${run}` }),
  },
]

/** Makes the fixtures that `names` ask for and puts their variables beside the others. @throws where one is refused */
export async function makeFixtures(names: ReadonlySet<string>, target: Target, variables: Variables): Promise<void> {
  const run = String(variables.get('run'))
  for (const { names: ours, path, as, body, variables: ofFixture } of FIXTURES) {
    if (![...names].some((name) => ours.test(name))) continue
    const request = { method: 'POST', path, body: body(run, variables), ...(as ? { as } : {}) }
    const made = await perform(request, target, (name) => variables.get(name))
    if (made.status !== 201) throw new Error(`the fixture was answered ${made.status}: ${made.text}`)
    for (const [name, value] of Object.entries(ofFixture(made, run))) variables.set(name, value)
  }
}
