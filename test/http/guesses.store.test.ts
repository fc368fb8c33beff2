import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mintApiKey } from '../../src/auth/api-key.ts'
import { FAILURES } from '../../src/auth/attempts.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { idOf } from '../support/oauth.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway({ TRUST_PROXY: '1' })
})
afterAll(() => gateway.close())

const ask = (url: string, key: string, address: string) =>
  fetch(url, { headers: { Authorization: `Bearer ${key}`, 'X-Forwarded-For': address } })

describe.each([
  ['the admin API', () => `${gateway.origin}/api/v1/projects`, 1],
  ['SCIM', () => `${gateway.tenant.base}/Users`, 2],
])('SEC-15 on %s', (_, urlOf, n) => {
  test('guesses of ADMIN_KEY are told to wait, and a good key behind the same address is not', async () => {
    const [url, address] = [urlOf(), `203.0.113.${n}`]
    for (let i = 0; i < FAILURES.ofKeyFromAddress; i++) {
      const answer = await ask(url, `admin-guess-number-${i}`, address)
      expect([answer.status, answer.headers.has('www-authenticate')], String(i)).toEqual([401, true])
    }
    const refused = await ask(url, 'admin-guess-too-many', address)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(800)
    expect(await refused.text()).toContain('look for a typing mistake')
    expect((await ask(url, gateway.adminKey, address)).status).toBe(200)
    expect((await ask(url, 'admin-guess-elsewhere', `198.51.100.${n}`)).status).toBe(401)
  })

  test('guesses of the secret of a key are told to wait, and the key itself is not', async () => {
    const [url, address] = [urlOf(), `203.0.113.${n + 10}`]
    const key = await gateway.mintKey({ permissions: ['admin', 'scim:read'] })
    const guess = () => ask(url, mintApiKey(idOf(key)).key, address)
    for (let i = 0; i < FAILURES.ofKeyFromAddress; i++) expect((await guess()).status, String(i)).toBe(401)
    expect((await guess()).status).toBe(429)
    expect((await ask(url, key, address)).status).not.toBe(429)
    expect((await ask(url, mintApiKey().key, address)).status).toBe(401)
  })

  test('a request without a key, and keys that were ours once, are told what they are, however often', async () => {
    const [url, address] = [urlOf(), `203.0.113.${n + 20}`]
    const key = await gateway.mintKey({ permissions: ['admin', 'scim:read'] })
    await gateway.revoke(key)
    for (let i = 0; i <= FAILURES.ofKeyFromAddress; i++) {
      expect((await ask(url, key, address)).status).toBe(401)
      expect((await fetch(url, { headers: { 'X-Forwarded-For': address } })).status).toBe(401)
    }
  })
})
