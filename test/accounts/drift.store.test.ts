import { afterAll, beforeAll, expect, test } from 'vitest'
import { BULK_REQUEST, GROUP_SCHEMA, USER_SCHEMA } from '../../src/scim/urn.ts'
import { accountsApi } from '../support/accounts.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

interface Found {
  readonly kind: string
  readonly reason: string | null
  readonly account: string | null
  readonly user: string | null
  readonly lacks: readonly string[]
  readonly exceeds: readonly string[]
}

test('a planted difference is found exactly, counted, written as CSV, and told of again', {
  timeout: 300_000,
}, async () => {
  const roleRules = [{ group: { displayName: 'Editors' }, role: 'editor' }]
  const tenant = await gateway.newTenant({ settings: { roleRules } })
  const api = await accountsApi(gateway, tenant)
  const [all, planted] = [3_000, 50]
  const accounts = Array.from({ length: all }, (_, i) => ({
    id: `a${String(i).padStart(5, '0')}`,
    externalId: `x${i}`,
    active: true,
  }))
  await api.lines(accounts)
  const ids: string[] = []
  for (let from = 0; from < all; from += 500) {
    const Operations = accounts.slice(from, from + 500).map(({ externalId }, i) => ({
      ...{ method: 'POST', path: '/Users', bulkId: `b${i}` },
      data: { schemas: [USER_SCHEMA], userName: `user ${externalId}`, externalId, active: true },
    }))
    const done = (await tenant.scim('POST', '/Bulk', { schemas: [BULK_REQUEST], Operations })).body as {
      Operations: { location: string }[]
    }
    ids.push(...done.Operations.map(({ location }) => location.split('/').at(-1) ?? ''))
  }
  expect((await api.done('GET', '/account-drift/summary')) as object).toEqual({
    ghost: 0,
    missing: 0,
    state: 0,
    roles: 0,
  })

  // Each kind of difference, far apart.
  const some = (offset: number) => Array.from({ length: planted }, (_, i) => i * 60 + offset)
  const [left, gone, fresh, unheard, asleep, editors] = [some(1), some(7), some(13), some(19), some(25), some(31)]
  const bulk = async (Operations: object[]) => {
    const { body } = await tenant.scim('POST', '/Bulk', { schemas: [BULK_REQUEST], Operations })
    return (body as { Operations: { status: string; location: string }[] }).Operations
  }
  const patch = {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations: [{ op: 'replace', value: { active: false } }],
  }
  await bulk(left.map((i) => ({ method: 'PATCH', path: `/Users/${ids[i]}`, data: patch })))
  await bulk(gone.map((i) => ({ method: 'DELETE', path: `/Users/${ids[i]}` })))
  const made = await bulk(
    fresh.map((i) => ({
      method: 'POST',
      path: '/Users',
      bulkId: `n${i}`,
      data: { schemas: [USER_SCHEMA], userName: `new ${i}`, active: true },
    })),
  )
  await tenant.scim('POST', '/Groups', {
    schemas: [GROUP_SCHEMA],
    displayName: 'Editors',
    members: editors.map((i) => ({ value: ids[i] })),
  })
  await api.lines([
    ...unheard.map((i) => ({ id: `z${i}`, userName: `nobody ${i}` })),
    ...asleep.map((i) => ({ ...accounts[i], active: false })),
    ...editors.map((i) => ({ ...accounts[i], roles: ['viewer'] })),
  ])

  const found: Found[] = []
  for (let after = ''; ; ) {
    const page = (await api.done('GET', `/account-drift${after}`)) as unknown as { items: Found[]; next: string | null }
    found.push(...page.items)
    if (page.next === null) break
    after = `?from=${encodeURIComponent(page.next)}`
  }
  const idOf = (i: number) => accounts[i]?.id ?? ''
  const of = (kind: string, reason: string | null = null) =>
    found.filter((one) => one.kind === kind && one.reason === reason)
  expect(of('ghost', 'deactivated').map(({ account }) => account)).toEqual(left.map(idOf))
  expect(of('ghost', 'deleted').map(({ account, user }) => [account, user])).toEqual(gone.map((i) => [idOf(i), ids[i]]))
  expect(
    of('ghost', 'never-there')
      .map(({ account }) => account)
      .sort(),
  ).toEqual(unheard.map((i) => `z${i}`).sort())
  expect(
    of('missing')
      .map(({ user }) => user)
      .sort(),
  ).toEqual(made.map(({ location }) => location.split('/').at(-1)).sort())
  expect(of('state').map(({ account }) => account)).toEqual(asleep.map(idOf))
  expect(of('roles').map(({ account, lacks, exceeds }) => [account, lacks, exceeds])).toEqual(
    editors.map((i) => [idOf(i), ['editor'], ['viewer']]),
  )
  expect(found).toHaveLength(6 * planted)
  expect((await api.done('GET', '/account-drift/summary')) as object).toEqual({
    ghost: 150,
    missing: 50,
    state: 50,
    roles: 50,
  })
  const { text } = await api.ask('GET', '/account-drift/csv?kind=state')
  expect(text.split('\r\n')).toHaveLength(planted + 2)
  expect(text).toContain(`\r\nstate,,${idOf(asleep[0] ?? 0)},`)

  // Told of again, numbered as all events.
  const before = (await api.events()).at(-1)?.position ?? 0
  let events = 0
  for (let after: string | null | undefined; after !== null; ) {
    const body = { kinds: ['ghost', 'missing', 'state', 'roles'], ...(after && { from: after }) }
    const step = (await api.done('POST', '/account-drift/repairs', body)) as unknown as {
      events: number
      next: string | null
    }
    events += step.events
    after = step.next
  }
  const told = (await api.events()).filter(({ position }) => position > before)
  expect(told.every(({ origin }) => origin === 'repair')).toBe(true)
  expect(told.map(({ position }) => position)).toEqual(told.map((_, i) => before + 1 + i))
  expect(told).toHaveLength(events)
  const ofType = (type: string) => told.filter((event) => event.type === type)
  expect(ofType('user.deactivated').map(({ account }) => account)).toEqual(left.map(idOf))
  expect(ofType('user.activated').map(({ account }) => account)).toEqual(asleep.map(idOf))
  expect(
    ofType('user.deleted')
      .map(({ changes }) => changes.account)
      .sort(),
  ).toEqual([...gone.map(idOf), ...unheard.map((i) => `z${i}`)].sort())
  expect(ofType('user.created')).toHaveLength(planted)
  const assigned = ofType('role.assigned').flatMap(({ changes }) => changes.users as string[])
  expect(assigned.sort()).toEqual(editors.map((i) => ids[i] ?? '').sort())
  const first = ofType('user.deactivated')[0]
  const { body } = await tenant.scim('GET', `/Users/${first?.resource.id}`)
  expect((body as { meta: { version: string } }).meta.version).toBe(`W/"${first?.resource.version}"`)
  expect((await api.done('GET', '/audit-log?limit=1')).items?.[0]).toMatchObject({ action: 'accounts.repaired' })
})

