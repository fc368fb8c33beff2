import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { keyProblem, keyWarnings, locate, type ScimPath, withoutTenant } from '../../src/tenancy/scim-path.ts'

const located = (path: string): ScimPath => {
  const result = locate(path)
  if ('refused' in result) throw new Error(`refused: ${result.detail}`)
  return result
}

describe('TEN-01 the three base URLs', () => {
  test.each([
    ['/scim/v2/acme/prod/Users', 'legacy', undefined, ['Users'], '/scim/v2/acme/prod', ''],
    ['/scim/v2/acme/prod', 'legacy', undefined, [], '/scim/v2/acme/prod', ''],
    ['/scim/v2/acme/prod/', 'legacy', undefined, [], '/scim/v2/acme/prod', ''],
    ['/scim/v2/acme/prod/Users/?a=b?c', 'legacy', undefined, ['Users'], '/scim/v2/acme/prod', 'a=b?c'],
    ['/scim/v2/acme/prod/.search', 'legacy', undefined, ['.search'], '/scim/v2/acme/prod', ''],
    ['/scim/v2/acme/prod/globex/Users', 'legacy', undefined, ['globex', 'Users'], '/scim/v2/acme/prod', ''],
    ['/scim/v2/acme/prod/v2', 'default', undefined, [], '/scim/v2/acme/prod/v2', ''],
    ['/scim/v2/acme/prod/v2/', 'default', undefined, [], '/scim/v2/acme/prod/v2', ''],
    ['/scim/v2/acme/prod/v2/Users/1', 'default', undefined, ['Users', '1'], '/scim/v2/acme/prod/v2', ''],
    ['/scim/v2/acme/prod/v2/users', 'default', undefined, ['users'], '/scim/v2/acme/prod/v2', ''],
    ['/scim/v2/acme/prod/v2/%55sers', 'default', undefined, ['Users'], '/scim/v2/acme/prod/v2', ''],
    ['/scim/v2/acme/prod/v2/.search', 'default', undefined, ['.search'], '/scim/v2/acme/prod/v2', ''],
    ['/scim/v2/acme/prod/v2/v2/Users', 'default', undefined, ['v2', 'Users'], '/scim/v2/acme/prod/v2', ''],
    ['/scim/v2/acme/prod/v2/globex/Groups', 'tenant', 'globex', ['Groups'], '/scim/v2/acme/prod/v2/globex', ''],
    ['/scim/v2/acme/prod/v2/globex', 'tenant', 'globex', [], '/scim/v2/acme/prod/v2/globex', ''],
    ['/scim/v2/acme/prod/v2/gl%6Fbex/Me', 'tenant', 'globex', ['Me'], '/scim/v2/acme/prod/v2/gl%6Fbex', ''],
    ['/scim/v2/ACME/Prod/v2/v9/Users', 'tenant', 'v9', ['Users'], '/scim/v2/ACME/Prod/v2/v9', ''],
  ])('%s', (path, form, tenant, rest, basePath, query) => {
    const found = located(path)
    expect(found).toMatchObject({ form, tenant, rest, basePath, query })
  })

  test('H-09 schema URNs and ids work plain and encoded', () => {
    const urn = 'urn:ietf:params:scim:schemas:core:2.0:User'
    expect(located(`/scim/v2/a/b/Schemas/${urn}`).rest).toEqual(['Schemas', urn])
    expect(located(`/scim/v2/a/b/Schemas/${encodeURIComponent(urn)}`).rest).toEqual(['Schemas', urn])
  })

  test('a resource type that is no tenant is read as an endpoint of the default tenant', () => {
    expect(withoutTenant(located('/scim/v2/acme/prod/v2/Devices/7?x=1'))).toEqual({
      project: 'acme',
      environment: 'prod',
      form: 'default',
      tenant: undefined,
      rest: ['Devices', '7'],
      basePath: '/scim/v2/acme/prod/v2',
      doubledSlash: false,
      query: 'x=1',
    })
  })
})

test.each([
  ['/scim/v2/acme/prod//Users', { form: 'legacy', basePath: '/scim/v2/acme/prod', rest: ['Users'] }],
  ['/scim/v2/acme/prod//', { form: 'legacy', basePath: '/scim/v2/acme/prod', rest: [] }],
  ['/scim/v2/acme/prod/v2//Devices', { form: 'default', basePath: '/scim/v2/acme/prod/v2', rest: ['Devices'] }],
  ['/scim/v2/acme/prod/v2/t1//Users/7', { form: 'tenant', basePath: '/scim/v2/acme/prod/v2/t1', rest: ['Users', '7'] }],
])('TEN-08 a doubled slash behind the base is told of: %s', (text, expected) => {
  expect(located(text)).toMatchObject({ ...expected, doubledSlash: true })
})

