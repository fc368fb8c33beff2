import { describe, expect, test } from 'vitest'
import { deviationsOf } from '../../../src/scim/deviations/index.ts'
import type { Mode } from '../../../src/scim/deviations/mode.ts'
import type { JsonObject, JsonValue, Resource } from '../../../src/scim/resource.ts'
import { defineSchema } from '../../../src/scim/schema/define.ts'
import { buildRegistry } from '../../../src/scim/schema/registry.ts'
import { validateResource } from '../../../src/scim/schema/validate.ts'
import { BADGE, ENTERPRISE, GROUP_SCHEMA, group, refusal, USER_SCHEMA, user } from '../patch/support.ts'

const create = (body: JsonValue, mode: Mode = 'standard', type = user) =>
  validateResource(type, body, { kind: 'create' }, deviationsOf(mode))
const replace = (stored: Resource, body: JsonValue, mode: Mode = 'standard', type = user) =>
  validateResource(type, body, { kind: 'replace', stored }, deviationsOf(mode))

const ann = (more: JsonObject = {}): JsonObject => ({ schemas: [USER_SCHEMA], userName: 'ann', ...more })
const stored = (more: JsonObject = {}): Resource => ({ ...ann({ active: true }), id: 'u1', ...more })

test('A-02 C-11 names, URNs and extensions come out in the spelling of the schema', () => {
  const body = {
    SCHEMAS: [USER_SCHEMA.toUpperCase()],
    USERNAME: 'ann',
    EXTERNALID: 'X-1',
    Name: { givenname: 'A' },
    [ENTERPRISE.toUpperCase()]: { DEPARTMENT: 'Sales' },
  }
  expect(create(body)).toEqual({
    schemas: [USER_SCHEMA, ENTERPRISE],
    userName: 'ann',
    externalId: 'X-1',
    name: { givenName: 'A' },
    active: true,
    [ENTERPRISE]: { department: 'Sales' },
  })
})

describe('C-01 CR-06 schemas name the base and the extensions that have data', () => {
  test.each<[string, JsonObject, string[]]>([
    [
      'an extension object',
      { schemas: [USER_SCHEMA, ENTERPRISE], [ENTERPRISE]: { department: 'S' } },
      [USER_SCHEMA, ENTERPRISE],
    ],
    ['a URN without object', { schemas: [ENTERPRISE, USER_SCHEMA] }, [USER_SCHEMA]],
    ['an extension without data', { [ENTERPRISE]: { department: null } }, [USER_SCHEMA]],
    ['null for an extension', { [ENTERPRISE]: null }, [USER_SCHEMA]],
    ['repeated URNs', { schemas: [USER_SCHEMA, USER_SCHEMA] }, [USER_SCHEMA]],
  ])('%s', (_, more, schemas) => expect(create(ann(more), 'strict').schemas).toEqual(schemas))
})

describe('bodies that are refused in every mode', () => {
  test.each<[string, JsonValue, string]>([
    ['E-04 an array', [], 'invalidSyntax'],
    ['E-04 null', null, 'invalidSyntax'],
    ['E-04 text', 'x', 'invalidSyntax'],
    ['E-05 without userName', { schemas: [USER_SCHEMA] }, 'invalidValue'],
    ['U-01 userName null', ann({ userName: null }), 'invalidValue'],
    ['U-01 userName empty', ann({ userName: '' }), 'invalidValue'],
    ['U-01 userName blank', ann({ userName: '   ' }), 'invalidValue'],
    ['C-01 schemas as text', ann({ schemas: `${USER_SCHEMA}x` }), 'invalidValue'],
    ['C-01 schemas of numbers', ann({ schemas: [1, 2] }), 'invalidValue'],
    ['E-05 an extension as text', ann({ [ENTERPRISE]: 'Sales' }), 'invalidValue'],
    ['E-05 active as a word', ann({ active: 'nope' }), 'invalidValue'],
  ])('%s', (_, body, scimType) => {
    for (const mode of ['lenient', 'standard', 'strict', 'interop'] as const) {
      expect(refusal(() => create(body, mode))).toContain(scimType)
    }
  })

  test('G-01 a group without displayName, or with a blank one', () => {
    expect(refusal(() => create({ schemas: [GROUP_SCHEMA] }, 'lenient', group))).toContain('invalidValue')
    expect(refusal(() => create({ schemas: [GROUP_SCHEMA], displayName: ' ' }, 'lenient', group))).toContain(
      'invalidValue',
    )
    expect(create({ schemas: [GROUP_SCHEMA], displayName: 'G' }, 'strict', group)).toEqual({
      schemas: [GROUP_SCHEMA],
      displayName: 'G',
    })
  })

  test('G-03 a member that names no resource', () => {
    for (const member of [{}, { value: '' }, { value: null }, { type: 'User' }, { display: 'Ann' }]) {
      const body = { schemas: [GROUP_SCHEMA], displayName: 'G', members: [{ value: 'a' }, member] }
      expect(refusal(() => create(body, 'lenient', group))).toBe('invalidValue: members[1].value is required')
    }
  })
})

