import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { DEVIATIONS, type DeviationName, deviationsOf } from '../../../src/scim/deviations/index.ts'
import { MODES, type Mode } from '../../../src/scim/deviations/mode.ts'
import type { JsonObject, JsonValue } from '../../../src/scim/resource.ts'
import { validateResource } from '../../../src/scim/schema/validate.ts'
import {
  aUser,
  ENTERPRISE,
  GROUP_SCHEMA,
  group,
  message,
  patched,
  patchedGroup,
  refusal,
  USER_SCHEMA,
  user,
} from '../patch/support.ts'

test('each mode has one set, the same every time', () => {
  for (const mode of MODES) expect(deviationsOf(mode)).toBe(deviationsOf(mode))
})

test('strict drops every leniency; standard has fewer than lenient', () => {
  expect(deviationsOf('strict').size).toBe(0)
  for (const name of deviationsOf('standard')) expect(deviationsOf('lenient')).toContain(name)
  expect(deviationsOf('standard').size).toBeLessThan(deviationsOf('lenient').size)
})

test('the rules of the interoperability profile hold under it alone', () => {
  const own: DeviationName[] = ['path-required', 'filter-needs-sub-attribute', 'replace-whole-complex']
  for (const name of own) expect(MODES.filter((mode) => deviationsOf(mode).has(name))).toEqual(['interop'])
})

test('docs/conformance.md names every deviation with its modes, and no other', () => {
  const page = readFileSync(new URL('../../../docs/conformance.md', import.meta.url), 'utf8')
  const [, section = ''] = page.split('\n## Modes\n')
  const rows = (section.split('\n### ')[0] ?? '').matchAll(/^\| `([a-z]+-[a-z-]+)` \|.* \| ([a-z, ]+) \|$/gm)
  const named = Object.fromEntries([...rows].map(([, name, modes]) => [name, modes?.split(', ')]))
  expect(named).toEqual(Object.fromEntries(Object.entries(DEVIATIONS).map(([name, { modes }]) => [name, [...modes]])))
})

/** What identity providers send in a PATCH: the outcome in a lenient tenant, and elsewhere the same or a refusal. */
interface PatchQuirk {
  readonly what: string
  readonly stored?: JsonObject
  readonly operations: JsonValue[]
  readonly attribute: string
  readonly becomes: JsonValue | undefined
  readonly refused: Partial<Record<Mode, string>>
}

const work = { value: 'old@example.com', type: 'work' }
const everyoneElse = (scimType: string) => ({ standard: scimType, strict: scimType, interop: scimType })

