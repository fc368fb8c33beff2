import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../../../src/app.ts'
import { loadConfig } from '../../../src/config.ts'
import { ControlPlane } from '../../../src/context/control-plane.ts'
import { createLogger } from '../../../src/observability/logger.ts'
import { controlStore } from '../../../src/repositories/control/control-store.ts'
import { ERROR, GROUP_SCHEMA, USER_SCHEMA } from '../../../src/scim/urn.ts'
import { idleDeliveries } from '../../support/deliveries.ts'
import { type Gateway, openGateway } from '../../support/gateway.ts'
import { withRun } from '../../support/statements.ts'

/** RFC 7644 §3.12, Table 9, and RFC 9865 §2.1. */
const SCIM_TYPES = [
  'invalidFilter',
  'tooMany',
  'uniqueness',
  'mutability',
  'invalidSyntax',
  'invalidPath',
  'noTarget',
  'invalidValue',
  'invalidVers',
  'sensitive',
  'invalidCursor',
  'expiredCursor',
  'invalidCount',
]

describe('errors (RFC 7644 §3.12)', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await openGateway()
    await gateway.scim('POST', '/Users', { schemas: [USER_SCHEMA], userName: 'taken' })
  })
  afterAll(() => gateway.close())

  test.each<[string, string, unknown, number, string | undefined]>([
    ['GET', '/Users/unknown', undefined, 404, undefined],
    ['GET', '/Nothing', undefined, 404, undefined],
    ['PUT', '/Users', {}, 405, undefined],
    ['GET', '/Users?filter=a', undefined, 400, 'invalidFilter'],
    ['GET', '/Users?count=ten', undefined, 400, 'invalidValue'],
    ['GET', '/Users?cursor=x', undefined, 400, 'invalidCursor'],
    ['POST', '/Users', [], 400, 'invalidSyntax'],
    ['POST', '/Users', { schemas: [USER_SCHEMA] }, 400, 'invalidValue'],
    ['POST', '/Users', { schemas: [USER_SCHEMA], userName: 'TAKEN' }, 409, 'uniqueness'],
    ['POST', '/Groups', { schemas: [GROUP_SCHEMA] }, 400, 'invalidValue'],
    ['PATCH', '/Users/x', { schemas: ['x'], Operations: [] }, 400, 'invalidSyntax'],
  ])('E-01 E-02 E-03 %s %s is a SCIM error with words in it', async (method, path, body, status, scimType) => {
    const answer = await gateway.scim(method, path, body)
    const error = answer.body as Record<string, unknown>
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toBe('application/scim+json')
    expect(error.schemas).toEqual([ERROR])
    expect(error.status).toBe(String(status))
    expect(error.scimType).toBe(scimType)
    if (scimType) expect(SCIM_TYPES).toContain(scimType)
    expect(String(error.detail).length).toBeGreaterThan(10)
    expect(answer.text).not.toMatch(/select |insert |\bat .*:\d+:\d+|node_modules/)
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('E-10 problem details are for the admin API, and SCIM errors for SCIM', async () => {
    const admin = await fetch(`${gateway.origin}/api/v1/projects`)
    expect({ status: admin.status, type: admin.headers.get('content-type') }).toEqual({
      status: 401,
      type: 'application/problem+json',
    })
    const scim = await fetch(`${gateway.bases.legacy}/Users`)
    expect({ status: scim.status, type: scim.headers.get('content-type') }).toEqual({
      status: 401,
      type: 'application/scim+json',
    })
  })

  test('E-09 a database that is away is 503 with Retry-After; what is unforeseen is 500 with nothing but an id', async () => {
    const failing = (error: Error, path = '') => {
      const lines: string[] = []
      const database = withRun(gateway.database, () => Promise.reject(error))
      const control = new ControlPlane(controlStore(gateway.database), { adminKey: gateway.adminKey })
      const logger = createLogger('error', { write: (line) => lines.push(line) })
      const app = createApp({
        database,
        control,
        config: loadConfig({}),
        logger,
        deliveries: idleDeliveries(database),
      })
      const url = `${gateway.bases.legacy}/Users${path}`
      const answer = app.request(url, { headers: { authorization: `Bearer ${gateway.adminKey}` } })
      return { answer, lines }
    }
    const away = failing(Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5432'), { code: 'ECONNREFUSED' }))
    const unavailable = await away.answer
    expect(unavailable.status).toBe(503)
    expect(unavailable.headers.get('retry-after')).toMatch(/^\d+$/)

    // The server's own limit, and one for waiting for a lock, on a page, a look-up and a read by id.
    for (const [code, seconds, words] of [
      ['57014', '5', 'took too long'],
      ['55P03', '2', 'Others are changing the same'],
    ] as const) {
      for (const path of ['', '?filter=userName%20eq%20%22x%22', '/0199b2a8-0000-7000-8000-000000000000']) {
        const late = await failing(Object.assign(new Error('too late'), { code }), path).answer
        expect([late.status, late.headers.get('retry-after')]).toEqual([503, seconds])
        expect(await late.json()).toMatchObject({ status: '503', detail: expect.stringContaining(words) })
      }
    }

    const bug = failing(new Error('secret value ann@example.com in row'))
    const broken = await bug.answer
    const { detail } = (await broken.json()) as { detail: string }
    expect(broken.status).toBe(500)
    expect(detail).toContain(broken.headers.get('x-request-id'))
    expect(detail).not.toContain('ann@example.com')
    expect(bug.lines.join('')).toContain(broken.headers.get('x-request-id'))
  })

  test('CR-07 of many simultaneous creates with one userName one is 201 and the rest are 409', async () => {
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => gateway.scim('POST', '/Users', { schemas: [USER_SCHEMA], userName: 'racer' })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 15 }, () => 409)])
  })

  test('TEN-03 a key for several tenants uses the one that the URL names, and no other', async () => {
    const [a, b] = [await gateway.newTenant(), await gateway.newTenant()]
    const shared = { authorization: `Bearer ${gateway.key}` }
    await a.scim('POST', '/Users', { schemas: [USER_SCHEMA], userName: 'here' }, shared)
    expect((await a.scim('GET', '/Users', undefined, shared)).body).toMatchObject({ totalResults: 1 })
    expect((await b.scim('GET', '/Users', undefined, shared)).body).toMatchObject({ totalResults: 0 })
    const elsewhere = { authorization: `Bearer ${await gateway.keyOfAnotherProject()}` }
    expect((await a.scim('GET', '/Users', undefined, elsewhere)).status).toBe(403)
  })

  test('TEN-06 ids are ours, never the same twice, and no use in another tenant', async () => {
    const [a, b] = [await gateway.newTenant(), await gateway.newTenant()]
    const made = await Promise.all(
      [a, b].map((tenant) => tenant.scim('POST', '/Users', { schemas: [USER_SCHEMA], userName: 'same' })),
    )
    const [one, two] = made.map(({ body }) => (body as { id: string }).id)
    expect(one).not.toBe(two)
    expect((await b.scim('GET', `/Users/${one}`)).status).toBe(404)
  })
})
