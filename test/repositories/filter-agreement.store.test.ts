import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EnvironmentId, ProjectId } from '../../src/place-ids.ts'
import { representation } from '../../src/provisioning/representation.ts'
import { storedForm } from '../../src/repositories/resources/stored-form.ts'
import { forTenant, type Repositories } from '../../src/repositories/tenant-scope.ts'
import { compareValues } from '../../src/scim/comparable.ts'
import { ScimError } from '../../src/scim/errors.ts'
import type { AttributePath, BoundFilter, Comparable, Filter } from '../../src/scim/filter/ast.ts'
import { bindFilter } from '../../src/scim/filter/bind.ts'
import { evaluate } from '../../src/scim/filter/evaluate.ts'
import { formatFilter } from '../../src/scim/filter/format.ts'
import { isObject, type JsonObject, type JsonValue, member, type Resource } from '../../src/scim/resource.ts'
import type { Attribute } from '../../src/scim/schema/attribute.ts'
import { defineSchema } from '../../src/scim/schema/define.ts'
import { buildRegistry } from '../../src/scim/schema/registry.ts'
import type { AttributeRef, ResourceType } from '../../src/scim/schema/resource-type.ts'
import { searchDocument } from '../../src/scim/search-document.ts'
import { effectiveSettings } from '../../src/tenancy/settings.ts'
import { type TenantContext, tenantContext } from '../../src/tenancy/tenant.ts'
import { openTestDatabase } from '../support/engines.ts'
import { type Instance, openInstance } from '../support/instances.ts'
import { placeId } from '../support/place-ids.ts'

const { extensionSchemas } = JSON.parse(
  readFileSync(new URL('../fixtures/scim/filter-vectors.json', import.meta.url), 'utf8'),
) as { extensionSchemas: JsonValue[] }
const registry = buildRegistry({
  extensions: extensionSchemas.map((schema) => ({
    resourceType: 'User',
    schema: defineSchema(schema),
    required: false,
  })),
})
const userType = registry.byName.get('User') as ResourceType
const groupType = registry.byName.get('Group') as ResourceType
const { endpoints } = registry
const EVERYTHING = { groups: true, members: true }

let instance: Instance
beforeAll(async () => {
  instance = await openInstance(await openTestDatabase())
})
afterAll(() => instance.close())

// ---- Random resources

// Few and close to each other, so that filters hit: cases, prefixes, planes beyond the first, wildcards, quotes.
const texts = [
  ...['a', 'A', 'ab', 'ABC', 'b', '', 'work', 'WORK', 'home', 'á', 'Á', 'a\u0301', 'ß', 'SS', 'İ', 'ΟΔΟΣ', 'οδοσημα'],
  ...[
    '😀',
    '😀a',
    '\uffee',
    'z\uffff',
    '\ud7ff',
    '\u{10ffff}',
    '%',
    '_',
    'a%b_c',
    '\\',
    '"',
    "'",
    '$1',
    '{a,b}',
    ' ',
    '-1',
    'null',
    'true',
  ],
]
const text = fc.constantFrom(...texts)
const moments = [
  ...['2010-01-23T04:56:22Z', '2010-01-23T06:56:22+02:00', '2010-01-23T04:56:22.000001Z', '2010-01-23T04:56:22.5Z'],
  ...['1969-12-31T23:59:59Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59-13:59', '2010-01-23T24:00:00Z'],
]
const decimals = [0, 1, -1, 0.1, 0.30000000000000004, 1.5, 2.5e-8, 1e21, -1e300, 123456789012345]

function valuesFor(attribute: Attribute): fc.Arbitrary<JsonValue> {
  switch (attribute.type) {
    case 'string':
      return text
    case 'reference':
      return fc.oneof(text, fc.constantFrom('http://x.test/a', 'HTTP://x.test/a', '/Users/1'))
    case 'binary':
      return fc.constantFrom('YQ==', 'yq==', 'AAAA', '')
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.constantFrom(0, 1, -1, 7, 42, 2 ** 31, -(2 ** 40), Number.MAX_SAFE_INTEGER)
    case 'decimal':
      return fc.constantFrom(...decimals)
    case 'dateTime':
      return fc.constantFrom(...moments)
    case 'complex':
      return objectOf(attribute.subAttributes)
  }
}

/** What is read only is computed, and in no body that gets as far as the store. */
const isStored = (attribute: Attribute): boolean => attribute.mutability !== 'readOnly'

const objectOf = (attributes: readonly Attribute[]): fc.Arbitrary<JsonObject> =>
  fc
    .record(Object.fromEntries(attributes.filter(isStored).map((attribute) => [attribute.name, anyOf(attribute)])), {
      requiredKeys: [],
    })
    .map((object) =>
      Object.fromEntries(
        Object.entries(object).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
      ),
    )