test('CR-05 schemas must be there and hold the base URN, save in lenient tenants', () => {
  for (const schemas of [undefined, null, [], [ENTERPRISE]]) {
    const body = schemas === undefined ? { userName: 'ann' } : { schemas, userName: 'ann' }
    for (const mode of ['standard', 'strict', 'interop'] as const) {
      expect(refusal(() => create(body, mode))).toContain('invalidSyntax')
    }
    expect(create(body, 'lenient').schemas).toEqual([USER_SCHEMA])
  }
})

test('C-04 C-06 A-14 U-10 PUT-05 what the service issues is ignored in bodies', () => {
  const body = ann({
    id: 'mine',
    meta: { resourceType: 'Admin' },
    groups: [{ value: 'g1' }],
    [BADGE]: { computed: 'x' },
  })
  expect(create(body, 'strict')).toEqual({ schemas: [USER_SCHEMA], userName: 'ann', active: true })
  expect(replace(stored({ id: 'mine' }), body, 'strict')).toEqual({
    schemas: [USER_SCHEMA],
    userName: 'ann',
    active: true,
  })
})

test('U-07 CR-04 active is true by default on users alone, and null asks for none', () => {
  expect(create(ann()).active).toBe(true)
  expect(create(ann({ ACTIVE: false })).active).toBe(false)
  expect(create(ann({ active: null }))).not.toHaveProperty('active')
  expect(create({ schemas: [GROUP_SCHEMA], displayName: 'G' }, 'standard', group)).not.toHaveProperty('active')
})

test('U-04 password and members are there for the service to split off', () => {
  expect(create(ann({ password: 's3cret' })).password).toBe('s3cret')
  const body = { schemas: [GROUP_SCHEMA], displayName: 'G', members: [{ value: 'a', $ref: null, display: 'Ann' }] }
  expect(create(body, 'standard', group).members).toEqual([{ value: 'a', display: 'Ann' }])
})

test('A-19 IOP-05 unknown attributes: ignored in lenient and standard, refused in strict and interop', () => {
  const hostile: JsonObject = JSON.parse('{"__proto__":{"title":"x"},"toString":1,"isAdmin":true}')
  for (const mode of ['lenient', 'standard'] as const) {
    const resource = create(ann({ ...hostile, name: { nosuch: 1, givenName: 'A' } }), mode)
    expect(resource).toEqual({ schemas: [USER_SCHEMA], userName: 'ann', active: true, name: { givenName: 'A' } })
  }
  for (const mode of ['strict', 'interop'] as const) {
    expect(refusal(() => create(ann({ isAdmin: true }), mode))).toContain('invalidSyntax')
    expect(refusal(() => create(ann({ name: { nosuch: 1 } }), mode))).toContain('invalidSyntax')
    expect(refusal(() => create(ann({ [ENTERPRISE]: { nosuch: 1 } }), mode))).toContain('invalidSyntax')
  }
})

test('C-02 IOP-05 unknown schema URNs', () => {
  const body = ann({ schemas: [USER_SCHEMA, 'urn:example:none'] })
  expect(create(body, 'lenient').schemas).toEqual([USER_SCHEMA])
  expect(refusal(() => create(body, 'standard'))).toContain('invalidValue')
  expect(refusal(() => create(body, 'strict'))).toContain('invalidValue')
  expect(refusal(() => create(body, 'interop'))).toContain('invalidSyntax')
})

