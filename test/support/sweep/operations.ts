import { PERMISSIONS } from '../../../src/auth/principal.ts'
import type { ApiDocument } from '../../../src/http/admin/reference/openapi.ts'
import { USER_SCHEMA } from '../../../src/scim/urn.ts'
import type { Ask } from './asking.ts'
import { bodiesOf, LEFT_OUT, type Maker, type Schema, type TextMember, textMembers } from './bodies.ts'
import { extension, freshJwk, freshMark, type Names, resourceType } from './places.ts'

/** Where an operation is, from the instance down. */
export const LEVELS = ['instance', 'project', 'environment', 'tenant'] as const
export type Level = (typeof LEVELS)[number]

/** A parameter in a path that names something in a place, such as a webhook. */
export interface Slot {
  readonly name: string
  /** The collection before it in the path. */
  readonly collection: string
}

/** Something of an operation that takes text. */
export interface Field {
  /** Such as `body items[].group`. */
  readonly label: string
  /** Of what it takes the id or the key; undefined where its name does not tell. */
  readonly collection: string | undefined
  ask(names: Names, text: string): Ask
}

/** An operation of the OpenAPI document. */
export interface Operation {
  readonly title: string
  readonly method: string
  readonly path: string
  readonly level: Level
  /** In the order of the path, without those that name its place. */
  readonly slots: readonly Slot[]
  /** Requests with every form of its body, and of its query. */
  asks(names: Names, own: Own): readonly Ask[]
  fields(own: Own): readonly Field[]
  /** Whether it gives `next`, for the `after` of another request. */
  readonly pages: boolean
}

/** Something of a kind in the place where a request is sent; the sweep's own things stand where nothing foreign does. */
export type Own = (collection: string) => string

interface Parameter {
  readonly in: string
  readonly name: string
  readonly required?: boolean
  readonly schema: Schema
}
interface Described {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required?: boolean; readonly content: Readonly<Record<string, { schema: Schema }>> }
}

/** Without them a poll would wait, and be told what has come since the last. */
const NOT_NOW = new Set(['returnImmediately', 'maxEvents'])
/** Finds people by one of several names, which the document cannot say. */
const PEOPLE = 'GET /projects/{project}/environments/{environment}/users'
const NAMES_OF_PEOPLE = ['email', 'userName', 'externalId']
const PLACES = new Set(['projects', 'environments', 'tenants'])

/** Members whose names do not say of what they take the id. */
const COLLECTIONS: Readonly<Record<string, string>> = {
  user: 'users',
  group: 'groups',
  member: 'users',
  project: 'projects',
  environment: 'environments',
  tenant: 'tenants',
  role: 'roles',
  account: 'accounts',
  'items[].resource.id': 'users',
}

/** `tenantId` takes the id of a tenant, `resourceType` the name of a resource type; all else is told above. */
function collectionOf({ path, name, schema }: Pick<TextMember, 'path' | 'name' | 'schema'>): string | undefined {
  const told = COLLECTIONS[path] ?? COLLECTIONS[name]
  if (told !== undefined) return told
  const noun = /^(.+)Id$/.exec(name)?.[1] ?? (name === 'resourceType' ? name : undefined)
  if (noun !== undefined) return `${noun.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}s`
  return schema.format === 'uuid' && name !== 'after' ? name : undefined
}

/** Every operation, as the document has it. @throws {Error} where the sweep would not know what to send */
export function operationsOf(document: ApiDocument, sinkUrl: string): Operation[] {
  const definitions = (document.components?.schemas ?? {}) as Readonly<Record<string, Schema>>
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Readonly<Record<string, Described>>).map(([method, described]) =>
      operation(method.toUpperCase(), path, described, definitions, sinkUrl),
    ),
  )
}

