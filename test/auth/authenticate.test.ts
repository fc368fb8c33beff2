import { expect, test } from 'vitest'
import { authenticate, type KeyLookup, missingPermission } from '../../src/auth/authenticate.ts'
import type { Principal } from '../../src/auth/principal.ts'

const principal: Principal = {
  keyId: 'k',
  scope: { kind: 'instance' },
  permissions: new Set(['scim:read']),
  userId: undefined,
  via: 'key',
  tokensMayMintAdminKeys: false,
  expiresAt: 1000,
}
const lookup: KeyLookup = async (token) => (token === 'good' ? principal : token === 'old' ? 'revoked' : 'unknown')

test.each(['Bearer good', 'bearer good', 'BEARER good', ' Bearer   good '])('%j is let in', async (header) =>
  expect(await authenticate(header, lookup, 999)).toEqual({ principal }),
)

test.each([undefined, '', 'Bearer', 'Bearer ', 'Basic Z29vZA==', 'good', 'Digest good'])(
  'SEC-02 without a bearer token the challenge has no error code: %j',
  async (header) =>
    expect(await authenticate(header, lookup, 0)).toMatchObject({
      challenge: { status: 401, wwwAuthenticate: 'Bearer realm="scim"' },
    }),
)

test.each([
  ['an unknown key', 'Bearer undefined', 0, /not one of ours/],
  ['a key with an encoded NUL', 'Bearer good%00', 0, /not one of ours/],
  ['an unsigned token', 'Bearer eyJhbGciOiJub25lIn0.e30.', 0, /not one of ours/],
  ['a revoked key', 'Bearer old', 0, /revoked/],
  ['an expired key', 'Bearer good', 1000, /expired/],
])('SEC-03 %s is an invalid token', async (_, header, now, detail) =>
  expect(await authenticate(header, lookup, now)).toMatchObject({
    challenge: {
      status: 401,
      wwwAuthenticate: 'Bearer realm="scim", error="invalid_token"',
      detail: expect.stringMatching(detail),
    },
  }),
)

test.each([
  ['two tokens', 'Bearer good, Bearer other'],
  ['two headers joined', 'Bearer good, Basic x'],
  ['a statement', "Bearer ' OR '1'='1"],
  ['a tab inside', 'Bearer go\tod'],
  ['letters beyond ASCII', 'Bearer göod'],
  ['more than eight kilobytes', `Bearer ${'k'.repeat(8200)}`],
])('SEC-05 %s is an invalid request', async (_, header) =>
  expect(await authenticate(header, lookup, 0)).toMatchObject({
    challenge: { status: 400, wwwAuthenticate: 'Bearer realm="scim", error="invalid_request"' },
  }),
)

test('SEC-04 a key without the permission is told which one it lacks', () => {
  expect(missingPermission(principal, 'scim:read')).toBeUndefined()
  expect(missingPermission(principal, 'scim:write')).toMatchObject({
    status: 403,
    wwwAuthenticate: 'Bearer realm="scim", error="insufficient_scope", scope="scim:write"',
  })
})
