import { createSocket, type Socket } from 'node:dgram'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { USER_SCHEMA } from '../../src/scim/urn.ts'
import { accountsApi } from '../support/accounts.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'

let gateway: Gateway
let dns: Socket
/** TXT records by name. */
const records = new Map<string, string>()
beforeAll(async () => {
  dns = createSocket('udp4', (question, from) => dns.send(txtAnswer(question), from.port, from.address))
  await new Promise<void>((resolve) => dns.bind(0, '127.0.0.1', resolve))
  gateway = await openGateway({ DNS_SERVERS: `127.0.0.1:${dns.address().port}` })
})
afterAll(async () => {
  await gateway.close()
  dns.close()
})

/** The answer of a DNS server (RFC 1035 §4.1) to a question for TXT records. */
function txtAnswer(question: Buffer): Buffer {
  const labels: string[] = []
  let at = 12
  for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
    labels.push(question.subarray(at + 1, at + 1 + length).toString())
    at += length + 1
  }
  const text = records.get(labels.join('.').toLowerCase())
  const head = Buffer.from(question.subarray(0, 12))
  head.writeUInt16BE(text === undefined ? 0x8183 : 0x8180, 2)
  head.writeUInt16BE(text === undefined ? 0 : 1, 6)
  head.writeUInt32BE(0, 8)
  const asked = question.subarray(12, at + 5)
  if (text === undefined) return Buffer.concat([head, asked])
  const data = Buffer.from(text)
  const fixed = Buffer.from([0xc0, 0x0c, 0, 16, 0, 1, 0, 0, 0, 60, 0, data.length + 1, data.length])
  return Buffer.concat([head, asked, fixed, data])
}

type Api = Awaited<ReturnType<typeof accountsApi>>
async function doubtful(count: number): Promise<{ tenant: TestTenant; api: Api; ids: string[] }> {
  const tenant = await gateway.newTenant()
  const api = await accountsApi(gateway, tenant)
  if (count > 0)
    await api.post(...Array.from({ length: count }, (_, i) => ({ id: `acc_${i}`, userName: `u${i}@acme.example` })))
  const ids: string[] = []
  for (let i = 0; i < count; i++) {
    const body = { schemas: [USER_SCHEMA], userName: `u${i}@acme.example`, active: true }
    ids.push(((await tenant.scim('POST', '/Users', body)).body as { id: string }).id)
  }
  return { tenant, api, ids }
}
const newest = async (api: Api) => (await api.done('GET', '/audit-log?limit=1')).items?.[0]

describe('The review queue', () => {
  test('is emptied by decisions, each of which the audit trail has', async () => {
    const { api, ids } = await doubtful(3)
    const decide = (decision: string, user = '', account?: string) =>
      api.ask('POST', '/account-reviews', { decision, user, ...(account && { account }) })
    expect((await decide('confirm', ids[0])).body).toEqual({
      decided: [{ user: ids[0], account: 'acc_0' }],
      next: null,
    })
    expect(await newest(api)).toMatchObject({
      ...{ action: 'account_review.confirmed', target: { id: ids[0] } },
      after: { pairs: [{ user: ids[0], account: 'acc_0' }] },
    })
    expect(await api.linkOf('acc_0')).toBe(ids[0])
    await decide('separate', ids[1])
    expect(await newest(api)).toMatchObject({ action: 'account_review.separated' })
    expect((await api.waiting()).map(({ id }) => id)).toEqual([ids[2]])
    // What is separate stays so, also where the accounts are posted again.
    expect(await api.post({ id: 'acc_1', userName: 'u1@acme.example' })).toMatchObject({ linked: 0, queued: 0 })
    // One account, one user.
    expect((await decide('confirm', ids[2], 'acc_0')).status).toBe(409)
    expect((await decide('confirm', ids[2], 'none')).status).toBe(409)
    expect((await decide('confirm', ids[1])).status).toBe(404)
    // A link that was wrong ends.
    await decide('separate', ids[0], 'acc_0')
    expect(await api.linkOf('acc_0')).toBeNull()
    expect((await api.events()).slice(-1)).toMatchObject([
      { type: 'account.unlinked', changes: { account: 'acc_0', user: ids[0] } },
    ])
  })

  test('has accounts of one person merged', async () => {
    const { tenant, api } = await doubtful(0)
    await api.post({ id: 'old', userName: 'ada' }, { id: 'new', addresses: ['ada'] }, { id: 'else', userName: 'x' })
    const body = { schemas: [USER_SCHEMA], userName: 'ada', active: true }
    const { id } = (await tenant.scim('POST', '/Users', body)).body as { id: string }
    const [unnamed, named] = [
      { decision: 'merge', user: id },
      { decision: 'merge', user: id, account: 'new' },
    ]
    expect((await api.ask('POST', '/account-reviews', unnamed)).body.detail).toContain('name one of new, old')
    await api.done('POST', '/account-reviews', named)
    expect(await api.linkOf('new')).toBe(id)
    expect((await api.done('GET', '/accounts/old')) as object).toMatchObject({ mergedInto: 'new', user: null })
    expect((await api.events('account.merged')).map(({ changes }) => changes)).toEqual([
      { account: 'old', into: 'new' },
    ])
    expect(await newest(api)).toMatchObject({ action: 'account_review.merged', after: { merged: ['old'] } })
  })

  test('is decided by a rule, some at a time', async () => {
    const { tenant, api, ids } = await doubtful(5)
    await api.post({ id: 'two', addresses: ['u4@acme.example'] }, { id: 'far', userName: 'far@globex.example' })
    const far = { schemas: [USER_SCHEMA], userName: 'far@globex.example', active: true }
    await tenant.scim('POST', '/Users', far)
    const rule = { decision: 'confirm', by: 'userName', domain: 'ACME.example' }
    const done = (await api.done('POST', '/account-reviews/by-rule', rule)) as unknown as {
      decided: { user: string }[]
    }
    expect(done.decided.map(({ user }) => user).sort()).toEqual(ids.slice(0, 4).sort())
    expect(await newest(api)).toMatchObject({
      action: 'account_review.confirmed',
      after: { rule: { domain: 'acme.example' } },
    })
    expect((await api.waiting()).map(({ userName }) => userName)).toEqual(['u4@acme.example', 'far@globex.example'])
  })
})

