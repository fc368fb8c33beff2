import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENTERPRISE_USER_SCHEMA, GROUP_SCHEMA, USER_SCHEMA } from '../../src/scim/urn.ts'
import { accountsApi } from '../support/accounts.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

type Api = Awaited<ReturnType<typeof accountsApi>>

async function tenantWith(settings: object = {}): Promise<{ tenant: TestTenant; api: Api }> {
  const tenant = await gateway.newTenant({ settings: { adoption: settings } as never })
  return { tenant, api: await accountsApi(gateway, tenant) }
}

const user = (userName: string, more: object = {}) => ({ schemas: [USER_SCHEMA], userName, active: true, ...more })
const create = async (tenant: TestTenant, body: object, status = 201): Promise<{ id: string; detail?: string }> => {
  const answer = await tenant.scim('POST', '/Users', body)
  expect(answer.text && answer.status).toBe(status)
  return answer.body as { id: string; detail?: string }
}
const patchOf = (value: object) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [{ op: 'replace', value }],
})
const email = (value: string, primary = true) => ({ emails: [{ value, primary }] })

describe('A create that meets an account', () => {
  test('by its externalId is linked, and every reader is told', async () => {
    const { tenant, api } = await tenantWith()
    await api.post({ id: 'acc_1', externalId: '00u1', userName: 'old.name' }, { id: 'acc_2', userName: 'other' })
    const { id } = await create(tenant, user('ada@acme.example', { externalId: '00u1' }))
    expect(await api.linkOf('acc_1')).toBe(id)
    expect(await api.waiting()).toEqual([])
    expect((await api.done('GET', `/users/${id}`)) as object).toMatchObject({ id, account: 'acc_1' })
    expect((await api.done('GET', '/users')).items).toMatchObject([{ id, account: 'acc_1' }])
    const check = (await api.done('POST', '/sign-in-checks', { identity: 'ada@acme.example' })) as object
    expect(check).toMatchObject({ allowed: true, user: { account: 'acc_1' } })
    const [created, linked] = (await api.events()).slice(-2)
    expect(created).toMatchObject({ type: 'user.created', account: 'acc_1', changes: { account: 'acc_1' } })
    expect(linked).toMatchObject({
      ...{ type: 'account.linked', resource: { type: 'Account', version: 1 } },
      changes: { account: 'acc_1', user: id, by: 'externalId' },
    })
    const { text } = await api.ask('GET', '/snapshot')
    expect(text.split('\n').find((line) => line.includes(id))).toContain('"account":"acc_1"')
  })

  test.each(['userName', 'email'] as const)('by a %s of a verified domain is linked', async (by) => {
    const { tenant, api } = await tenantWith()
    await api.own('acme.example')
    await api.post({ id: 'acc_1', addresses: ['Ada@ACME.example'] })
    const body = by === 'userName' ? user('ada@acme.example') : user('ada', email('ada@acme.example'))
    const { id } = await create(tenant, body)
    expect(await api.linkOf('acc_1')).toBe(id)
    expect((await api.events('account.linked')).map(({ changes }) => changes.by)).toEqual([by])
  })

  test('never by an address whose domain the tenant has not verified, nor by one that the application has not', async () => {
    const { tenant, api } = await tenantWith()
    const beside = await accountsApi(gateway, await gateway.newTenant())
    await beside.own('acme.example')
    await api.own('sub.acme.example')
    await api.own('globex.example')
    await api.post(
      { id: 'acc_1', addresses: ['ada@acme.example'] },
      { id: 'acc_2', addresses: [{ value: 'bo@globex.example', verified: false }] },
      { id: 'acc_3', userName: 'cy' },
      { id: 'acc_4', addresses: ['di@globex.example'] },
      { id: 'acc_5', externalId: '00u5', addresses: ['ed@globex.example'] },
    )
    const ids = [
      (await create(tenant, user('ada@acme.example'))).id,
      (await create(tenant, user('bo@globex.example'))).id,
      (await create(tenant, user('cy'))).id,
      (
        await create(
          tenant,
          user('d', { emails: [{ value: 'x@globex.example', primary: true }, { value: 'di@globex.example' }] }),
        )
      ).id,
      (await create(tenant, user('ed@globex.example', { externalId: '00u9' }))).id,
    ]
    const waiting = await api.waiting()
    expect(waiting.map(({ id, candidates }) => [id, candidates.map((one) => one.account)])).toEqual(
      ids.map((id, i) => [id, [`acc_${i + 1}`]]),
    )
    for (const i of [1, 2, 3, 4, 5]) expect(await api.linkOf(`acc_${i}`)).toBeNull()
    const created = await api.events('user.created')
    expect(created.map(({ changes }) => changes.candidates)).toEqual(ids.map((_, i) => [`acc_${i + 1}`]))
  })

  test('never that of another tenant', async () => {
    const { tenant, api } = await tenantWith()
    const other = await tenantWith()
    await other.api.post({ id: 'acc_1', externalId: '00u1', userName: 'ada@acme.example' })
    await api.post({ id: 'acc_9', userName: 'nobody' })
    await create(tenant, user('ada@acme.example', { externalId: '00u1' }))
    expect(await api.waiting()).toEqual([])
    expect(await other.api.linkOf('acc_1')).toBeNull()
    expect((await api.ask('GET', '/accounts/acc_1')).status).toBe(404)
  })

  test('of several, or one that has a user, waits for a review', async () => {
    const { tenant, api } = await tenantWith()
    await api.own('acme.example')
    await api.post(
      { id: 'acc_1', addresses: ['ada@acme.example'] },
      { id: 'acc_2', userName: 'ada@acme.example' },
      { id: 'acc_3', userName: 'bo@acme.example' },
    )
    const several = await create(tenant, user('ada@acme.example'))
    const first = await create(tenant, user('bo@acme.example'))
    const second = await create(tenant, user('bo.admin', email('bo@acme.example')))
    expect(await api.linkOf('acc_3')).toBe(first.id)
    expect(
      (await api.waiting()).map(({ id, candidates }) => [id, candidates.map((one) => [one.account, one.user])]),
    ).toEqual([
      [
        several.id,
        [
          ['acc_1', null],
          ['acc_2', null],
        ],
      ],
      [second.id, [['acc_3', first.id]]],
    ])
  })

  test('has a domain compared as DNS has it', async () => {
    const { tenant, api } = await tenantWith()
    await api.own('bücher.example')
    await api.post(
      { id: 'acc_1', addresses: ['ada@xn--bcher-kva.example'] },
      { id: 'acc_2', addresses: ['bo@BÜCHER.example'] },
    )
    const [one, two] = [
      await create(tenant, user('ada@bücher.example')),
      await create(tenant, user('bo@xn--bcher-kva.example')),
    ]
    expect([await api.linkOf('acc_1'), await api.linkOf('acc_2')]).toEqual([one.id, two.id])
  })

  test('waits or is refused where the policy says so; a refusal says who, and what to do', async () => {
    const queue = await tenantWith({ match: 'queue' })
    await queue.api.post({ id: 'acc_1', externalId: '00u1' })
    const { id } = await create(queue.tenant, user('ada', { externalId: '00u1' }))
    expect((await queue.api.waiting()).map((one) => one.id)).toEqual([id])

    const refuse = await tenantWith({ match: 'refuse', doubt: 'refuse' })
    await refuse.api.post({ id: 'acc_1', externalId: '00u1' }, { id: 'acc_2', userName: 'bo' })
    const { detail } = await create(refuse.tenant, user('ada', { externalId: '00u1' }), 409)
    expect(detail).toMatch(/"acc_1".*externalId.*review/)
    expect((await create(refuse.tenant, user('bo'), 409)).detail).toContain('"acc_2"')
    await create(refuse.tenant, user('cy'))
    expect((await refuse.api.done('GET', '/users')).items).toHaveLength(1)
    expect(await refuse.api.waiting()).toEqual([])

    const doubt = await tenantWith({ doubt: 'refuse' })
    await doubt.api.post({ id: 'acc_1', externalId: '00u1' }, { id: 'acc_2', userName: 'bo' })
    await create(doubt.tenant, user('ada', { externalId: '00u1' }))
    await create(doubt.tenant, user('bo'), 409)
  })

  test('does so in a bulk request too, each account once', async () => {
    const { tenant, api } = await tenantWith()
    await api.own('acme.example')
    await api.post({ id: 'acc_1', addresses: ['ada@acme.example'] }, { id: 'acc_2', userName: 'cy' })
    const people = [user('ada', email('ada@acme.example')), user('ada@acme.example'), user('cy'), user('di')]
    const answer = await tenant.scim('POST', '/Bulk', {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
      Operations: people.map((data, i) => ({ method: 'POST', path: '/Users', bulkId: `b${i}`, data })),
    })
    const { Operations } = answer.body as { Operations: { status: string; location: string }[] }
    expect(Operations.map(({ status }) => status)).toEqual(['201', '201', '201', '201'])
    const ids = Operations.map(({ location }) => location.split('/').at(-1))
    expect(await api.linkOf('acc_1')).toBe(ids[0])
    expect((await api.waiting()).map(({ id }) => id)).toEqual([ids[1], ids[2]])
  })
})