function operation(
  method: string,
  path: string,
  { parameters = [], requestBody }: Described,
  definitions: Readonly<Record<string, Schema>>,
  sinkUrl: string,
): Operation {
  const title = `${method} ${path}`
  const named = [...path.matchAll(/([^/]+)\/\{(\w+)\}/g)].map(([, collection = '', name = '']) => ({
    name,
    collection,
  }))
  const depth = named.filter(({ collection }) => PLACES.has(collection)).length
  const schema = requestBody?.content['application/json']?.schema
  if (requestBody !== undefined && schema === undefined) throw new Error(`${title} has a body that is no JSON`)
  const query = parameters.filter((one) => one.in === 'query')
  const headers = parameters.filter((one) => one.in === 'header')
  const unknown = parameters.filter((one) => !['path', 'query', 'header'].includes(one.in))
  if (unknown.length > 0) throw new Error(`${title} takes something in a ${unknown[0]?.in}`)
  const maker = (names: Names, own: Own): Maker => ({
    definitions,
    samples: (name, one, beside) => sampleOf(title, names, own, sinkUrl, name, one, beside),
    always: (name, beside) =>
      NOT_NOW.has(name) ||
      (name === 'url' && beside.method === 'push') ||
      // A decision that is asked for twice has the same answer only about one account, and where no user meets the rule.
      (name === 'account' && title.endsWith('/account-reviews')) ||
      (name === 'delete' && title.endsWith('/erasures')) ||
      (name === 'domain' && title.endsWith('/by-rule')),
    companions: { user: ['tenant'] },
  })
  const at = (names: Names) =>
    path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? `no-${name}`))
  const ask = (names: Names, more: string, body?: unknown): Ask => ({
    ...{ method, url: `/api/v1${at(names)}${more}` },
    ...(body === undefined ? {} : { body: whole(title, body) }),
  })
  // Values of which there are few change what is asked, so each other parameter is tried beside each of them.
  // Numbers come as text, so that the document cannot tell that one is needed.
  const counted = (one: Parameter) => one.name === 'after' && !isText(one.schema)
  const needed = query.filter((one) => one.required || counted(one)).map(({ name }) => `${name}=0`)
  if (title === PEOPLE) needed.push(`${NAMES_OF_PEOPLE[0]}=nobody`)
  const kinds = [
    needed.join('&'),
    ...query.flatMap(({ name, schema: { enum: values = [] } }) => values.map((one) => `${name}=${one}`)),
  ]
  const least = (names: Names, own: Own) => (schema === undefined ? undefined : bodiesOf(schema, maker(names, own))[0])

  return {
    ...{ title, method, path, level: LEVELS[depth] ?? 'instance' },
    slots: named.filter(({ collection }) => !PLACES.has(collection)),
    pages: query.some(({ name, schema: one }) => name === 'after' && isText(one)),
    asks(names, own) {
      const bodies = schema === undefined ? [undefined] : bodiesOf(schema, maker(names, own))
      const asked = bodies.flatMap((body) => kinds.map((kind) => ask(names, kind && `?${kind}`, body)))
      return requestBody?.required === false ? [ask(names, ''), ...asked] : asked
    },
    fields(own) {
      const inQuery = query
        .filter((one) => isText(one.schema))
        .flatMap(({ name, schema: one }) =>
          (title === PEOPLE && NAMES_OF_PEOPLE.includes(name) ? [''] : kinds).map(
            (kind): Field => ({
              label: `query ${name}${kind && ` with ${kind}`}`,
              collection: collectionOf({ path: name, name, schema: one }),
              ask: (names, text) =>
                ask(names, `?${kind && `${kind}&`}${name}=${encodeURIComponent(text)}`, least(names, own)),
            }),
          ),
        )
      const inHeaders = headers
        .filter((one) => isText(one.schema))
        .map(
          ({ name }): Field => ({
            label: `header ${name}`,
            collection: undefined,
            ask: (names, text) => ({ ...ask(names, '', least(names, own)), headers: { [name]: text } }),
          }),
        )
      const inBody = schema === undefined ? [] : textMembers(schema, maker({}, own))
      return [
        ...inQuery,
        ...inHeaders,
        ...inBody.map(
          (member, i): Field => ({
            label: `body ${member.path}`,
            collection: collectionOf(member),
            // Made anew with the names of the path, by which some bodies go.
            ask: (names, text) => ask(names, '', textMembers(schema ?? {}, maker(names, own))[i]?.body(text)),
          }),
        ),
      ]
    },
  }
}

