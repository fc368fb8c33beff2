import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { bulkBody, json } from '../../support/instances.ts'

let gateway: Gateway
beforeAll(async () => {
  // Room for ten seconds' worth under way at once.
  gateway = await openGateway({ TRUST_PROXY: '1', TENANT_MAX_IN_FLIGHT: '300', KEY_MAX_IN_FLIGHT: '300' })
})
afterAll(() => gateway.close())

describe('allowedAddresses', () => {
  let tenant: TestTenant
  const statusFrom = async (forwarded: string, path = '/Users') =>
    (await tenant.scim('GET', path, undefined, { 'X-Forwarded-For': forwarded })).status

  beforeAll(async () => {
    const allowedAddresses = ['203.0.113.0/24', '2001:db8::/32']
    tenant = await gateway.newTenant({ settings: { allowedAddresses, anonymousDiscovery: true } })
  })

  test.each([
    ['203.0.113.9', 200],
    ['2001:db8::9', 200],
    ['198.51.100.1', 403],
    ['2001:db9::1', 403],
    ['::ffff:203.0.113.9', 200],
    ['203.0.113.9, 198.51.100.1', 403],
    ['198.51.100.1, 203.0.113.9', 200],
    ['unknown', 403],
    ['', 403],
  ])('behind a proxy a request forwarded for %j gets %i: the last value is the proxy’s own', async (from, status) => {
    expect(await statusFrom(from)).toBe(status)
    expect(await statusFrom(from, '/ServiceProviderConfig')).toBe(status)
  })

  test('the refusal says from where it came, for the log of who set it up', async () => {
    const answer = await tenant.scim('GET', '/Users', undefined, { 'X-Forwarded-For': '198.51.100.1' })
    expect(json(answer).detail).toContain('198.51.100.1')
  })

  test('a wrong key learns nothing of the list', async () => {
    const headers = { 'X-Forwarded-For': '198.51.100.1', Authorization: 'Bearer wrong' }
    expect((await tenant.scim('GET', '/Users', undefined, headers)).status).toBe(401)
  })

  test('discovery without a key keeps to it', async () => {
    const anonymous = (from: string) =>
      fetch(`${tenant.base}/Schemas`, { headers: { 'X-Forwarded-For': from } }).then(({ status }) => status)
    expect([await anonymous('203.0.113.9'), await anonymous('198.51.100.1')]).toEqual([200, 403])
  })

  test('the refusal says why the address is not known, and no client is admitted then', async () => {
    const direct = await fetch(`${tenant.base}/Users`, { headers: { Authorization: `Bearer ${tenant.key}` } })
    expect(direct.status).toBe(403)
    expect(await direct.json()).toMatchObject({
      detail: expect.stringMatching(/where this one came from is not known: the proxy sent no x-forwarded-for/),
    })
  })

  test.each([
    [
      'Fly-Client-IP',
      [
        [{ 'Fly-Client-IP': '203.0.113.9', 'X-Forwarded-For': '203.0.113.9, 66.241.124.1' }, 200],
        [{ 'Fly-Client-IP': '198.51.100.1', 'X-Forwarded-For': '203.0.113.9' }, 403],
        [{ 'X-Forwarded-For': '203.0.113.9' }, 403],
      ],
    ],
    [
      '2',
      [
        [{ 'X-Forwarded-For': '198.51.100.1, 203.0.113.9, 66.241.124.1' }, 200],
        [{ 'X-Forwarded-For': '203.0.113.9, 198.51.100.1, 203.0.113.9' }, 403],
        [{ 'X-Forwarded-For': '203.0.113.9' }, 403],
      ],
    ],
    [
      '127.0.0.0/8,66.241.124.0/24',
      [
        [{ 'X-Forwarded-For': '203.0.113.9, 66.241.124.1' }, 200],
        [{ 'X-Forwarded-For': '203.0.113.9, 198.51.100.1, 66.241.124.1' }, 403],
        [{ 'X-Forwarded-For': 'junk, 66.241.124.1' }, 403],
        [{}, 403],
      ],
    ],
    ['10.0.0.0/8', [[{ 'X-Forwarded-For': '203.0.113.9' }, 403]]],
    ['none', [[{ 'X-Forwarded-For': '203.0.113.9', 'Fly-Client-IP': '203.0.113.9' }, 403]]],
  ] as const)('with TRUST_PROXY=%s only what that proxy says counts', async (trust, requests) => {
    const behind = await openGateway({ TRUST_PROXY: trust })
    try {
      const guarded = await behind.newTenant({ settings: { allowedAddresses: ['203.0.113.0/24'] } })
      for (const [headers, status] of requests) {
        const answer = await fetch(`${guarded.base}/Users`, {
          headers: { Authorization: `Bearer ${guarded.key}`, ...headers },
        })
        expect(answer.status, JSON.stringify(headers)).toBe(status)
      }
    } finally {
      await behind.close()
    }
  })

  test('without a proxy the connection’s own address counts, and nothing that the client says', async () => {
    const direct = await openGateway()
    try {
      tenant = await direct.newTenant({ settings: { allowedAddresses: ['203.0.113.9'] } })
      const ask = async (forwarded: string) => {
        const headers = { Authorization: `Bearer ${tenant.key}`, 'X-Forwarded-For': forwarded }
        return (await fetch(`${tenant.base}/Users`, { headers })).status
      }
      expect(await ask('203.0.113.9')).toBe(403)
      await direct.setSettings(tenant, { allowedAddresses: ['127.0.0.0/8'] })
      expect(await ask('198.51.100.1')).toBe(200)
    } finally {
      await direct.close()
    }
  })
})

