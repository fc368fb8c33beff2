import { type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { openTestDatabase } from '../../support/engines.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import {
  bulkBody,
  groupBody,
  type Instance,
  idIn,
  openInstance,
  searchBody,
  userBody,
} from '../../support/instances.ts'
import { placeOf } from '../../support/readers.ts'
import { withRun } from '../../support/statements.ts'

const terms = (most: number, term: (i: number) => string) =>
  Array.from({ length: most }, (_, i) => term(i)).join(' or ')

describe('what a query costs', () => {
  let instance: Instance
  let tenant: TestTenant
  beforeAll(async () => {
    instance = await openInstance(await openTestDatabase())
    tenant = await instance.newTenant()
    // Admits the key, so that what comes after sends its own statements alone.
    await tenant.scim('GET', '/Users?count=1')
  })
  afterAll(() => instance.close())

  test.each([
    ['many terms of what is computed', '/Users', { filter: terms(128, (i) => `groups.display co "z${i}"`) }],
    ['many terms of many values', '/Users', { filter: terms(8, (i) => `emails co "z${i}"`) }],
    ['members by their names, twice', '/Groups', { filter: terms(2, (i) => `members.display co "z${i}"`) }],
    [
      'the same behind an equality that all may have',
      '/Users',
      {
        filter: `active eq true and (${terms(100, (i) => `groups.display co "z${i}"`)})`,
      },
    ],
    ['an order by what is computed', '/Users', { sortBy: 'groups.display' }],
    ['over all types', '', { filter: terms(128, (i) => `groups.display co "z${i}"`) }],
  ])(
    'Q-26 H-12 too dear a query is 400 tooMany, says what to change, and sends no statement: %s',
    async (_what, at, search) => {
      const byPost = () => tenant.scim('POST', `${at}/.search`, searchBody(search))
      const inUrl = () => tenant.scim('GET', `${at}/?${new URLSearchParams(search as Record<string, string>)}`)
      for (const ask of [byPost, inUrl]) {
        const { result, statements } = await instance.recorder.during(ask)
        expect(result.body).toMatchObject({ status: '400', scimType: 'tooMany' })
        expect(result.text).toMatch(/FILTER_BUDGET.*Dearest is .*(groups|emails|members).*Ask for fewer/)
        expect(statements).toEqual([])
      }
    },
  )

  test.each([
    ['/Users', 'userName eq "zz"'],
    ['/Users', terms(128, (i) => `userName eq "z${i}"`)],
    ['/Users', 'emails[type eq "work" and value co "@a"] or ims[type eq "xmpp" and value co "@b"]'],
    [
      '/Users',
      'userName co "a" or displayName co "a" or name.familyName co "a" or name.givenName co "a" or emails co "a"',
    ],
    ['/Users', `userName eq "zz" and (${terms(100, (i) => `groups.display co "z${i}"`)})`],
    ['/Users', 'groups.display co "a"'],
    ['/Users', 'groups[type eq "direct" and value eq "x"]'],
    ['/Users', 'meta.lastModified gt "2026-01-01T00:00:00Z" and active eq true'],
    ['/Groups', 'id eq "x" and members eq "y"'],
    ['/Groups', 'members.display co "zz"'],
  ])('Q-26 what identity providers and people ask is answered: %s %s', async (at, filter) => {
    expect((await tenant.scim('POST', `${at}/.search`, searchBody({ filter }))).status).toBe(200)
  })

  test('Q-26 FILTER_BUDGET lets more through, or less', async () => {
    const [more, less] = await Promise.all(
      ['100000', '20'].map(async (FILTER_BUDGET) => openInstance(await openTestDatabase(), { FILTER_BUDGET })),
    )
    const dear = `/Users?filter=${encodeURIComponent(terms(40, (i) => `groups.display co "z${i}"`))}`
    expect((await more?.reach(tenant)('GET', dear))?.status).toBe(200)
    expect((await less?.reach(tenant)('GET', '/Users?filter=emails%20co%20%22a%22'))?.status).toBe(400)
    await Promise.all([more?.close(), less?.close()])
  })
})

/** A database that keeps the statements of one tenant until it is told to let them go. */
function holding() {
  let held: string | undefined
  let letGo = () => {}
  let open = Promise.resolve()
  const around = (database: Database): Database =>
    withRun(database, async (handle, text, values, options) => {
      if (held !== undefined && values.includes(held)) await open
      return handle.run(text, values, options)
    })
  return {
    around,
    hold(tenantId: string) {
      held = tenantId
      open = new Promise((resolve) => {
        letGo = resolve
      })
    },
    release() {
      held = undefined
      letGo()
    },
  }
}