describe('A create that meets a user of that name', () => {
  test('is refused, or taken for a change of the one that is there', async () => {
    const { tenant } = await tenantWith()
    await create(tenant, user('ada@acme.example'))
    await create(tenant, user('ADA@acme.example'), 409)

    const adopting = await tenantWith({ existingUser: 'adopt' })
    await adopting.api.own('acme.example')
    const { id } = await create(adopting.tenant, user('ada@acme.example', { displayName: 'Ada' }))
    const again = await adopting.tenant.scim(
      'POST',
      '/Users',
      user('ada@acme.example', { externalId: '00u1', displayName: 'Ada B.' }),
    )
    expect([again.status, again.headers.get('location')]).toEqual([200, `${adopting.tenant.base}/Users/${id}`])
    expect(again.body).toMatchObject({ id, externalId: '00u1', displayName: 'Ada B.' })
    // Another externalId is another person.
    const { detail } = await create(adopting.tenant, user('ada@acme.example', { externalId: '00u2' }), 409)
    expect(detail).toMatch(new RegExp(`${id}.*different externalIds`))
    await create(adopting.tenant, user('bo@globex.example'))
    expect((await create(adopting.tenant, user('bo@globex.example'), 409)).detail).toContain('not verified')
    await create(adopting.tenant, user('cy', { externalId: '00u3' }))
    await create(adopting.tenant, user('cy', { externalId: '00u3' }), 200)
  })
})

