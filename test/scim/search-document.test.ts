import { expect, test } from 'vitest'
import type { JsonObject } from '../../src/scim/resource.ts'
import { searchDocument, searchElement } from '../../src/scim/search-document.ts'
import { attribute, BADGE, ENTERPRISE, user } from './filter/types.ts'

test('holds values in comparable form, nested and spelled as in the schema', () => {
  const resource: JsonObject = {
    schemas: [user.schema.id],
    id: 'Ua1',
    externalId: 'Ext',
    userName: 'BJensen',
    name: { givenName: 'Zoë' },
    active: false,
    emails: [{ value: 'A@x', type: 'Work', primary: true }, { value: 'b@x' }],
    profileUrl: 'https://X',
    [ENTERPRISE]: { manager: { value: 'U9', $ref: 'Users/U9' } },
    [BADGE]: {
      badgeNumber: 0,
      clearance: 1.5,
      issuedAt: '1970-01-01T00:00:00.25Z',
      tags: ['Red'],
      desks: [{ floor: 3 }],
    },
    meta: { resourceType: 'User', created: '1970-01-01T01:00:00+01:00', version: 'W/"1"' },
  }
  expect(searchDocument(user, resource)).toEqual({
    schemas: [user.schema.id],
    id: 'Ua1',
    externalId: 'Ext',
    userName: 'bjensen',
    name: { givenName: 'zoë' },
    active: false,
    emails: [{ value: 'a@x', type: 'work', primary: true }, { value: 'b@x' }],
    profileUrl: 'https://X',
    [ENTERPRISE]: { manager: { value: 'U9', $ref: 'Users/U9' } },
    [BADGE]: { badgeNumber: 0, clearance: 1.5, issuedAt: 250_000, tags: ['red'], desks: [{ floor: 3 }] },
    meta: { resourceType: 'User', created: 0, version: 'W/"1"' },
  })
})

test('Q-18 leaves out what counts as no value', () => {
  const nothing: JsonObject = {
    nickName: '',
    title: null,
    name: { givenName: '', familyName: null },
    emails: [],
    roles: [{}, { value: '' }, null],
    [ENTERPRISE]: { manager: {} },
    [BADGE]: { tags: ['', null], desks: [] },
  }
  expect(searchDocument(user, nothing)).toEqual({})
  expect(searchDocument(user, { emails: [{ value: '' }, { value: 'x', display: '' }] })).toEqual({
    emails: [{ value: 'x' }],
  })
})

test('Q-25 leaves out secrets and what the schema does not know', () => {
  const resource = JSON.parse(
    `{"userName":"a","password":"s","unknown":"x","__proto__":{"title":"x"},"constructor":"x","emails":[{"value":"v","unknown":"x"}],
      "urn:unknown":{"a":"b"},"${BADGE}":{"pin":"1","notes":"n","__proto__":{"serial":"x"}}}`,
  )
  const document = searchDocument(user, resource)
  expect(document).toEqual({ userName: 'a', emails: [{ value: 'v' }], [BADGE]: { notes: 'n' } })
  expect(Object.getPrototypeOf(document)).toBe(Object.prototype)
})

test('leaves out values that do not fit their type', () => {
  const misfits: JsonObject = {
    userName: 5,
    active: 'true',
    emails: { value: 'x' },
    name: 'x',
    meta: { created: 'yesterday' },
    [BADGE]: [],
  }
  expect(searchDocument(user, misfits)).toEqual({})
})

test('searchElement gives one value as it stands in the document', () => {
  const desks = attribute({ name: 'desks', type: 'complex', multiValued: true, subAttributes: [{ name: 'value' }] })
  expect(searchElement(desks, { value: 'D1' })).toEqual({ value: 'd1' })
  expect(searchElement(desks, {})).toBeUndefined()
  expect(searchElement(attribute({ name: 'tags', multiValued: true }), 'Red')).toBe('red')
})
