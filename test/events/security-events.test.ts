import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { LoggedEvent } from '../../src/events/event.ts'
import { eventUris, type SetFormat, type Signal, securityEvents } from '../../src/events/security-events.ts'
import type { LoggedEventType } from '../../src/events/types.ts'

const { eventUris: standard } = JSON.parse(
  readFileSync(new URL('../fixtures/scim/schemas.json', import.meta.url), 'utf8'),
) as { eventUris: { values: string[] } }

const PROV = 'urn:ietf:params:scim:event:prov:'
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

function told(
  type: LoggedEventType,
  changes: object,
  { format = 'notice' as SetFormat, signals = [] as Signal[], resourceType = 'User' } = {},
) {
  const event: LoggedEvent = {
    ...{ position: 1, id: 'e', type, resourceType, resourceId: 'r', version: 7 },
    ...{ requestId: 'q', actor: 'a', occurredAt: 1_700_000_000_123, changes: JSON.stringify(changes) },
  }
  return securityEvents(event, { format, signals })
}
const uris = (...of: Parameters<typeof told>) => told(...of).map(({ uri }) => uri.replace(PROV, ''))
const payloads = (...of: Parameters<typeof told>) => told(...of).map(({ payload }) => payload)
const full = { format: 'full' as const }
const version = 'W/"7"'
const patchOp = (...Operations: object[]) => ({
  version,
  data: { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations },
})

const after = { schemas: ['u', ENTERPRISE], userName: 'ann', active: true, [ENTERPRISE]: { department: 'x' } }

