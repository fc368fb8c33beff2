import { expect, test } from 'vitest'
import { describeClient } from '../../src/network/user-agent.ts'

test.each([
  ['Okta SCIM Client 1.0.0', 'Okta SCIM Client 1.0.0'],
  ['  a\u0000b\r\nc\u001b[31m ', 'a b c [31m'],
  ['\u00e9\u202e\u0085', null],
  ['', null],
  [undefined, null],
  ['x'.repeat(10_000), 'x'.repeat(200)],
])('SEC-12 a User-Agent is stored printable and short: %j', (sent, stored) => expect(describeClient(sent)).toBe(stored))
