import { expect, test } from 'vitest'
import { changedResources } from '../../src/events/changed-resources.ts'
import { ERASED_CHANGES, type LoggedEvent } from '../../src/events/event.ts'
import type { LoggedEventType } from '../../src/events/types.ts'

let position = 0
const event = (type: LoggedEventType, resourceId: string, members?: string[]): LoggedEvent => ({
  ...{
    position: ++position,
    id: `e${position}`,
    type,
    resourceId,
    version: 1,
    requestId: 'r',
    actor: 'k',
    occurredAt: 0,
  },
  resourceType: type.startsWith('group') ? 'Group' : 'User',
  changes: JSON.stringify(members ? { members } : {}),
})

test('a resource comes once, where its last event stands', () => {
  const events = [event('user.created', 'a'), event('user.created', 'b'), event('user.updated', 'a')]
  expect(changedResources(events)).toEqual([
    { type: 'User', id: 'b', members: undefined },
    { type: 'User', id: 'a', members: undefined },
  ])
})

test('of who came and went the last word counts', () => {
  const events = [
    event('group.member_added', 'g', ['a', 'b', 'c']),
    event('group.member_removed', 'g', ['b', 'd']),
    event('group.updated', 'g'),
    event('group.member_added', 'g', ['d']),
    event('group.member_removed', 'other', ['a']),
  ]
  expect(changedResources(events)).toEqual([
    { type: 'Group', id: 'g', members: { added: ['a', 'c', 'd'], removed: ['b'] } },
    { type: 'Group', id: 'other', members: { added: [], removed: ['a'] } },
  ])
})

test('who is erased is named no more', () => {
  const events = [
    event('group.member_added', 'g', ['a']),
    { ...event('group.member_removed', 'g'), changes: ERASED_CHANGES },
    { ...event('group.member_removed', 'other'), changes: ERASED_CHANGES },
  ]
  expect(changedResources(events)).toEqual([
    { type: 'Group', id: 'g', members: { added: ['a'], removed: [] } },
    { type: 'Group', id: 'other', members: undefined },
  ])
})

test('what is no resource is not among them', () => {
  const others = ['tenant.paused', 'api_key.created', 'role.assigned', 'brake.engaged'] as const
  expect(changedResources([...others.map((type) => event(type, type)), event('device.created', 'd')])).toMatchObject([
    { id: 'd' },
  ])
})
