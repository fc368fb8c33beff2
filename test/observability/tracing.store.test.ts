import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { listen } from '../../src/listen.ts'
import { adminSender } from '../support/admin-sender.ts'
import { openTestDatabase } from '../support/engines.ts'
import { type Instance, idIn, openInstance, patchBody, userBody } from '../support/instances.ts'
import { type OtlpReceiver, openOtlpReceiver, type ReceivedSpan, treeOf } from '../support/otlp-receiver.ts'
import { placeOf } from '../support/readers.ts'
import { openReceiver, type Receiver } from '../support/receiver.ts'
import { withRun } from '../support/statements.ts'

const ADMIN = 'an-admin-key-for-traces-in-tests'
const RETRIES = {
  ...{ firstMs: 20, growth: 2, longestMs: 100, giveUpAfterMs: 60_000, disableAfterMs: 60_000 },
  restMs: { first: 20, longest: 100 },
}
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const PARENT = { traceparent: `00-${TRACE}-${SPAN}-01` }

let database: Database
let receiver: Receiver
let collector: OtlpReceiver
const open: Instance[] = []

beforeAll(async () => {
  database = await openTestDatabase()
  receiver = await openReceiver()
})
afterAll(() => receiver.close())
beforeEach(async () => {
  collector = await openOtlpReceiver()
})
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
  await collector.close()
})

/** An instance that sends traces. Closing it sends the last ones. */
async function traced(env: Record<string, string> = {}) {
  const instance = await openInstance(
    database,
    {
      ...{ ADMIN_KEY: ADMIN, DELIVERY_NETWORKS: '127.0.0.0/8', PUBLIC_URL: 'http://scim.test' },
      ...{ OTEL_EXPORTER_OTLP_ENDPOINT: collector.origin, ...env },
    },
    RETRIES,
  )
  open.push(instance)
  const close = async () => {
    open.splice(open.indexOf(instance), 1)
    await instance.close()
    expect(instance.errors).toEqual([])
  }
  const admin = adminSender(() => instance, ADMIN)<Record<string, unknown>>
  return { instance, admin, close }
}

const until = <T>(what: () => T) => expect.poll(what, { interval: 10 })
/** An error as both drivers give it. */
const databaseError = (code: string, message: string) => Object.assign(new Error(message), { code, severity: 'ERROR' })
const named = (name: string | RegExp) =>
  collector.spans.filter((span) => (typeof name === 'string' ? span.name === name : name.test(span.name)))
const one = (name: string | RegExp): ReceivedSpan => {
  expect(named(name), String(name)).toHaveLength(1)
  return named(name)[0] as ReceivedSpan
}

