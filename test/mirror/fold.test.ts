import { describe, expect, test } from 'vitest'
import { ERASED_TEXT } from '../../src/erasure/erased-json.ts'
import { effectsOf, portionsOf } from '../../src/mirror/fold.ts'
import type { FeedEvent } from '../../src/mirror/gateway.ts'
import { jsonOf } from '../../src/mirror/rows.ts'

const NOBODY = new Map()
const event = (position: number, type: string, rest: object = {}): FeedEvent => ({
  ...{ position, type, tenant: 't', time: `2026-01-01T00:00:0${position % 10}Z`, changes: {}, snapshot: null },
  ...{ resource: { type: type.startsWith('user') ? 'User' : type.startsWith('group') ? 'Group' : 'Role', id: 'r' } },
  ...rest,
})
const known = (position: number | null, isGone = false) => new Map([['t', { id: 't', position, isGone }]])

describe('what events come to', () => {
  test('events that are known are passed over, and a gap has the snapshot read', () => {
    const events = [event(4, 'user.updated'), event(5, 'user.updated')]
    const outcome = (before: Parameters<typeof effectsOf>[1]) => {
      const { events: count, tenants } = effectsOf(events, before)
      return [count, tenants[0]?.position, tenants[0]?.toRead]
    }
    expect(outcome(known(5))).toEqual([0, undefined, undefined])
    expect(outcome(known(4))).toEqual([1, 5, false])
    expect(outcome(known(3))).toEqual([2, 5, false])
    expect(outcome(known(2))).toEqual([2, 5, true])
    // After a snapshot any event may follow; a tenant that is not known or was gone begins with its first one.
    expect(outcome(known(null))).toEqual([2, 5, false])
    expect(outcome(NOBODY)).toEqual([2, 5, true])
    expect(outcome(known(3, true))).toEqual([2, 5, true])
    expect(effectsOf([event(1, 'user.created')], NOBODY).tenants[0]?.toRead).toBe(false)
    expect(effectsOf([event(1, 'mapping.changed')], NOBODY).tenants[0]?.toRead).toBe(true)
  })

  test('of each member and each role the last event counts', () => {
    const { joined, left, given, taken } = effectsOf(
      [
        event(1, 'group.member_added', { changes: { members: ['a', 'b'] } }),
        event(2, 'group.member_removed', { changes: { members: ['b', 'c'] } }),
        event(3, 'role.assigned', { changes: { role: 'x', users: ['a', 'b'] } }),
        event(4, 'role.unassigned', { changes: { role: 'x', users: ['a'] } }),
      ],
      NOBODY,
    )
    expect([joined, left].map((rows) => rows.map(({ member }) => member))).toEqual([['a'], ['b', 'c']])
    expect([given, taken].map((rows) => rows.map(({ user_id }) => user_id))).toEqual([['b'], ['a']])
  })

  test('what is told of an erased person is passed over: nothing of it is taken, and nobody else is lost', () => {
    const erased = (position: number, type: string, rest: object = {}) =>
      event(position, type, { erased: true, ...rest })
    const effects = effectsOf(
      [
        erased(4, 'user.created'),
        erased(5, 'account.linked'),
        erased(6, 'group.member_added', { snapshot: { version: 1, attributes: { displayName: 'Staff' } } }),
        event(7, 'group.member_added', { changes: { members: ['a', ERASED_TEXT] } }),
        erased(8, 'role.assigned'),
        erased(9, 'user.deleted'),
      ],
      known(3),
    )
    expect(effects.tenants).toMatchObject([{ position: 9, toRead: false }])
    expect([effects.users, effects.usersGone]).toEqual([[], [{ tenant_id: 't', id: 'r' }]])
    expect([effects.accounts, effects.given, effects.taken, effects.left]).toEqual([[], [], [], []])
    expect(effects.joined.map(({ member }) => member)).toEqual(['a'])
    // Whom a group has lost is not told: the snapshot is read, once.
    const lost = effectsOf([erased(4, 'group.member_removed')], known(3))
    expect([lost.tenants[0]?.toRead, lost.left]).toEqual([true, []])
    expect(effectsOf([event(5, 'group.updated')], known(4)).tenants[0]?.toRead).toBe(false)
  })

  test('a page is written in portions, by how many people it is about', () => {
    const large = event(1, 'group.member_added', {
      changes: { members: Array.from({ length: 12_000 }, (_, i) => `${i}`) },
    })
    expect(portionsOf([event(1, 'user.created'), large, large]).map((some) => some.length)).toEqual([2, 1])
    expect(portionsOf([])).toEqual([])
  })

  test('text that PostgreSQL takes in no text is replaced, and other text stays', () => {
    expect(JSON.parse(jsonOf([{ text: 'a\0b', half: 'x\ud800y', whole: '😀 \\u0000' }]))).toEqual([
      { text: 'a\ufffdb', half: 'x\ufffdy', whole: '😀 \\u0000' },
    ])
    expect(jsonOf([{ text: 'é😀' }])).toBe('[{"text":"é😀"}]')
  })
})