describe('SEC-15 requestsPerSecond', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  test('25 a second pass for as long as they come, also ten seconds’ worth at once; what is above waits', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const [tenant, other] = await Promise.all(
      [0, 1].map(() => gateway.newTenant({ settings: { requestsPerSecond: 25 } })),
    )
    if (tenant === undefined || other === undefined) throw new Error('not made')
    const ask = async (count: number, of: TestTenant = tenant) => {
      const answers = await Promise.all(Array.from({ length: count }, () => of.scim('GET', '/Schemas')))
      return answers.filter(({ status }) => status === 200).length
    }
    for (let second = 0; second < 20; second++) {
      expect(await ask(25)).toBe(25)
      vi.advanceTimersByTime(1_000)
    }
    expect(await ask(250)).toBe(250)
    vi.advanceTimersByTime(2_500)
    const refused = await tenant.scim('GET', '/Users')
    expect(refused.status).toBe(429)
    expect(refused.headers.get('Retry-After')).toBe('8')
    expect(refused.headers.get('X-Request-Id')).not.toBeNull()
    expect(json(refused)).toMatchObject({ status: '429', detail: expect.stringContaining('requestsPerSecond') })
    expect(await ask(25, other)).toBe(25)
    vi.advanceTimersByTime(7_500)
    expect(await ask(250)).toBe(250)
  })

  /** Deletes so many users that are not there. */
  const operations = (count: number) =>
    bulkBody(Array.from({ length: count }, () => ({ method: 'DELETE', path: `/Users/${randomUUID()}` })))

  test('a bulk request counts as its operations, and its 429 says when to come again', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const tenant = await gateway.newTenant({ settings: { requestsPerSecond: 25 } })
    expect((await tenant.scim('POST', '/Bulk', operations(240))).status).toBe(200)
    for (let n = 0; n < 10; n++) expect((await tenant.scim('GET', '/Schemas')).status).toBe(200)
    const refused = await tenant.scim('POST', '/Bulk', operations(1))
    expect([refused.status, refused.headers.get('Retry-After')]).toEqual([429, '10'])
    expect(json(refused)).toMatchObject({ detail: expect.stringContaining('requestsPerSecond') })
    vi.advanceTimersByTime(10_000)
    expect((await tenant.scim('POST', '/Bulk', operations(1))).status).toBe(200)
  })

  test('a bulk request that is larger than a window gets through, and uses up the windows that follow', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const tenant = await gateway.newTenant({ settings: { requestsPerSecond: 25 } })
    const answers = await Promise.all([0, 1, 2].map(() => tenant.scim('POST', '/Bulk', operations(600))))
    // Of several at once one gets through: the others find no room left.
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 429, 429])
    // 600 operations and two refused requests, at 25 in a second.
    const refused = await tenant.scim('GET', '/Users')
    expect([refused.status, refused.headers.get('Retry-After')]).toEqual([429, '25'])
    vi.advanceTimersByTime(23_000)
    expect((await tenant.scim('GET', '/Users')).status).toBe(429)
    vi.advanceTimersByTime(2_000)
    expect((await tenant.scim('GET', '/Users')).status).toBe(200)
  })

  test('a tenant without a limit is not held up', async () => {
    const tenant = await gateway.newTenant()
    const answers: { readonly status: number }[] = []
    // Fewer at once than one tenant may have under way.
    for (let i = 0; i < 8; i++)
      answers.push(...(await Promise.all(Array.from({ length: 50 }, () => tenant.scim('GET', '/Schemas')))))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  })
})