describe('what is under way', () => {
  const held = holding()
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await openGateway({ TENANT_MAX_STREAMS: '3' }, held.around)
  })
  afterAll(() => gateway.close())

  const nobody = () =>
    expect.poll(() => [gateway.underWay.requests, gateway.underWay.streams].map((all) => [all.count, all.parties]))

  test('SEC-15 of 200 clients of one tenant some are told to come again, and another tenant feels nothing', async () => {
    const [loud, quiet] = [await gateway.newTenant(), await gateway.newTenant()]
    const id = idIn(await quiet.scim('POST', '/Users', userBody('quiet')))
    await loud.scim('GET', '/Users?count=1')
    held.hold(loud.id)
    const asked = Array.from({ length: 200 }, () => loud.scim('GET', '/Users'))
    const told = await Promise.race(asked)
    expect(told.body).toMatchObject({ status: '429', detail: expect.stringContaining('TENANT_MAX_IN_FLIGHT') })
    expect(told.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    expect((await quiet.scim('GET', `/Users/${id}`)).status).toBe(200)
    expect((await quiet.scim('POST', '/Users', userBody('another'))).status).toBe(201)
    held.release()
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(64)
    expect(statuses.filter((status) => status === 429)).toHaveLength(136)
    await nobody().toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  test('SEC-15 the admin API counts too, and its 429 says when to come again', async () => {
    const other = await openGateway({ KEY_MAX_IN_FLIGHT: '2' }, held.around)
    const tenant = await other.newTenant()
    const key = await other.mintKey({ permissions: ['directory:read'], tenant })
    held.hold(tenant.id)
    const asked = Array.from({ length: 5 }, () =>
      fetch(`${other.origin}/api/v1${placeOf(tenant)}/users`, { headers: { Authorization: `Bearer ${key}` } }),
    )
    const told = await Promise.race(asked)
    expect([told.status, told.headers.get('retry-after')]).toEqual([429, '1'])
    expect(await told.json()).toMatchObject({ detail: expect.stringContaining('KEY_MAX_IN_FLIGHT') })
    held.release()
    await Promise.all(asked)
    expect(other.underWay.requests.count).toBe(0)
    await other.close()
  })

  test('SEC-15 streams and long polls are counted by themselves, and let in again when one has left', async () => {
    const tenant = await gateway.newTenant()
    const key = await gateway.mintKey({ permissions: ['directory:read'], tenant })
    const headers = { Authorization: `Bearer ${key}` }
    const gone = new AbortController()
    const events = `${gateway.origin}/api/v1${placeOf(tenant)}/events`
    const streams = await Promise.all([1, 2, 3].map(() => fetch(`${events}/stream`, { headers, signal: gone.signal })))
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200])
    expect([gateway.underWay.requests.count, gateway.underWay.streams.count]).toEqual([0, 3])
    for (const path of ['/stream', '?wait=10']) {
      const refused = await fetch(`${events}${path}`, { headers })
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
      expect(await refused.text()).toContain('TENANT_MAX_STREAMS')
    }
    expect((await fetch(events, { headers })).status).toBe(200)
    gone.abort()
    await nobody().toEqual([
      [0, 0],
      [0, 0],
    ])
    const again = await fetch(`${events}/stream`, { headers })
    expect(again.status).toBe(200)
    await again.body?.cancel()
    await nobody().toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  test('SEC-15 nothing is counted any more after thousands of clients that hang up, whenever they do', async () => {
    const tenant = await gateway.newTenant()
    const ids: string[] = []
    for (let i = 0; i < 3; i++) {
      const made = await tenant.scim(
        'POST',
        '/Bulk',
        bulkBody(
          Array.from({ length: 1_000 }, (_, n) => ({
            method: 'POST',
            path: '/Users',
            bulkId: `${n}`,
            data: userBody(`u${i}-${n}`),
          })),
        ),
      )
      for (const one of (made.body as { Operations: { location: string }[] }).Operations)
        ids.push(one.location.split('/').at(-1) ?? '')
    }
    const group = idIn(await tenant.scim('POST', '/Groups', groupBody('large', ids)))
    const key = await gateway.mintKey({ permissions: ['directory:read', 'scim:read'], tenant })
    const paths = [
      `${tenant.base}/Groups/${group}`,
      `${tenant.base}/Users?filter=${encodeURIComponent('emails co "x"')}`,
      `${gateway.origin}/api/v1${placeOf(tenant)}/snapshot`,
      `${gateway.origin}/api/v1${placeOf(tenant)}/events/stream`,
      `${gateway.origin}/api/v1${placeOf(tenant)}/events?wait=10&after=${Number.MAX_SAFE_INTEGER}`,
      `${gateway.origin}/api/v1${placeOf(tenant)}/users`,
    ]
    const hangUp = (i: number) =>
      new Promise<void>((resolve) => {
        const method = i % 7 === 0 ? 'HEAD' : 'GET'
        const asked = request(paths[i % paths.length] ?? '', { method, headers: { Authorization: `Bearer ${key}` } })
        asked.on('error', () => resolve()).on('close', () => resolve())
        // Before the request is sent, before its answer, at its first byte, in the middle of it.
        if (i % 5 === 0) asked.on('socket', (socket) => socket.on('connect', () => asked.destroy()))
        else if (i % 5 === 1) asked.on('finish', () => setImmediate(() => asked.destroy()))
        else
          asked.on('response', (answer: IncomingMessage) => {
            if (i % 5 === 2) asked.destroy()
            else answer.once('data', () => asked.destroy()).on('end', () => resolve())
          })
        asked.end()
      })
    let next = 0
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (next < 2_000) await hangUp(next++)
      }),
    )
    await nobody().toEqual([
      [0, 0],
      [0, 0],
    ])
  })
})
