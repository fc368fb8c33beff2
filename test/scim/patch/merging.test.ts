import { expect, test } from 'vitest'
import { deviationsOf } from '../../../src/scim/deviations/index.ts'
import { applyPatch } from '../../../src/scim/patch/apply.ts'
import { parsePatch } from '../../../src/scim/patch/parse.ts'
import type { JsonObject, JsonValue } from '../../../src/scim/resource.ts'
import { builtInRegistry } from '../../../src/scim/schema/registry.ts'
import type { ResourceType } from '../../../src/scim/schema/resource-type.ts'
import { PATCH_OP, USER_SCHEMA } from '../../../src/scim/urn.ts'

const user = builtInRegistry.byName.get('User') as ResourceType
const standard = deviationsOf('standard')
const stored: JsonObject = {
  schemas: [USER_SCHEMA],
  userName: 'bjensen',
  title: 'Guide',
  name: { givenName: 'Barbara', familyName: 'Jensen' },
}

function patched(op: string, path: string | undefined, value: JsonValue): JsonObject {
  const operation = { op, value, ...(path === undefined ? {} : { path }) }
  const operations = parsePatch({ schemas: [PATCH_OP], Operations: [operation] }, standard)
  return applyPatch(user, stored, operations, standard).resource
}

test.each([
  [
    'PAT-09 add without path merges the value into the resource',
    'add',
    undefined,
    { nickName: 'Babs' },
    { nickName: 'Babs' },
  ],
  ['PAT-09 add to a single-valued attribute replaces its value', 'add', 'title', 'Lead', { title: 'Lead' }],
  [
    'PAT-10 add to a singular complex attribute keeps the other parts',
    'add',
    'name',
    { givenName: 'Babs' },
    { name: { givenName: 'Babs', familyName: 'Jensen' } },
  ],
  [
    'PAT-21 replace without path sets each attribute of the value',
    'replace',
    undefined,
    { title: 'Lead', nickName: 'Babs' },
    { title: 'Lead', nickName: 'Babs' },
  ],
  ['PAT-23 replace of a missing attribute acts as add', 'replace', 'locale', 'en-US', { locale: 'en-US' }],
  [
    'PAT-24 replace of a singular complex attribute keeps the parts not given',
    'replace',
    'name',
    { givenName: 'Babs' },
    { name: { givenName: 'Babs', familyName: 'Jensen' } },
  ],
] as const)('%s', (_, op, path, value, change) => {
  expect(patched(op, path, value)).toEqual({ ...stored, ...change })
})
