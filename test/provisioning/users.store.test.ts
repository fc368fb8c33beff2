import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { ENTERPRISE_USER_SCHEMA, GROUP_SCHEMA, USER_SCHEMA } from '../../src/scim/urn.ts'
import type { Answer, Scim, TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  etag,
  eventsOf,
  groupBody,
  type Instance,
  idIn,
  inconsistencies,
  json,
  listed,
  listedIds,
  patchBody,
  removeMember,
  tenantTables,
  userBody,
} from '../support/instances.ts'
import { expectError, openTenant } from '../support/tenant.ts'

let database: Database
let instance: Instance
let tenant: TestTenant
let scim: Scim

beforeAll(async () => {
  ;({ database, instance, tenant, scim } = await openTenant())
})
afterAll(() => instance.close())

let names = 0
const newName = () => `user${++names}@example.com`
const newUser = async (rest: object = {}, name = newName()) => scim('POST', '/Users', userBody(name, rest))
const meta = (answer: Answer) => json(answer).meta as Record<string, string>

describe('create and retrieve', () => {
  test('CR-01 C-06 C-07 C-08 C-09 T-01 R-01 a create answers 201 with the resource, its place and its version', async () => {
    const body = userBody('Ann.Example', { externalId: 'E1', meta: { location: 'http://elsewhere', version: 'x' } })
    const created = await scim('POST', '/Users', body)
    expect(created.status).toBe(201)
    const { id } = json(created)
    const location = `${tenant.base}/Users/${id}`
    expect(json(created)).toMatchObject({ schemas: [USER_SCHEMA], userName: 'Ann.Example', externalId: 'E1' })
    expect(created.headers.get('location')).toBe(location)
    expect(meta(created)).toEqual({
      ...{ resourceType: 'User', location, version: 'W/"1"' },
      ...{ created: expect.stringMatching(/^20.*Z$/), lastModified: meta(created).created },
    })
    expect(etag(created)).toBe('W/"1"')

    const read = await scim('GET', `/Users/${id}`)
    expect(read.status).toBe(200)
    expect(read.body).toEqual(created.body)
    expect(etag(read)).toBe('W/"1"')
    for (const header of ['location', 'content-location']) expect(read.headers.get(header)).toBe(location)
  })

  test('C-03 C-04 the id is ours, whatever the client sends', async () => {
    const created = await newUser({ id: 'mine', groups: [{ value: 'x' }] })
    expect(created.status).toBe(201)
    expect(json(created).id).toMatch(/^[0-9a-f-]{36}$/)
    expect(json(created).groups).toBeUndefined()
  })

  test('C-05 externalId is case exact, and two users may share one', async () => {
    const ids = [idIn(await newUser({ externalId: 'Shared-X' })), idIn(await newUser({ externalId: 'Shared-X' }))]
    await newUser({ externalId: 'shared-x' })
    const found = await scim('GET', `/Users?filter=${encodeURIComponent('externalId eq "Shared-X"')}`)
    expect(listedIds(found).sort()).toEqual(ids.sort())
  })

  test('CR-03 meta.resourceType comes from the endpoint', async () => {
    expect(meta(await newUser({ meta: { resourceType: 'Group' } })).resourceType).toBe('User')
  })

  test('U-06 U-07 CR-04 active is true unless the client says otherwise, and null is no value', async () => {
    const [plain, off, none] = [await newUser(), await newUser({ active: false }), await newUser({ active: null })]
    expect(json(plain).active).toBe(true)
    expect(json(off).active).toBe(false)
    expect(json(none)).not.toHaveProperty('active')
    const matching = listedIds(await scim('GET', `/Users?count=200&filter=${encodeURIComponent('active eq true')}`))
    expect(matching).toContain(idIn(plain))
    expect(matching).not.toContain(idIn(off))
    expect(matching).not.toContain(idIn(none))
  })

  test('H-01 UTF-8 comes back unchanged', async () => {
    const name = { familyName: 'Müller 😀 \u0000'.replace('\u0000', '￿'), givenName: '李\\"' }
    const created = await newUser({ name })
    expect(json(await scim('GET', `/Users/${idIn(created)}`)).name).toEqual(name)
  })

  test.each([
    ['U-01 E-05 an empty userName', { schemas: [USER_SCHEMA], userName: '' }, 'invalidValue'],
    ['E-05 no userName', { schemas: [USER_SCHEMA] }, 'invalidValue'],
    ['E-05 a wrong type', userBody('x', { emails: 'a' }), 'invalidValue'],
    ['E-04 no object', [], 'invalidSyntax'],
    ['E-04 malformed JSON', '{"schemas":', 'invalidSyntax'],
    ['H-11 a member twice', '{"schemas":["x"],"userName":"a","USERNAME":"b"}', 'invalidSyntax'],
    [
      'A-13 two primaries',
      userBody('y', { emails: [1, 2].map((n) => ({ value: `${n}@x`, primary: true })) }),
      'invalidValue',
    ],
  ])('%s is 400 and stores nothing', async (_, body, scimType) => {
    const before = json(await scim('GET', '/Users?count=0')).totalResults
    expectError(await scim('POST', '/Users', body), 400, scimType)
    expect(json(await scim('GET', '/Users?count=0')).totalResults).toBe(before)
  })

  test.each(['strict', 'standard', 'interop'] as const)(
    'CR-05 E-04 a body without schemas is 400 in %s',
    async (mode) => {
      const other = await instance.newTenant({ settings: { mode } })
      expectError(await other.scim('POST', '/Users', { userName: 'a' }), 400, 'invalidSyntax')
    },
  )

  test('H-01 whatever stands in a resource, every way to read it gives the same', async () => {
    // A tenant of its own, since the log knows nothing of what is written past it.
    const own = await instance.newTenant()
    const make = async (rest: object) => idIn(await own.scim('POST', '/Users', userBody(newName(), rest)))
    const odd = ['{"a":1} t-f 12 34{', ' ', '\u0001\u001f\u007f\u2028\' \\ " $1::uuid', '{}', '-p1 2 3{"x":{', '']
    for (const displayName of odd) {
      const boss = await make({ displayName })
      const rest = { displayName, nickName: displayName, [ENTERPRISE_USER_SCHEMA]: { manager: { value: boss } } }
      for (const extra of [{ active: null }, { active: false, password: 'a pass Word 1' }]) {
        const id = await make({ ...rest, ...extra })
        await own.scim('POST', '/Groups', groupBody(`${displayName}{ ${id}`, [id]))
        // As from an import: of another time to the millisecond, and changed more often than 32 bits can count.
        await database.run(
          `update resources set version = 5000000000, created_at = '2001-02-03 04:05:06.789Z', modified_at = '2031-12-31 23:59:59.999Z'
           where tenant_id = $1::uuid and id = $2::uuid`,
          [own.id, id],
        )
        const { body } = await own.scim('GET', `/Users/${id}`)
        expect(body).toMatchObject({
          ...{ id, nickName: displayName, groups: [{ display: `${displayName}{ ${id}`, type: 'direct' }] },
          [ENTERPRISE_USER_SCHEMA]: { manager: { value: boss, ...(displayName ? { displayName } : {}) } },
          meta: {
            ...{ version: expect.stringMatching(/^W\/"5000000000-[0-9a-z]+"$/) },
            ...{ created: '2001-02-03T04:05:06.789Z', lastModified: '2031-12-31T23:59:59.999Z' },
          },
        })
        expect((body as { active?: boolean }).active).toBe(extra.active ?? undefined)
        const { userName } = body as { userName: string }
        for (const query of [
          `filter=${encodeURIComponent(`userName eq "${userName}"`)}`,
          `filter=${encodeURIComponent(`userName sw "${userName}"`)}`,
          `filter=${encodeURIComponent(`id eq "${id}"`)}&sortBy=userName`,
          'count=1000',
          'count=1000&cursor',
        ]) {
          const read = listed(await own.scim('GET', `/Users?${query}`)).filter((user) => user.id === id)
          expect(read).toEqual([body])
        }
      }
    }
  })

  test('CR-05 a body without schemas is read as a user in lenient', async () => {
    const created = await scim('POST', '/Users', { userName: newName() })
    expect(created.status).toBe(201)
    expect(json(created).schemas).toEqual([USER_SCHEMA])
  })

  test.each([
    ['', 404],
    ['upper', 404],
  ])('R-02 E-07 an id that is not exactly there is 404 %s', async (how, status) => {
    const id = idIn(await newUser())
    const asked = how === 'upper' ? id.toUpperCase() : id.replace(/.$/, (c) => (c === '0' ? '1' : '0'))
    expectError(await scim('GET', `/Users/${asked}`), status)
  })

  test('E-07 an id of another type, an unknown one and a strange one are refused in the same words', async () => {
    const group = idIn(await scim('POST', '/Groups', groupBody('Of another type')))
    const unknown = '0198c0de-0000-7000-8000-000000000000'
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
      const body = { PUT: userBody('z'), PATCH: patchBody({ op: 'add', path: 'title', value: 'x' }) }[method]
      const answers = await Promise.all([group, unknown, 'nobody'].map((id) => scim(method, `/Users/${id}`, body)))
      for (const answer of answers) expectError(answer, 404)
      const words = answers.map((a, i) => a.text.replace([group, unknown, 'nobody'][i] as string, '…'))
      expect(new Set(words).size).toBe(1)
    }
  })
})