describe('A bulk that meets users who are there', () => {
  const post = (bulkId: string, data: object, path = '/Users') => ({ method: 'POST', path, bulkId, data })
  const bulk = async (tenant: TestTenant, operations: readonly object[], more: object = {}) => {
    const schemas = ['urn:ietf:params:scim:api:messages:2.0:BulkRequest']
    const answer = await tenant.scim('POST', '/Bulk', { schemas, ...more, Operations: operations })
    expect(answer.status).toBe(200)
    return (
      answer.body as { Operations: { status: string; location?: string; response?: { detail: string } }[] }
    ).Operations.map(({ status, location, response }) => ({
      ...{ status, id: location?.slice(location.lastIndexOf('/') + 1), detail: response?.detail },
    }))
  }

  test('adopts them by the policy, and what refers to them has their ids', async () => {
    const { tenant, api } = await tenantWith({ existingUser: 'adopt' })
    await api.own('acme.example')
    const { id: ada } = await create(tenant, user('ada@acme.example', { displayName: 'Ada' }))
    const { id: bo } = await create(tenant, user('bo@globex.example'))
    const { id: cy } = await create(tenant, user('cy', { externalId: '00u3' }))
    const manager = (value: string) => ({
      schemas: [USER_SCHEMA, ENTERPRISE_USER_SCHEMA],
      [ENTERPRISE_USER_SCHEMA]: { manager: { value } },
    })
    const answered = await bulk(tenant, [
      post('ada', user('ADA@acme.example', { externalId: '00u1', displayName: 'Ada B.' })),
      post('bo', user('bo@globex.example', { displayName: 'Bo' })),
      post('cy', { ...user('cy', { externalId: '00u3' }), ...manager('bulkId:di') }),
      post('di', { ...user('di'), ...manager('bulkId:ada') }),
      post('eve', { ...user('eve'), ...manager('bulkId:bo') }),
      post(
        'g',
        {
          ...{ schemas: [GROUP_SCHEMA], displayName: 'Sales' },
          members: ['ada', 'cy', 'di'].map((each) => ({ value: `bulkId:${each}` })),
        },
        '/Groups',
      ),
      { method: 'PATCH', path: '/Users/bulkId:ada', data: patchOf({ nickName: 'A.' }) },
    ])
    expect(answered.map(({ status }) => status)).toEqual(['200', '409', '200', '201', '409', '201', '200'])
    expect([answered[0]?.id, answered[2]?.id]).toEqual([ada, cy])
    expect(answered[1]?.detail).toMatch(new RegExp(`${bo}.*not verified`))
    const [, , , di, , group] = answered.map(({ id }) => id)
    const shown = async (id: string | undefined) =>
      (await tenant.scim('GET', `/Users/${id}`)).body as { displayName?: string }
    const managerOf = (body: object) => (body as { [ENTERPRISE_USER_SCHEMA]?: object })[ENTERPRISE_USER_SCHEMA]
    expect(await shown(ada)).toMatchObject({ externalId: '00u1', displayName: 'Ada B.', nickName: 'A.' })
    expect(managerOf(await shown(cy))).toMatchObject({ manager: { value: di } })
    expect(managerOf(await shown(di))).toMatchObject({ manager: { value: ada } })
    expect((await shown(bo)).displayName).toBeUndefined()
    const { members } = (await tenant.scim('GET', `/Groups/${group}`)).body as { members: { value: string }[] }
    expect(members.map(({ value }) => value).sort()).toEqual([ada, cy, di].sort())
    const changed = (await api.events('user.updated')).filter(({ resource }) => resource.id === ada)
    expect(changed.length).toBeGreaterThan(0)
    expect((await api.events('user.created')).map(({ resource }) => resource.id)).toEqual([ada, bo, cy, di])

    // One by one too, where no error is allowed, and again: nothing changes.
    const again = await bulk(
      tenant,
      [post('ada', user('ada@acme.example', { externalId: '00u1', displayName: 'Ada B.', nickName: 'A.' }))],
      {
        failOnErrors: 1,
      },
    )
    expect(again).toMatchObject([{ status: '200', id: ada }])
  })

  test('refuses them where the policy says so, or the change of one is none', async () => {
    const { tenant } = await tenantWith()
    await create(tenant, user('ada'))
    expect(await bulk(tenant, [post('ada', user('ADA')), post('bo', user('bo'))])).toMatchObject([
      { status: '409' },
      { status: '201' },
    ])
    const { tenant: adopting } = await tenantWith({ existingUser: 'adopt' })
    await create(adopting, user('ada', { externalId: '00u1' }))
    const twice = await bulk(adopting, [
      post('a', user('ada', { externalId: '00u1', nickName: 'A' })),
      post('b', user('ada', { externalId: '00u1', nickName: 'B' })),
      // Two that make the same new user contradict each other.
      post('c', user('cy', { externalId: '00u2' })),
      post('d', user('cy', { externalId: '00u2' })),
    ])
    expect(twice.map(({ status }) => status)).toEqual(['200', '200', '201', '409'])
  })

  test('a PUT or PATCH to the name of another user makes no one of two', async () => {
    const { tenant, api } = await tenantWith({ existingUser: 'adopt' })
    await api.own('acme.example')
    const { id } = await create(tenant, user('ada@acme.example'))
    const { id: other } = await create(tenant, user('bo@acme.example'))
    for (const [method, body] of [
      ['PUT', user('ada@acme.example')],
      ['PATCH', patchOf({ userName: 'ada@acme.example' })],
    ] as const) {
      const refused = await tenant.scim(method, `/Users/${other}`, body)
      expect([refused.status, (refused.body as { detail: string }).detail]).toEqual([
        409,
        expect.stringMatching(/"ada@acme\.example" exists already.*another name/),
      ])
    }
    expect((await tenant.scim('GET', `/Users/${other}`)).body).toMatchObject({ userName: 'bo@acme.example' })
    expect((await tenant.scim('GET', `/Users/${id}`)).headers.get('etag')).toBe('W/"1"')
  })
})

