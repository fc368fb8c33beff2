import { describe, expect, test } from 'vitest'
import { type BulkPlan, isRefused, order, parseBulk as readBulk, substitute } from '../../src/scim/bulk.ts'
import { ScimError } from '../../src/scim/errors.ts'
import type { JsonValue } from '../../src/scim/resource.ts'
import { BULK_REQUEST, PATCH_OP } from '../../src/scim/urn.ts'

const limits = { maxOperations: 1000 }
/** All steps in one go. */
function parseBulk(...args: Parameters<typeof readBulk>): BulkPlan {
  const steps = readBulk(...args)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}
const plan = (...Operations: JsonValue[]) => parseBulk({ schemas: [BULK_REQUEST], Operations }, limits)
const only = (operation: JsonValue) => plan(operation).operations[0]
const create = (bulkId: string, ...memberIds: string[]) => ({
  method: 'POST',
  path: '/Groups',
  bulkId,
  data: { displayName: bulkId, members: memberIds.map((id) => ({ value: id })) },
})
const remove = (id: string) => ({ method: 'DELETE', path: `/Users/${id}` })

describe('the request', () => {
  test('B-01 H-10 names and the URN are matched without regard to case', () => {
    const body = {
      SCHEMAS: [BULK_REQUEST.toUpperCase()],
      operations: [{ Method: 'delete', PATH: '/Users/1' }],
      FailOnErrors: 2,
    }
    expect(parseBulk(body, limits)).toMatchObject({ failOnErrors: 2, operations: [{ method: 'DELETE', id: '1' }] })
  })

  test.each<[string, JsonValue, string]>([
    ['an array', [], 'invalidSyntax'],
    ['text', 'x', 'invalidSyntax'],
    ['no schemas', { Operations: [remove('1')] }, 'invalidSyntax'],
    ['another schema', { schemas: [PATCH_OP], Operations: [remove('1')] }, 'invalidSyntax'],
    ['no operations', { schemas: [BULK_REQUEST] }, 'invalidSyntax'],
    ['an empty list', { schemas: [BULK_REQUEST], Operations: [] }, 'invalidSyntax'],
    ['an object for the list', { schemas: [BULK_REQUEST], Operations: remove('1') }, 'invalidSyntax'],
    ['failOnErrors 0', { schemas: [BULK_REQUEST], Operations: [remove('1')], failOnErrors: 0 }, 'invalidValue'],
    ['failOnErrors 1.5', { schemas: [BULK_REQUEST], Operations: [remove('1')], failOnErrors: 1.5 }, 'invalidValue'],
    ['failOnErrors "1"', { schemas: [BULK_REQUEST], Operations: [remove('1')], failOnErrors: '1' }, 'invalidValue'],
  ])('B-16 is refused as a whole: %s', (_, body, scimType) => {
    expect(() => parseBulk(body, limits)).toThrow(expect.objectContaining({ status: 400, scimType }))
  })

  test('B-12 more than maxOperations is 413 and names the limit', () => {
    const Operations = Array.from({ length: 1001 }, (_, n) => remove(String(n)))
    expect(() => parseBulk({ schemas: [BULK_REQUEST], Operations }, limits)).toThrow(
      expect.objectContaining({ status: 413, message: expect.stringContaining('maxOperations (1000)') }),
    )
    expect(plan(...Operations.slice(1)).operations).toHaveLength(1000)
  })

  test('B-10 B-11 failOnErrors is undefined unless given', () => {
    expect(plan(remove('1')).failOnErrors).toBeUndefined()
    expect(
      parseBulk({ schemas: [BULK_REQUEST], Operations: [remove('1')], failOnErrors: null }, limits).failOnErrors,
    ).toBeUndefined()
  })
})