describe('userName', () => {
  test('U-03 the spelling sent comes back', async () => {
    expect(json(await newUser({}, 'JSmith')).userName).toBe('JSmith')
  })

  test.each([
    ['case', 'CaseUser', 'caseuSER'],
    ['case beyond ASCII', 'ÉTOILE', 'étoile'],
    ['normalisation', 'Zoe\u0308', 'Zo\u00eb'],
    ['final sigma', 'ΟΔΟΣ', 'οδος'],
  ])('U-02 E-06 CR-02 names that differ in %s only are one name, on POST, PUT and PATCH', async (_, first, second) => {
    const holder = idIn(await newUser({}, first))
    const before = json(await scim('GET', '/Users?count=0')).totalResults
    expectError(await newUser({}, second), 409, 'uniqueness')
    expect(json(await scim('GET', '/Users?count=0')).totalResults).toBe(before)

    const other = await newUser()
    const id = idIn(other)
    expectError(await scim('PUT', `/Users/${id}`, userBody(second)), 409, 'uniqueness')
    const patch = patchBody(
      { op: 'replace', path: 'title', value: 'lost' },
      { op: 'replace', path: 'userName', value: second },
    )
    expectError(await scim('PATCH', `/Users/${id}`, patch), 409, 'uniqueness')
    expect((await scim('GET', `/Users/${id}`)).body).toEqual(other.body)

    // Its own name, spelled anew, is no conflict.
    const renamed = await scim('PUT', `/Users/${holder}`, userBody(second))
    expect(json(renamed).userName).toBe(second)
    const found = await scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${first}"`)}`)
    expect(listedIds(found)).toEqual([holder])
  })

  test('DEL-03 a deleted user frees its name', async () => {
    const name = newName()
    const first = idIn(await newUser({}, name))
    expect((await scim('DELETE', `/Users/${first}`)).status).toBe(204)
    const second = await newUser({}, name.toUpperCase())
    expect(second.status).toBe(201)
    expect(idIn(second)).not.toBe(first)
  })

  test('a renamed user frees its old name and its old e-mail key', async () => {
    const name = newName()
    const id = idIn(await newUser({ emails: [{ value: 'Old@X.test' }] }, name))
    await scim(
      'PATCH',
      `/Users/${id}`,
      patchBody({ op: 'replace', value: { userName: newName(), emails: [{ value: 'new@x.test' }] } }),
    )
    expect((await newUser({}, name)).status).toBe(201)
    const by = async (value: string) =>
      listedIds(await scim('GET', `/Users?filter=${encodeURIComponent(`emails.value eq "${value}"`)}`))
    expect([await by('old@x.test'), await by('NEW@x.test')]).toEqual([[], [id]])
  })
})

