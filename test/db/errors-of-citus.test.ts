import { expect, test } from 'vitest'
import { sqlState } from '../../src/db/errors.ts'

// As Citus 13.2 gives them.
test.each([
  [
    '23505',
    'duplicate key value violates unique constraint "resources_unique_key_102036"',
    { code: '23505', constraint: 'resources_unique_key' },
  ],
  [
    'XX000',
    'duplicate key value violates unique constraint "resource_keys_pk_102044"',
    { code: '23505', constraint: 'resource_keys_pk' },
  ],
  [
    'XX000',
    'insert or update on table "memberships_102047" violates foreign key constraint "memberships_member_resource_102047"',
    { code: '23503', constraint: 'memberships_member_resource' },
  ],
  ['XX000', 'cache lookup failed for relation 102047', { code: 'XX000', constraint: undefined }],
])('what another machine refuses with %s and "%s" is known by its constraint', (code, message, state) => {
  expect(sqlState(Object.assign(new Error(message), { code }))).toEqual(state)
})
