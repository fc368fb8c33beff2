import { expect, test } from 'vitest'
import { deviationsOf } from '../../../src/scim/deviations/index.ts'
import { applyPatch } from '../../../src/scim/patch/apply.ts'
import { parsePatch } from '../../../src/scim/patch/parse.ts'
import { isObject, type JsonValue } from '../../../src/scim/resource.ts'
import { patchedGroup, refusal, user, type Vector, vectors } from './support.ts'

/** Sub-attributes that the service adds by itself in these attributes. */
const ADDED = new Map([
  ['members', ['$ref', 'display', 'type']],
  ['groups', ['$ref', 'display', 'type']],
  ['manager', ['$ref', 'displayName']],
])

/** The rules at the head of the vectors: no meta, order of values aside, primary false as none, empty as missing. */
function comparable(value: JsonValue, name = ''): JsonValue {
  if (Array.isArray(value)) {
    const elements = value.map((element) => comparable(element, name))
    return elements.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }
  if (!isObject(value)) return value
  const ignored = ['meta', 'password', ...(ADDED.get(name) ?? [])]
  const members = Object.entries(value)
    .filter(([key, part]) => !ignored.includes(key) && part !== null && !(key === 'primary' && part === false))
    .map(([key, part]): [string, JsonValue] => [key, comparable(part, key)])
    .filter(([, part]) => JSON.stringify(part) !== '[]' && JSON.stringify(part) !== '{}')
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function run({ resourceType, before, request, mode = 'standard' }: Vector) {
  if (resourceType === 'Group') return patchedGroup(before, request, mode)
  const deviations = deviationsOf(mode)
  return applyPatch(user, before, parsePatch(request, deviations), deviations)
}

// P-146 is about another user's name, which the database decides.
const here = vectors.filter(({ id }) => id !== 'P-146')
const accepted = here.filter((vector) => vector.expect.after !== undefined)
const refused = here.filter((vector) => vector.expect.after === undefined)

test('PAT-34 every vector but the one that needs a database runs here', () => {
  expect([vectors.length, accepted.length, refused.length]).toEqual([150, 96, 53])
})

test.each(accepted)('PAT-34 $id $note', (vector) => {
  const untouched = structuredClone(vector.before)
  const { resource, changed } = run(vector)
  expect(comparable(resource)).toEqual(comparable(vector.expect.after ?? null))
  expect(changed).toBe(vector.expect.unchanged !== true)
  expect(vector.before).toEqual(untouched)
})

test.each(refused)('PAT-05 PAT-34 $id $note', (vector) => {
  const untouched = structuredClone(vector.before)
  const [scimType] = refusal(() => run(vector)).split(':')
  expect(vector.expect.scimType).toContain(scimType)
  expect(vector.before).toEqual(untouched)
})