describe('replace', () => {
  test('PUT-01 PUT-02 PUT-03 PUT-05 PUT-08 what is left out goes, but not active and the password', async () => {
    const first = await newUser({
      ...{ active: false, password: 'kept-secret-1', title: 'Boss', emails: [{ value: 'a@b.test', type: 'work' }] },
      [ENTERPRISE_USER_SCHEMA]: { department: 'D' },
    })
    const id = idIn(first)
    const name = newName()
    const body = userBody(name, { nickName: 'N', meta: { created: '2001-01-01T00:00:00Z' }, groups: [{ value: 'x' }] })
    const put = await scim('PUT', `/Users/${id}`, body)
    expect(put.status).toBe(200)
    const { meta: _, ...rest } = json(put)
    expect(rest).toEqual({ schemas: [USER_SCHEMA], id, userName: name, nickName: 'N', active: false })
    expect(meta(put).created).toBe(meta(first).created)
    expect(String(meta(put).lastModified) > String(meta(first).lastModified)).toBe(true)
    expect(etag(put)).toBe('W/"2"')
    for (const header of ['location', 'content-location'])
      expect(put.headers.get(header)).toBe(`${tenant.base}/Users/${id}`)
    const [row] = await database.run<{ kept: boolean }>(
      'select password_hash is not null as kept from resources where tenant_id = $1::uuid and id = $2::uuid',
      [tenant.id, id],
    )
    expect(row?.kept).toBe(true)
  })

  test('PUT-04 a PUT with schemas but no userName is 400', async () => {
    const id = idIn(await newUser())
    expectError(await scim('PUT', `/Users/${id}`, { schemas: [USER_SCHEMA], title: 'x' }), 400, 'invalidValue')
  })

  test('PUT-06 another id in the body changes nothing, and no other user', async () => {
    const name = newName()
    const [id, other] = [idIn(await newUser({}, name)), idIn(await newUser())]
    const before = await scim('GET', `/Users/${other}`)
    for (const named of ['other', other, id]) {
      const answer = await scim('PUT', `/Users/${id}`, userBody(name, { id: named }))
      expect([answer.status, idIn(answer)]).toEqual([200, id])
    }
    expect((await scim('GET', `/Users/${other}`)).text).toBe(before.text)
  })

  test('PUT-01 PUT of an unknown id is 404 and creates nothing', async () => {
    const name = newName()
    expectError(await scim('PUT', '/Users/0198c0de-0000-7000-8000-000000000000', userBody(name)), 404)
    expect(listed(await scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${name}"`)}`))).toEqual([])
  })

  test('U-10 groups is ignored in a body, and 400 mutability as a PATCH path', async () => {
    const name = newName()
    const id = idIn(await newUser({}, name))
    expect(json(await scim('PUT', `/Users/${id}`, userBody(name, { groups: [{ value: id }] }))).groups).toBeUndefined()
    const patch = patchBody({ op: 'add', path: 'groups', value: [{ value: id }] })
    expectError(await scim('PATCH', `/Users/${id}`, patch), 400, 'mutability')
  })
})

describe('no change', () => {
  test.each([
    [
      'PAT-12 PATCH add of what is there',
      'PATCH',
      patchBody({ op: 'add', path: 'emails', value: [{ value: 'n@x.test' }] }),
    ],
    ['PATCH replace with the same value', 'PATCH', patchBody({ op: 'replace', path: 'title', value: 'T' })],
    ['PATCH remove of what is not there', 'PATCH', patchBody({ op: 'remove', path: 'nickName' })],
    ['PATCH active to what it is', 'PATCH', patchBody({ op: 'replace', path: 'active', value: true })],
  ])('C-10 %s keeps version, time and log', async (_, method, body) => {
    const created = await newUser({ title: 'T', emails: [{ value: 'n@x.test' }] })
    const id = idIn(created)
    const answer = await scim(method, `/Users/${id}`, body)
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual(created.body)
    expect(etag(answer)).toBe('W/"1"')
    expect(await eventsOf(database, tenant.id, id)).toHaveLength(1)
  })

  test('C-10 a PUT of what is there keeps version, time and log', async () => {
    const created = await newUser({ title: 'T' })
    const { id: _id, meta: _meta, ...body } = json(created)
    const answer = await scim('PUT', `/Users/${idIn(created)}`, body)
    expect(answer.body).toEqual(created.body)
    expect(await eventsOf(database, tenant.id, idIn(created))).toHaveLength(1)
  })

  test('PAT-05 a PATCH that fails half-way changes nothing', async () => {
    const created = await newUser({ title: 'T' })
    const patch = patchBody({ op: 'replace', path: 'title', value: 'U' }, { op: 'add', path: 'emails', value: 7 })
    expectError(await scim('PATCH', `/Users/${idIn(created)}`, patch), 400, 'invalidValue')
    expect((await scim('GET', `/Users/${idIn(created)}`)).body).toEqual(created.body)
  })
})

describe('conditional requests', () => {
  test('T-06 If-None-Match with the current tag is 304 with the ETag and without a body', async () => {
    const id = idIn(await newUser())
    for (const tag of ['W/"1"', '"1"', '"x", W/"1"', '*']) {
      const answer = await scim('GET', `/Users/${id}`, undefined, { 'If-None-Match': tag })
      expect([answer.status, answer.text, etag(answer)]).toEqual([304, '', 'W/"1"'])
    }
    expect((await scim('GET', `/Users/${id}`, undefined, { 'If-None-Match': 'W/"2"' })).status).toBe(200)
  })

  test('T-06 no 304 where the answer shows what has changed elsewhere: groups, a manager, members', async () => {
    const boss = idIn(await newUser({ displayName: 'Boss' }))
    const id = idIn(await newUser({ displayName: 'Ann', [ENTERPRISE_USER_SCHEMA]: { manager: { value: boss } } }))
    const groupOf = (members: string[]) => ({
      ...{ schemas: [GROUP_SCHEMA], displayName: newName() },
      members: members.map((value) => ({ value })),
    })
    const rename = (path: string, displayName: string) =>
      scim('PATCH', path, patchBody({ op: 'replace', path: 'displayName', value: displayName }))
    const group = idIn(await scim('POST', '/Groups', groupOf([id])))
    const changes: [string, () => Promise<unknown>][] = [
      [`/Users/${id}`, () => scim('POST', '/Groups', groupOf([id]))],
      [`/Users/${id}`, () => rename(`/Groups/${group}`, newName())],
      [`/Users/${id}`, () => rename(`/Users/${boss}`, 'Chief')],
      [`/Users/${id}`, () => scim('DELETE', `/Groups/${group}`)],
      [`/Groups/${idIn(await scim('POST', '/Groups', groupOf([id])))}`, () => rename(`/Users/${id}`, 'Anna')],
    ]
    for (const [path, change] of changes) {
      const before = await scim('GET', path)
      expect(json(before).meta).toMatchObject({ version: etag(before) })
      const ask = () => scim('GET', path, undefined, { 'If-None-Match': etag(before) })
      expect((await ask()).status).toBe(304)
      await change()
      const after = await ask()
      expect([after.status, etag(after) === etag(before)]).toEqual([200, false])
      expect(
        listed(
          await scim(
            'GET',
            `${path.split('/', 2).join('/')}?filter=${encodeURIComponent(`meta.version eq ${JSON.stringify(etag(after))} and id eq "${path.split('/')[2]}"`)}`,
          ),
        ),
      ).toHaveLength(1)
      // A write asks about what is stored, whichever answer its tag came with.
      expect(
        (
          await scim('PATCH', path, patchBody({ op: 'add', path: 'externalId', value: newName() }), {
            'If-Match': etag(after),
          })
        ).status,
      ).toBe(200)
      expect(
        (
          await scim('PATCH', path, patchBody({ op: 'add', path: 'externalId', value: 'x' }), {
            'If-Match': etag(after),
          })
        ).status,
      ).toBe(412)
    }
  })

  test('T-03 T-05 a write with If-None-Match is refused for a version that it names, and done for any other', async () => {
    const id = idIn(await newUser())
    const patch = patchBody({ op: 'replace', path: 'title', value: 'new' })
    for (const tag of ['W/"1"', '*']) {
      expectError(await scim('PATCH', `/Users/${id}`, patch, { 'If-None-Match': tag }), 412)
    }
    const both = { 'If-Match': 'W/"1"', 'If-None-Match': 'W/"9"' }
    expect((await scim('PATCH', `/Users/${id}`, patch, both)).status).toBe(200)
    expectError(await scim('DELETE', `/Users/${id}`, undefined, { 'If-None-Match': 'W/"2"' }), 412)
    expect((await scim('DELETE', `/Users/${id}`, undefined, { 'If-None-Match': 'W/"1"' })).status).toBe(204)
  })

  const writes = (name: string): [string, object | undefined][] => [
    ['PUT', userBody(name, { title: 'put' })],
    ['PATCH', patchBody({ op: 'replace', path: 'title', value: 'patched' })],
    ['DELETE', undefined],
  ]

  test.each(['PUT', 'PATCH', 'DELETE'])(
    'T-03 T-05 %s with another version is 412 and changes nothing',
    async (method) => {
      const name = newName()
      const created = await newUser({}, name)
      const id = idIn(created)
      const body = new Map(writes(name)).get(method)
      for (const tag of ['W/"2"', '"0"', 'W/"2", "3"']) {
        expectError(await scim(method, `/Users/${id}`, body, { 'If-Match': tag }), 412)
      }
      for (const tag of ['1', 'W/1', '"1', '', 'W/"1" W/"2"']) {
        expectError(await scim(method, `/Users/${id}`, body, { 'If-Match': tag }), 400, 'invalidSyntax')
      }
      expect((await scim('GET', `/Users/${id}`)).body).toEqual(created.body)
      const unknown = '/Users/0198c0de-0000-7000-8000-000000000000'
      expectError(await scim(method, unknown, body, { 'If-Match': '*' }), 404)
    },
  )

  test.each(['W/"1"', '"1"', '*', '"7", W/"1"'])('T-04 T-05 If-Match: %s meets version 1', async (tag) => {
    for (const [method, body] of writes(newName())) {
      const id = idIn(await newUser())
      expect((await scim(method, `/Users/${id}`, body, { 'If-Match': tag })).status).toBeLessThan(300)
    }
  })

  test('T-02 T-08 every change steps the version by one, and projection does not change the tag', async () => {
    const id = idIn(await newUser())
    for (const version of [2, 3, 4]) {
      const patch = patchBody({ op: 'replace', path: 'title', value: `v${version}` })
      const answer = await scim('PATCH', `/Users/${id}?attributes=title`, patch)
      expect(etag(answer)).toBe(`W/"${version}"`)
      expect(json(answer)).not.toHaveProperty('userName')
    }
    expect(etag(await scim('GET', `/Users/${id}?attributes=userName`))).toBe('W/"4"')
  })
})

describe('PATCH answers and HTTP', () => {
  test('PAT-06 PATCH answers 200 with the resource, or 204 where the client prefers the least', async () => {
    const id = idIn(await newUser())
    const patch = (title: string) => patchBody({ op: 'replace', path: 'title', value: title })
    const full = await scim('PATCH', `/Users/${id}`, patch('a'))
    expect([full.status, json(full).title]).toEqual([200, 'a'])
    const least = await scim('PATCH', `/Users/${id}`, patch('b'), { Prefer: 'return=minimal' })
    expect([least.status, least.text, etag(least)]).toEqual([204, '', 'W/"3"'])
    expect(least.headers.get('preference-applied')).toBe('return=minimal')
    expect(json(await scim('GET', `/Users/${id}`)).title).toBe('b')
  })

  test('PAT-06 H-03 attributes named in a PATCH are answered 200 even with Prefer: return=minimal', async () => {
    const id = idIn(await newUser())
    const patch = patchBody({ op: 'replace', path: 'title', value: 'a' })
    const answer = await scim('PATCH', `/Users/${id}?attributes=title`, patch, { Prefer: 'return=minimal' })
    expect([answer.status, json(answer).title]).toEqual([200, 'a'])
  })

  test.each([
    ['H-02 H-03 no Accept', undefined, 200, 'application/scim+json'],
    ['H-03 SCIM', 'application/scim+json', 200, 'application/scim+json'],
    ['H-03 JSON', 'application/json', 200, 'application/json'],
    ['H-03 anything', '*/*', 200, 'application/scim+json'],
    ['H-05 HTML', 'text/html', 406, 'application/scim+json'],
  ])('%s', async (_, accept, status, type) => {
    const answer = await scim('GET', '/Users?count=0', undefined, accept ? { Accept: accept } : {})
    expect([answer.status, answer.headers.get('content-type')?.split(';')[0]]).toEqual([status, type])
  })

  test.each([
    ['application/json', 201],
    ['application/json; charset=utf-8', 201],
    ['application/scim+json;charset=UTF-8', 201],
    ['text/xml', 415],
    ['application/json; charset=utf-16', 415],
    ['application/json; charset=us-ascii', 201],
    ['application/scim+json; charset="ISO-8859-1"', 201],
    ['application/json; charset=us-ascii', 415, 'Jürgen'],
    ['application/json; charset=ISO-8859-1', 415, 'Jürgen'],
  ])('H-04 a body sent as %s is answered %i', async (type, status, displayName = 'Jurgen') => {
    const answer = await scim('POST', '/Users', userBody(newName(), { displayName }), { 'Content-Type': type })
    expect(answer.status).toBe(status)
    if (status >= 400) expectError(answer, status, 'invalidSyntax')
  })

  test('H-06 H-09 unknown parameters are ignored, encoded ids and a slash at the end are read', async () => {
    const id = idIn(await newUser())
    const encoded = id.replaceAll('-', '%2D')
    for (const path of [`/Users/${id}?foo=1`, `/Users/${encoded}`, `/Users/${id}/`]) {
      expect(json(await scim('GET', path)).id).toBe(id)
    }
  })

  test.each([
    ['PUT', '/Users', 'GET, POST'],
    ['POST', '/Users/x', 'GET, PUT, PATCH, DELETE'],
    ['DELETE', '/Schemas', 'GET'],
    ['GET', '/Bulk', 'POST'],
  ])('H-08 %s %s is 405 and says what is offered', async (method, path, allow) => {
    const answer = await scim(method, path)
    expectError(answer, 405)
    expect(answer.headers.get('allow')).toBe(allow)
  })

  test('H-08 ME-03 an unknown path is 404, and so is /Me for a key that stands for no user', async () => {
    expectError(await scim('GET', '/Nothing'), 404)
    expectError(await scim('GET', '/Users/x/y'), 404)
    expectError(await scim('GET', '/Me'), 404)
  })

  test('H-07 another version in the base URL is 400 invalidVers', async () => {
    const base = tenant.base.replace('/v2/t-', '/v9/t-')
    const request = new Request(`${base}/Users`, { headers: { Authorization: `Bearer ${tenant.key}` } })
    const response = await instance.send(request)
    expect([response.status, await response.json()]).toMatchObject([400, { scimType: 'invalidVers' }])
  })
})

describe('password', () => {
  test('U-04 EV-10 a password is in no answer, no row and no event', async () => {
    const secrets = ['plain-Secret-1', 'plain-Secret-2', 'plain-Secret-3', 'plain-Secret-4']
    const name = newName()
    const answers = [await newUser({ password: secrets[0] }, name)]
    const id = idIn(answers[0] as Answer)
    answers.push(await scim('PUT', `/Users/${id}`, userBody(name, { password: secrets[1] })))
    answers.push(await scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'password', value: secrets[2] })))
    answers.push(await scim('PATCH', `/Users/${id}`, patchBody({ op: 'add', value: { password: secrets[3] } })))
    answers.push(await scim('GET', `/Users/${id}?attributes=password,userName`))
    for (const answer of answers) {
      expect(answer.status).toBeLessThan(300)
      expect(json(answer)).not.toHaveProperty('password')
    }
    expect(json(answers[4] as Answer)).toEqual({ schemas: [USER_SCHEMA], id, userName: name })
    const filter = encodeURIComponent(`password eq "${secrets[3]}"`)
    expectError(await scim('GET', `/Users?filter=${filter}`), 400, 'invalidFilter')

    const tables = await tenantTables(database)
    expect(tables).toContain('events')
    for (const table of tables) {
      const [row] = await database.run<{ n: number }>(
        `select count(*)::int as n from ${table} t where t.tenant_id = $1::uuid and position('plain-Secret' in t::text) > 0`,
        [tenant.id],
        { prepare: false },
      )
      expect({ table, rows: row?.n }).toEqual({ table, rows: 0 })
    }
    expect(instance.errors.join('')).not.toContain('plain-Secret')
    const events = await eventsOf(database, tenant.id, id)
    expect(events.map((event) => event.type)).toEqual(['user.created', ...Array(3).fill('user.updated')])
    expect(events.slice(1).every((event) => event.changes.includes('"password"'))).toBe(true)
  })

  test('U-05 a tenant that drops passwords keeps none, one that refuses says so', async () => {
    const drops = await instance.newTenant({ settings: { password: 'drop' } })
    const created = await drops.scim('POST', '/Users', userBody('d', { password: 'plain-Dropped' }))
    expect(created.status).toBe(201)
    const rows = await database.run<{ kept: boolean }>(
      'select password_hash is not null as kept from resources where tenant_id = $1::uuid',
      [drops.id],
    )
    expect(rows).toEqual([{ kept: false }])
    const refuses = await instance.newTenant({ settings: { password: 'refuse' } })
    expectError(await refuses.scim('POST', '/Users', userBody('d', { password: 'x' })), 400, 'invalidValue')
  })
})