const anyOf = (attribute: Attribute): fc.Arbitrary<JsonValue> =>
  attribute.multiValued ? fc.array(valuesFor(attribute), { minLength: 1, maxLength: 3 }) : valuesFor(attribute)

const computed = new Set(['id', 'meta', 'groups', 'members', 'password', 'schemas'])

function resourceOf(type: ResourceType): fc.Arbitrary<Resource> {
  const core = [...type.core.values()].filter(({ name }) => !computed.has(name))
  const extensions = [...type.extensionsByUrn.values()].map(({ urn, attributes }) =>
    fc.option(objectOf([...attributes.values()]), { nil: undefined }).map((value) => ({ urn, value })),
  )
  return fc.tuple(objectOf(core), ...extensions).map(([own, ...others]) => {
    const held = others.filter(({ value }) => value !== undefined && Object.keys(value).length > 0)
    const added = Object.fromEntries(held.map(({ urn, value }) => [urn, value as JsonObject]))
    return { schemas: [type.schema.id, ...held.map(({ urn }) => urn)], ...own, ...added }
  })
}

// ---- The two readers

interface Held {
  readonly id: string
  readonly type: ResourceType
  readonly document: JsonObject
}

interface Store {
  readonly repositories: Repositories
  readonly held: readonly Held[]
  readonly baseUrl: string
}

/** Fills a tenant with random users and groups, and reads each back whole, as `evaluate` is to see it. */
async function fill(seed: number): Promise<Store> {
  const made = await instance.newTenant()
  const baseUrl = made.base
  const place = {
    projectId: placeId<ProjectId>(''),
    environmentId: placeId<EnvironmentId>(''),
    tenantId: made.id,
    key: made.name,
  }
  const plain = tenantContext({ ...place, settings: effectiveSettings({ uniqueGroupNames: false }) }, baseUrl)
  const tenant: TenantContext = { ...plain, registry }
  const scope = {
    tenantId: made.id,
    baseUrl,
    requestId: 'test',
    actor: 'test',
    defersReferences: false,
    hasRoles: false,
  }
  const repositories = forTenant(instance.database, scope)
  const users = fc.sample(resourceOf(userType), { numRuns: 50, seed })
  const groups = fc.sample(resourceOf(groupType), { numRuns: 15, seed })
  const ids = new Map<ResourceType, string[]>([
    [userType, users.map(() => uuidv7())],
    [groupType, groups.map(() => uuidv7())],
  ])
  const managers = fc.sample(fc.option(fc.constantFrom(...(ids.get(userType) ?? []))), { numRuns: 50, seed })
  const all = [
    ...users.map((user, i) => ({
      type: userType,
      resource: withManager({ ...user, userName: `${user.userName ?? ''}${i}` }, managers[i]),
    })),
    ...groups.map((group) => ({ type: groupType, resource: { ...group, displayName: group.displayName ?? 'g' } })),
  ]
  const counts = new Map<ResourceType, number>()
  for (const { type, resource } of all) {
    const n = counts.get(type) ?? 0
    counts.set(type, n + 1)
    const id = ids.get(type)?.[n] ?? ''
    const stored = storedForm(type, resource, tenant)
    const [created] = await repositories.resources.create([
      { id, type, stored, passwordHash: null, event: 'x.created' },
    ])
    expect(created?.outcome).toBe('created')
  }
  const everybody = [...ids.values()].flat()
  const groupIds = ids.get(groupType) ?? []
  const memberships = fc.sample(fc.uniqueArray(fc.constantFrom(...everybody), { maxLength: 5 }), {
    numRuns: groupIds.length,
    seed,
  })
  const displays = fc.sample(fc.option(text, { nil: undefined }), { numRuns: groupIds.length, seed })
  for (const [i, groupId] of groupIds.entries()) {
    const add = memberships[i] ?? []
    const display = displays[i]
    const [first] = add
    const sent = first !== undefined && display ? { displays: new Map([[first, display]]) } : {}
    await repositories.memberships.change([{ groupId, expectedVersion: null, clear: false, add, remove: [], ...sent }])
  }
  const held: Held[] = []
  for (const [type, own] of ids) {
    for (const id of own) {
      const row = await repositories.resources.retrieve(type, id, EVERYTHING)
      if (row === undefined) throw new Error('a resource is missing')
      held.push({ id, type, document: searchDocument(type, representation(row, type, baseUrl)) })
    }
  }
  return { repositories, held, baseUrl }
}

function withManager(user: Resource, managerId: string | null | undefined): Resource {
  const urn = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
  const enterprise = user[urn]
  if (!managerId || !isObject(enterprise) || !isObject(enterprise.manager)) return user
  return { ...user, [urn]: { ...enterprise, manager: { ...enterprise.manager, value: managerId } } }
}

