import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deviationsOf } from '../../../src/scim/deviations/index.ts'
import { MODES, type Mode } from '../../../src/scim/deviations/mode.ts'
import { ScimError } from '../../../src/scim/errors.ts'
import { applyPatch } from '../../../src/scim/patch/apply.ts'
import { applyMembership, splitMembership } from '../../../src/scim/patch/members.ts'
import { parsePatch } from '../../../src/scim/patch/parse.ts'
import { isObject, type JsonObject, type JsonValue, type Resource } from '../../../src/scim/resource.ts'
import { validateResource } from '../../../src/scim/schema/validate.ts'
import { sameValue } from '../../../src/scim/schema/values.ts'
import { BADGE, ENTERPRISE, group, message, user } from './support.ts'

const mode = fc.constantFrom<Mode>(...MODES)
const anyJson = fc.jsonValue({ maxDepth: 4 }).map((value): JsonValue => JSON.parse(JSON.stringify(value)))

/** Words that mean something here, so that random messages come far. */
const word = fc.constantFrom('a', 'b', 'work', 'home', 'True', '', ' ', 'x y', 'u1', '2024-01-01T00:00:00Z', 'QUI=')
const leaf = fc.oneof(
  word,
  fc.boolean(),
  fc.integer(),
  fc.constant(null),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const name = fc.constantFrom(
  'value',
  'type',
  'primary',
  'display',
  '$ref',
  'givenName',
  'FAMILYNAME',
  'country',
  'floor',
  'level',
  'nosuch',
  'userName',
  'title',
  'active',
  'emails',
  'name',
  'manager',
  'tags',
  'desks',
  'serial',
  'id',
  'meta',
  'schemas',
  'name.givenName',
  'emails[type eq "work"].value',
  ENTERPRISE,
  BADGE,
  `${BADGE}:tags`,
  'members',
  '__proto__',
  'toString',
)
const value: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    leaf,
    fc.dictionary(name, tie('value'), { maxKeys: 4 }),
    fc.array(tie('value'), { maxLength: 3 }),
  ),
})).value
const path = fc.oneof(
  name,
  fc
    .tuple(
      fc.constantFrom(
        'emails',
        'addresses',
        'roles',
        'phoneNumbers',
        `${BADGE}:tags`,
        `${BADGE}:desks`,
        'members',
        'name',
      ),
      fc.constantFrom(
        '',
        '[type eq "work"]',
        '[value eq "a"]',
        '[not (primary eq true)]',
        '[value pr]',
        '[floor gt 1]',
      ),
      fc.constantFrom('', '.value', '.type', '.primary', '.country', '.floor', '.nosuch'),
    )
    .map((parts) => parts.join('')),
  fc.constantFrom(`${ENTERPRISE}:manager`, `${ENTERPRISE}:manager.value`, `${BADGE}:zone.level`, `${BADGE}:serial`),
  fc.string({ maxLength: 12 }),
)
const operation: fc.Arbitrary<JsonObject> = fc
  .record({ op: fc.constantFrom('add', 'remove', 'replace', 'Add'), path, value }, { requiredKeys: ['op'] })
  .map((record): JsonObject => JSON.parse(JSON.stringify(record)))
const texts = fc.constantFrom<JsonValue>('a', 'b', 'DE', 'work', '', null)
const mail = fc.record(
  { value: texts, type: texts, primary: fc.constantFrom<JsonValue>(true, false) },
  { requiredKeys: [] },
)
const op = fc.constantFrom('add', 'replace')
/** Operations of which most are accepted, so that the property is about more than refusals. */
const likely: fc.Arbitrary<JsonObject> = fc
  .oneof(
    fc.record({ op, path: fc.constantFrom('title', 'name.givenName', `${BADGE}:serial`, 'userName'), value: texts }),
    fc.record({
      op,
      path: fc.constantFrom('emails', 'roles', 'phoneNumbers'),
      value: fc.array(mail, { maxLength: 3 }),
    }),
    fc.record({ op, path: fc.constantFrom('emails[type eq "work"]', 'roles[value eq "a"]'), value: mail }),
    fc.record({ op, path: fc.constantFrom('emails[type eq "work"].value', 'emails.display'), value: texts }),
    fc.record({ op, path: fc.constantFrom('emails[value eq "b"].primary', 'roles.primary'), value: fc.boolean() }),
    fc.record({ op, path: fc.constantFrom('addresses[type eq "home"].country', 'addresses.locality'), value: texts }),
    fc.record({ op, path: fc.constantFrom(`${BADGE}:tags`, `${BADGE}:desks[floor gt 1].value`), value: texts }),
    fc.record({
      op,
      value: fc.record({ [ENTERPRISE]: fc.record({ department: texts, division: texts }), nickName: texts }),
    }),
    fc.record({
      op: fc.constant('remove'),
      path: fc.constantFrom(
        'emails[primary eq true]',
        'emails.type',
        'addresses',
        `${ENTERPRISE}:manager`,
        ENTERPRISE,
        BADGE,
      ),
    }),
    fc.record({
      op: fc.constant('remove'),
      path: fc.constantFrom('emails', 'roles'),
      value: fc.array(mail, { maxLength: 2 }),
    }),
  )
  .map((record): JsonObject => JSON.parse(JSON.stringify(record)))