describe('one operation', () => {
  const data = { userName: 'a' }

  test.each<[string, JsonValue, object]>([
    [
      'POST',
      { method: 'POST', path: '/Users', bulkId: 'a', data },
      { method: 'POST', endpoint: 'Users', bulkId: 'a', data },
    ],
    [
      'PUT',
      { method: 'PUT', path: '/Users/1', data },
      { method: 'PUT', endpoint: 'Users', id: '1', data, bulkId: undefined },
    ],
    [
      'B-13 PATCH',
      { method: 'PATCH', path: '/Users/1', bulkId: 'p', data },
      { method: 'PATCH', id: '1', bulkId: 'p', data },
    ],
    ['DELETE', { method: 'DELETE', path: '/Users/1' }, { method: 'DELETE', endpoint: 'Users', id: '1' }],
    ['a method in lower case', { method: 'delete', path: '/Users/1' }, { method: 'DELETE' }],
    ['H-09 an encoded id', { method: 'DELETE', path: '/Users/a%20b' }, { id: 'a b' }],
    ['H-09 a trailing slash', { method: 'DELETE', path: '/Users/1/' }, { id: '1' }],
    ['an own resource type', { method: 'DELETE', path: '/Devices/1' }, { endpoint: 'Devices', id: '1' }],
    ['B-07 a bulkId in the path', { method: 'DELETE', path: '/Users/bulkId:a' }, { id: 'bulkId:a' }],
    [
      'B-14 a version',
      { method: 'DELETE', path: '/Users/1', version: 'W/"3"' },
      { ifMatch: { kind: 'tags', tags: ['3'] } },
    ],
    [
      'A-05 nulls',
      { method: 'DELETE', path: '/Users/1', version: null, bulkId: null, data: null },
      { ifMatch: undefined },
    ],
  ])('B-02 %s is read', (_, operation, expected) => {
    const read = only(operation)
    expect(read).toMatchObject({ index: 0, ...expected })
    expect(read && isRefused(read)).toBe(false)
  })

  test.each<[string, JsonValue, string]>([
    ['no object', 'x', 'Operations[0] must'],
    ['null', null, 'Operations[0] must'],
    ['no method', { path: '/Users/1' }, 'method'],
    ['B-16 GET', { method: 'GET', path: '/Users' }, 'method'],
    ['TRACE', { method: 'TRACE', path: '/Users/1' }, 'method'],
    ['a method of Object.prototype', { method: 'constructor', path: '/Users/1' }, 'method'],
    ['no path', { method: 'DELETE' }, 'path'],
    ['a path that is no string', { method: 'DELETE', path: ['/Users/1'] }, 'path'],
    ['a path without slash', { method: 'DELETE', path: 'Users/1' }, 'path'],
    ['another host', { method: 'DELETE', path: 'https://evil.example/scim/v2/Users/1' }, 'path'],
    ['another host without scheme', { method: 'DELETE', path: '//evil.example/Users/1' }, 'path'],
    ['more segments', { method: 'DELETE', path: '/Users/1/emails' }, 'path'],
    ['a query', { method: 'PUT', path: '/Users/1?attributes=id', data }, 'path'],
    ['the root', { method: 'DELETE', path: '/' }, 'path'],
    ['wrong percent-encoding', { method: 'DELETE', path: '/Users/%ff' }, 'path'],
    ['B-16 a bulk in a bulk', { method: 'POST', path: '/Bulk', bulkId: 'b', data }, 'path'],
    ['B-16 a bulk in another case', { method: 'POST', path: '/bulk', bulkId: 'b', data }, 'path'],
    ['B-16 /Me', { method: 'PUT', path: '/Me', data }, 'path'],
    ['B-16 .search at the root', { method: 'POST', path: '/.search', bulkId: 'b', data }, 'path'],
    ['B-16 .search', { method: 'POST', path: '/Users/.search', bulkId: 'b', data }, 'path'],
    ['a POST with an id', { method: 'POST', path: '/Users/1', bulkId: 'b', data }, 'path'],
    ['a DELETE without id', { method: 'DELETE', path: '/Users' }, 'path'],
    ['B-03 a POST without bulkId', { method: 'POST', path: '/Users', data }, 'bulkId'],
    ['B-03 an empty bulkId', { method: 'POST', path: '/Users', bulkId: '', data }, 'bulkId'],
    ['B-03 a bulkId that is no string', { method: 'DELETE', path: '/Users/1', bulkId: 1 }, 'bulkId'],
    ['B-02 POST without data', { method: 'POST', path: '/Users', bulkId: 'n' }, 'data'],
    ['B-02 PATCH without data', { method: 'PATCH', path: '/Users/1' }, 'data'],
    ['data that is no object', { method: 'PUT', path: '/Users/1', data: [] }, 'data'],
    ['a version that is no string', { method: 'DELETE', path: '/Users/1', version: 3 }, 'version'],
  ])('B-06 %s fails that operation alone, with 400 invalidValue', (_, operation, place) => {
    const { operations } = plan(operation, remove('2'))
    const [refused, next] = operations
    if (!refused || !isRefused(refused)) throw new Error('was accepted')
    expect(refused.error).toMatchObject({ status: 400, scimType: 'invalidValue' })
    expect(refused.error.message).toContain(place)
    expect(next).toMatchObject({ index: 1, method: 'DELETE', id: '2' })
  })

  test('B-14 T-05 a malformed version is 400 invalidSyntax for that operation', () => {
    const refused = only({ method: 'DELETE', path: '/Users/1', version: 'three' })
    expect(refused).toMatchObject({ error: { status: 400, scimType: 'invalidSyntax' } })
  })

  test('B-04 what was readable of a refused operation is kept for its result', () => {
    expect(only({ method: 'post', path: '/Bulk', bulkId: 'b', data: {} })).toMatchObject({
      method: 'POST',
      path: '/Bulk',
      bulkId: 'b',
      error: expect.any(ScimError),
    })
  })

  test('B-03 the later of two operations with one bulkId is refused', () => {
    const { operations, creates } = plan(create('x'), create('x'), { ...remove('1'), bulkId: 'x' })
    expect(operations.map((operation) => isRefused(operation))).toEqual([false, true, true])
    expect(operations[1]).toMatchObject({
      method: 'POST',
      bulkId: 'x',
      error: { status: 400, scimType: 'invalidValue' },
    })
    expect(creates).toEqual(new Map([['x', 0]]))
  })

  test('B-08 a refused create is known by its bulkId, a missing one is not', () => {
    const { creates } = plan(
      { method: 'POST', path: '/Users', bulkId: 'bad' },
      { ...remove('1'), bulkId: 'not-a-create' },
    )
    expect([...creates.keys()]).toEqual(['bad'])
  })
})