const query = (
  store: Store,
  types: readonly { type: ResourceType; filter: BoundFilter | undefined; sortBy: AttributeRef | undefined }[],
  descending = false,
) =>
  store.repositories.queries.query({
    ...{ types, endpoints, descending, wanted: { groups: false, members: false } },
    sorted: types.some(({ sortBy }) => sortBy !== undefined),
    page: { kind: 'offset', offset: 0, limit: 1_000 },
  })

// ---- Random filters

interface Leaf {
  readonly path: AttributePath
  readonly attribute: Attribute
}

const pathOf = (schema: string | undefined, name: string, sub: string | undefined): AttributePath => ({
  schema,
  name,
  sub,
  position: 0,
})

/** Every attribute and sub-attribute of a type that can be filtered, by its qualified name where it is in an extension. */
function leavesOf(type: ResourceType): {
  leaves: Leaf[]
  containers: { path: AttributePath; subs: readonly Attribute[] }[]
} {
  const places = [
    ...[...type.core.values()].map((attribute) => ({ schema: undefined, attribute })),
    ...[...type.extensionsByUrn.values()].flatMap(({ urn, attributes }) =>
      [...attributes.values()].map((attribute) => ({ schema: urn, attribute })),
    ),
  ].filter(({ attribute }) => attribute.returned !== 'never')
  const leaves = places.flatMap(({ schema, attribute }): Leaf[] => [
    { path: pathOf(schema, attribute.name, undefined), attribute },
    ...attribute.subAttributes.map((sub) => ({ path: pathOf(schema, attribute.name, sub.name), attribute: sub })),
  ])
  const containers = places.flatMap(({ schema, attribute }) => {
    if (attribute.type !== 'complex' && !attribute.multiValued) return []
    const subs =
      attribute.type === 'complex' ? attribute.subAttributes : [{ ...attribute, name: 'value', multiValued: false }]
    return [{ path: pathOf(schema, attribute.name, undefined), subs }]
  })
  return { leaves, containers }
}

const TEXT = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const
const ORDERED = ['eq', 'ne', 'gt', 'ge', 'lt', 'le'] as const

function filtersOf(type: ResourceType, known: fc.Arbitrary<string>): fc.Arbitrary<Filter> {
  const { leaves, containers } = leavesOf(type)
  const compared = ({ path, attribute }: Leaf): fc.Arbitrary<Filter> => {
    const isText = attribute.type === 'string' || attribute.type === 'reference' || attribute.type === 'complex'
    const operators = isText
      ? TEXT
      : attribute.type === 'boolean' || attribute.type === 'binary'
        ? (['eq', 'ne'] as const)
        : ORDERED
    const plain =
      attribute.type === 'complex' ? text : (valuesFor(attribute) as fc.Arbitrary<string | number | boolean>)
    const own = isText || attribute.type === 'dateTime' ? fc.oneof(plain, known) : plain
    const value = fc.record({ operator: fc.constantFrom(...operators), value: own })
    const nothing = fc.record({ operator: fc.constantFrom('eq' as const, 'ne' as const), value: fc.constant(null) })
    return fc.oneof({ weight: 6, arbitrary: value }, { weight: 1, arbitrary: nothing }).map(({ operator, value }) => {
      return { kind: 'compare', attribute: path, operator, value, position: 0 } as const
    })
  }
  const leafOf = (leaf: Leaf): fc.Arbitrary<Filter> =>
    fc.oneof(
      { weight: 5, arbitrary: compared(leaf) },
      { weight: 1, arbitrary: fc.constant({ kind: 'present', attribute: leaf.path } as const) },
    )
  const nested = (leaf: fc.Arbitrary<Filter>, maxDepth: number): fc.Arbitrary<Filter> =>
    fc.letrec<{ filter: Filter }>((tie) => ({
      filter: fc.oneof(
        { maxDepth, depthSize: 'small' },
        { weight: 4, arbitrary: leaf },
        {
          weight: 1,
          arbitrary: fc.record({
            kind: fc.constantFrom('and' as const, 'or' as const),
            terms: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }),
          }),
        },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('not' as const), term: tie('filter') }) },
      ),
    })).filter
  const inBrackets = containers.map(({ path, subs }) =>
    nested(
      fc.oneof(...subs.map((sub) => leafOf({ path: pathOf(undefined, sub.name, undefined), attribute: sub }))),
      3,
    ).map((filter): Filter => ({ kind: 'valuePath', attribute: path, filter })),
  )
  return nested(
    fc.oneof(
      { weight: 3, arbitrary: fc.oneof(...leaves.map(leafOf)) },
      { weight: 1, arbitrary: fc.oneof(...inBrackets) },
    ),
    4,
  )
}

