import { afterAll, beforeAll, expect, test } from 'vitest'
import { FAILURES } from '../../../src/auth/attempts.ts'
import { type Gateway, openGateway } from '../../support/gateway.ts'
import { askToken, basic, idOf } from '../../support/oauth.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway({ TRUST_PROXY: '1' })
})
afterAll(() => gateway.close())

const GRANT = { grant_type: 'client_credentials' }
const ask = (address: string, key: string, secret = key) =>
  askToken(gateway, GRANT, { Authorization: basic(idOf(key), secret), 'X-Forwarded-For': address })
const TOO_MANY = { status: 429, body: { error: 'temporarily_unavailable', error_description: expect.any(String) } }

test('SEC-15 attempts that fail for a key from an address are told to wait, with the seconds; others are not', async () => {
  const [key, other] = [await gateway.mintKey(), await gateway.mintKey()]
  for (let i = 0; i < FAILURES.ofKeyFromAddress; i++)
    expect((await ask('203.0.113.1', key, 'wrong')).status, String(i)).toBe(401)
  const refused = await ask('203.0.113.1', key, 'wrong')
  expect(refused).toMatchObject(TOO_MANY)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(800)
  expect(refused.headers.get('cache-control')).toBe('no-store')
  expect((await ask('203.0.113.2', key, 'wrong')).status).toBe(401)
  expect((await ask('203.0.113.1', other, 'wrong')).status).toBe(401)
})

test('SEC-15 guesses in the form count as those in the header do, and the client itself is not held up', async () => {
  const key = await gateway.mintKey()
  const inForm = (secret: string) =>
    askToken(gateway, { ...GRANT, client_id: idOf(key), client_secret: secret }, { 'X-Forwarded-For': '203.0.113.77' })
  for (let i = 0; i < FAILURES.ofKeyFromAddress; i++)
    expect((await (i % 2 === 0 ? inForm('wrong') : ask('203.0.113.77', key, 'wrong'))).status, String(i)).toBe(401)
  expect(await inForm('wrong')).toMatchObject(TOO_MANY)
  expect(await ask('203.0.113.77', key, 'wrong')).toMatchObject(TOO_MANY)
  expect((await inForm(key)).status).toBe(200)
})

test('SEC-15 no client that has a good key is held up by what others fail at: from the same address, or in its name', async () => {
  const [key, beside] = [await gateway.mintKey(), await gateway.mintKey()]
  for (let i = 0; i <= FAILURES.fromAddress; i++) await ask('198.51.100.1', key, 'wrong')
  expect((await ask('198.51.100.1', key, 'wrong')).status).toBe(429)
  expect((await ask('198.51.100.1', key)).status).toBe(200)
  expect((await ask('198.51.100.1', beside)).status).toBe(200)
  for (let i = 0; i <= FAILURES.ofKey; i++) await ask(`192.0.2.${i % 256}`, beside, 'wrong')
  expect((await ask('192.0.2.200', beside, 'wrong')).status).toBe(429)
  expect((await ask('192.0.2.200', beside)).status).toBe(200)
})

test('SEC-15 a client that does not keep its tokens is held up where it runs, and no other client is', async () => {
  const [greedy, other] = [await gateway.mintKey(), await gateway.mintKey()]
  for (let i = 0; i < 120; i++) expect((await ask('198.51.100.9', greedy)).status).toBe(200)
  expect(await ask('198.51.100.9', greedy)).toMatchObject(TOO_MANY)
  expect((await ask('198.51.100.10', greedy)).status).toBe(200)
  expect((await ask('198.51.100.9', other)).status).toBe(200)
  let more = 0
  for (; more < 700 && (await ask(`203.0.113.${more % 200}`, greedy)).status === 200; more++);
  expect(more).toBeGreaterThan(400)
  expect(more).toBeLessThan(600)
})
