import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ScimError } from '../../../src/scim/errors.ts'
import type { AttributePath, BoundFilter, Filter } from '../../../src/scim/filter/ast.ts'
import { bindFilter } from '../../../src/scim/filter/bind.ts'
import { evaluate } from '../../../src/scim/filter/evaluate.ts'
import { formatFilter } from '../../../src/scim/filter/format.ts'
import { parseAttributePath, parseFilter, parsePatchPath } from '../../../src/scim/filter/parse.ts'
import { searchDocument } from '../../../src/scim/search-document.ts'
import { group, lenient, none, user, vectors } from './types.ts'

const operator = fc.constantFrom('eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le')
const text = fc.string({ unit: 'grapheme' }).filter((one) => !one.includes('\0'))
const literal = fc.oneof(text, fc.boolean(), fc.constant(null), fc.double({ noNaN: true, noDefaultInfinity: true }))
const withoutMinusZero = literal.map((value) => (value === 0 ? 0 : value))

function filters(path: fc.Arbitrary<AttributePath>, value: fc.Arbitrary<string | number | boolean | null>) {
  const leaves = (of: fc.Arbitrary<AttributePath>) =>
    fc.oneof(
      fc.record({ kind: fc.constant('present'), attribute: of }),
      fc.record({ kind: fc.constant('compare'), attribute: of, operator, value, position: fc.constant(0) }),
    )
  const combined = (leaf: fc.Arbitrary<unknown>) =>
    fc.letrec((tie) => ({
      filter: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.record({
          kind: fc.constantFrom('and', 'or'),
          terms: fc.array(tie('filter'), { minLength: 2, maxLength: 4 }),
        }),
        fc.record({ kind: fc.constant('not'), term: tie('filter') }),
      ),
    })).filter
  const bare = path.map((one) => ({ ...one, sub: undefined }))
  const inBrackets = fc.constantFrom('value', 'type', 'primary', '$ref', 'floor').map((name) => pathOf(name))
  const valuePath = fc.record({ kind: fc.constant('valuePath'), attribute: bare, filter: combined(leaves(inBrackets)) })
  return combined(fc.oneof(leaves(path), leaves(path), valuePath)) as fc.Arbitrary<Filter>
}

function pathOf(text: string): AttributePath {
  const path = parseAttributePath(text)
  if (path === undefined) throw new Error(`no path: ${text}`)
  return path
}

const anyName = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_$-]{0,8}$/)
const anyPath = fc.record({
  schema: fc.option(fc.constantFrom('urn:x', 'urn:ietf:params:scim:schemas:core:2.0:User', 'URN:a.b:1'), {
    nil: undefined,
  }),
  name: anyName.filter((name) => !['and', 'or', 'not'].includes(name.toLowerCase())),
  sub: fc.option(fc.oneof(anyName, fc.constant('$ref')), { nil: undefined }),
  position: fc.constant(0),
})

const paths = [
  'userName,title,active,emails,emails.type,emails.primary,name,name.givenName,members,meta.created,schemas,id,manager',
  'tags,badgeNumber,desks.floor,desks,zone.level,zone,issuedAt,photoHash,nosuch,constructor,userName.value,password',
]
const knownPath = fc.constantFrom(...paths.join().split(',')).map(pathOf)
const knownValue = fc.constantFrom('a', 'work', '', 'D2', 'é', '2010-01-23T04:56:22Z', true, false, null, 3, 42, 1.5)

/** JSON leaves undefined out and so compares trees with it like trees without. */
const withoutPositions = (filter: Filter): unknown =>
  JSON.parse(JSON.stringify(filter, (key, value) => (key === 'position' ? undefined : value)))

const parsed = (filter: Filter) => parseFilter(formatFilter(filter), none)

test('a formatted filter parses to the same tree', () => {
  fc.assert(
    fc.property(filters(anyPath, withoutMinusZero), (filter) => {
      expect(withoutPositions(parsed(filter))).toEqual(withoutPositions(filter))
    }),
    { numRuns: 500 },
  )
})

test('SEC-16 nothing but a ScimError comes out of any text', () => {
  const pieces = fc.constantFrom(
    ...[
      'a',
      'eq',
      'pr',
      'and',
      'not',
      ' ',
      ' ',
      ' ',
      '(',
      ')',
      '[',
      ']',
      '"',
      '\\',
      "'",
      '.',
      ':',
      '1',
      'true',
      '\\u00',
      '\ud800',
    ],
  )
  const anyText = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(pieces, { maxLength: 40 }).map((all) => all.join('')),
  )
  const read = [parseFilter, parsePatchPath].flatMap((parse) =>
    [none, lenient].map((set) => (t: string) => parse(t, set)),
  )
  fc.assert(
    fc.property(anyText, (text) => {
      parseAttributePath(text)
      for (const parse of read) {
        try {
          parse(text)
        } catch (error) {
          expect(error).toBeInstanceOf(ScimError)
        }
      }
    }),
    { numRuns: 3000 },
  )
})

test('every bound filter gives an answer for every resource, and not turns it round', () => {
  const documents = vectors.resources.map((resource) => ({
    type: resource.meta.resourceType === 'User' ? user : group,
    resource,
  }))
  let evaluated = 0
  fc.assert(
    fc.property(filters(knownPath, knownValue), fc.boolean(), (filter, atRoot) => {
      for (const { type, resource } of documents) {
        let bound: BoundFilter
        try {
          bound = bindFilter(filter, type, { atRoot })
        } catch (error) {
          expect(error).toBeInstanceOf(ScimError)
          continue
        }
        const document = searchDocument(type, resource)
        const answer = evaluate(bound, document)
        expect(evaluate({ kind: 'not', term: bound }, document)).toBe(!answer)
        expect(evaluate({ kind: 'not', term: { kind: 'not', term: bound } }, document)).toBe(answer)
        evaluated++
      }
    }),
    { numRuns: 500 },
  )
  expect(evaluated).toBeGreaterThan(200)
})