describe.each(['http/protobuf', 'http/json'])('traces by %s', (protocol) => {
  test('show a PATCH from the request to the webhook, which is told of the trace', async () => {
    const { instance, admin, close } = await traced({
      ...{ OTEL_EXPORTER_OTLP_PROTOCOL: protocol, INSTANCE_NAME: 'gateway-7', OTEL_SERVICE_NAME: 'scim' },
      ...{ OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=tests', OTEL_EXPORTER_OTLP_HEADERS: 'x-key=k%20v' },
    })
    const tenant = await instance.newTenant()
    const id = idIn(await tenant.scim('POST', '/Users', userBody('ada')))
    const path = `/traced-${protocol.replace('/', '-')}`
    const made = await admin('POST', `${placeOf(tenant)}/webhooks`, { url: `${receiver.origin}${path}`, events: [] })
    expect(made.status).toBe(201)
    const change = patchBody({ op: 'replace', path: 'title', value: 'Countess' })
    const answer = await tenant.scim('PATCH', `/Users/${id}`, change, PARENT)
    expect(answer.status).toBe(200)
    // The webhook may have been there in time for the event before.
    await until(() => receiver.taken(path).map(({ type }) => type)).toContain('user.updated')
    await close()

    const request = one('PATCH /scim/v2/:base/Users/:id')
    expect(request).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, kind: 2, status: { code: 0, message: '' } })
    expect(request.attributes).toEqual({
      'http.request.method': 'PATCH',
      'http.route': '/scim/v2/:base/Users/:id',
      'http.response.status_code': 200,
      'url.scheme': 'http',
      'rollcall.request.id': `${TRACE}-${request.spanId}`,
      'rollcall.tenant.id': tenant.id,
      'rollcall.key.id': expect.any(String),
    })
    expect(request.resource).toMatchObject({
      ...{ 'service.name': 'scim', 'service.instance.id': 'gateway-7', 'deployment.environment.name': 'tests' },
      'service.version': expect.stringMatching(/^\d/),
    })
    expect(collector.headers.map((headers) => headers['x-key'])).toEqual(collector.headers.map(() => 'k v'))

    // The names of the repositories' calls, and under each the statements that it ran.
    // Whether a statement had to wait is chance.
    const tree = treeOf(collector.spans, TRACE).filter((line) => line.trim() !== 'wait for a turn')
    expect(tree[0]).toBe('PATCH /scim/v2/:base/Users/:id')
    expect(tree).toEqual(expect.arrayContaining(['  admission', '  resources.retrieve', '  resources.update']))
    const update = tree.indexOf('  resources.update')
    expect(tree[update + 1]).toMatch(/^ {4}UPDATE resources/)
    expect(tree[tree.indexOf('  resources.retrieve') + 1]).toMatch(/^ {4}SELECT /)

    const message = receiver.taken(path).find(({ type }) => type === 'user.updated')
    const delivery = collector.spans.find(
      ({ name, traceId }) => name === 'deliver to webhook' && traceId === TRACE,
    ) as ReceivedSpan
    expect(delivery).toMatchObject({ parentSpanId: request.spanId, kind: 3, status: { code: 0, message: '' } })
    expect(delivery.attributes).toEqual({
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'rollcall.tenant.id': tenant.id,
      'rollcall.endpoint.id': made.body.id,
      'rollcall.event.id': message?.headers['webhook-id'],
      'rollcall.event.type': 'user.updated',
      'rollcall.event.age_ms': expect.any(Number),
      'rollcall.delivery.attempt': 1,
    })
    expect(message?.headers.traceparent).toBe(`00-${TRACE}-${delivery.spanId}-01`)
  })
})

/** The instance behind a socket, with headers as a client or a proxy sends them. */
async function overHttp({ instance }: { instance: Instance }) {
  const server = await listen((request, env) => instance.send(request, env), { host: '127.0.0.1', port: 0 })
  open.push({ ...instance, close: () => server.stop(0) })
  const tenant = await instance.newTenant()
  const base = tenant.base.replace('http://scim.test', `http://127.0.0.1:${server.port}`)
  const send = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
    fetch(base + path, { ...init, headers: { authorization: `Bearer ${tenant.key}`, ...headers } })
  const stop = () => server.stop(0)
  return { tenant, send, stop }
}

