import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { deviationsOf } from '../../../src/scim/deviations/index.ts'
import { bindFilter } from '../../../src/scim/filter/bind.ts'
import { evaluate } from '../../../src/scim/filter/evaluate.ts'
import { parseFilter } from '../../../src/scim/filter/parse.ts'
import { builtInRegistry } from '../../../src/scim/schema/registry.ts'
import type { ResourceType } from '../../../src/scim/schema/resource-type.ts'
import { validateResource } from '../../../src/scim/schema/validate.ts'
import { searchDocument } from '../../../src/scim/search-document.ts'
import { USER_SCHEMA } from '../../../src/scim/urn.ts'

const user = builtInRegistry.byName.get('User') as ResourceType
const standard = deviationsOf('standard')
const published = JSON.parse(readFileSync(join(import.meta.dirname, '../../fixtures/scim/schemas.json'), 'utf8'))

interface Published {
  readonly name: string
  readonly subAttributes?: readonly { readonly name: string; readonly type: string }[]
}
const complex = (published.schemas[USER_SCHEMA].attributes as readonly Published[]).filter(({ name }) =>
  [
    'name',
    'emails',
    'phoneNumbers',
    'ims',
    'photos',
    'addresses',
    'entitlements',
    'roles',
    'x509Certificates',
  ].includes(name),
)

test.each(complex.map(({ name, subAttributes = [] }) => [name, subAttributes] as const))(
  'U-08 %s takes and keeps each of its sub-attributes',
  (name, subAttributes) => {
    const values: Record<string, string | boolean> = {
      boolean: true,
      reference: 'https://example.com/x',
      binary: 'q83v',
    }
    const element = Object.fromEntries(subAttributes.map((sub) => [sub.name, values[sub.type] ?? 'US']))
    const value = name === 'name' ? element : [element]
    const body = { schemas: [USER_SCHEMA], userName: 'u', [name]: value }
    expect(validateResource(user, body, { kind: 'create' }, standard)[name]).toEqual(value)
  },
)

test.each([
  ['userName eq "BJENSEN"', true],
  ['externalId eq "EXT-1"', false],
  ['externalId eq "Ext-1"', true],
  ['title sw "tour"', true],
  ['externalId sw "ext"', false],
  ['profileUrl eq "https://Example.com/B"', true],
  ['profileUrl eq "https://example.com/b"', false],
])('A-18 caseExact decides: %s', (filter, expected) => {
  const document = searchDocument(user, {
    ...{ schemas: [USER_SCHEMA], userName: 'bjensen', externalId: 'Ext-1' },
    ...{ title: 'Tour Guide', profileUrl: 'https://Example.com/B' },
  })
  expect(evaluate(bindFilter(parseFilter(filter, standard), user), document)).toBe(expected)
})