describe('events in the words of RFC 9967', () => {
  test('EV-04 the URIs are those of the standard', () => {
    for (const format of ['notice', 'full'] as const)
      expect(standard.values).toEqual(expect.arrayContaining(eventUris(format)))
    const verbs = ['created', 'updated', 'activated', 'deactivated', 'deleted'] as const
    const all = verbs.flatMap((verb) => uris(`user.${verb}`, { after, changed: [{ path: 'title', after: 'x' }] }))
    for (const uri of all) expect(eventUris('notice')).toContain(PROV + uri)
  })

  test('EV-05 created: a notice has the attributes and no data, a full one the resource and no attributes', () => {
    expect(uris('user.created', { after })).toEqual(['create:notice'])
    expect(payloads('user.created', { after })).toEqual([
      { version, attributes: ['userName', 'active', `${ENTERPRISE}:department`] },
    ])
    expect(uris('user.created', { after }, full)).toEqual(['create:full'])
    expect(payloads('user.created', { after }, full)).toEqual([{ version, data: { ...after, id: 'r' } }])
  })

  test('EV-05 changed: the paths, or a PatchOp that brings about the same', () => {
    const changed = [
      { path: 'title', before: 'a', after: 'b' },
      { path: 'name.givenName', after: 'Ann' },
      { path: `${ENTERPRISE}:department`, before: 'x' },
      { path: 'active', before: true, after: null },
    ]
    expect(payloads('user.updated', { changed })).toEqual([
      { version, attributes: ['title', 'name.givenName', `${ENTERPRISE}:department`, 'active'] },
    ])
    expect(uris('user.updated', { changed }, full)).toEqual(['patch:full'])
    expect(payloads('user.updated', { changed }, full)).toEqual([
      patchOp(
        { op: 'replace', path: 'title', value: 'b' },
        { op: 'add', path: 'name.givenName', value: 'Ann' },
        { op: 'remove', path: `${ENTERPRISE}:department` },
        { op: 'remove', path: 'active' },
      ),
    ])
  })

  test('EV-10 what is never returned has its name told, in attributes, also on a full stream', () => {
    const changed = [{ path: 'password' }, { path: 'title', after: 'b' }]
    expect(payloads('user.updated', { changed })).toEqual([{ version, attributes: ['password', 'title'] }])
    expect(uris('user.updated', { changed }, full)).toEqual(['patch:full', 'patch:notice'])
    expect(payloads('user.updated', { changed }, full)).toEqual([
      patchOp({ op: 'add', path: 'title', value: 'b' }),
      { version, attributes: ['password'] },
    ])
    expect(uris('user.updated', { changed: [{ path: 'password' }] }, full)).toEqual(['patch:notice'])
  })

  test('EV-05 members come and go by PATCH, however they came', () => {
    const members = ['m1', 'm2']
    expect(payloads('group.member_added', { members })).toEqual([{ version, attributes: ['members'] }])
    expect(payloads('group.member_added', { members }, full)).toEqual([
      patchOp({ op: 'add', path: 'members', value: [{ value: 'm1' }, { value: 'm2' }] }),
    ])
    expect(payloads('group.member_removed', { members }, full)).toEqual([
      patchOp({ op: 'remove', path: 'members[value eq "m1"]' }, { op: 'remove', path: 'members[value eq "m2"]' }),
    ])
  })

  test('EV-06 EV-05 deleted: that alone, with nothing in it, and no feed:remove', () => {
    expect(uris('user.deleted', { before: after })).toEqual(['delete'])
    expect(payloads('user.deleted', { before: after }, full)).toEqual([{}])
    expect(standard.values.filter((uri) => uri.includes(':feed:'))).toHaveLength(2)
    expect([...eventUris('notice'), ...eventUris('full')].filter((uri) => uri.includes(':feed:'))).toEqual([])
  })

  test('EV-07 EV-05 active: the patch, and activate or deactivate with nothing in it', () => {
    const off = { changed: [{ path: 'active', before: true, after: false }] }
    const on = { changed: [{ path: 'active', before: false, after: true }] }
    expect(uris('user.deactivated', off)).toEqual(['patch:notice', 'deactivate'])
    expect(payloads('user.deactivated', off)).toEqual([{ version, attributes: ['active'] }, {}])
    expect(uris('user.activated', on, full)).toEqual(['patch:full', 'activate'])
    expect(payloads('user.activated', on, full)).toEqual([patchOp({ op: 'replace', path: 'active', value: true }), {}])
  })

  test('EV-17 signals come before the rest, about the person; nothing of the kind for groups or where none were asked for', () => {
    const signals: Signal[] = ['caep', 'risc']
    const off = { changed: [{ path: 'active', before: true, after: false }] }
    const caep = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
    const risc = 'https://schemas.openid.net/secevent/risc/event-type/account-disabled'
    expect(uris('user.deactivated', off, { signals })).toEqual([caep, risc, 'patch:notice', 'deactivate'])
    expect(uris('user.deleted', { before: after }, { signals })).toEqual([caep, risc, 'delete'])
    expect(uris('user.deleted', { before: after }, { signals: ['risc'] })).toEqual([risc, 'delete'])
    expect(told('user.deleted', { before: after }, { signals }).map(({ about }) => about)).toEqual([
      ...['person', 'person', 'resource'],
    ])
    expect(payloads('user.deleted', { before: after }, { signals })[0]).toEqual({
      event_timestamp: 1_700_000_000,
      initiating_entity: 'admin',
      reason_admin: { en: 'The user was deleted.' },
    })
    expect(uris('group.deleted', {}, { signals, resourceType: 'Group' })).toEqual(['delete'])
    expect(uris('user.activated', off, { signals })).toEqual([
      ...['https://schemas.openid.net/secevent/risc/event-type/account-enabled', 'patch:notice', 'activate'],
    ])
  })

  test('each has a place of its own, the same whatever else is told', () => {
    const off = { changed: [{ path: 'active', before: true, after: false }] }
    const parts = (signals: Signal[]) => told('user.deactivated', off, { signals }).map(({ part }) => part)
    expect(new Set(parts(['caep', 'risc'])).size).toBe(4)
    expect(parts(['caep', 'risc'])).toEqual(expect.arrayContaining([...parts([]), ...parts(['risc'])]))
  })

  test('what SCIM has no word for is not told', () => {
    // The last one is of a newer instance on the same database.
    const types = ['role.assigned', 'tenant.paused', 'tenant.created', 'user.renamed' as LoggedEventType] as const
    for (const type of types) expect(told(type, {})).toEqual([])
  })
})
