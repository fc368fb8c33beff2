import { describe, expect, test } from 'vitest'
import type { AttributePath, Filter } from '../../../src/scim/filter/ast.ts'
import { bindFilter, resolveAttribute, resolveExtension, resolvePatchFilter } from '../../../src/scim/filter/bind.ts'
import { parseAttributePath, parseFilter } from '../../../src/scim/filter/parse.ts'
import type { ResourceType } from '../../../src/scim/schema/resource-type.ts'
import { BADGE, ENTERPRISE, group, none, only, refusal, resourceType, schema, user } from './types.ts'

const USER = user.schema.id

function path(text: string): AttributePath {
  const parsed = parseAttributePath(text)
  if (parsed === undefined) throw new Error(text)
  return parsed
}

function resolved(type: ResourceType, text: string): string | undefined {
  const ref = resolveAttribute(type, path(text))
  return ref && [ref.extension, ref.attribute.name, ref.sub?.name].filter((part) => part !== undefined).join(' ')
}

describe('resolveAttribute', () => {
  test.each([
    ['USERNAME', 'userName'],
    ['id', 'id'],
    ['Schemas', 'schemas'],
    ['meta.lastmodified', 'meta lastModified'],
    ['emails.VALUE', 'emails value'],
    ['groups.$REF', 'groups $ref'],
    [`${USER}:name.givenName`, 'name givenName'],
    [`${USER.toUpperCase()}:meta.created`, 'meta created'],
    [`${ENTERPRISE.toLowerCase()}:MANAGER.displayname`, `${ENTERPRISE} manager displayName`],
    [`${BADGE}:tags`, `${BADGE} tags`],
  ])('A-02, A-03, Q-24 %s', (text, found) => expect(resolved(user, text)).toBe(found))

  test('A-04 an unqualified name means the core attribute, else that of the only extension that has it', () => {
    const extension = (id: string, ...names: string[]) =>
      schema({ id, name: id, description: '', attributes: names.map((name) => ({ name })) })
    const type = resourceType('User', USER, [
      extension('urn:a', 'title', 'shared', 'onlyA'),
      extension('urn:b', 'shared', 'onlyB'),
    ])
    expect(resolved(type, 'title')).toBe('title')
    expect(resolved(type, 'ONLYB')).toBe('urn:b onlyB')
    expect(resolved(type, 'shared')).toBeUndefined()
    expect(resolved(type, 'URN:A:shared')).toBe('urn:a shared')
    expect(resolved(type, 'urn:a:title')).toBe('urn:a title')
  })

  test.each([
    'nosuch',
    'name.nosuch',
    'userName.value',
    'constructor',
    'toString',
    'hasOwnProperty.name',
    `${group.schema.id}:displayName`,
    'urn:nosuch:userName',
    `${USER}:department`,
    `${ENTERPRISE}:userName`,
    ENTERPRISE,
  ])('%s is nothing', (text) => expect(resolved(user, text)).toBeUndefined())

  test('J-05 an extension URN alone names the extension', () => {
    expect(resolveExtension(user, path(ENTERPRISE.toUpperCase()))?.urn).toBe(ENTERPRISE)
    expect(resolveExtension(user, path(`${ENTERPRISE}:department`))).toBeUndefined()
    expect(resolveExtension(user, path('constructor'))).toBeUndefined()
  })
})

const bound = (text: string, atRoot = false, type = user) => bindFilter(parseFilter(text, none), type, { atRoot })
const ref = (name: string, sub?: string) => ({
  attribute: { name },
  sub: sub === undefined ? undefined : { name: sub },
})

