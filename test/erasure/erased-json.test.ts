import { describe, expect, test } from 'vitest'
import { eraserOf } from '../../src/erasure/erased-json.ts'
import { signsOf, someone, withAttributes, withChanges } from '../../src/erasure/person.ts'
import { USER_SCHEMA } from '../../src/scim/urn.ts'

const ID = '01a22283-c806-7382-bdbd-12f707b6845b'
const BOB = '01a22283-d1f4-7a52-9c1e-5b0e6f1d2c3a'
const ada = withAttributes(someone(ID, 0), {
  ...{ userName: 'Ada@acme.example', externalId: '7', displayName: 'Ada Byron' },
  ...{ name: { givenName: 'Ada', familyName: 'Byron' }, emails: [{ value: 'ada@home.example' }] },
})
const { value, text, json } = eraserOf(ada)

describe('An object about the person', () => {
  test('keeps the id and what the protocol says, and nothing else', () => {
    expect(value({ id: ID, name: { familyName: 'Byron' }, title: 'Countess' })).toEqual({ id: ID, erased: true })
    expect(value({ method: 'PATCH', path: `/Users/${ID}`, data: { any: 'thing' }, bulkId: 'ada' })).toEqual({
      ...{ method: 'PATCH', path: `/Users/${ID}`, erased: true },
    })
    expect(value({ userName: 'ADA@acme.example', title: 'Countess' })).toEqual({ erased: true })
    expect(value({ emails: [{ value: 'bob@acme.example' }, { value: 'ada@home.example' }], title: 'x' })).toEqual({
      erased: true,
    })
  })

  test('is no group with the same externalId, and no other user with the same name', () => {
    const group = { externalId: '7', displayName: 'Sales', members: [{ value: BOB, display: 'Bob' }] }
    expect(value(group)).toBe(group)
    const namesake = { id: BOB, userName: 'ada2', displayName: 'Ada Byron', name: { familyName: 'Byron' } }
    expect(value(namesake)).toBe(namesake)
    expect(value({ schemas: [USER_SCHEMA], externalId: '7', title: 'x' })).toEqual({ erased: true })
  })

  test('is taken out of what is about others, who lose nothing', () => {
    const bulk = {
      Operations: [
        { method: 'POST', path: '/Users', bulkId: 'a', data: { userName: 'ada@acme.example', title: 'Countess' } },
        { method: 'POST', path: '/Users', bulkId: 'b', data: { userName: 'bob', title: 'Baker' } },
      ],
    }
    expect(value(bulk)).toEqual({
      Operations: [
        { method: 'POST', path: '/Users', bulkId: 'a', data: { erased: true } },
        { method: 'POST', path: '/Users', bulkId: 'b', data: { userName: 'bob', title: 'Baker' } },
      ],
    })
    expect(value({ userName: 'bob', manager: { value: ID, displayName: 'Ada Byron' } })).toEqual({
      userName: 'bob',
      manager: { value: ID, erased: true },
    })
    expect(value(value(bulk))).toEqual(value(bulk))
  })
})

describe('A text', () => {
  test.each([
    ['userName eq "ADA@acme.example"', 'userName eq "(erased)"'],
    ['displayName eq "ada byron"', 'displayName eq "(erased)"'],
    ['The userName "ada@acme.example" is taken.', 'The userName "(erased)" is taken.'],
    ['ada@acme.example wrote', '(erased) wrote'],
    ['externalId eq "7"', 'externalId eq "(erased)"'],
    // Of somebody else, or nobody's.
    ['nada@acme.example', 'nada@acme.example'],
    ['ada@acme.example.org', 'ada@acme.example.org'],
    ['x.ada@acme.example', 'x.ada@acme.example'],
    ['status 7', 'status 7'],
    ['Ada Byron Street', 'Ada Byron Street'],
  ])('%s → %s', (before, after) => {
    expect(text(before)).toBe(after)
  })

  test('that was cut loses the person and what was cut half, and keeps the others', () => {
    const whole = JSON.stringify({
      Resources: [{ userName: 'bob' }, { userName: 'ada@acme.example', title: 'Countess' }],
    })
    for (let end = whole.indexOf('"title'); end < whole.length; end++) {
      const now = json(whole.slice(0, end))
      expect(now, whole.slice(0, end)).toContain('bob')
      expect(now).not.toMatch(/ada|count/i)
    }
    expect(json('{"userName":"bob","title":"Bak')).toBe('{"userName":"bob","title":"Bak')
    expect(json('no JSON of ada@acme.example')).toBeUndefined()
    expect(json('no JSON of anybody')).toBe('no JSON of anybody')
  })

  test('with escapes is found by its signs, however it is written', () => {
    const person = withAttributes(someone(null, 0), { userName: 'zoë"q@acme.example' })
    const signs = signsOf(person)
    const has = (stored: string) => signs.some((sign) => stored.toLowerCase().includes(sign))
    const body = JSON.stringify({ userName: 'zoë"q@acme.example' })
    for (const stored of [
      body,
      JSON.stringify(body),
      body.replace('ë', '\\u00eb'),
      encodeURIComponent('zoë"q@acme.example'),
    ])
      expect(has(stored), stored).toBe(true)
    expect(has('{"userName":"bob"}')).toBe(false)
    expect(eraserOf(person).json('{"userName":"zo\\u00eb\\"q@acme.example","x":1}')).toBe('{"erased":true}')
  })
})

test('a person is known by all names of the log, those of before too', () => {
  const known = withChanges(
    withChanges(someone(ID, 0), { after: { userName: 'ada', emails: [{ value: 'A@x.example' }] } }),
    {
      changed: [
        { path: 'userName', before: 'ada', after: 'ada.king' },
        { path: 'name.formatted', before: 'Ada Byron', after: 'Ada King' },
        { path: 'title', after: 'Countess' },
      ],
    },
  )
  expect(known).toMatchObject({
    ...{ userNames: ['ada', 'ada.king'], emails: ['a@x.example'] },
    names: ['ada byron', 'ada king'],
  })
})
