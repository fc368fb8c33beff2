import { describe, expect, test } from 'vitest'
import { deviationsOf } from '../../../src/scim/deviations/index.ts'
import type { Mode } from '../../../src/scim/deviations/mode.ts'
import { MAX_OPERATIONS, parsePatch } from '../../../src/scim/patch/parse.ts'
import type { JsonValue } from '../../../src/scim/resource.ts'
import { PATCH_OP } from '../../../src/scim/urn.ts'
import { message, refusal } from './support.ts'

const parse = (body: JsonValue, mode: Mode = 'standard') => parsePatch(body, deviationsOf(mode))
const title = { op: 'replace', path: 'title', value: 'x' }

test('H-10 names in the message are read without regard to case', () => {
  const body = { SCHEMAS: [PATCH_OP.toUpperCase()], operations: [{ OP: 'add', Path: 'title', VALUE: 'x' }] }
  expect(parse(body, 'strict')).toMatchObject([{ op: 'add', pathText: 'title', value: 'x', index: 0 }])
})

describe('PAT-01 PAT-02 other messages are 400 invalidSyntax', () => {
  test.each<[string, JsonValue]>([
    ['no object', [title]],
    ['no Operations', { schemas: [PATCH_OP] }],
    ['Operations as object', { schemas: [PATCH_OP], Operations: title }],
    ['no operation', message()],
    ['an operation that is null', message(null)],
    ['op null', message({ ...title, op: null })],
    ['no op', message({ path: 'title', value: 'x' })],
    ['op move', message({ ...title, op: 'move' })],
    ['path as array', message({ ...title, path: ['title'] })],
    ['no schemas', { Operations: [title] }],
    ['schemas as text', { schemas: PATCH_OP, Operations: [title] }],
    ['another message', { schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'], Operations: [title] }],
  ])('%s', (_, body) => expect(refusal(() => parse(body))).toMatch(/^invalidSyntax: /))
})

test('PAT-01 CR-05 lenient: no operations, no schemas; but never another message', () => {
  expect(parse(message(), 'lenient')).toEqual([])
  expect(parse({ Operations: [title] }, 'lenient')).toHaveLength(1)
  expect(refusal(() => parse({ schemas: ['urn:x:y'], Operations: [title] }, 'lenient'))).toContain('invalidSyntax')
  expect(refusal(() => parse({ schemas: [PATCH_OP] }, 'lenient'))).toContain('invalidSyntax')
})

test('PAT-15 add and replace need a value, remove does not; null is one', () => {
  for (const op of ['add', 'replace']) {
    expect(refusal(() => parse(message({ op, path: 'title' })))).toContain('invalidValue')
    expect(parse(message({ op, path: 'title', value: null }))).toMatchObject([{ value: null }])
  }
  expect(parse(message({ op: 'remove', path: 'title' }))).toMatchObject([{ op: 'remove', value: undefined }])
})

test('PAT-07 PAT-08 a path that cannot be read is refused, and the message tells which operation', () => {
  expect(refusal(() => parse(message(title, { ...title, path: '/emails/0/value' })))).toMatch(
    /^invalidPath: Operations\[1\]: /,
  )
  expect(refusal(() => parse(message({ ...title, path: '' })))).toContain('invalidPath')
  expect(refusal(() => parse(message({ ...title, path: 'emails[type eq work]' })))).toContain('invalidFilter')
})

test('a path that is null is none', () => {
  expect(parse(message({ op: 'replace', path: null, value: { title: 'x' } }))).toMatchObject([{ path: undefined }])
})

test('IOP-02 interop: an operation without path is 400 invalidSyntax', () => {
  expect(refusal(() => parse(message({ op: 'replace', value: { title: 'x' } }), 'interop'))).toContain('invalidSyntax')
  expect(parse(message(title), 'interop')).toHaveLength(1)
})

test('G-09 H-12 the number of operations is bounded, the number of members in one is not', () => {
  const many = (length: number) => message(...Array.from({ length }, () => title))
  expect(parse(many(MAX_OPERATIONS))).toHaveLength(MAX_OPERATIONS)
  expect(refusal(() => parse(many(MAX_OPERATIONS + 1)))).toContain('tooMany')
  const members = Array.from({ length: 100_000 }, (_, index) => ({ value: `m${index}` }))
  expect(parse(message({ op: 'add', path: 'members', value: members }))).toHaveLength(1)
})