describe('bindFilter', () => {
  test.each([
    ['userName eq "ÄBC"', { kind: 'compare', ref: ref('userName'), value: 'äbc' }],
    ['externalId eq "ÄBC"', { kind: 'compare', ref: ref('externalId'), value: 'ÄBC' }],
    ['meta.created gt "1970-01-01T00:00:01Z"', { ref: ref('meta', 'created'), operator: 'gt', value: 1_000_000 }],
    ['badgeNumber eq 42.0', { ref: { extension: BADGE, ...ref('badgeNumber') }, value: 42 }],
    ['Q-16 emails co "X"', { kind: 'compare', ref: ref('emails', 'value'), value: 'x' }],
    ['Q-16 manager eq "A"', { kind: 'compare', ref: { extension: ENTERPRISE, ...ref('manager', 'value') } }],
    ['Q-17 name pr', { kind: 'present', ref: ref('name') }],
    ['Q-20 title eq null', { kind: 'not', term: { kind: 'present', ref: ref('title') } }],
    ['Q-20 emails ne null', { kind: 'present', ref: ref('emails') }],
    ['Q-20 name eq null', { kind: 'not', term: { kind: 'present', ref: ref('name') } }],
    [
      'Q-15 emails[type eq "Work"]',
      { kind: 'element', ref: ref('emails'), term: { ref: ref('emails', 'type'), value: 'work' } },
    ],
    ['Q-15 tags[VALUE eq "Red"]', { kind: 'element', ref: ref('tags'), term: { ref: ref('tags'), value: 'red' } }],
    ['Q-15 emails[value eq null]', { kind: 'element', term: { kind: 'not', term: { ref: ref('emails', 'value') } } }],
  ])('%s', (text, tree) => expect(bound(text.replace(/^Q-\d+ /, ''))).toMatchObject(tree))

  test.each([
    ['Q-10 active ge true', '"active" at character 1 is of type boolean and cannot be compared by ge'],
    ['Q-10 x509Certificates.value lt "q83v"', 'is of type binary and cannot be compared by lt'],
    ['Q-11 photoHash sw "q"', 'is of type binary and cannot be compared by sw'],
    ['Q-11 badgeNumber co 4', 'is of type integer and cannot be compared by co'],
    ['Q-11 meta.created ew "Z"', '"meta.created" at character 1 is of type dateTime and cannot be compared by ew'],
    ['Q-11 title pr and badgeNumber eq "42"', '"badgeNumber" is compared with "42" at character 29; expected a number'],
    ['Q-11 userName eq true', '"userName" is compared with true at character 13; expected a string'],
    ['Q-11 profileUrl eq 1', 'expected a string'],
    ['Q-11 active eq "true"', '"active" is compared with "true" at character 11; expected true or false'],
    ['Q-11 meta.created gt "2026-02-30T00:00:00Z"', 'expected a date and time such as'],
    ['Q-15 emails[emails.type pr]', '"emails" has no attribute "emails.type" at character 8'],
    [`Q-15 emails[${USER}:type pr]`, '"emails" has no attribute "urn:'],
    ['Q-15 tags[type pr]', '"tags" has no attribute "type" at character 6'],
    ['Q-15 userName[value eq "x"]', '"userName" is a single simple value and takes no brackets'],
    ['Q-17 name eq "x"', '"name" at character 1 is complex; name one of its sub-attributes to compare'],
    ['Q-17 addresses co "x"', '"addresses" at character 1 is complex'],
    ['Q-20 title gt null', 'null at character 10 can be compared by eq and ne only, not by gt'],
    ['Q-21 foo eq "x"', 'a User has no attribute "foo" at character 1'],
    ['Q-21 title pr or name.foo pr', 'a User has no attribute "name.foo" at character 13'],
    ['Q-21 constructor pr', 'a User has no attribute "constructor" at character 1'],
    ['Q-25 password pr', '"password" at character 1 is never returned and cannot be filtered'],
    [`Q-25 not (${BADGE}:pin eq null)`, 'is never returned and cannot be filtered'],
  ])('%s is refused', (text, message) => {
    const told = refusal(() => bound(text.replace(/^Q-\d+ /, '')))
    expect(told).toMatch(/^400 invalidFilter: /)
    expect(told).toContain(message)
  })

  test.each([
    ['nosuch eq "x"', { kind: 'nothing' }],
    ['nosuch pr', { kind: 'nothing' }],
    ['nosuch ne null', { kind: 'nothing' }],
    ['nosuch gt 1', { kind: 'nothing' }],
    ['nosuch[value eq 1]', { kind: 'nothing' }],
    ['nosuch eq null', { kind: 'not', term: { kind: 'nothing' } }],
    ['nosuch ne "x"', { kind: 'not', term: { kind: 'nothing' } }],
    ['constructor pr', { kind: 'nothing' }],
    ['emails[nosuch pr]', { kind: 'element', term: { kind: 'nothing' } }],
  ])('Q-22 at the root an unknown attribute is unassigned: %s', (text, tree) => {
    expect(bound(text, true)).toMatchObject(tree)
    expect(() => bound(text)).toThrow('has no attribute')
  })

  test.each(['nosuch gt null', 'active gt true', 'password pr', 'userName eq 1', 'userName[value pr]'])(
    'Q-22 %s is refused at the root too',
    (text) => expect(refusal(() => bound(text, true))).toMatch(/^400 invalidFilter/),
  )
})

describe('resolvePatchFilter', () => {
  const inBrackets = (attribute: string, text: string, deviations = none) => {
    const found = resolveAttribute(user, path(attribute))
    if (found === undefined) throw new Error(attribute)
    return resolvePatchFilter(parseFilter(text, none) as Filter, found, deviations)
  }

  test('terms name sub-attributes, or value in a simple attribute (PAT-33)', () => {
    expect(inBrackets('emails', 'TYPE eq "Work" and primary eq true')).toMatchObject({
      kind: 'and',
      terms: [
        { ref: ref('emails', 'type'), value: 'work' },
        { ref: ref('emails', 'primary'), value: true },
      ],
    })
    expect(inBrackets('tags', 'value eq "Red"')).toMatchObject({
      ref: { extension: BADGE, ...ref('tags') },
      value: 'red',
    })
    expect(inBrackets('name', 'givenName eq "Ann"')).toMatchObject({ ref: ref('name', 'givenName') })
  })

  test.each([
    ['emails', 'foo eq "x"', '"emails" has no attribute "foo" at character 1'],
    ['emails', 'primary eq "True"', 'expected true or false'],
    ['emails', 'constructor pr', '"emails" has no attribute "constructor"'],
    ['tags', 'nosuch pr', '"tags" has no attribute "nosuch"'],
    ['userName', 'value eq "x"', '"userName" is a single simple value and takes no brackets'],
    ['emails.value', 'value eq "x"', 'takes no brackets'],
  ])('PAT-08 %s[%s] is an invalid filter', (attribute, text, message) => {
    const told = refusal(() => inBrackets(attribute, text))
    expect(told).toMatch(/^400 invalidFilter: /)
    expect(told).toContain(message)
  })

  test('A-08 booleans as text, where the deviation holds', () => {
    const deviation = only('string-booleans')
    expect(inBrackets('roles', 'primary eq "True"', deviation)).toMatchObject({ value: true })
    expect(inBrackets('roles', 'primary eq "FALSE"', deviation)).toMatchObject({ value: false })
    expect(inBrackets('roles', 'value eq "True"', deviation)).toMatchObject({ value: 'true' })
    expect(() => inBrackets('roles', 'primary eq "yes"', deviation)).toThrow('expected true or false')
    expect(() => inBrackets('roles', 'primary eq 1', deviation)).toThrow('expected true or false')
  })
})