const quirks: PatchQuirk[] = [
  {
    what: 'PAT-03 Entra ID: capital letters in op',
    operations: [{ op: 'Replace', path: 'title', value: 'Lead' }],
    attribute: 'title',
    becomes: 'Lead',
    refused: { strict: 'invalidSyntax', interop: 'invalidSyntax' },
  },
  {
    what: 'A-08 Entra ID: a leaver is deactivated with "False"',
    stored: { active: true },
    operations: [{ op: 'replace', path: 'active', value: 'False' }],
    attribute: 'active',
    becomes: false,
    refused: everyoneElse('invalidValue'),
  },
  {
    what: 'A-08 Keycloak: "true" in lower case',
    stored: { active: false },
    operations: [{ op: 'replace', path: 'active', value: 'true' }],
    attribute: 'active',
    becomes: true,
    refused: everyoneElse('invalidValue'),
  },
  {
    what: 'A-08 Entra ID: a boolean as text inside a PATCH filter',
    stored: { roles: [{ value: 'a', primary: true }, { value: 'b' }] },
    operations: [{ op: 'replace', path: 'roles[primary eq "True"].value', value: 'c' }],
    attribute: 'roles',
    becomes: [{ value: 'c', primary: true }, { value: 'b' }],
    refused: everyoneElse('invalidFilter'),
  },
  {
    what: 'PAT-26 Entra ID: app role replaced before there is one',
    operations: [{ op: 'replace', path: 'roles[primary eq "True"].value', value: 'c' }],
    attribute: 'roles',
    becomes: [{ value: 'c', primary: true }],
    refused: everyoneElse('invalidFilter'),
  },
  {
    what: 'PAT-26 Entra ID: replace where its cache still has a value',
    operations: [{ op: 'replace', path: 'emails[type eq "Work"].value', value: 'a@example.com' }],
    attribute: 'emails',
    becomes: [{ type: 'Work', value: 'a@example.com' }],
    refused: everyoneElse('noTarget'),
  },
  {
    what: 'PAT-14 Entra ID: add where there is no work mail yet, twice',
    operations: [
      { op: 'add', path: 'emails[type eq "work"].value', value: 'a@example.com' },
      { op: 'add', path: 'emails[type eq "work"].value', value: 'a@example.com' },
    ],
    attribute: 'emails',
    becomes: [{ type: 'work', value: 'a@example.com' }],
    refused: { strict: 'noTarget', interop: 'noTarget' },
  },
  {
    what: 'PAT-31 Entra ID with the flag: keys are paths',
    stored: { name: { givenName: 'A', familyName: 'B' }, emails: [work] },
    operations: [
      { op: 'replace', value: { 'name.givenName': 'C', 'emails[type eq "work"].value': 'new@example.com' } },
      { op: 'remove', path: 'emails' },
    ],
    attribute: 'name',
    becomes: { givenName: 'C', familyName: 'B' },
    refused: everyoneElse('invalidSyntax'),
  },
  {
    what: 'PAT-31 Entra ID with the flag: a filter path as key',
    stored: { emails: [work] },
    operations: [{ op: 'replace', value: { 'emails[type eq "work"].value': 'new@example.com' } }],
    attribute: 'emails',
    becomes: [{ value: 'new@example.com', type: 'work' }],
    refused: everyoneElse('invalidSyntax'),
  },
  {
    what: 'PAT-31 Entra ID with the flag: a qualified name as key is plain RFC',
    operations: [{ op: 'replace', value: { [`${ENTERPRISE}:employeeNumber`]: '7' } }],
    attribute: ENTERPRISE,
    becomes: { employeeNumber: '7' },
    refused: { interop: 'invalidSyntax' },
  },
  {
    what: 'X-04 Entra ID: the manager as text',
    operations: [{ op: 'add', path: `${ENTERPRISE}:manager`, value: 'm1' }],
    attribute: ENTERPRISE,
    becomes: { manager: { value: 'm1' } },
    refused: everyoneElse('invalidValue'),
  },
  {
    what: 'X-04 Entra ID: no manager, said by the empty text',
    stored: { [ENTERPRISE]: { department: 'Sales', manager: { value: 'm1', $ref: '../Users/m1' } } },
    operations: [{ op: 'replace', path: `${ENTERPRISE}:manager`, value: '' }],
    attribute: ENTERPRISE,
    becomes: { department: 'Sales' },
    refused: everyoneElse('invalidValue'),
  },
  {
    what: 'X-04 Entra ID: no manager, said by an empty value',
    stored: { [ENTERPRISE]: { department: 'Sales', manager: { value: 'm1', $ref: '../Users/m1' } } },
    operations: [{ op: 'replace', path: `${ENTERPRISE}:manager`, value: { value: '' } }],
    attribute: ENTERPRISE,
    becomes: { department: 'Sales' },
    refused: {},
  },
  {
    what: 'Entra ID: the empty text clears',
    stored: { title: 'Guide' },
    operations: [{ op: 'replace', path: 'title', value: '' }],
    attribute: 'title',
    becomes: undefined,
    refused: {},
  },
  {
    what: 'GitHub: single quotes in a path',
    stored: { emails: [work] },
    operations: [{ op: 'replace', path: "emails[type eq 'work'].value", value: 'new@example.com' }],
    attribute: 'emails',
    becomes: [{ value: 'new@example.com', type: 'work' }],
    refused: everyoneElse('invalidFilter'),
  },
  {
    what: 'PAT-11 OneLogin: replace of a list with one object',
    stored: { emails: [work] },
    operations: [{ op: 'replace', path: 'emails', value: { value: 'one@example.com' } }],
    attribute: 'emails',
    becomes: [{ value: 'one@example.com' }],
    refused: { strict: 'invalidValue', interop: 'invalidValue' },
  },
  {
    what: 'PAT-11 a list of one value for a path that selects one',
    stored: { emails: [work] },
    operations: [
      { op: 'replace', path: 'emails[type eq "work"]', value: [{ value: 'new@example.com', type: 'work' }] },
    ],
    attribute: 'emails',
    becomes: [{ value: 'new@example.com', type: 'work' }],
    refused: { standard: 'invalidValue', strict: 'invalidValue', interop: 'invalidPath' },
  },
  {
    what: 'PAT-31 SCIM-SDK: the object of an operation without a path in a list',
    operations: [{ op: 'replace', value: [{ schemas: [USER_SCHEMA], title: 'Lead' }] }],
    attribute: 'title',
    becomes: 'Lead',
    refused: { ...everyoneElse('invalidValue'), interop: 'invalidSyntax' },
  },
  {
    what: 'A-19 authentik: an attribute of no schema',
    operations: [{ op: 'replace', value: { favouriteColour: 'green', title: 'Lead' } }],
    attribute: 'title',
    becomes: 'Lead',
    refused: everyoneElse('invalidSyntax'),
  },
  {
    what: 'A-19 a path to an attribute of no schema',
    stored: { title: 'Guide' },
    operations: [{ op: 'replace', path: 'favouriteColour', value: 'green' }],
    attribute: 'title',
    becomes: 'Guide',
    refused: { standard: 'invalidPath', strict: 'invalidPath', interop: 'invalidSyntax' },
  },
  {
    what: 'U-12 a type that is not canonical',
    operations: [{ op: 'add', path: 'emails', value: [{ value: 'a@example.com', type: 'personal' }] }],
    attribute: 'emails',
    becomes: [{ value: 'a@example.com', type: 'personal' }],
    refused: { strict: 'invalidValue', interop: 'invalidValue' },
  },
  {
    what: 'U-11 the name of a country',
    operations: [{ op: 'add', path: 'addresses', value: [{ type: 'work', country: 'Germany' }] }],
    attribute: 'addresses',
    becomes: [{ type: 'work', country: 'Germany' }],
    refused: { strict: 'invalidValue', interop: 'invalidValue' },
  },
  {
    what: 'A-12 Entra ID validator: random text as profileUrl',
    operations: [{ op: 'replace', path: 'profileUrl', value: 'not a "URL"' }],
    attribute: 'profileUrl',
    becomes: 'not a "URL"',
    refused: everyoneElse('invalidValue'),
  },
]