describe('EnterpriseUser', () => {
  const withManager = (value: unknown) => ({ [ENTERPRISE_USER_SCHEMA]: { manager: value } })
  const managerOf = (answer: Answer) => (json(answer)[ENTERPRISE_USER_SCHEMA] as { manager?: unknown }).manager

  test("X-01 X-02 a manager's name is computed, and follows the manager", async () => {
    const boss = idIn(await newUser({ displayName: 'The Boss' }))
    const attributes = { employeeNumber: '1', costCenter: '2', organization: '3', division: '4', department: '5' }
    const manager = { value: boss, displayName: 'Made up' }
    const created = await newUser({ [ENTERPRISE_USER_SCHEMA]: { ...attributes, manager } })
    expect(json(created).schemas).toEqual([USER_SCHEMA, ENTERPRISE_USER_SCHEMA])
    expect(json(created)[ENTERPRISE_USER_SCHEMA]).toEqual({
      ...attributes,
      manager: { value: boss, $ref: `${tenant.base}/Users/${boss}`, displayName: 'The Boss' },
    })
    await scim('PATCH', `/Users/${boss}`, patchBody({ op: 'replace', path: 'displayName', value: 'Renamed "Boss" }' }))
    expect(managerOf(await scim('GET', `/Users/${idIn(created)}`))).toMatchObject({ displayName: 'Renamed "Boss" }' })
  })

  test('X-03 a manager who is not known here is kept, without a name; a deleted one loses it', async () => {
    expect(managerOf(await newUser(withManager({ value: 'HR-17' })))).toEqual({ value: 'HR-17' })
    const boss = idIn(await newUser({ displayName: 'Goes' }))
    const id = idIn(await newUser(withManager({ value: boss })))
    await scim('DELETE', `/Users/${boss}`)
    const manager = managerOf(await scim('GET', `/Users/${id}`))
    expect(manager).toMatchObject({ value: boss })
    expect(manager).not.toHaveProperty('displayName')
  })

  test('X-03 manager.value is compared case exactly, manager.displayName by name', async () => {
    const boss = idIn(await newUser({ displayName: 'Filter Boss' }))
    const id = idIn(await newUser(withManager({ value: boss })))
    const find = async (filter: string) => listedIds(await scim('GET', `/Users?filter=${encodeURIComponent(filter)}`))
    expect(await find(`manager.value eq "${boss}"`)).toEqual([id])
    expect(await find(`manager.value eq "${boss.toUpperCase()}"`)).toEqual([])
    expect(await find('manager.displayName eq "FILTER boss"')).toEqual([id])
  })

  test("X-02 a user's own strings that look like a manager do not lead the name astray", async () => {
    const boss = idIn(await newUser({ displayName: 'Right' }))
    const trap = '"manager":{"value":"x"} }'
    const created = await newUser({
      ...{ displayName: trap, title: `"${ENTERPRISE_USER_SCHEMA}":{"manager":{` },
      [ENTERPRISE_USER_SCHEMA]: { department: trap, manager: { value: boss } },
    })
    expect(managerOf(created)).toMatchObject({ value: boss, displayName: 'Right' })
    expect(json(created)).toMatchObject({ displayName: trap, [ENTERPRISE_USER_SCHEMA]: { department: trap } })
  })

  test('X-02 a $ref that the client gave stays, whatever is in it', async () => {
    const boss = idIn(await newUser({ displayName: 'Right' }))
    for (const $ref of ['../Users/26118915', 'https://x.test/}"value":"{']) {
      const created = await newUser(withManager({ value: boss, $ref }))
      expect(managerOf(created)).toEqual({ value: boss, $ref, displayName: 'Right' })
      expect(managerOf(await scim('GET', `/Users/${idIn(created)}`))).toEqual(managerOf(created))
    }
  })

  test('PAT-30 the URN comes and goes with the data', async () => {
    const id = idIn(await newUser())
    const path = `${ENTERPRISE_USER_SCHEMA}:department`
    const added = await scim('PATCH', `/Users/${id}`, patchBody({ op: 'add', path, value: 'D' }))
    expect(json(added).schemas).toEqual([USER_SCHEMA, ENTERPRISE_USER_SCHEMA])
    const removed = await scim('PATCH', `/Users/${id}`, patchBody({ op: 'remove', path }))
    expect(json(removed).schemas).toEqual([USER_SCHEMA])
  })
})

