import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CLIENTS, type ClientName, CONSOLES, clientOf } from '../../src/explanations/clients.ts'
import { explain } from '../../src/explanations/explain.ts'
import { REASONS, type Reason } from '../../src/scim/reasons.ts'
import { faultsOf } from '../support/explanations.ts'

const ROOT = join(import.meta.dirname, '../..')
const asked = (reason: Reason, more: { readonly detail?: string; readonly client?: ClientName } = {}) =>
  explain({ status: 400, reason, method: 'POST', path: '/scim/v2/acme/prod/v2/ada/Users', ...more })

describe('an explanation says what is wrong and what to change', () => {
  test.each(REASONS)('%s, for every identity provider', (reason) => {
    expect(faultsOf({ status: 400, scimType: undefined, detail: '', reason })).toEqual([])
  })

  test('every reason is given somewhere', () => {
    const src = join(ROOT, 'src')
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.tsx?$/.test(file) && !file.startsWith('explanations') && file !== 'scim/reasons.ts')
      .map((file) => readFileSync(join(src, file), 'utf8'))
    expect(REASONS.filter((reason) => !files.some((text) => text.includes(`'${reason}'`)))).toEqual([])
  })

  test.each(CLIENTS)('in the words of the console of %s', (client) => {
    const { name, token, url, connection, mapping } = CONSOLES[client]
    expect(asked('key-unknown', { client }).remedy).toContain(`${token} under ${connection}`)
    expect(asked('place-unknown', { client }).remedy).toContain(`${url} under ${connection}`)
    expect(asked('required-missing', { client, detail: 'userName is required' })).toEqual({
      problem: expect.stringContaining(`${name} left out "userName"`),
      remedy: expect.stringContaining(mapping),
      field: 'userName',
    })
  })

  test('by what the request was about, and what it needed', () => {
    const reading = { status: 403, reason: 'key-lacks-permission', method: 'GET', path: '/scim/v2/a/b/Users' } as const
    expect(explain(reading).problem).toContain('"scim:read"')
    expect(explain({ ...reading, method: 'PATCH' }).problem).toContain('"scim:write"')
    expect(explain({ ...reading, method: 'POST', path: `${reading.path}/.search` }).problem).toContain('"scim:read"')
    const twice = { status: 409, reason: 'value-not-unique', method: 'POST' } as const
    expect(explain({ ...twice, path: '/scim/v2/a/b/Groups' }).problem).toContain('another group')
    expect(explain({ ...twice, path: '/scim/v2/a/b/Users?x=1' }).problem).toContain('another user')
  })

  test.each([
    ['userName is required', 'required-missing', 'userName'],
    ['emails[0].value must be a string', 'wrong-type', 'emails[0].value'],
    [
      'Operations[2]: "emails[type eq "work"].value" names no attribute of User',
      'patch-path-unknown',
      'emails[type eq "work"].value',
    ],
    [
      'Operations[0]: no value matches "emails[type eq "work"].value"',
      'no-value-matches',
      'emails[type eq "work"].value',
    ],
    ['Operations[0]: emails[type eq "work"].value must be a string', 'wrong-type', 'emails[type eq "work"].value'],
    ['name has no sub-attribute "nickname"', 'attribute-unknown', 'name.nickname'],
    ['"shoeSize" is not an attribute of this resource type', 'attribute-unknown', 'shoeSize'],
    [
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager must be an object',
      'text-for-object',
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager',
    ],
  ] as const)('it finds the attribute in: %s', (detail, reason, field) => {
    expect(asked(reason, { detail })).toMatchObject({ field, problem: expect.stringContaining(`"${field}"`) })
  })

  test('a log without reasons, or with one that is no more, is explained by status and scimType', () => {
    const old = { method: 'POST', path: '/scim/v2/a/b/Users' }
    expect(explain({ ...old, status: 409, scimType: 'uniqueness' })).toEqual(asked('value-not-unique'))
    expect(explain({ ...old, status: 503, reason: 'of-an-older-release' })).toEqual(asked('database-away'))
    expect(explain({ ...old, status: 599 })).toEqual(asked('fault'))
  })
})

test.each([
  ['Okta SCIM Client 1.0.0', 'okta'],
  ['OKTA SCIM Integration', 'okta'],
  ['OneLogin SCIM', 'onelogin'],
  ['JumpCloud/1.0', 'jumpcloud'],
  ['PingOne/1', 'ping'],
  ['PingFederate 12.1', 'ping'],
  ['Rippling-SCIM', 'rippling'],
  ['Keycloak-SCIM', 'keycloak'],
  ['goauthentik.io/2026.2.3 (build)', 'authentik'],
  ['Azure AD Provisioning', 'entra'],
  ['Google-Auto-Provisioning', 'google'],
  ['curl/8.5.0', undefined],
  ['shopping-cart/1.0', undefined],
  [undefined, undefined],
])('the User-Agent %s is of %s', (agent, client) => expect(clientOf(agent)).toBe(client))

test('docs/refusals.md is what the code says; -u writes it anew', async () => {
  const rows = REASONS.map((reason) => {
    const { problem, remedy } = asked(reason)
    return `| \`${reason}\` | ${problem} | ${remedy} |`
  })
  await expect(`${HEAD}\n${rows.join('\n')}\n`).toMatchFileSnapshot(join(ROOT, 'docs/refusals.md'))
})

const HEAD = `# Refusals

SCIM refuses a request with a status, often a \`scimType\`, and a \`detail\` for the client. Besides that, the gateway gives each
refusal a reason: one word, which clients do not get.

- Each [line of the log](logs-and-traces.md#lines-of-requests) about a refused request has the reason.
- The gateway explains a reason to people: what is wrong, and what to change. Where it knows the identity provider, it names the
  fields of that admin console. It knows those of Okta, Microsoft Entra ID, Google Workspace, OneLogin, JumpCloud, Ping, Rippling,
  Keycloak and authentik.

This table has the words for an identity provider that the gateway does not know.

| Reason | What is wrong | What to change |
|---|---|---|`