describe('references', () => {
  const referencesOf = (operation: JsonValue) => {
    const { operations, references } = plan(operation)
    if (operations.some(isRefused)) throw new Error('was refused')
    return [...(references[0] ?? [])].sort()
  }

  test('B-07 are found in the path and in any value of the data, each once', () => {
    const operation = {
      method: 'PATCH',
      path: '/Groups/bulkId:g',
      data: {
        schemas: [PATCH_OP],
        Operations: [
          {
            op: 'add',
            path: 'members',
            value: [{ value: 'bulkId:u1' }, { value: 'bulkId:u2' }, { value: 'bulkId:u1' }],
          },
          {
            op: 'replace',
            path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager',
            value: 'bulkId:m',
          },
        ],
      },
    }
    expect(referencesOf(operation)).toEqual(['g', 'm', 'u1', 'u2'])
  })

  test('B-07 names of members and text with bulkId: inside are no references', () => {
    const data = { 'bulkId:a': 1, displayName: 'see bulkId:b', nickName: 'bulkid:c' }
    expect(referencesOf({ method: 'POST', path: '/Users', bulkId: 'x', data })).toEqual([])
  })

  test('H-12 deep data is no danger', () => {
    let data: JsonValue = 'bulkId:deep'
    for (let depth = 0; depth < 100_000; depth++) data = [data]
    expect(referencesOf({ method: 'POST', path: '/Users', bulkId: 'x', data: { data } })).toEqual(['deep'])
  })
})

