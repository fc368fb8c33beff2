import { expect, test } from 'vitest'
import { listResponse, listResponseTexts } from '../../src/scim/list-response.ts'
import type { JsonObject } from '../../src/scim/resource.ts'
import { LIST_RESPONSE } from '../../src/scim/urn.ts'

const users: JsonObject[] = [{ userName: 'a"b' }, { userName: 'ü' }]

test.each<[string, Omit<Parameters<typeof listResponse>[0], 'resources'>, JsonObject[], object]>([
  [
    'Q-01 Q-03 PG-03 a page by index',
    { totalResults: 9, startIndex: 3 },
    users,
    { totalResults: 9, startIndex: 3, itemsPerPage: 2 },
  ],
  ['Q-02 no match', { totalResults: 0, startIndex: 1 }, [], { totalResults: 0, startIndex: 1, itemsPerPage: 0 }],
  [
    'CU-02 CU-08 the first page by cursor',
    { totalResults: 9, nextCursor: 'n' },
    users,
    { totalResults: 9, itemsPerPage: 2, nextCursor: 'n' },
  ],
  [
    'CU-02 a page between',
    { totalResults: 9, nextCursor: 'n', previousCursor: 'p' },
    users,
    { totalResults: 9, itemsPerPage: 2, nextCursor: 'n', previousCursor: 'p' },
  ],
  [
    'CU-02 the last page',
    { totalResults: 9, previousCursor: 'p' },
    users,
    { totalResults: 9, itemsPerPage: 2, previousCursor: 'p' },
  ],
])('%s', (_, page, resources, expected) => {
  const message = { schemas: [LIST_RESPONSE], ...expected, Resources: resources }
  expect(listResponse({ ...page, resources })).toStrictEqual(message)
  const text = listResponseTexts({ ...page, resources: resources.map((resource) => [JSON.stringify(resource)]) }).join(
    '',
  )
  expect(JSON.parse(text)).toStrictEqual(message)
})

test('the texts of the resources are passed on as they are', () => {
  expect(listResponseTexts({ resources: [['{ "a":', '1 }'], ['{"b":1e2}']], totalResults: 2 }).join('')).toMatch(
    /,"Resources":\[\{ "a":1 \},\{"b":1e2\}\]\}$/,
  )
})
