import { describe, expect, test } from 'vitest'
import { deviationsOf } from '../../src/scim/deviations/index.ts'
import { ScimError } from '../../src/scim/errors.ts'
import type { JsonValue } from '../../src/scim/resource.ts'
import { parseQuery, parseSearchRequest } from '../../src/scim/search-request.ts'
import { LIST_RESPONSE, SEARCH_REQUEST } from '../../src/scim/urn.ts'

const limits = { defaultPageSize: 100, maxPageSize: 200 }
const get = (query: string) => parseQuery(new URLSearchParams(query), limits)
const post = (members: object) =>
  parseSearchRequest({ schemas: [SEARCH_REQUEST], ...members }, limits, deviationsOf('standard'))
const index = (startIndex: number, count: number) => ({ kind: 'index', startIndex, count })
const cursor = (text: string, count: number | undefined) => ({ kind: 'cursor', cursor: text, count, defaultCount: 100 })
const plain = { sortOrder: 'ascending', paging: index(1, 100) }

function refusalOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof ScimError) return `${error.status} ${error.scimType}`
    throw error
  }
  return 'accepted'
}

describe('GET', () => {
  test.each<[string, string, object]>([
    ['Q-04 nothing asked', '', plain],
    ['H-06 unknown parameters are ignored', 'foo=1&foo=2&__proto__=3&constructor=4', plain],
    ['H-09 a plus is a space', 'filter=userName+eq+%22a%2Bb%22', { ...plain, filter: 'userName eq "a+b"' }],
    [
      'J-01 a comma list',
      'attributes=userName,%20name.givenName%20,',
      { ...plain, attributes: ['userName', 'name.givenName'] },
    ],
    ['J-02 excluded ones', 'excludedAttributes=members', { ...plain, excludedAttributes: ['members'] }],
    ['J-01 an empty list asks for nothing special', 'attributes=&excludedAttributes=,', plain],
    ['S-01 sorting', 'sortBy=userName&sortOrder=descending', { ...plain, sortBy: 'userName', sortOrder: 'descending' }],
    ['S-01 ascending unless said', 'sortBy=userName', { ...plain, sortBy: 'userName' }],
    ['S-07 sortOrder without sortBy is ignored', 'sortOrder=descending', plain],
    ['H-10 names in any case', 'FILTER=a%20pr&Count=5', { ...plain, filter: 'a pr', paging: index(1, 5) }],
    ['PG-01 startIndex and count', 'startIndex=11&count=5', { ...plain, paging: index(11, 5) }],
    ['PG-01 startIndex below 1 is 1', 'startIndex=0', plain],
    ['PG-01 startIndex far below', 'startIndex=-99999999999999999999', plain],
    ['PG-01 count below 0 is 0', 'count=-1', { ...plain, paging: index(1, 0) }],
    ['PG-01 count 0', 'count=0', { ...plain, paging: index(1, 0) }],
    ['PG-04 count is capped', 'count=5000', { ...plain, paging: index(1, 200) }],
    ['PG-06 twenty nines are capped too', 'count=99999999999999999999', { ...plain, paging: index(1, 200) }],
    ['PG-06 four hundred nines', `count=${'9'.repeat(400)}`, { ...plain, paging: index(1, 200) }],
    [
      'PG-05 a startIndex past everything',
      `startIndex=${'9'.repeat(400)}`,
      { ...plain, paging: index(Number.MAX_SAFE_INTEGER, 100) },
    ],
    ['PG-05 beyond four bytes', 'startIndex=2147483648', { ...plain, paging: index(2147483648, 100) }],
    ['CU-01 an empty cursor', 'cursor', { ...plain, paging: cursor('', undefined) }],
    ['CU-01 the same with an equals sign', 'cursor=&count=10', { ...plain, paging: cursor('', 10) }],
    ['CU-11 count is capped with cursors too', 'cursor=abc&count=5000', { ...plain, paging: cursor('abc', 200) }],
  ])('%s', (_, query, expected) => {
    expect(get(query)).toEqual(expected)
  })

  test('PG-04 CU-11 a default page larger than the limit is capped too', () => {
    const narrow = { defaultPageSize: 100, maxPageSize: 50 }
    expect(parseQuery(new URLSearchParams(''), narrow).paging).toEqual(index(1, 50))
    expect(parseQuery(new URLSearchParams('cursor'), narrow).paging).toMatchObject({ defaultCount: 50 })
  })

  test.each([
    ['Q-09 an empty filter', 'filter=', '400 invalidFilter'],
    ['Q-09 a filter of spaces', 'filter=+', '400 invalidFilter'],
    ['PG-06 count as a word', 'count=ten', '400 invalidValue'],
    ['PG-06 count with a fraction', 'count=1.5', '400 invalidValue'],
    ['PG-06 count with an exponent', 'count=1e3', '400 invalidValue'],
    ['PG-06 count in hexadecimal', 'count=0x10', '400 invalidValue'],
    ['PG-06 count empty', 'count=', '400 invalidValue'],
    ['PG-06 startIndex as Infinity', 'startIndex=Infinity', '400 invalidValue'],
    ['S-07 another sortOrder', 'sortBy=userName&sortOrder=sideways', '400 invalidValue'],
    ['S-07 an empty sortBy', 'sortBy=', '400 invalidValue'],
    ['CU-09 cursor with startIndex', 'cursor=&startIndex=1', '400 invalidValue'],
    ['a parameter twice', 'filter=a%20pr&filter=b%20pr', '400 invalidValue'],
    ['a parameter twice in two spellings', 'count=1&COUNT=2', '400 invalidValue'],
  ])('%s is refused', (_, query, expected) => {
    expect(refusalOf(() => get(query))).toBe(expected)
  })
})

