import { describe, expect, test } from 'vitest'
import { queryWithoutSecrets, withoutKeys, withoutSecrets } from '../../src/request-log/secrets.ts'
import { readDefinition, registryInput } from '../../src/scim/schema/definitions.ts'
import { buildRegistry, builtInRegistry } from '../../src/scim/schema/registry.ts'

const SECRET = 's3cr3t-value'
const without = (text: string, whole?: boolean) => withoutSecrets(text, builtInRegistry, whole)

describe('nothing secret is left in what is stored', () => {
  test.each([
    `{"userName":"a","password":"${SECRET}"}`,
    `{"PassWord":"${SECRET}"}`,
    `{"pass\\u0077ord":"${SECRET}"}`,
    `{"urn:ietf:params:scim:schemas:core:2.0:User:password":"${SECRET}"}`,
    `{"Operations":[{"op":"add","value":"${SECRET}","path":"password"}]}`,
    `{"Operations":[{"op":"add","path":"urn:x:User:password","Value":"${SECRET}"}]}`,
    `{"Operations":[{"op":"add","value":{"password":"${SECRET}"}}]}`,
    `{"Operations":[{"data":{"password":"${SECRET}"}}]}`,
    `{"filter":"password eq \\"${SECRET}\\""}`,
    `{"Operations":[{"path":"x[password eq \\"${SECRET}\\"]"}]}`,
    `{"client_secret":"${SECRET}","accessToken":"${SECRET}","apiKey":["${SECRET}"],"Authorization":{"a":"${SECRET}"}}`,
  ])('%s', (text) => {
    const kept = without(text)
    expect(kept).toBeDefined()
    expect(kept).not.toContain(SECRET)
    expect(() => JSON.parse(kept ?? '')).not.toThrow()
  })

  test.each([`{"password":"${SECRET}"`, `password=${SECRET}`, `{"password":"${SECRET}"}]`])(
    'what cannot be read is left out as a whole: %s',
    (text) => {
      expect(without(text)).toBeUndefined()
    },
  )

  test('the beginning of a longer text is left out where it may have one', () => {
    expect(without(`{"password":"${SECRET}`, false)).toBeUndefined()
    expect(without('{"userName":"a', false)).toBe('{"userName":"a')
  })

  test('a text without any is the same text', () => {
    const text = '{"userName": "ada\\u00fc",  "title":"x"}'
    expect(without(text)).toBe(text)
  })

  test('attributes that a schema of the tenant never returns are secret too', () => {
    const urn = 'urn:example:schemas:extension:Door'
    const attributes = [{ name: 'doorCode', returned: 'never' }, { name: 'doorCodes' }]
    const definition = readDefinition('extension', { schema: { id: urn, attributes }, resourceType: 'User' })
    const registry = buildRegistry(registryInput([definition]))
    const kept = withoutSecrets(`{"${urn}":{"doorCode":"${SECRET}","doorCodes":"kept"}}`, registry)
    expect(kept).not.toContain(SECRET)
    expect(kept).toContain('kept')
  })

  test('of a query the parameters of SCIM, and of others the name', () => {
    const of = (query: string) => queryWithoutSecrets(query, builtInRegistry)
    expect(of('filter=userName%20eq%20%22a%22&count=2')).toBe('filter=userName%20eq%20%22a%22&count=2')
    expect(of(`access_token=${SECRET}&x=${SECRET}`)).toBe('access_token=…&x=…')
    expect(of(`filter=password+eq+%22${SECRET}%22`)).toBe('filter=…')
    expect(of(`filter=%70assword+eq+%22${SECRET}%22`)).toBe('filter=…')
  })

  test('keys and tokens are taken out of any text', () => {
    expect(withoutKeys(`x rck_aaaaaaaaaaaa_${'b'.repeat(38)} y`)).toBe('x (left out) y')
    expect(withoutKeys('Bearer abcdefghijk.lmn')).toBe('(left out)')
    expect(withoutKeys('eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.sig')).toBe('(left out)')
    expect(withoutKeys('a bearer of bad news')).toBe('a bearer of bad news')
  })
})