describe('Accounts that are posted', () => {
  test('find the users who are there already', async () => {
    const { tenant, api } = await tenantWith()
    await api.own('acme.example')
    const ids = []
    for (const one of [
      user('ada', { externalId: '00u1' }),
      user('bo@acme.example'),
      user('c', email('cy@acme.example')),
      user('di'),
    ])
      ids.push((await create(tenant, one)).id)
    const done = await api.post(
      { id: 'acc_1', externalId: '00u1' },
      { id: 'acc_2', userName: 'bo@acme.example' },
      { id: 'acc_3', addresses: ['cy@acme.example'] },
      { id: 'acc_4', userName: 'DI' },
      { id: 'acc_5', userName: 'nobody' },
    )
    expect(done).toEqual({ accounts: 5, created: 5, changed: 0, linked: 3, queued: 1 })
    expect(await Promise.all([1, 2, 3, 4].map((i) => api.linkOf(`acc_${i}`)))).toEqual([ids[0], ids[1], ids[2], null])
    expect((await api.waiting()).map(({ id }) => id)).toEqual([ids[3]])
    // Again, and nothing more happens.
    const again = await api.post({ id: 'acc_1', externalId: '00u1' }, { id: 'acc_4', userName: 'DI' })
    expect(again).toEqual({ accounts: 2, created: 0, changed: 2, linked: 0, queued: 0 })
    // Proven by now.
    await api.post({ id: 'acc_4', userName: 'DI', externalId: '00u4' })
    await tenant.scim('PATCH', `/Users/${ids[3]}`, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'add', path: 'externalId', value: '00u4' }],
    })
    expect(await api.post({ id: 'acc_4', userName: 'DI', externalId: '00u4' })).toMatchObject({ linked: 1, queued: 0 })
    expect(await api.waiting()).toEqual([])
  })

  test('come as lines, in runs that are resumed, repeated and finished', async () => {
    const { api } = await tenantWith()
    const all = Array.from({ length: 1_234 }, (_, i) => ({ id: `acc_${i}`, userName: `user${i}` }))
    await api.post({ id: 'gone_1' }, { id: 'gone_2' })
    expect(await api.lines(all.slice(0, 700), '?run=r1')).toMatchObject({ accounts: 700, created: 700 })
    expect(await api.lines(all.slice(600), '?run=r1')).toMatchObject({ accounts: 634, created: 534, changed: 100 })
    expect((await api.done('GET', '/account-runs/r1')) as object).toMatchObject({
      posted: 1_334,
      gone: 0,
      finishedAt: null,
    })
    for (const _ of [1, 2])
      expect((await api.done('POST', '/account-runs/r1/finish')) as object).toMatchObject({ gone: 2, more: false })
    expect((await api.ask('GET', '/accounts/gone_1')).status).toBe(404)
    expect((await api.ask('GET', '/accounts/acc_1233')).status).toBe(200)
    expect((await api.ask('POST', '/accounts?run=r1', { accounts: [{ id: 'x' }] })).body.detail).toContain(
      'is finished',
    )
    const trail = (await api.done('GET', '/audit-log')).items ?? []
    expect(trail.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['accounts.begun', 'accounts.run_finished']),
    )
  })

  test('are refused with the line, and what was stored before it', async () => {
    const { api } = await tenantWith()
    const good = Array.from({ length: 600 }, (_, i) => `{"id":"a${i}"}`)
    const body = [...good, '{"id":7}'].join('\n')
    const answer = await api.ask('POST', '/accounts', body, 'application/x-ndjson')
    expect([answer.status, answer.body.detail]).toEqual([
      400,
      expect.stringMatching(/^Line 601 .*500 accounts before it are stored/),
    ])
    expect((await api.ask('POST', '/accounts', '{"id":', 'application/x-ndjson')).body.detail).toBe(
      'Line 1 is no JSON.',
    )
    expect((await api.ask('POST', '/accounts', { accounts: [] })).status).toBe(400)
    expect((await api.ask('POST', '/accounts', 'id,name', 'text/csv')).status).toBe(415)
  })
})
