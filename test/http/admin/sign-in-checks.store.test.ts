import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminClient } from '../../../src/client/index.ts'
import type { TenantSettings } from '../../../src/tenancy/settings.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { groupBody, idIn, userBody } from '../../support/instances.ts'

const CHECKS = '/projects/{project}/environments/{environment}/tenants/{tenant}/sign-in-checks'

let gateway: Gateway
let tenant: TestTenant
let key: string
const ids = new Map<string, string>()
const idOf = (name: string) => ids.get(name) as string

beforeAll(async () => {
  gateway = await openGateway()
  key = await gateway.mintKey({ permissions: ['directory:read'] })
  tenant = await gateway.newTenant({ settings: { onDelete: 'deactivate' } })
  const make = async (name: string, rest: object) => {
    const emails = [{ value: `${name}@work.test` }, ...(name < 'c' ? [{ value: 'team@work.test' }] : [])]
    ids.set(name, idIn(await tenant.scim('POST', '/Users', userBody(name, { emails, ...rest }))))
  }
  await make('ada', { externalId: '1', password: 'a-Secret-of-hers-1' })
  await make('bob', { externalId: 'twice' })
  await make('cy', { externalId: 'twice' })
  await make('off', { externalId: 'shut-out', active: false })
  await make('gone', { externalId: 'left' })
  await tenant.scim('DELETE', `/Users/${idOf('gone')}`)
  const group = async (name: string, member: string) => {
    ids.set(name, idIn(await tenant.scim('POST', '/Groups', groupBody(name, [idOf(member)]))))
  }
  await group('inner', 'ada')
  await group('outer', 'inner')
  const other = await gateway.newTenant()
  await other.scim('POST', '/Users', userBody('stranger', { externalId: 'stranger' }))
})
afterAll(() => gateway.close())

/** Checks an identity under these settings; those of other tests are taken back. */
async function check(identity: string, settings: TenantSettings = {}) {
  const inherited = { signInAttribute: null, allowNotProvisioned: null, userSync: null, groupSync: null }
  await gateway.setSettings(tenant, { ...inherited, ...settings })
  const path = { project: gateway.project, environment: gateway.environment, tenant: tenant.name }
  const { data, error } = await adminClient({ origin: gateway.origin, key }).POST(CHECKS, {
    params: { path },
    body: { identity },
  })
  expect(error).toBeUndefined()
  if (data === undefined) throw new Error('no answer')
  return data
}

const externalId = { signInAttribute: 'externalId' } as const
const email = { signInAttribute: 'email' } as const
const open = { allowNotProvisioned: true } as const

describe('who may sign in, and why not', () => {
  test.each<[string, string, TenantSettings, boolean, string | null, string | null]>([
    ['a provisioned user by userName, in any case', 'ADA', {}, true, null, 'ada'],
    ['by externalId', '1', externalId, true, null, 'ada'],
    ['by any e-mail address, in any case', 'Ada@Work.test', email, true, null, 'ada'],
    ['an externalId in another case is another', 'Twice', externalId, false, 'not_provisioned', null],
    ['nobody of that name', 'nobody', {}, false, 'not_provisioned', null],
    ['nobody of that name, where that is no matter', 'nobody', open, true, 'not_provisioned', null],
    ['an attribute that does not link', 'ada@work.test', {}, false, 'not_provisioned', null],
    ['a user of another tenant', 'stranger', externalId, false, 'not_provisioned', null],
    ['two of one externalId', 'twice', externalId, false, 'ambiguous', null],
    ['two of one address, never guessed between', 'team@work.test', { ...email, ...open }, false, 'ambiguous', null],
    ['a deactivated user', 'off', {}, false, 'deactivated', 'off'],
    ['a deactivated user, where strangers may', 'off', open, false, 'deactivated', 'off'],
    ['a deleted user who is kept, by userName', 'Gone', open, false, 'deactivated', null],
    ['a deleted user who is kept, by externalId', 'left', { ...externalId, ...open }, false, 'deactivated', null],
    ['a deleted user who is kept, by e-mail', 'Gone@work.test', { ...email, ...open }, false, 'deactivated', null],
    ['users no longer synchronised', 'ada', { userSync: false }, false, 'sync_disabled', 'ada'],
    ['the same, where strangers may', 'ada', { userSync: false, ...open }, true, 'sync_disabled', 'ada'],
    ['the same, deactivated', 'off', { userSync: false, ...open }, false, 'deactivated', 'off'],
    ['groups no longer synchronised', 'ada', { groupSync: false }, true, null, 'ada'],
    ['text that would end a filter', '" or userName pr or userName eq "', open, true, 'not_provisioned', null],
  ])('%s', async (_, identity, settings, allowed, reason, name) => {
    const answer = await check(identity, settings)
    const user = answer.user?.id ?? null
    expect({ allowed: answer.allowed, reason: answer.reason, user }).toEqual({
      allowed,
      reason,
      user: name && idOf(name),
    })
  })

  test.each(['externalId', 'userName', 'email'] as const)('an id of ours is no identity by %s', async (attribute) => {
    expect(await check(idOf('ada'), { signInAttribute: attribute })).toEqual({
      ...{ allowed: false, reason: 'not_provisioned', user: null, groups: [], roles: [] },
    })
  })

  test('it comes with the user, without secrets, and the groups, direct and through others', async () => {
    const { user, groups } = await check('ada')
    expect(user).toMatchObject({ userName: 'ada', externalId: '1', active: true })
    expect(user).not.toHaveProperty('password')
    expect(user).not.toHaveProperty('groups')
    expect(groups).toEqual([
      { id: idOf('inner'), displayName: 'inner', type: 'direct' },
      { id: idOf('outer'), displayName: 'outer', type: 'indirect' },
    ])
    expect((await check('nobody')).groups).toEqual([])
  })

  test('a number that was no user’s externalId does not find the first user, and the externalId does not give an id away', async () => {
    expect((await check('2', externalId)).reason).toBe('not_provisioned')
    expect((await check('01', externalId)).reason).toBe('not_provisioned')
    expect((await check('1.0', externalId)).reason).toBe('not_provisioned')
  })
})

describe('what is no check', () => {
  const send = (body: string, type = 'application/json') =>
    fetch(
      `${gateway.origin}/api/v1${CHECKS.replace('{project}', gateway.project).replace('{environment}', gateway.environment).replace('{tenant}', tenant.name)}`,
      { method: 'POST', headers: { Authorization: `Bearer ${key}`, 'Content-Type': type }, body },
    )

  test.each([
    ['a number', '{"identity": 1}', 'identity'],
    ['nothing', '{}', 'identity'],
    ['an empty text', '{"identity": ""}', 'identity'],
    ['a list', '{"identity": ["ada"]}', 'identity'],
    ['an attribute of the caller’s choice', '{"identity": "ada", "signInAttribute": "userName"}', 'signInAttribute'],
  ])('%s is refused by name', async (_, body, path) => {
    const answer = await send(body)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ errors: [{ path }] })
  })

  test('another media type and a body beyond all bounds are refused', async () => {
    expect((await send('{"identity": "ada"}', 'text/plain')).status).toBe(415)
    expect((await send(JSON.stringify({ identity: 'a'.repeat(70_000) }))).status).toBe(413)
  })
})