test.each([
  ['an empty segment below an endpoint', '/scim/v2/acme/prod/Users//1', 404],
  ['two empty segments', '/scim/v2/acme/prod///Users', 404],
  ['an empty segment inside the base', '/scim/v2/acme//prod/Users', 404],
  ['two slashes at the end', '/scim/v2/acme/prod/Users//', 404],
  ['two slashes at the start', '//scim/v2/acme/prod/Users', 404],
  ['an empty project', '/scim/v2//prod/Users', 404],
  ['a dot segment', '/scim/v2/acme/prod/./Users', 404],
  ['a parent segment', '/scim/v2/acme/prod/Groups/../Users', 404],
  ['an encoded parent segment', '/scim/v2/acme/prod/Groups/%2e%2E/Users', 404],
  ['a half-encoded parent segment', '/scim/v2/acme/prod/Groups/.%2e/Users', 404],
  ['a parent segment as tenant', '/scim/v2/acme/prod/v2/../Users', 404],
  ['an encoded slash', '/scim/v2/acme/prod/Users%2F1', 404],
  ['an encoded backslash', '/scim/v2/acme/prod/Users%5c1', 404],
  ['a backslash', '/scim/v2/acme/prod/Groups\\..\\Users', 400],
  ['a fragment', '/scim/v2/acme/prod/Users#x', 400],
  ['a tab', '/scim/v2/acme/prod/Us\ters', 400],
  ['a raw letter beyond ASCII', '/scim/v2/acme/prod/ténant', 400],
  ['an encoded NUL', '/scim/v2/acme/prod/Users/1%00', 404],
  ['a lone percent sign', '/scim/v2/acme/prod/Users/%', 400],
  ['bytes that are no UTF-8', '/scim/v2/acme/prod/Users/%ff%fe', 400],
  ['an overlong slash', '/scim/v2/acme/prod/Users/%c0%af', 400],
  ['no environment', '/scim/v2/acme', 404],
  ['nothing', '/', 404],
  ['no slash at the start', 'scim/v2/acme/prod/Users', 400],
  ['a whole URL', 'http://localhost/scim/v2/acme/prod/Users', 400],
  ['another letter case', '/SCIM/v2/acme/prod/Users', 404],
  ['an encoded prefix', '/%73cim/v2/acme/prod/Users', 404],
])('SEC nothing slips past: %s is refused', (_, path, status) => {
  expect(locate(path)).toMatchObject({ refused: status })
})

test.each([
  '/scim/v9/acme/prod/Users',
  '/scim/v1',
  '/scim/v2/acme/prod/v9/Users',
  '/scim/v2/acme/prod/V2/Users',
  '/scim/V2/a/b',
])('H-07 another version is refused: %s', (path) =>
  expect(locate(path)).toMatchObject({ refused: 400, scimType: 'invalidVers' }),
)

const segment = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '',
    'v2',
    'Users',
    'USERS',
    '.search',
    '%2e%2e',
    '%2F',
    '%',
    '%00',
    'a;b=c',
    '\\',
    '#',
    'a b',
    'ü',
  ),
  fc.string({ maxLength: 8 }),
)
const path = fc.array(segment, { maxLength: 7 }).map((segments) => `/scim/v2/${segments.join('/')}`)

test('SEC no segment below the base can be read as another path', () => {
  fc.assert(
    fc.property(path, (text) => {
      const result = locate(text)
      if ('refused' in result) return
      for (const part of [result.project, result.environment, result.tenant ?? 'x', ...result.rest]) {
        expect(part).not.toMatch(/[/\\]|\p{Cc}|^\.{0,2}$/u)
      }
    }),
    { numRuns: 3000 },
  )
})

test('SEC what is located is the path that a URL parser sees, so guard and router agree', () => {
  fc.assert(
    fc.property(path, (text) => {
      const result = locate(text)
      if ('refused' in result) return
      const parsed = new URL(text, 'http://host').pathname.replace(/\/$/, '').split('/').map(decodeURIComponent)
      const doubled = result.doubledSlash ? [''] : []
      const ours = [...result.basePath.split('/').map(decodeURIComponent), ...doubled, ...result.rest]
      expect(ours).toEqual(parsed)
    }),
    { numRuns: 3000 },
  )
})

test('TEN-08 every address made of keys is located, and its base is spelled as the client spelled it', () => {
  const key = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,12}$/).filter((text) => keyProblem(text) === undefined)
  fc.assert(
    fc.property(key, key, key, (p, e, t) => {
      expect(located(`/scim/v2/${p}/${e}/v2/${t}/Users`)).toMatchObject({
        project: p,
        environment: e,
        tenant: t,
        basePath: `/scim/v2/${p}/${e}/v2/${t}`,
      })
      expect(located(`/scim/v2/${p}/${e}/v2/Users`)).toMatchObject({ form: 'default', rest: ['Users'] })
      expect(located(`/scim/v2/${p}/${e}/Users`)).toMatchObject({ form: 'legacy', rest: ['Users'] })
    }),
  )
})

describe('keys', () => {
  test.each(['a', '0', 'Acme-1.eu_west', 'v3', 'default', 'x'.repeat(64)])('%s is one', (key) =>
    expect(keyProblem(key)).toBeUndefined(),
  )
  test.each([
    '',
    '-a',
    '_a',
    '.a',
    '..',
    'a b',
    'a/b',
    'ü',
    'a\n',
    'x'.repeat(65),
    '__proto__',
    'Users',
    'users',
    'GROUPS',
    'Me',
    'Bulk',
    'Schemas',
    'ResourceTypes',
    'ServiceProviderConfig',
    'v2',
    'V2',
    '01890a5d-ac96-774b-bcce-b302099a8057',
    '01890A5D-AC96-774B-BCCE-B302099A8057',
  ])('%j is none', (key) => expect(keyProblem(key)).toBeTypeOf('string'))

  test('an underscore draws a warning, because of Okta', () => {
    expect(keyWarnings('a_b')).toEqual([expect.stringContaining('Okta')])
    expect(keyWarnings('a-b')).toEqual([])
  })
})