const operations = fc.array(fc.oneof(operation, { arbitrary: likely, weight: 3 }), { minLength: 1, maxLength: 6 })

/** Valid in every mode. */
const stored: fc.Arbitrary<Resource> = fc
  .record(
    {
      active: fc.boolean(),
      title: fc.constantFrom('Guide', 'x'),
      name: fc.constant({ givenName: 'A', familyName: 'B' }),
      emails: fc.constantFrom(
        [
          { value: 'a', type: 'work', primary: true },
          { value: 'b', type: 'home' },
        ],
        [
          { value: 'a', type: 'work' },
          { value: 'b', type: 'work' },
        ],
      ),
      addresses: fc.constant([
        { type: 'work', country: 'DE' },
        { type: 'home', locality: 'Berlin' },
      ]),
      [ENTERPRISE]: fc.constant({ department: 'S', manager: { value: 'm1', $ref: '../Users/m1' } }),
      [BADGE]: fc.constant({ tags: ['a', 'red'], desks: [{ value: 'a', floor: 2 }], serial: 'S', zone: { level: 1 } }),
    },
    { requiredKeys: [] },
  )
  .map((attributes): Resource => JSON.parse(JSON.stringify(attributes)))
  .map((attributes) => ({
    schemas: [user.schema.id, ...[ENTERPRISE, BADGE].filter((urn) => Object.hasOwn(attributes, urn))],
    id: 'u1',
    userName: 'ann',
    ...attributes,
  }))

/** What `work` gives, or undefined for a refusal; anything else it throws fails the test. */
function orRefusal<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof ScimError) return undefined
    throw error
  }
}

const patch = (before: Resource, list: JsonValue[], of: Mode) =>
  orRefusal(() => applyPatch(user, before, parsePatch(message(...list), deviationsOf(of)), deviationsOf(of)))

function expectValid(resource: Resource, of: Mode): void {
  const again = validateResource(user, resource, { kind: 'replace', stored: resource }, deviationsOf(of))
  expect(Object.keys(again).sort()).toEqual(
    Object.keys(resource)
      .filter((key) => key !== 'id')
      .sort(),
  )
  expect(again.schemas).toEqual(resource.schemas)
  for (const attribute of ['emails', 'addresses', 'roles', 'phoneNumbers']) {
    const list = resource[attribute]
    const primary = Array.isArray(list) ? list.filter((each) => isObject(each) && each.primary === true) : []
    expect(primary.length).toBeLessThan(2)
  }
}

test('PAT-32 a PATCH leaves a valid resource, its input as it was, and says truly whether it changed', () => {
  let changes = 0
  fc.assert(
    fc.property(stored, operations, mode, (before, list, of) => {
      let current = before
      for (const each of list) {
        const copy = structuredClone(current)
        const result = patch(current, [each], of)
        expect(current).toEqual(copy)
        if (result === undefined) continue
        expect(result.changed).toBe(!sameValue(result.resource, current))
        expectValid(result.resource, of)
        if (result.changed) changes++
        current = result.resource
      }
    }),
    { numRuns: 2_000 },
  )
  expect(changes).toBeGreaterThan(1_000)
})