const isText = ({ type, enum: values }: Schema): boolean => values === undefined && [type].flat().includes('string')

/** What stands where nothing foreign does: what the routes ask for beyond what their schemas say. */
function sampleOf(
  title: string,
  names: Names,
  own: Own,
  sinkUrl: string,
  name: string,
  { type, format }: Schema,
  beside: Readonly<Record<string, unknown>>,
): unknown {
  // A move to where the tenant is already changes nothing.
  if (/\/move(?:\/preview)?$/.test(title)) return name === 'key' ? LEFT_OUT : names[name]
  switch (name) {
    case 'key':
    case 'identity':
      return freshMark()
    case 'jwk':
      return freshJwk()
    case 'url':
      return beside.method === 'poll' ? LEFT_OUT : sinkUrl
    case 'token':
      return beside.method === 'push' ? 'a-token-of-the-receiver' : LEFT_OUT
    case 'account':
      return own('accounts')
    case 'from':
    case 'after':
      return LEFT_OUT
    case 'domain':
      return 'acme.example'
    case 'subjectIssuer':
      return 'https://idp.example'
    case 'jwksUri':
      return 'https://idp.example/jwks'
    case 'name':
      // A kind of the catalogue has a name that no other place around it has.
      return title.includes('/catalogue') ? freshMark() : undefined
    case 'kind':
      return title.includes('/catalogue') ? 'Role' : undefined
    case 'mapping':
      // One that gives nothing: another tells all tenants of the environment, those beside the caller's too.
      return title.endsWith('/preview') ? { login: 'userName' } : {}
    case 'endpoint':
      return `/${freshMark()}`
    case 'colour':
      return '#2457c5'
    case 'frameAncestors':
      return ['https://app.example']
    case 'baseUrl':
      return 'https://scim.example/scim/v2/none/none'
    case 'address':
      return '192.0.2.1'
    case 'allowedAddresses':
      return ['192.0.2.1']
    case 'expiresAt':
      return new Date(Date.now() + 3_600_000).toISOString()
    case 'since':
      return new Date(Date.now() - 3_600_000).toISOString()
    case 'until':
      return new Date().toISOString()
    case 'permissions':
      // In settings they are of another kind.
      return type === 'array' ? [PERMISSIONS[0]] : undefined
    case 'roleRules':
      return [{ group: { pattern: 'Nobody*' }, role: 'nobody' }]
    case 'leaverBrake':
      return { mode: 'warn', count: 1_000 }
    case 'schema':
      return extension(names.urn ?? 'urn:none:a').schema
    case 'schemas':
      return resourceType(names.name ?? 'None').schemas
    case 'resourceType':
      return type === 'string' ? 'User' : resourceType(names.name ?? 'None').resourceType
    case 'type':
      return 'User'
    case 'required':
      // What was there without it cannot be made to need it.
      return false
    case 'tokensMayMintAdminKeys':
      // Of keys with `admin` alone.
      return false
    case 'id':
      return own(title.endsWith('/accounts') ? 'accounts' : 'users')
    case 'events':
      return format === 'uuid' ? own('events') : type === 'string' ? 'user.*' : undefined
    case 'issuer':
      return 'https://idp.example'
    case 'user':
      // Who is erased is asked for no more.
      if (title.endsWith('/erasures')) return own('leavers')
      // Of one tenant alone.
      return title.includes('/tenants/{tenant}/') || beside.tenant !== undefined ? own('users') : LEFT_OUT
    case 'tenant':
    case 'tenants':
    case 'tenantId':
      return own('tenants')
    case 'group':
      return format === undefined && type === 'string' ? own('groups') : undefined
    case 'member':
      return own('users')
    default:
      return undefined
  }
}

/** Resources are loose objects in the document; what SCIM asks for beside the id is put in here. */
function whole(title: string, body: unknown): unknown {
  if (!title.endsWith('/import')) return body
  const { items } = body as { readonly items: readonly Readonly<Record<string, unknown>>[] }
  return {
    items: items.map(({ resource, ...item }) =>
      resource === undefined
        ? item
        : { ...item, resource: { schemas: [USER_SCHEMA], userName: freshMark(), ...resource } },
    ),
  }
}