/** Ids, versions, places and times that the store really has, as filter values. */
const knownIn = (store: Store): fc.Arbitrary<string> => {
  const values = store.held.flatMap(({ id, type, document }) => {
    const meta = member(document, 'meta') as JsonObject
    const created = new Date(Number(meta.created) / 1000).toISOString()
    return [id, id.toUpperCase(), `${store.baseUrl}${type.endpoint}/${id}`, created]
  })
  return fc.constantFrom(...values, 'W/"1"', 'W/"2"', 'User', 'group', 'direct', 'indirect', userType.schema.id)
}

const bound = (filter: Filter, type: ResourceType, atRoot: boolean): BoundFilter | undefined => {
  try {
    return bindFilter(filter, type, { atRoot })
  } catch (error) {
    if (error instanceof ScimError) return undefined
    throw error
  }
}

describe.each([1, 2])('over random resources, %i', (seed) => {
  let store: Store
  beforeAll(async () => {
    store = await fill(seed)
  })

  const agree = async (filter: Filter, types: readonly ResourceType[]): Promise<boolean> => {
    const bindings = types.map((type) => ({ type, filter: bound(filter, type, types.length > 1), sortBy: undefined }))
    if (bindings.some((binding) => binding.filter === undefined)) return false
    const expected = store.held.filter(({ type, document }) => {
      const own = bindings.find((binding) => binding.type === type)?.filter
      return own !== undefined && evaluate(own, document)
    })
    const found = await query(store, bindings)
    const chosen = { filter: formatFilter(filter), ids: found.rows.map(({ id }) => id).sort(), total: found.total }
    expect(chosen).toEqual({
      filter: formatFilter(filter),
      ids: expected.map(({ id }) => id).sort(),
      total: expected.length,
    })
    return true
  }

  test.each([
    ['users', [userType], 250],
    ['groups', [groupType], 100],
    ['the server root', [userType, groupType], 100],
  ] as const)(
    'Q-04 Q-12 Q-13 Q-14 Q-15 Q-18 Q-19 Q-20 SQL and memory choose the same resources: %s',
    async (_, types, numRuns) => {
      let compared = 0
      const filter = fc.oneof(...types.map((type) => filtersOf(type, knownIn(store))))
      await fc.assert(
        fc.asyncProperty(filter, async (one) => {
          if (await agree(one, types)) compared++
        }),
        { numRuns },
      )
      expect(compared).toBeGreaterThan(numRuns * 0.7)
    },
  )

  test.each(
    [userType, groupType].flatMap((type) =>
      leavesOf(type).leaves.map(
        ({ path }) =>
          [
            type.name,
            [path.schema, [path.name, path.sub].filter(Boolean).join('.')].filter(Boolean).join(':'),
            path,
          ] as const,
      ),
    ),
  )('S-01 S-02 S-03 S-05 S-06 %s sorted by %s as in memory', async (typeName, _, path) => {
    const type = registry.byName.get(typeName) as ResourceType
    const core =
      path.schema === undefined
        ? type.core.get(path.name.toLowerCase())
        : type.extensionsByUrn.get(path.schema.toLowerCase())?.attributes.get(path.name.toLowerCase())
    const attribute = core as Attribute
    const sub = attribute.subAttributes.find(({ name }) => name === path.sub)
    const value = attribute.subAttributes.find(({ name }) => name === 'value')
    const deciding = sub ?? (attribute.type === 'complex' && attribute.multiValued ? value : undefined)
    if ((deciding ?? attribute).type === 'complex') return
    // Members and groups are rows in no order of their own; their ids are what can be sorted by.
    if (['members', 'groups'].includes(attribute.name) && deciding?.name !== 'value') return
    const ref: AttributeRef = { extension: path.schema, attribute, sub: deciding }
    const keyed = store.held
      .filter((one) => one.type === type)
      .map(({ id, document }) => ({ id, key: sortKey(document, ref) }))
    keyed.sort((a, b) => compareKeys(a.key, b.key) || (a.id < b.id ? -1 : 1))
    for (const descending of [false, true]) {
      const found = await query(store, [{ type, filter: undefined, sortBy: ref }], descending)
      const expected = descending ? [...keyed].reverse() : keyed
      expect(found.rows.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
    }
  })
})

/** The value that decides a resource's place: of several the primary one, else the first (RFC 7644 §3.4.2.3). */
function sortKey(document: JsonObject, { extension, attribute, sub }: AttributeRef): Comparable | undefined {
  const holder = extension === undefined ? document : member(document, extension)
  const value = isObject(holder) ? member(holder, attribute.name) : undefined
  const list = Array.isArray(value) ? value : value === undefined ? [] : [value]
  const chosen = list.find((one) => isObject(one) && one.primary === true) ?? list[0]
  const part = sub === undefined ? chosen : isObject(chosen) ? member(chosen, sub.name) : undefined
  return part as Comparable | undefined
}

function compareKeys(a: Comparable | undefined, b: Comparable | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
  return compareValues(a, b)
}