describe.each(quirks)('$what', ({ stored, operations, attribute, becomes, refused }) => {
  test.each(MODES)('%s', (mode) => {
    const run = () => patched(aUser(stored), operations, mode).resource
    const scimType =
      mode === 'interop' && refused.interop === undefined && operations.some(hasNoPath)
        ? 'invalidSyntax'
        : refused[mode]
    if (scimType !== undefined) expect(refusal(run)).toContain(scimType)
    else if (mode === 'lenient') expect(run()[attribute]).toEqual(becomes)
    else expect(run).not.toThrow()
  })
})

const hasNoPath = (operation: JsonValue): boolean => !JSON.stringify(operation).includes('"path"')

test('PAT-20 Entra ID: remove of members with a value list removes those alone, and never all', () => {
  const stored = { id: 'g1', displayName: 'G', members: [{ value: 'a' }, { value: 'b' }] }
  const remove = (value: JsonValue) =>
    patchedGroup(stored, message({ op: 'Remove', path: 'members', value }), 'lenient').resource.members
  expect(remove([{ $ref: null, value: 'a' }])).toEqual([{ value: 'b' }])
  expect(remove([])).toEqual([{ value: 'a' }, { value: 'b' }])
  expect(refusal(() => remove([{}]))).toContain('invalidValue')
  expect(refusal(() => remove([{ display: 'Ann' }]))).toContain('invalidValue')
})

