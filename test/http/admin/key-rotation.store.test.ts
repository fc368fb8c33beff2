import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApiKey } from '../../../src/administration/keys/api-keys.ts'
import type { Scope } from '../../../src/auth/principal.ts'
import { CONFIGURED_ADMIN } from '../../../src/auth/principal.ts'
import { openAdminApi, type TestAdminApi } from '../../support/admin-api.ts'
import { administrationOn } from '../../support/administration.ts'

interface Key {
  id: string
  key: string
  warnings: string[]
  expiresAt: string | null
  scope: Omit<Extract<Scope, { kind: 'tenant' }>, 'kind'>
  secrets: { version: number; endsAt: string | null; endsOnUse: boolean; lastUsedAt: string; lastUsedBy: string }[]
}

const PLACES = [
  '',
  '/projects/acme',
  '/projects/acme/environments/prod',
  '/projects/acme/environments/prod/tenants/globex',
]
let api: TestAdminApi
beforeAll(async () => {
  api = await openAdminApi()
  const path = { project: 'acme', environment: 'prod' }
  await api.client.POST('/projects', { body: { key: 'acme' } })
  await api.client.POST('/projects/{project}/environments', { params: { path }, body: { key: 'prod' } })
  await api.client.POST('/projects/{project}/environments/{environment}/tenants', {
    params: { path },
    body: { key: 'globex' },
  })
})
afterAll(() => api.close())

const mint = async (place: string, more: object = {}) =>
  (await api.send<Key>('POST', `${place}/api-keys`, { name: 'k', permissions: ['admin'], ...more })).body
const statusWith = async (key: string, place: string, headers = {}) =>
  (await api.send('GET', `${place}/api-keys`, undefined, key, headers)).status

test.each(PLACES)('%s/api-keys/{apiKey}/rotation: a new secret, then the old one ends on command', async (place) => {
  const { id, key } = await mint(place)
  const path = `${place}/api-keys/${id}`
  const rotated = await api.send<Key>('POST', `${path}/rotation`)
  expect(rotated).toMatchObject({ status: 201, body: { id, secrets: [{ version: 1 }, { version: 2 }] } })
  expect(rotated.headers.get('Cache-Control')).toBe('no-store')
  expect(JSON.stringify(rotated.body)).not.toMatch(/hash/)
  const next = rotated.body.key
  expect([await statusWith(key, place, { 'User-Agent': 'old' }), await statusWith(next, place)]).toEqual([200, 200])
  await api.control.flushKeyUse()
  const { secrets } = (await api.send<Key>('GET', path)).body
  expect(secrets[0]).toMatchObject({ lastUsedBy: 'old', lastUsedAt: expect.any(String) })

  const ended = await api.send<Key>('DELETE', `${path}/rotation/old`)
  expect(ended).toMatchObject({ status: 200, body: { id, warnings: [] } })
  expect([await statusWith(key, place), await statusWith(next, place)]).toEqual([401, 200])
  expect((await api.send('DELETE', `${path}/rotation/old`)).status).toBe(409)
})

test('a rotation is undone on command', async () => {
  const { id, key } = await mint('')
  const next = (await api.send<Key>('POST', `/api-keys/${id}/rotation`, { untilNewIsUsed: true })).body
  expect(next.secrets[0]).toMatchObject({ endsAt: null, endsOnUse: true })
  expect((await api.send('DELETE', `/api-keys/${id}/rotation`)).status).toBe(200)
  expect([await statusWith(key, ''), await statusWith(next.key, '')]).toEqual([200, 401])
})

test('a repeat of a rotation shows no secret', async () => {
  const { id } = await mint('')
  const rotate = () => api.send<Key>('POST', `/api-keys/${id}/rotation`, {}, undefined, { 'Idempotency-Key': 'r' })
  expect((await rotate()).status).toBe(201)
  expect(await rotate()).toMatchObject({ status: 409, body: { detail: expect.stringContaining(id) } })
})

test('SEC-13 a key cannot rotate one that can do more, and its secret stays unseen', async () => {
  const wide = await mint('/projects/acme', { permissions: ['admin', 'scim:write'] })
  const narrow = await mint('/projects/acme')
  const answer = await api.send('POST', `/projects/acme/api-keys/${wide.id}/rotation`, {}, narrow.key)
  expect(answer).toMatchObject({ status: 403, body: { detail: expect.stringContaining('scim:write') } })
  const elsewhere = await mint('/projects/acme/environments/prod')
  expect((await api.send('POST', `/api-keys/${wide.id}/rotation`, {}, elsewhere.key)).status).toBe(403)
  expect((await api.send<Key>('GET', `/api-keys/${wide.id}`)).body.secrets).toHaveLength(1)
})

test('SEC-07 a key says from 30 days before that it expires', async () => {
  const expiresAt = new Date(Date.now() + 10 * 86_400_000).toISOString()
  const { id, warnings } = await mint('', { expiresAt })
  expect(warnings).toEqual([expect.stringContaining('10 days')])
  const later = new Date(Date.now() + 100 * 86_400_000).toISOString()
  const rotated = await api.send<Key>('POST', `/api-keys/${id}/rotation`, { expiresAt: later, keepOldForSeconds: 0 })
  expect(rotated.body).toMatchObject({ expiresAt: later, warnings: [] })
})

test.each([
  ['a negative time', { keepOldForSeconds: -1 }, 'keepOldForSeconds'],
  ['more than 30 days', { keepOldForSeconds: 2_592_001 }, 'keepOldForSeconds'],
  ['SEC-07 an end in more than a year', { expiresAt: '2099-01-01T00:00:00Z' }, 'expiresAt'],
  ['an end in the past', { expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
  ['a member that is not known', { secret: 'mine' }, 'secret'],
])('%s is refused', async (_, body, path) => {
  const { id } = await mint('')
  const answer = await api.send('POST', `/api-keys/${id}/rotation`, body)
  expect(answer).toMatchObject({ status: 400, body: { errors: [{ path }] } })
})

test('a key that stands for a user does not reach the admin API, whatever its permissions', async () => {
  const { scope } = await mint(PLACES[3] ?? '')
  const administration = administrationOn(api.database, api.control)
  const place = { kind: 'tenant', ...scope } as const
  const made = () => createApiKey(administration, place, { name: 'k', permissions: ['admin'] }, CONFIGURED_ADMIN)
  const [operators, { id, key }] = [await made(), await made()]
  const user = '01890a5d-ac96-774b-bcce-b302099a8057'
  await api.database.run(
    `insert into resources (tenant_id, id, resource_type, document, created_at, modified_at)
     values ($1::uuid, $2::uuid, 'User', '{}', now(), now())`,
    [scope.tenantId, user],
  )
  await api.database.run('update api_keys set user_id = $1::uuid where id = $2', [user, id])
  expect(await statusWith(operators.key, PLACES[3] ?? '')).toBe(200)
  expect(await statusWith(key, PLACES[3] ?? '')).toBe(403)
})