describe('groups of a user', () => {
  const groupsOf = async (id: string) => {
    const list = (json(await scim('GET', `/Users/${id}`)).groups ?? []) as Record<string, string>[]
    return Object.fromEntries(list.map(({ display, type }) => [display, type]))
  }

  test('U-09 G-06 groups are direct or indirect, each once, also in a cycle', async () => {
    const id = idIn(await newUser())
    const inner = idIn(await scim('POST', '/Groups', groupBody('U9 inner', [id])))
    const middle = idIn(await scim('POST', '/Groups', groupBody('U9 middle', [inner])))
    const outer = idIn(await scim('POST', '/Groups', groupBody('U9 outer', [middle, id])))
    const expected = { 'U9 inner': 'direct', 'U9 middle': 'indirect', 'U9 outer': 'direct' }
    expect(await groupsOf(id)).toEqual(expected)

    await scim('PATCH', `/Groups/${inner}`, addMembers(outer, inner))
    expect(await groupsOf(id)).toEqual(expected)
    const list = json(await scim('GET', `/Users/${id}`)).groups as Record<string, string>[]
    const ref = `${tenant.base}/Groups/${inner}`
    expect(list).toContainEqual({ value: inner, $ref: ref, display: 'U9 inner', type: 'direct' })

    await scim('PATCH', `/Groups/${outer}`, removeMember(id))
    expect(await groupsOf(id)).toEqual({ ...expected, 'U9 outer': 'indirect' })
    await scim('DELETE', `/Groups/${inner}`)
    expect(await groupsOf(id)).toEqual({})
  })

  test('U-09 groups can be filtered, by direct and by indirect membership', async () => {
    const id = idIn(await newUser())
    const inner = idIn(await scim('POST', '/Groups', groupBody('Filter inner', [id])))
    const outer = idIn(await scim('POST', '/Groups', groupBody('Filter outer', [inner])))
    for (const filter of [`groups.value eq "${outer}"`, `groups[value eq "${inner}" and type eq "direct"]`]) {
      expect(listedIds(await scim('GET', `/Users?filter=${encodeURIComponent(filter)}`))).toEqual([id])
    }
  })
})