test('PAT-20 without the deviation a value list is refused, not read as all', () => {
  const stored = { id: 'g1', displayName: 'G', members: [{ value: 'a' }] }
  const request = message({ op: 'remove', path: 'members', value: [{ value: 'a' }] })
  expect(refusal(() => patchedGroup(stored, request, 'strict'))).toContain('invalidValue')
})

/** Bodies of POST: what a lenient tenant stores, and how the others answer. */
const bodies: {
  what: string
  body: JsonObject
  has: JsonObject
  refused: Partial<Record<Mode, string>>
  type?: 'group'
}[] = [
  {
    what: 'C-02 Entra ID: a second schema on groups',
    type: 'group',
    body: {
      schemas: [GROUP_SCHEMA, 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group'],
      displayName: 'G',
    },
    has: { schemas: [GROUP_SCHEMA], displayName: 'G' },
    refused: { standard: 'invalidValue', strict: 'invalidValue', interop: 'invalidSyntax' },
  },
  {
    what: 'A-19 authentik: a foreign extension',
    body: { schemas: [USER_SCHEMA], userName: 'ann', 'urn:slack:2.0:User': { startDate: 'x' } },
    has: { userName: 'ann' },
    refused: { strict: 'invalidSyntax', interop: 'invalidSyntax' },
  },
  {
    what: 'A-19 GitHub: displayName in a member',
    type: 'group',
    body: { schemas: [GROUP_SCHEMA], displayName: 'G', members: [{ value: 'a', displayName: 'Ann' }] },
    has: { members: [{ value: 'a' }] },
    refused: { strict: 'invalidSyntax', interop: 'invalidSyntax' },
  },
  {
    what: 'CR-05 a body without schemas',
    body: { userName: 'ann' },
    has: { schemas: [USER_SCHEMA], userName: 'ann' },
    refused: everyoneElse('invalidSyntax'),
  },
  {
    what: 'OneLogin: emails as one object',
    body: { schemas: [USER_SCHEMA], userName: 'ann', emails: { value: 'a@example.com' } },
    has: { emails: [{ value: 'a@example.com' }] },
    refused: everyoneElse('invalidValue'),
  },
  {
    what: 'A-08 primary and active as text',
    body: { schemas: [USER_SCHEMA], userName: 'ann', active: 'FALSE', emails: [{ value: 'a', primary: 'True' }] },
    has: { active: false, emails: [{ value: 'a', primary: true }] },
    refused: everyoneElse('invalidValue'),
  },
  {
    what: 'C-01 data of an extension that schemas lacks',
    body: { schemas: [USER_SCHEMA], userName: 'ann', [ENTERPRISE]: { department: 'Sales' } },
    has: { schemas: [USER_SCHEMA, ENTERPRISE], [ENTERPRISE]: { department: 'Sales' } },
    refused: { strict: 'invalidValue' },
  },
  {
    what: 'X-04 the manager as text',
    body: { schemas: [USER_SCHEMA], userName: 'ann', [ENTERPRISE]: { manager: 'm1' } },
    has: { [ENTERPRISE]: { manager: { value: 'm1' } } },
    refused: everyoneElse('invalidValue'),
  },
]

describe.each(bodies)('$what', ({ body, has, refused, type }) => {
  test.each(MODES)('%s', (mode) => {
    const run = () => validateResource(type === 'group' ? group : user, body, { kind: 'create' }, deviationsOf(mode))
    const scimType = refused[mode]
    if (scimType !== undefined) expect(refusal(run)).toContain(scimType)
    else expect(run()).toMatchObject(has)
  })
})
