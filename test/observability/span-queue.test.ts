import { ExportResultCode } from '@opentelemetry/core'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base'
import { expect, test } from 'vitest'
import type { TraceSettings } from '../../src/config/traces.ts'
import { loadConfig } from '../../src/config.ts'
import { queueFor } from '../../src/observability/tracing/export.ts'
import { tracingBy } from '../../src/observability/tracing/open.ts'
import { summaryOf } from '../../src/observability/tracing/summary.ts'

const { traces } = loadConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })
const REQUEST = { requestId: 'r', method: 'GET', status: 200, ms: 1 }

/** Traces that go to `exporter`, and what is told of lost ones. */
function tracingTo(exporter: SpanExporter) {
  const told: string[] = []
  const queue = queueFor(exporter, (reason) => told.push(reason))
  return { tracing: tracingBy(queue, traces as TraceSettings, 'here'), told }
}

/** An exporter that keeps what it is given. */
function kept() {
  const spans: ReadableSpan[] = []
  const exporter: SpanExporter = {
    export(batch, done) {
      spans.push(...batch)
      done({ code: ExportResultCode.SUCCESS })
    },
    shutdown: async () => {},
  }
  return { spans, exporter }
}

test('spans beyond the bound are dropped and counted; none is kept for a receiver that does not answer', () => {
  const { tracing, told } = tracingTo({ export: () => {}, shutdown: async () => {} })
  for (let i = 0; i < 10_000; i++) tracing.arrived('GET', 'http', undefined).end(REQUEST)
  // One batch is with the receiver, and as many wait as may.
  expect(tracing.lost).toEqual({ dropped: 10_000 - 4_096 - 512, failed: 0 })
  expect(new Set(told)).toEqual(new Set(['too many wait']))
})

test('a batch that is not taken is counted, and told of by a code without words', async () => {
  const error = Object.assign(new Error('Bearer hush'), { code: 'ECONNREFUSED' })
  const { tracing, told } = tracingTo({
    export: (_, done) => done({ code: ExportResultCode.FAILED, error }),
    shutdown: async () => {},
  })
  for (let i = 0; i < 3; i++) tracing.arrived('GET', 'http', undefined).end(REQUEST)
  await tracing.stop()
  expect(tracing.lost).toEqual({ dropped: 0, failed: 3 })
  expect(told).toEqual(['ECONNREFUSED'])
})

test('a statement that waits for its turn shows the wait; its work is of its own trace, whoever ends it waiting', async () => {
  const { spans, exporter } = kept()
  const { tracing } = tracingTo(exporter)
  const request = tracing.arrived('GET', 'http', undefined)
  const other = tracing.arrived('GET', 'http', undefined)
  let begin = (): void => {}
  const asking = { statement: 'select 1 from resources where tenant_id = $1', share: 'tenant' }
  const waits = request.run(() =>
    tracing.statement(
      asking,
      (inTurn) =>
        new Promise((resolve) => {
          begin = () => resolve(inTurn(async () => tracing.part('inside', () => 'done')))
        }),
    ),
  )
  await other.run(async () => begin())
  expect(await waits).toBe('done')
  await request.run(() => tracing.statement(asking, (inTurn) => inTurn(async () => 'at once')))
  request.end(REQUEST)
  other.end(REQUEST)
  await tracing.stop()
  const mine = spans.filter((span) => span.spanContext().traceId === request.traceId).map(({ name }) => name)
  expect(mine).toEqual(['wait for a turn', 'inside', 'SELECT resources', 'SELECT resources', 'GET'])
})

test('a turn that never came is a wait, and no statement', async () => {
  const { spans, exporter } = kept()
  const { tracing } = tracingTo(exporter)
  const request = tracing.arrived('GET', 'http', undefined)
  const late = request.run(() =>
    tracing.statement({ statement: 'select 1', share: 'tenant' }, () => Promise.reject(new Error('no turn'))),
  )
  await expect(late).rejects.toThrow('no turn')
  request.end(REQUEST)
  await tracing.stop()
  expect(spans.map(({ name }) => name)).toEqual(['wait for a turn', 'GET'])
})

test('what goes on after a request, such as a timer that began in it, is not of its trace', async () => {
  const { spans, exporter } = kept()
  const { tracing } = tracingTo(exporter)
  const request = tracing.arrived('GET', 'http', undefined)
  let later = (): Promise<string> => Promise.resolve('')
  await request.run(async () => {
    const timer = new Promise<void>((resolve) => setImmediate(resolve))
    later = () =>
      timer.then(() => tracing.statement({ statement: 'select 1', share: 'background' }, (go) => go(async () => 'ran')))
  })
  request.end(REQUEST)
  expect(await later()).toBe('ran')
  await tracing.stop()
  expect(spans.map(({ name }) => name)).toEqual(['GET'])
})

test('a method that is none is not repeated', async () => {
  const { spans, exporter } = kept()
  const { tracing } = tracingTo(exporter)
  tracing.arrived('ADA', 'http', undefined).end({ ...REQUEST, method: 'ADA', route: '/x' })
  await tracing.stop()
  expect(spans.map(({ name, attributes }) => [name, attributes['http.request.method']])).toEqual([
    ['HTTP /x', '_OTHER'],
  ])
})

test.each([
  ['select * from tenants t join projects p on p.id = t.project_id where t.key = $1', 'SELECT tenants SELECT projects'],
  [
    "with x as (select 1 from resources), y as materialized (update resources set a = 'delete from b' from x returning id) insert into events select * from y",
    'UPDATE resources INSERT events',
  ],
  [
    'select x.id from jsonb_to_recordset($1) as x(id uuid) cross join lateral (select r.id from resources r for update of r) r',
    'SELECT resources',
  ],
  ['insert into "api_keys" ("id") values ($1) on conflict (id) do update set id = excluded.id', 'INSERT api_keys'],
  ['delete from events e where e.seq = any($1)', 'DELETE events'],
  ['select now()', 'SELECT'],
  ['discard plans', 'DISCARD'],
])('a statement is named by what it does to which tables: %s', (statement, summary) => {
  expect(summaryOf(statement)).toBe(summary)
})