test('PAT-04 PAT-05 operations together do what they do one after the other, or nothing', () => {
  fc.assert(
    fc.property(stored, operations, mode, (before, list, of) => {
      let current: Resource | undefined = before
      for (const each of list) current = current && patch(current, [each], of)?.resource
      const together = patch(before, list, of)
      // Required and immutable attributes are judged by where the operations lead, so only one way round is certain.
      if (current !== undefined) expect(sameValue(together?.resource, current)).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test('PAT-19 C-10 what a replace or remove has done once, it does not do again', () => {
  const idempotent = operations.map((list) => list.slice(0, 1).filter((each) => each.op !== 'add' && each.op !== 'Add'))
  fc.assert(
    fc.property(stored, idempotent, (before, list) => {
      const once = list.length > 0 ? patch(before, list, 'lenient') : undefined
      // A swap may leave nothing that the filter matches, or something else that it does.
      if (once === undefined || JSON.stringify(list).includes('[') || Object.hasOwn(once.resource, 'password')) return
      expect(patch(once.resource, list, 'lenient')?.changed).toBe(false)
    }),
    { numRuns: 1_000 },
  )
})

test('SEC-16 whatever is sent, the answer is a resource or a ScimError', () => {
  const body = fc.oneof(
    anyJson,
    fc.record({ schemas: anyJson, Operations: anyJson }).map((record): JsonValue => record),
    fc
      .array(fc.oneof(anyJson, fc.record({ op: fc.constantFrom('add', 'replace', 'remove'), path, value: anyJson })))
      .map((list): JsonValue => message(...list)),
  )
  fc.assert(
    fc.property(stored, body, mode, (before, sent, of) => {
      const deviations = deviationsOf(of)
      const parsed = orRefusal(() => parsePatch(sent, deviations))
      if (parsed !== undefined) orRefusal(() => applyPatch(user, before, parsed, deviations))
      if (parsed !== undefined) orRefusal(() => splitMembership(group, parsed, deviations))
      orRefusal(() => validateResource(user, sent, { kind: 'create' }, deviations))
      orRefusal(() => validateResource(user, sent, { kind: 'replace', stored: before }, deviations))
    }),
    { numRuns: 2_000 },
  )
  expect(Object.keys(Object.prototype)).toEqual([])
})

test('A-02 a validated resource validates to itself', () => {
  const body = fc
    .dictionary(name, value, { maxKeys: 8 })
    .map((attributes) => ({ ...attributes, userName: 'ann', schemas: [user.schema.id] }))
  let accepted = 0
  fc.assert(
    fc.property(body, mode, (sent, of) => {
      const create = (from: JsonValue) => validateResource(user, from, { kind: 'create' }, deviationsOf(of))
      const once = orRefusal(() => create(JSON.parse(JSON.stringify(sent))))
      if (once === undefined) return
      accepted++
      // Without `active`, the second time would apply the default that null has asked not to apply.
      expect(sameValue(create({ active: null, ...once }), once)).toBe(true)
    }),
    { numRuns: 2_000 },
  )
  expect(accepted).toBeGreaterThan(100)
})

test('PAT-04 G-09 the steps of a PATCH come to what its operations do one at a time', () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd')
  const members = fc.array(id, { maxLength: 3 }).map((ids) => ids.map((each) => ({ value: each })))
  const onMembers: fc.Arbitrary<JsonObject> = fc.oneof(
    fc.record({ op: fc.constantFrom('add', 'remove', 'replace'), path: fc.constant('members'), value: members }),
    id.map((each) => ({ op: 'remove', path: `members[value eq "${each}"]` })),
    fc.constantFrom<JsonObject>(
      { op: 'remove', path: 'members' },
      { op: 'remove', path: 'members[type eq "Group"]' },
      { op: 'replace', value: { members: [{ value: 'd' }] } },
    ),
  )
  const known = new Map(['a', 'b', 'c', 'd'].map((each) => [each, { type: each < 'c' ? 'User' : 'Group' }]))
  const run = (list: JsonObject[], current: ReadonlyMap<string, { readonly type?: string }>) => {
    const deviations = deviationsOf('standard')
    const { membership } = splitMembership(group, parsePatch(message(...list), deviations), deviations)
    return applyMembership(membership, current, known)
  }
  /** The plain reading of one operation, on the ids alone. */
  const plainly = (ids: ReadonlySet<string>, { op, path: where, value: given }: JsonObject): Set<string> => {
    if (typeof where === 'string' && where.includes('type eq')) return new Set([...ids].filter((each) => each < 'c'))
    if (typeof where === 'string' && where.includes('['))
      return new Set([...ids].filter((each) => !where.includes(`"${each}"`)))
    if (where === undefined) return new Set(['d'])
    const named = Array.isArray(given) ? given.map((each) => (isObject(each) ? String(each.value) : '')) : undefined
    if (op === 'add') return new Set([...ids, ...(named ?? [])])
    if (op === 'replace') return new Set(named)
    return new Set(named === undefined ? [] : [...ids].filter((each) => !named.includes(each)))
  }
  fc.assert(
    fc.property(fc.array(onMembers, { minLength: 1, maxLength: 8 }), fc.uniqueArray(id), (list, ids) => {
      const after = run(list, new Map(ids.map((each) => [each, known.get(each) ?? {}])))
      const expected = list.reduce<Set<string>>(plainly, new Set(ids))
      expect([...after.keys()].sort()).toEqual([...expected].sort())
    }),
    { numRuns: 1_000 },
  )
})
