import { describe, expect, test } from 'vitest'
import { bindFilter } from '../../../src/scim/filter/bind.ts'
import { evaluate } from '../../../src/scim/filter/evaluate.ts'
import { formatFilter } from '../../../src/scim/filter/format.ts'
import { parseFilter } from '../../../src/scim/filter/parse.ts'
import { searchDocument } from '../../../src/scim/search-document.ts'
import { group, lenient, none, refusal, user, vectors } from './types.ts'

const types = [user, group]
const documents = vectors.resources.map((resource) => {
  const type = types.find(({ name }) => name === resource.meta.resourceType) ?? user
  return { id: resource.id, type, document: searchDocument(type, resource) }
})

function idsMatching(endpoint: string, text: string, deviations = none): string[] {
  const filter = parseFilter(text, deviations)
  const atRoot = endpoint === '/'
  return types
    .filter((type) => atRoot || type.endpoint === endpoint)
    .flatMap((type) => {
      const bound = bindFilter(filter, type, { atRoot })
      return documents.filter((one) => one.type === type && evaluate(bound, one.document)).map(({ id }) => id)
    })
}

describe('Q-04 the filter vectors choose the resources they name', () => {
  test.each(vectors.valid)('$id $filter', ({ endpoint, filter, matches, mode }) => {
    expect(idsMatching(endpoint, filter, mode === 'lenient' ? lenient : none)).toEqual(matches)
    expect(idsMatching(endpoint, filter, lenient)).toEqual(matches)
  })

  test.each(vectors.valid.filter(({ mode }) => mode === 'lenient'))('$id is refused where not lenient', (vector) => {
    expect(refusal(() => idsMatching(vector.endpoint, vector.filter))).toMatch(/^400 invalidFilter: .*at character \d+/)
  })

  test.each(vectors.valid)('$id means the same when formatted', ({ endpoint, filter, matches }) => {
    expect(idsMatching(endpoint, formatFilter(parseFilter(filter, lenient)))).toEqual(matches)
  })
})

describe('Q-09 the invalid filter vectors are refused', () => {
  test.each(vectors.invalid)('$id $filter', ({ endpoint, filter }) => {
    expect(refusal(() => idsMatching(endpoint, filter))).toMatch(/^400 invalidFilter: /)
    expect(refusal(() => idsMatching(endpoint, filter, lenient))).toMatch(/^400 invalidFilter: /)
  })

  test('all vectors ran', () => expect([vectors.valid.length, vectors.invalid.length]).toEqual([151, 58]))
})