describe('A domain', () => {
  test('is verified by its TXT record', async () => {
    const { api } = await doubtful(1)
    const { record, verified } = (await api.done('POST', '/domains', { domain: 'Bücher.example' })) as unknown as {
      record: { name: string; value: string }
      verified: boolean
    }
    expect([record.name, verified]).toEqual(['_rollcall.xn--bcher-kva.example', false])
    const verify = () => api.ask('POST', '/domains/xn--bcher-kva.example/verify')
    expect((await verify()).body.detail).toContain(`has no TXT record that says ${record.value}`)
    records.set(record.name, 'rollcall-domain-verification=something-else')
    expect((await verify()).status).toBe(409)
    records.set(record.name, record.value)
    expect((await verify()).body).toMatchObject({ verified: true, verifiedBy: 'dns' })
    expect(await newest(api)).toMatchObject({ action: 'domain.verified', after: { verifiedBy: 'dns' } })

    // Another tenant of the environment does not get it silently, whatever DNS says.
    const other = await accountsApi(gateway, await gateway.newTenant())
    const theirs = (await other.done('POST', '/domains', { domain: 'bücher.example' })) as unknown as typeof record & {
      record: { value: string }
    }
    records.set(record.name, theirs.record.value)
    const refused = await other.ask('POST', '/domains/bücher.example/verify')
    expect([refused.status, refused.body.detail]).toEqual([
      409,
      expect.stringContaining('Another tenant of this environment'),
    ])
    expect((await other.ask('PUT', '/domains/bücher.example', {})).status).toBe(409)
    const third = await accountsApi(gateway, await gateway.newTenant())
    expect((await third.ask('PUT', '/domains/bücher.example', {})).status).toBe(409)
    expect((await third.done('GET', '/domains')).items).toEqual([])
    expect((await other.ask('PUT', '/domains/bücher.example', { takeOver: true })).status).toBe(200)
    expect((await api.done('GET', '/domains')).items).toEqual([])
  })

  test('is set without DNS by a key for the environment alone', async () => {
    const tenant = await gateway.newTenant()
    const key = await gateway.mintKey({ permissions: ['admin'], tenant })
    const path = `/api/v1/projects/${gateway.project}/environments/${gateway.environment}/tenants/${tenant.name}/domains`
    const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }
    const set = await fetch(`${gateway.origin}${path}/globex.example`, { method: 'PUT', headers, body: '{}' })
    expect(set.status).toBe(403)
    for (const domain of ['localhost', 'a b.example', '-a.example', 'a@b.example']) {
      const answer = await fetch(gateway.origin + path, { method: 'POST', headers, body: JSON.stringify({ domain }) })
      expect([domain, answer.status]).toEqual([domain, 400])
    }
  })
})