describe('traces', () => {
  test('find the way to a webhook also where a proxy has named the request', async () => {
    const { instance, admin, close } = await traced({ TRUST_PROXY: '127.0.0.0/8' })
    const { tenant, send, stop } = await overHttp({ instance })
    const made = await admin('POST', `${placeOf(tenant)}/webhooks`, { url: `${receiver.origin}/proxied`, events: [] })
    expect(made.status).toBe(201)
    const headers = { ...PARENT, 'x-request-id': 'of-the-proxy-1', 'content-type': 'application/scim+json' }
    const answer = await send('/Users', headers, { method: 'POST', body: JSON.stringify(userBody('proxied')) })
    expect([answer.status, answer.headers.get('x-request-id')]).toEqual([201, 'of-the-proxy-1'])
    await until(() => receiver.taken('/proxied').length).toBe(1)
    await stop()
    await close()
    const request = one('POST /scim/v2/:base/Users')
    expect(request.attributes['rollcall.request.id']).toBe('of-the-proxy-1')
    // The instance may deliver for other tests' tenants too.
    const delivery = named('deliver to webhook').find(
      ({ attributes }) => attributes['rollcall.tenant.id'] === tenant.id,
    )
    expect(delivery).toMatchObject({ traceId: TRACE, parentSpanId: request.spanId })
    const { requestId } = JSON.parse(receiver.taken('/proxied')[0]?.text ?? '').data
    expect(requestId).toBe(`of-the-proxy-1;${TRACE}-${request.spanId}`)
    const line = instance.log.map((text) => JSON.parse(text)).find(({ route }) => route === '/scim/v2/:base/Users')
    expect(line).toMatchObject({ requestId: 'of-the-proxy-1', traceId: TRACE })
  })

  test.each([
    ['nobody takes', { OTEL_TRACES_SAMPLER: 'always_off' }, {}],
    ['none of a ratio of 0', { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }, PARENT],
    ['whose sender does not record it', {}, { traceparent: `00-${TRACE}-${SPAN}-00` }],
  ])('are not sent where they are one that %s; the request has an id all the same', async (_what, env, headers) => {
    const { instance, close } = await traced(env as Record<string, string>)
    const tenant = await instance.newTenant()
    const answer = await tenant.scim('GET', '/Users', undefined, headers)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    await close()
    // What the gateway does behind requests is traced by what the settings say, whatever a sender says.
    const ofRequests = collector.spans.filter(({ name, traceId }) => traceId === TRACE || name.includes('/scim/'))
    expect(ofRequests).toEqual([])
    if (Object.keys(env).length > 0) expect(collector.spans).toEqual([])
  })

  test.each([
    '',
    '00-0-0-00',
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-x, y`,
  ])('begin anew where the traceparent is "%s"', async (traceparent) => {
    const { instance, close } = await traced()
    const tenant = await instance.newTenant()
    expect((await tenant.scim('GET', '/Users', undefined, { traceparent })).status).toBe(200)
    await close()
    expect(one('GET /scim/v2/:base/Users').parentSpanId).toBe('')
  })

  test('SEC-12 say nothing of people, secrets, queries and statements, also where something fails', async () => {
    const { instance, admin, close } = await traced({ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' })
    const tenant = await instance.newTenant()
    const planted = { ...userBody('planted@people.example'), password: 'planted-Passw0rd' }
    expect((await tenant.scim('POST', '/Users', planted)).status).toBe(201)
    expect((await tenant.scim('POST', '/Users', planted)).status).toBe(409)
    const filter = encodeURIComponent('userName eq "planted@people.example"')
    expect((await tenant.scim('GET', `/Users?filter=${filter}`)).status).toBe(200)
    expect((await tenant.scim('GET', '/Users/planted@people.example')).status).toBe(404)
    expect((await tenant.scim('GET', '/planted@people.example')).status).toBe(404)
    expect((await admin('GET', `${placeOf(tenant)}/planted@people.example`)).status).toBe(404)
    await close()
    const sent = Buffer.concat(collector.bodies).toString()
    expect(collector.spans.length).toBeGreaterThan(10)
    expect(sent).not.toMatch(/planted|people\.example|userName|where tenant_id|\$1/)
    expect(sent).not.toContain(tenant.key)
    const refused = one('GET /scim/v2/:base/:endpoint')
    expect(refused).toMatchObject({ status: { code: 0 }, attributes: { 'http.response.status_code': 404 } })
    const taken = collector.spans.find(({ attributes }) => attributes['http.response.status_code'] === 409)
    expect(taken?.attributes['rollcall.scim_type']).toBe('uniqueness')
    for (const { status } of collector.spans) expect(status.message).toBe('')
  })

  test('leave probes out', async () => {
    const { instance, close } = await traced()
    expect((await instance.send(new Request('http://scim.test/readyz', { headers: PARENT }))).status).toBe(200)
    await close()
    expect(collector.spans).toEqual([])
  })

  test('mark what fails on our side, by a code and without words', async () => {
    const { instance, close } = await traced()
    const tenant = await instance.newTenant()
    const id = idIn(await tenant.scim('POST', '/Users', userBody('failing')))
    const broken = await openInstance(
      withRun(database, () => Promise.reject(databaseError('XX000', 'secret words'))),
      { OTEL_EXPORTER_OTLP_ENDPOINT: collector.origin },
      undefined,
      database,
    )
    expect((await broken.reach(tenant)('GET', `/Users/${id}`, undefined, PARENT)).status).toBe(500)
    await broken.close()
    await close()
    const failed = collector.spans.filter(({ traceId, status }) => traceId === TRACE && status.code === 2)
    expect(failed.map(({ name, attributes }) => [name, attributes['error.type']])).toEqual([
      ['resources.retrieve', 'XX000'],
      ['GET /scim/v2/:base/Users/:id', '500'],
    ])
    for (const { status } of failed) expect(status.message).toBe('')
  })

  test.each([
    ['refuses them', 500],
    ['takes them and never answers', undefined],
  ])('cost no request anything while their receiver %s, and do not hold up the stop', async (_what, status) => {
    collector.answer(status)
    const { instance, close } = await traced()
    const tenant = await instance.newTenant()
    for (let i = 0; i < 5; i++) expect((await tenant.scim('GET', '/Users')).status).toBe(200)
    await close()
    expect(collector.bodies.length).toBeGreaterThan(0)
  })
})
