import { expect, test } from 'vitest'
import { baseUrlOf } from '../../src/context/base-url.ts'
import { ScimError } from '../../src/scim/errors.ts'

const request = {
  scheme: 'http',
  host: 'scim.example.com:8080',
  forwardedHost: 'evil.example',
  forwardedProto: 'https',
} as const

test.each([
  ['the Host header', request, { trustProxy: false }, 'http://scim.example.com:8080/b'],
  [
    'PUBLIC_URL wins',
    request,
    { trustProxy: true, publicUrl: 'https://id.example.com/x/' },
    'https://id.example.com/x/b',
  ],
  [
    'PUBLIC_URL wins over a Host that is none',
    { ...request, host: '<' },
    { trustProxy: false, publicUrl: 'https://id.example.com' },
    'https://id.example.com/b',
  ],
  ['a trusted proxy', { ...request, forwardedHost: 'a.example' }, { trustProxy: true }, 'https://a.example/b'],
  [
    'one trusted hop: the last value',
    { ...request, forwardedHost: 'evil.example, a.example', forwardedProto: 'http, HTTPS' },
    { trustProxy: true },
    'https://a.example/b',
  ],
  [
    'a trusted proxy that sends nothing',
    { ...request, forwardedHost: undefined, forwardedProto: undefined },
    { trustProxy: true },
    'http://scim.example.com:8080/b',
  ],
  ['IPv6', { ...request, host: '[::1]:3000' }, { trustProxy: false }, 'http://[::1]:3000/b'],
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
])('a Host header %j is refused', (host) =>
  expect(() => baseUrlOf({ ...request, host }, { trustProxy: false }, '/b')).toThrow(ScimError),
)

test('a forwarded protocol that is neither http nor https is refused', () =>
  expect(() => baseUrlOf({ ...request, forwardedProto: 'javascript' }, { trustProxy: true }, '')).toThrow(ScimError))