describe('substitute', () => {
  const ids = new Map([['a', 'id-a']])

  test('B-07 puts ids in place of bulkIds, in a copy', () => {
    const data = {
      members: [{ value: 'bulkId:a' }, { value: 'bulkId:b' }],
      displayName: 'bulkId:a ',
      active: true,
      x: null,
    }
    const before = structuredClone(data)
    expect(substitute(data, ids)).toEqual({ ...before, members: [{ value: 'id-a' }, { value: 'bulkId:b' }] })
    expect(data).toEqual(before)
    expect(substitute('bulkId:a', ids)).toBe('id-a')
  })

  test('a member named __proto__ stays data', () => {
    const data: JsonValue = JSON.parse('{"__proto__":{"value":"bulkId:a"},"constructor":"bulkId:a"}')
    expect(JSON.stringify(substitute(data, ids))).toBe('{"__proto__":{"value":"id-a"},"constructor":"id-a"}')
  })
})

describe('order', () => {
  /** `2 0+1`: the operation at index 2, then those at 0 and 1, which form a cycle. */
  const sequence = (bulk: BulkPlan) =>
    order(bulk)
      .map((step) => `${step.operations.map((operation) => operation.index).join('+')}${step.isCycle ? '!' : ''}`)
      .join(' ')

  test.each<[string, JsonValue[], string]>([
    ['operations without references keep their order', [remove('1'), create('a'), remove('2')], '0 1 2'],
    ['a reference backwards changes nothing', [create('a'), create('b', 'bulkId:a')], '0 1'],
    [
      'what refers forwards waits until right after the create',
      [create('g', 'bulkId:u'), remove('1'), create('u'), remove('2')],
      '1 2 0 3',
    ],
    [
      'for all of them',
      [create('g', 'bulkId:u', 'bulkId:v'), create('u'), remove('1'), create('v'), remove('2')],
      '1 2 3 0 4',
    ],
    ['a chain', [create('a', 'bulkId:b'), create('b', 'bulkId:c'), create('c'), remove('1')], '2 1 0 3'],
    ['several that wait for one', [create('a', 'bulkId:c'), create('b', 'bulkId:c'), create('c')], '2 0 1'],
    ['B-07 a reference in the path', [remove('bulkId:u'), create('u')], '1 0'],
    ['two groups in each other', [create('a', 'bulkId:b'), create('b', 'bulkId:a'), remove('1')], '0+1! 2'],
    ['a group in itself', [remove('1'), create('a', 'bulkId:a')], '0 1!'],
    [
      'a circle of three, and what refers to it',
      [create('x', 'bulkId:a'), create('a', 'bulkId:b'), create('b', 'bulkId:c'), create('c', 'bulkId:a')],
      '1+2+3! 0',
    ],
    [
      'a circle that needs a user',
      [create('a', 'bulkId:b', 'bulkId:u'), create('b', 'bulkId:a'), create('u')],
      '2 0+1!',
    ],
    [
      'two circles in a row',
      [create('a', 'bulkId:b'), create('b', 'bulkId:a', 'bulkId:c'), create('c', 'bulkId:d'), create('d', 'bulkId:c')],
      '2+3! 0+1!',
    ],
    [
      'B-08 an unknown or refused create holds nothing up',
      [create('a', 'bulkId:none'), create('b', 'bulkId:bad'), { method: 'POST', path: '/Bulk', bulkId: 'bad' }],
      '0 1 2',
    ],
  ])('B-09 %s', (_, operations, expected) => {
    expect(sequence(plan(...operations))).toBe(expected)
  })

  test('B-09 a chain as long as a request may be, in no time', () => {
    const length = 20_000
    const Operations = Array.from({ length }, (_, n) => create(`g${n}`, `bulkId:g${n + 1}`))
    const steps = order(parseBulk({ schemas: [BULK_REQUEST], Operations }, { maxOperations: length }))
    expect(steps.map((step) => step.operations[0]?.index)).toEqual(Array.from({ length }, (_, n) => length - 1 - n))
    const circle = [...Operations.slice(1), create('g0', 'bulkId:g1'), create(`g${length}`, 'bulkId:g0')]
    expect(
      order(parseBulk({ schemas: [BULK_REQUEST], Operations: circle }, { maxOperations: length + 1 })),
    ).toHaveLength(1)
  })
})