describe('PUT', () => {
  test('PUT-02 PUT-03 what is sent replaces, what is left out goes, extensions too', () => {
    const before = stored({
      title: 'Guide',
      emails: [{ value: 'a' }],
      [ENTERPRISE]: { department: 'S', division: 'W' },
    })
    expect(replace(before, ann({ nickName: 'Annie' }), 'standard')).toEqual({
      schemas: [USER_SCHEMA],
      userName: 'ann',
      nickName: 'Annie',
      active: true,
    })
    const after = replace(before, ann({ [ENTERPRISE]: { department: 'T' }, emails: [] }))
    expect(after[ENTERPRISE]).toEqual({ department: 'T' })
    expect(after).not.toHaveProperty('emails')
  })

  test('PUT-03 a PUT that forgets active does not let a leaver back in', () => {
    for (const body of [ann(), ann({ active: null })]) {
      expect(replace(stored({ active: false }), body, 'lenient').active).toBe(false)
    }
    expect(replace(stored({ active: false }), ann({ active: true })).active).toBe(true)
    const { active: _, ...without } = stored()
    expect(replace(without, ann())).not.toHaveProperty('active')
  })

  test('PUT-03 password is there only when sent', () => {
    expect(replace(stored(), ann())).not.toHaveProperty('password')
    expect(replace(stored(), ann({ password: 'new' })).password).toBe('new')
  })

  test('PUT-03 A-16 what a client cannot read back stays when it is not sent', () => {
    const before = stored({ [BADGE]: { pin: '1234', badgeNumber: 7 } })
    expect(replace(before, ann())[BADGE]).toEqual({ pin: '1234' })
    expect(replace(before, ann({ [BADGE]: { pin: '9' } }))[BADGE]).toEqual({ pin: '9' })
  })

  test('PUT-04 required attributes must be there; lenient keeps the stored one when there are no schemas', () => {
    const before = stored({ displayName: 'Ann' })
    for (const mode of ['lenient', 'standard', 'strict', 'interop'] as const) {
      const body = { schemas: [USER_SCHEMA], displayName: 'nameless' }
      expect(refusal(() => replace(before, body, mode))).toBe('invalidValue: userName is required')
    }
    expect(replace(before, { displayName: 'B' }, 'lenient')).toEqual({
      schemas: [USER_SCHEMA],
      userName: 'ann',
      displayName: 'B',
      active: true,
    })
  })

  test('PUT-06 an id other than that of the URL is ignored, as what is read-only is, and told to strict tenants', () => {
    for (const id of ['u2', 7, ['u1']]) {
      for (const mode of ['strict', 'interop'] as const)
        expect(refusal(() => replace(stored(), ann({ ID: id }), mode))).toContain('mutability')
      for (const mode of ['lenient', 'standard'] as const)
        expect(replace(stored(), ann({ ID: id }), mode)).not.toHaveProperty('id')
    }
    for (const id of ['u1', null]) expect(replace(stored(), ann({ id }))).not.toHaveProperty('id')
  })

  test('A-15 PUT-07 immutable: first values are applied, repeats accepted, others refused, left out kept', () => {
    const before = stored({ [BADGE]: { serial: 'S-1' } })
    expect(replace(stored(), ann({ [BADGE]: { serial: 'S-1' } }))[BADGE]).toEqual({ serial: 'S-1' })
    expect(replace(before, ann({ [BADGE]: { serial: 'S-1' } }))[BADGE]).toEqual({ serial: 'S-1' })
    expect(replace(before, ann())[BADGE]).toEqual({ serial: 'S-1' })
    expect(refusal(() => replace(before, ann({ [BADGE]: { serial: 'S-2' } })))).toContain('mutability')
  })

  test('stored resource and body are left untouched', () => {
    const before = stored({ [BADGE]: { serial: 'S-1' } })
    const body = ann({ emails: [{ value: 'a' }] })
    const copies = structuredClone([before, body])
    replace(before, body)
    expect([before, body]).toEqual(copies)
  })
})

test('D-09 E-05 required extensions, and required attributes inside an extension', () => {
  const schema = defineSchema({
    id: 'urn:example:scim:Car:1.0',
    name: 'Car',
    attributes: [
      { name: 'plate', required: true },
      {
        name: 'seats',
        type: 'complex',
        multiValued: true,
        subAttributes: [{ name: 'row', type: 'integer', required: true }, { name: 'side' }],
      },
    ],
  })
  const userWith = (required: boolean) => {
    const type = buildRegistry({ extensions: [{ resourceType: 'User', schema, required }] }).byName.get('User')
    if (type === undefined) throw new Error('no User')
    return type
  }
  expect(refusal(() => create(ann(), 'lenient', userWith(true)))).toBe(`invalidValue: ${schema.id} is required`)
  expect(create(ann(), 'lenient', userWith(false))).not.toHaveProperty([schema.id])
  expect(refusal(() => create(ann({ [schema.id]: { seats: [{ row: 1 }] } }), 'lenient', userWith(false)))).toBe(
    `invalidValue: ${schema.id}:plate is required`,
  )
  const seats = [{ row: 1 }, { side: 'left' }]
  expect(refusal(() => create(ann({ [schema.id]: { plate: 'x', seats } }), 'lenient', userWith(false)))).toBe(
    `invalidValue: ${schema.id}:seats[1].row is required`,
  )
})