describe('delete', () => {
  test('DEL-01 DEL-02 afterwards every operation is 404 and queries leave it out', async () => {
    const name = newName()
    const id = idIn(await newUser({}, name))
    const gone = await scim('DELETE', `/Users/${id}`)
    expect([gone.status, gone.text]).toEqual([204, ''])
    expectError(await scim('GET', `/Users/${id}`), 404)
    expectError(await scim('PUT', `/Users/${id}`, userBody(name)), 404)
    expectError(await scim('PATCH', `/Users/${id}`, patchBody({ op: 'add', path: 'title', value: 'x' })), 404)
    expectError(await scim('DELETE', `/Users/${id}`), 404)
    expect(listed(await scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${name}"`)}`))).toEqual([])
  })

  test('DEL-04 a deactivated user is still there, a deleted one is not', async () => {
    const id = idIn(await newUser())
    await scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
    expect(json(await scim('GET', `/Users/${id}`)).active).toBe(false)
    await scim('DELETE', `/Users/${id}`)
    const rows = await database.run(
      'select 1 from resources where tenant_id = $1::uuid and id = $2::uuid union all select 1 from search_documents where tenant_id = $1::uuid and resource_id = $2::uuid',
      [tenant.id, id],
    )
    expect(rows).toEqual([])
  })
})

describe('events', () => {
  test('SEC-14 EV-15 every change is one version step with its events, in the same statement', async () => {
    const { during } = instance.recorder
    const name = newName()
    const asked: Answer[] = []
    const ask = async (method: string, path: string, body?: unknown) => {
      const { result, statements, transactions } = await during(() => scim(method, path, body))
      expect(result.status).toBeLessThan(300)
      expect(transactions).toBe(0)
      const writing = statements.filter(({ text }) => /\b(insert into|update|delete from)\b/.test(text))
      expect(writing).toHaveLength(1)
      expect(writing[0]?.text).toContain('insert into events')
      asked.push(result)
      return result
    }
    const id = idIn(await ask('POST', '/Users', userBody(name, { title: 'A' })))
    await ask('PUT', `/Users/${id}`, userBody(name, { title: 'B' }))
    await ask('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'name.familyName', value: 'F' }))
    await ask('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
    await ask('PATCH', `/Users/${id}`, patchBody({ op: 'replace', value: { active: true, title: 'C' } }))
    await ask('DELETE', `/Users/${id}`)
    const keyId = tenant.key.split('_')[1]
    const events = await eventsOf(database, tenant.id, id)
    const brief = events.map(({ type, version, changes }) => ({ type, version, changes: JSON.parse(changes) }))
    const changed = (...list: object[]) => ({ changed: list })
    const document = { schemas: [USER_SCHEMA], userName: name }
    expect(brief).toEqual([
      { type: 'user.created', version: 1, changes: { after: { ...document, title: 'A', active: true } } },
      { type: 'user.updated', version: 2, changes: changed({ path: 'title', before: 'A', after: 'B' }) },
      { type: 'user.updated', version: 3, changes: changed({ path: 'name.familyName', after: 'F' }) },
      { type: 'user.deactivated', version: 4, changes: changed({ path: 'active', before: true, after: false }) },
      { type: 'user.updated', version: 5, changes: changed({ path: 'title', before: 'B', after: 'C' }) },
      { type: 'user.activated', version: 5, changes: changed({ path: 'active', before: false, after: true }) },
      {
        type: 'user.deleted',
        version: 6,
        changes: { before: { ...document, title: 'C', name: { familyName: 'F' }, active: true } },
      },
    ])
    const requests = [0, 1, 2, 3, 4, 4, 5].map((i) => asked[i]?.headers.get('x-request-id'))
    expect(events.map((event) => event.request_id)).toEqual(requests)
    expect(new Set(events.map((event) => event.actor))).toHaveLength(1)
    expect(tenant.key).toContain(events[0]?.actor)
    expect(keyId).not.toBe('')
    expect(events.every((event) => event.resource_type === 'User')).toBe(true)
  })
})

test('after all of this every user has its keys, counts are right and events tell every version', async () => {
  expect(await inconsistencies(database, tenant.id)).toEqual([])
})
