import { expect, test } from 'vitest'
import { type Tuple, tuplesOf } from '../../examples/permissions/openfga.ts'
import { permitCallsOf } from '../../examples/permissions/permit.ts'
import { exampleOf } from '../../src/events/catalogue/index.ts'
import { EVENT_TYPES, type EventType } from '../../src/events/types.ts'
import type { RollcallEvent } from '../../src/receiver/events.ts'

const eventOf = (type: EventType) => exampleOf(type) as unknown as RollcallEvent
const [TENANT, ADA] = ['01a22283-c767-71f2-b005-8fd9a64a2f4e', '01a22283-c806-7382-bdbd-12f707b6845b']

test('tuples of OpenFGA: what a group or a role gives is taken away again to the letter', () => {
  const held = new Map<string, Tuple>()
  const keyOf = ({ user, relation, object }: Tuple) => `${user} ${relation} ${object}`
  const follow = (type: EventType) => {
    const { writes, deletes } = tuplesOf(eventOf(type))
    for (const tuple of deletes) expect(held.delete(keyOf(tuple)), type).toBe(true)
    for (const tuple of writes) held.set(keyOf(tuple), tuple)
  }
  follow('group.member_added')
  follow('role.assigned')
  expect(held.size).toBe(3)
  expect([...held.values()]).toContainEqual({
    user: `user:${TENANT}/${ADA}`,
    relation: 'member',
    object: `role:${TENANT}/seller`,
  })
  follow('group.member_removed')
  follow('role.unassigned')
  expect(held.size).toBe(1)
})

test('calls of Permit.io: a user, and roles in the tenant of the customer', () => {
  const calls = (type: EventType) => permitCallsOf(eventOf(type), '/v2/facts/p/e')
  expect(calls('user.created')).toEqual([
    {
      ...{ method: 'PUT', path: `/v2/facts/p/e/users/${ADA}` },
      body: { key: ADA, email: 'ada@acme.example', first_name: 'Ada', last_name: 'Lovelace' },
    },
  ])
  const body = { user: ADA, role: 'seller', tenant: TENANT }
  expect(calls('role.assigned')).toEqual([{ method: 'POST', path: '/v2/facts/p/e/role_assignments', body }])
  expect(calls('role.unassigned')).toEqual([{ method: 'DELETE', path: '/v2/facts/p/e/role_assignments', body }])
  expect(calls('user.deleted')).toEqual([{ method: 'DELETE', path: `/v2/facts/p/e/users/${ADA}`, body: undefined }])
})

test('every other event changes nothing', () => {
  const others = EVENT_TYPES.filter((type) => !/^(?:user\.(?:created|deleted)|group\.member_|role\.)/.test(type))
  for (const type of others) {
    expect(tuplesOf(eventOf(type))).toEqual({ writes: [], deletes: [] })
    expect(permitCallsOf(eventOf(type), '/v2')).toEqual([])
  }
})