test('roles that the identity provider has written are compared as those of groups are', async () => {
  const tenant = await gateway.newTenant()
  const api = await accountsApi(gateway, tenant)
  await api.done('PUT', '/catalogue', { entries: [{ kind: 'Role', value: 'admin', displayName: 'Administrator' }] })
  await api.post({ id: 'one', externalId: 'x1', roles: [] })
  const body = { schemas: [USER_SCHEMA], userName: 'ada', externalId: 'x1', active: true, roles: [{ value: 'Admin' }] }
  const { id } = (await tenant.scim('POST', '/Users', body)).body as { id: string }
  const drift = async () => (await api.done('GET', '/account-drift')).items as unknown as Found[]
  expect(await api.linkOf('one')).toBe(id)
  expect(await drift()).toMatchObject([{ kind: 'roles', account: 'one', user: id, lacks: ['admin'], exceeds: [] }])
  const types = (await api.events()).map(({ type }) => type)
  expect(types).toEqual(expect.arrayContaining(['user.created', 'account.linked', 'role.assigned']))

  expect((await api.done('POST', '/account-drift/repairs', { kinds: ['roles'] })) as object).toMatchObject({
    events: 1,
  })
  expect((await api.events('role.*')).at(-1)).toMatchObject({
    ...{ type: 'role.assigned', origin: 'repair', changes: { role: 'admin', users: [id] } },
  })
  await api.post({ id: 'one', externalId: 'x1', roles: ['admin'] })
  expect(await drift()).toEqual([])
})
