import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Gateway, openGateway } from '../../support/gateway.ts'
import { askToken, basic, idOf } from '../../support/oauth.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway({ TRUST_PROXY: 'true' })
})
afterAll(() => gateway.close())

const GRANT = { grant_type: 'client_credentials' }
const ask = (address: string, key: string, secret = key) =>
  askToken(gateway, GRANT, { Authorization: basic(idOf(key), secret), 'X-Forwarded-For': address })
const TOO_MANY = { status: 429, body: { error: 'temporarily_unavailable', error_description: expect.any(String) } }

test('SEC-15 an address whose attempts fail is held up, with the seconds to wait, and no other address is', async () => {
  const key = await gateway.mintKey()
  let failed = 0
  for (; failed < 200; failed++) {
    const answer = await ask('203.0.113.1', key, 'wrong')
    if (answer.status === 429) break
    expect(answer.status).toBe(401)
  }
  expect(failed).toBe(120)
  const refused = await ask('203.0.113.1', key)
  expect(refused).toMatchObject(TOO_MANY)
  expect(refused.headers.get('retry-after')).toMatch(/^([1-9]|[1-5]\d|60)$/)
  expect(refused.headers.get('cache-control')).toBe('no-store')
  expect((await ask('203.0.113.2', key)).status).toBe(200)
})

test('SEC-15 a client that does not keep its tokens is held up wherever it comes from, and no other client is', async () => {
  const [greedy, other] = [await gateway.mintKey(), await gateway.mintKey()]
  for (let i = 0; i < 120; i++) expect((await ask(`198.51.100.${i}`, greedy)).status).toBe(200)
  expect(await ask('198.51.100.200', greedy)).toMatchObject(TOO_MANY)
  expect((await ask('198.51.100.200', other)).status).toBe(200)
})

test('SEC-15 nobody uses up the share of a client by calling itself so', async () => {
  const key = await gateway.mintKey()
  for (let i = 0; i < 130; i++) await ask(`192.0.2.${i}`, key, 'wrong')
  expect((await ask('192.0.2.200', key)).status).toBe(200)
})
