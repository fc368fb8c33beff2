import fc from 'fast-check'
import { filter as theirFilter, parse as theirParse } from 'scim2-parse-filter'
import { expect, test } from 'vitest'
import { deviationsOf } from '../../../src/scim/deviations/index.ts'
import { bindFilter } from '../../../src/scim/filter/bind.ts'
import { evaluate } from '../../../src/scim/filter/evaluate.ts'
import { parseFilter } from '../../../src/scim/filter/parse.ts'
import type { Resource } from '../../../src/scim/resource.ts'
import { builtInRegistry } from '../../../src/scim/schema/registry.ts'
import type { ResourceType } from '../../../src/scim/schema/resource-type.ts'
import { searchDocument } from '../../../src/scim/search-document.ts'

// The package knows no schemas: it compares every string with case, leaves escapes as they are and takes `TRUE` for a name.
// Here are only filters whose meaning does not depend on that: case exact attributes, plain values, small letters.
const user = builtInRegistry.byName.get('User') as ResourceType
const standard = deviationsOf('standard')
const word = fc.constantFrom('a', 'ab', 'abc', 'b', 'bc', 'B')
const attribute = fc.constantFrom('externalId', 'profileUrl')

const comparison = fc
  .tuple(attribute, fc.constantFrom('eq', 'co', 'sw', 'ew'), word)
  .map(([name, operator, value]) => `${name} ${operator} "${value}"`)
const presence = attribute.map((name) => `${name} pr`)
const { filter } = fc.letrec<{ filter: string }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    comparison,
    presence,
    fc.tuple(tie('filter'), tie('filter')).map(([a, b]) => `${a} and ${b}`),
    fc.tuple(tie('filter'), tie('filter')).map(([a, b]) => `${a} or ${b}`),
    tie('filter').map((inner) => `(${inner})`),
    tie('filter').map((inner) => `not (${inner})`),
  ),
}))
const resource = fc.record({ externalId: word, profileUrl: word }, { requiredKeys: [] }) as fc.Arbitrary<Resource>

test('Q-04 Q-06 Q-07 precedence, grouping and not mean what scim2-parse-filter reads in them', () => {
  fc.assert(
    fc.property(filter, fc.array(resource, { minLength: 1, maxLength: 8 }), (text, resources) => {
      const bound = bindFilter(parseFilter(text, standard), user)
      const theirs = theirFilter(theirParse(text))
      const ours = resources.map((each) => evaluate(bound, searchDocument(user, each)))
      expect(ours, text).toEqual(resources.map((each) => theirs(each)))
    }),
    { numRuns: 1_000 },
  )
})