describe('POST to .search', () => {
  test.each<[string, string, object]>([
    ['nothing', '', {}],
    [
      'everything',
      'filter=title+pr&attributes=userName,emails&sortBy=userName&sortOrder=descending&startIndex=3&count=7',
      {
        filter: 'title pr',
        attributes: ['userName', 'emails'],
        sortBy: 'userName',
        sortOrder: 'descending',
        startIndex: 3,
        count: 7,
      },
    ],
    ['a cursor', 'cursor=abc&excludedAttributes=members', { cursor: 'abc', excludedAttributes: ['members'] }],
    ['out of range', 'startIndex=-4&count=1000000', { startIndex: -4, count: 1e30 }],
    ['H-10 names in any case', 'filter=title+pr&count=1', { FILTER: 'title pr', Count: 1 }],
    ['A-05 null and empty are absent', '', { filter: null, attributes: [], count: null, cursor: null, sortBy: null }],
    ['unknown members', '', JSON.parse('{"foo":1,"__proto__":{"filter":"title pr"},"constructor":{}}')],
  ])('Z-03 equals the GET: %s', (_, query, members) => {
    expect(post(members)).toEqual(get(query))
  })

  test('Z-01 H-10 the URN and the member schemas are matched without regard to case', () => {
    expect(parseSearchRequest({ SCHEMAS: [SEARCH_REQUEST.toUpperCase()] }, limits, deviationsOf('strict'))).toEqual(
      plain,
    )
  })

  test.each<[string, JsonValue, string]>([
    ['no object', [], '400 invalidSyntax'],
    ['null', null, '400 invalidSyntax'],
    ['no schemas', { filter: 'a pr' }, '400 invalidSyntax'],
    ['schemas as a string', { schemas: SEARCH_REQUEST }, '400 invalidSyntax'],
    ['another URN', { schemas: [LIST_RESPONSE, 1, null] }, '400 invalidSyntax'],
    ['filter as a number', { schemas: [SEARCH_REQUEST], filter: 1 }, '400 invalidValue'],
    ['an empty filter', { schemas: [SEARCH_REQUEST], filter: '' }, '400 invalidFilter'],
    ['attributes as a string', { schemas: [SEARCH_REQUEST], attributes: 'userName' }, '400 invalidValue'],
    ['attributes with a number', { schemas: [SEARCH_REQUEST], attributes: ['userName', 1] }, '400 invalidValue'],
    ['excludedAttributes as an object', { schemas: [SEARCH_REQUEST], excludedAttributes: {} }, '400 invalidValue'],
    ['count as a string', { schemas: [SEARCH_REQUEST], count: '10' }, '400 invalidValue'],
    ['count with a fraction', { schemas: [SEARCH_REQUEST], count: 1.5 }, '400 invalidValue'],
    ['startIndex as true', { schemas: [SEARCH_REQUEST], startIndex: true }, '400 invalidValue'],
    ['cursor as a number', { schemas: [SEARCH_REQUEST], cursor: 1 }, '400 invalidValue'],
    ['cursor with startIndex', { schemas: [SEARCH_REQUEST], cursor: '', startIndex: 1 }, '400 invalidValue'],
    ['sortOrder as a number', { schemas: [SEARCH_REQUEST], sortBy: 'a', sortOrder: 1 }, '400 invalidValue'],
  ])('Z-04 refuses %s', (_, body, expected) => {
    expect(refusalOf(() => parseSearchRequest(body, limits, deviationsOf('standard')))).toBe(expected)
  })
})

test('P-11 names of attributes as text are read where the tenant is lenient', () => {
  const body = { schemas: [SEARCH_REQUEST], attributes: 'userName, emails', excludedAttributes: 'name' }
  expect(parseSearchRequest(body, limits, deviationsOf('lenient'))).toMatchObject({
    ...{ attributes: ['userName', 'emails'], excludedAttributes: ['name'] },
  })
  for (const mode of ['standard', 'strict', 'interop'] as const)
    expect(() => parseSearchRequest(body, limits, deviationsOf(mode))).toThrow('attributes must be a list of strings')
})

test('P-11 startIndex and count as text are read where the tenant is lenient', () => {
  const body = { schemas: [SEARCH_REQUEST], startIndex: '3', count: '10' }
  expect(parseSearchRequest(body, limits, deviationsOf('lenient')).paging).toEqual(index(3, 10))
  for (const mode of ['standard', 'strict', 'interop'] as const)
    expect(() => parseSearchRequest(body, limits, deviationsOf(mode))).toThrow('startIndex must be an integer')
  expect(() => parseSearchRequest({ ...body, count: '1.5' }, limits, deviationsOf('lenient'))).toThrow('count must be')
})
