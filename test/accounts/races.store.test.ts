import { afterAll, beforeAll, expect, test } from 'vitest'
import { USER_SCHEMA } from '../../src/scim/urn.ts'
import { accountsApi } from '../support/accounts.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

const user = (userName: string, more: object = {}) => ({ schemas: [USER_SCHEMA], userName, active: true, ...more })
/** Two requests of each at the same time; a key may have 64 under way. */
const ROUNDS = 24

test('an account that is posted while its user is created is linked, whoever is first', async () => {
  const tenant = await gateway.newTenant()
  const api = await accountsApi(gateway, tenant)
  // The first accounts of all, too: nobody knows of any before.
  await Promise.all(
    Array.from({ length: ROUNDS }, async (_, i) => {
      const create = () => tenant.scim('POST', '/Users', user(`u${i}`, { externalId: `x${i}` }))
      const post = () => api.post({ id: `a${i}`, externalId: `x${i}` })
      const answers = await Promise.all(i % 2 === 0 ? [post(), create()] : [create(), post()])
      expect(answers).toHaveLength(2)
    }),
  )
  const { items = [] } = await api.done('GET', '/accounts?limit=200')
  expect(items).toHaveLength(ROUNDS)
  expect(items.filter(({ user }) => user === null)).toEqual([])
  expect(await api.waiting()).toEqual([])
})

test('of two creates of one account, one is linked and the other waits', async () => {
  const tenant = await gateway.newTenant()
  const api = await accountsApi(gateway, tenant)
  await api.lines(Array.from({ length: ROUNDS }, (_, i) => ({ id: `a${i}`, externalId: `x${i}` })))
  const create = async (userName: string, externalId: string) =>
    ((await tenant.scim('POST', '/Users', user(userName, { externalId }))).body as { id: string }).id
  const pairs = await Promise.all(
    Array.from({ length: ROUNDS }, (_, i) => Promise.all([create(`one${i}`, `x${i}`), create(`two${i}`, `x${i}`)])),
  )
  const { items = [] } = await api.done('GET', '/accounts?limit=200')
  const linked = new Set(items.map(({ user }) => String(user)))
  const waiting = new Set((await api.waiting()).map(({ id }) => id))
  for (const pair of pairs) {
    expect(pair.filter((id) => linked.has(id))).toHaveLength(1)
    expect(pair.filter((id) => waiting.has(id))).toHaveLength(1)
  }
})

test('a posting at the same time by two requests links nobody twice', async () => {
  const tenant = await gateway.newTenant()
  const api = await accountsApi(gateway, tenant)
  for (let i = 0; i < ROUNDS; i++) await tenant.scim('POST', '/Users', user(`u${i}`, { externalId: `x${i}` }))
  const accounts = Array.from({ length: ROUNDS }, (_, i) => ({ id: `a${i}`, externalId: `x${i}` }))
  await Promise.all([api.post(...accounts), api.post(...accounts.toReversed()), api.lines(accounts)])
  expect((await api.events('account.linked')).length).toBe(ROUNDS)
  const { items = [] } = await api.done('GET', '/accounts?limit=200')
  expect(new Set(items.map(({ user: id }) => id)).size).toBe(ROUNDS)
})
