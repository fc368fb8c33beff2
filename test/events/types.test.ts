import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  EVENT_TYPE_LIST,
  type EventType,
  LEAVER_TYPES,
  type LoggedEventType,
  type ResourceVerb,
  resourceVerb,
} from '../../src/events/types.ts'
import { appendEvents, typesSql } from '../../src/repositories/sql/append-events.ts'

// `npm run check` holds what stands here under @ts-expect-error: it fails where the line below compiles.

const columns = {
  ...{ tenant: 't', resourceType: 'r', resourceId: 'i', version: 'v', requestId: 'q', actor: 'a', changes: 'c' },
}

test('a type that is none does not compile', () => {
  // @ts-expect-error: misspelt
  const misspelt: EventType = 'user.delted'
  // @ts-expect-error: a built-in resource has no such event
  const unknown: LoggedEventType = 'group.activated'
  // A type of a newer instance on the same database is read all the same, and says nothing of a resource.
  expect([misspelt, unknown].map((type) => LEAVER_TYPES.includes(type as EventType))).toEqual([false, false])
  expect(resourceVerb('user.delted' as LoggedEventType)).toBeUndefined()
  expect(resourceVerb('user.toString' as LoggedEventType)).toBeUndefined()
})

test('a registered resource type has events of its own', () => {
  const types: LoggedEventType[] = ['device.created', 'device.updated', 'device.deleted']
  expect(types.map(resourceVerb)).toEqual(['created', 'updated', 'deleted'])
})

test('what has to know every verb of a resource does not compile without one', () => {
  const most = { created: 1, updated: 1, activated: 1, deactivated: 1, deleted: 1, member_added: 1 }
  // @ts-expect-error: member_removed and sessions_revoked are missing
  const all: Readonly<Record<ResourceVerb, number>> = most
  const told = EVENT_TYPE_LIST.matchAll(/^- `(?:user|group)\.(\w+)`/gm)
  expect(new Set([...Object.keys(all), 'member_removed', 'sessions_revoked'])).toEqual(
    new Set([...told].map(([, verb]) => verb)),
  )
})

test('SQL names types that there are', () => {
  // @ts-expect-error: misspelt
  const misspelt = typesSql('group.deleted', 'user.delted')
  expect(misspelt).toBe(`('group.deleted', 'user.delted')`)
  // @ts-expect-error: an expression of SQL is marked as one
  expect(appendEvents({ ...columns, type: 'e.type' })).toContain(`select t, 'e.type', r`)
  expect(appendEvents({ ...columns, type: { sql: 'e.type' } })).toContain('select t, e.type, r')
  expect(appendEvents({ ...columns, type: 'user.deleted' })).toContain(`select t, 'user.deleted', r`)
})

test('one file appends events', () => {
  const folder = join(import.meta.dirname, '../../src')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file))
  const appending = files.filter((file) => /insert\s+into\s+events\s*\(/.test(readFileSync(join(folder, file), 'utf8')))
  expect(appending).toEqual(['repositories/sql/append-events.ts'])
})

test('people leave by these events, and by no others', () => {
  // In this order: the index on leavers is made of it.
  expect(LEAVER_TYPES).toEqual([
    ...['user.deactivated', 'user.deleted', 'group.deleted', 'group.member_removed', 'role.unassigned'],
  ])
})
