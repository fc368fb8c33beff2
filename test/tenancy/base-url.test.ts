import { describe, expect, test } from 'vitest'
import { ScimError } from '../../src/scim/errors.ts'
import { baseUrlOf, hasOneIssuer, issuerFor, requireIssuer } from '../../src/tenancy/base-url.ts'

const request = {
  scheme: 'http',
  host: 'scim.example.com:8080',
  forwardedHost: undefined,
  forwardedProto: undefined,
  localPort: undefined,
} as const
const forwarded = { ...request, forwardedHost: 'a.example', forwardedProto: 'https' }
const policy = { host: '0.0.0.0', port: 8080, trustProxy: { kind: 'none' } } as const
const one = { ...policy, publicUrl: 'https://id.example.com' }
const two = { ...one, otherPublicUrls: ['https://b.example:8443', 'http://id.example.com'] }

test.each([
  ['the Host header', request, policy, 'http://scim.example.com:8080/b'],
  ['PUBLIC_URL wins', forwarded, { ...policy, publicUrl: 'https://id.example.com/x/' }, 'https://id.example.com/x/b'],
  ['PUBLIC_URL wins over a Host that is none', { ...request, host: '<' }, one, 'https://id.example.com/b'],
  ['a trusted proxy', forwarded, policy, 'https://a.example/b'],
  [
    'the last value, which is certain to be a proxy’s own',
    { ...request, forwardedHost: 'evil.example, a.example', forwardedProto: 'http, HTTPS' },
    policy,
    'https://a.example/b',
  ],
  ['IPv6', { ...request, host: '[::1]:3000' }, policy, 'http://[::1]:3000/b'],
  [
    'of several, the one by which the request came',
    { ...request, host: 'b.example:8443' },
    two,
    'https://b.example:8443/b',
  ],
  ['of several, the first where it came by none', request, two, 'https://id.example.com/b'],
])('TEN-08 base URL: %s', (_, origin, policy, url) => expect(baseUrlOf(origin, policy, '/b')).toBe(url))

test.each([
  undefined,
  '',
  'a b',
  'a/b',
  'a@b',
  'a:0',
  'a:65536',
  'a:x',
  '-a',
  '[::1',
  'a"b',
  'ä',
  'a\r\nb',
  'x'.repeat(300),
])('a Host header %j is refused', (host) => {
  expect(() => baseUrlOf({ ...request, host }, policy, '/b')).toThrow(ScimError)
  expect(issuerFor({ ...request, host }, two)).toBeUndefined()
})

test('a forwarded protocol that is neither http nor https is refused', () =>
  expect(() => baseUrlOf({ ...request, forwardedProto: 'javascript' }, policy, '')).toThrow(ScimError))

describe('SEC-10 the issuer', () => {
  test.each([
    ['is the one public URL, whatever the request says', { ...forwarded, host: 'evil.example' }, one, one.publicUrl],
    [
      'is the listed origin by which the request came',
      { ...request, host: 'B.example:8443' },
      two,
      'https://b.example:8443',
    ],
    ['is that of its scheme', { ...request, host: 'id.example.com' }, two, 'http://id.example.com'],
    [
      'is that of the scheme that a proxy tells',
      { ...request, host: 'id.example.com:443', forwardedProto: 'https' },
      two,
      'https://id.example.com',
    ],
    [
      'uses the host where no proxy tells the scheme',
      { ...request, host: 'b.example:8443' },
      two,
      'https://b.example:8443',
    ],
    ['is unknown for a host that is not listed', request, two, undefined],
    ['is unknown for another port', { ...request, host: 'b.example' }, two, undefined],
    ['is unknown without a public URL', request, policy, undefined],
    ['is unknown, whatever a proxy says', forwarded, policy, undefined],
    ['is unknown for a name of ours on a public address', { ...request, host: 'localhost:8080' }, policy, undefined],
  ] as const)('%s', (_, origin, policy, issuer) => expect(issuerFor(origin, policy)).toBe(issuer))

  test('on the loopback address is that, by the port that is listened on', () => {
    const laptop = { ...policy, host: '127.0.0.1', port: 0 }
    const came = (host: string) => issuerFor({ ...request, host, localPort: 5000 }, laptop)
    for (const host of ['localhost:5000', '127.0.0.1:5000', '[::1]:5000']) expect(came(host)).toBe(`http://${host}`)
    for (const host of ['localhost:5001', 'localhost', '127.0.0.2:5000', 'evil.example:5000', 'evil.example'])
      expect(came(host), host).toBeUndefined()
    expect(issuerFor({ ...request, host: 'localhost:8080' }, { ...laptop, port: 8080 })).toBe('http://localhost:8080')
  })

  test('is refused in words where it is unknown', () => {
    expect(() => requireIssuer(request, policy)).toThrow(
      'The request is for the host scim.example.com:8080, and no PUBLIC_URL says that this is who we are: set PUBLIC_URL to the address that clients use.',
    )
    expect(() => requireIssuer({ ...request, host: '"><' }, two)).toThrow(
      /^The request names no host, which PUBLIC_URL/,
    )
  })

  test('may be kept by others where there is one alone', () =>
    expect([policy, one, two].map(hasOneIssuer)).toEqual([false, true, false]))
})
