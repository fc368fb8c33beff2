import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { bundle } from '../../build.ts'
import { runMain } from '../support/children.ts'
import { openOtlpReceiver } from '../support/otlp-receiver.ts'
import { newStoreFolder } from '../support/store-folder.ts'

const folder = newStoreFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('nothing of OpenTelemetry is loaded at the start: it lies in files that are imported where traces are asked for', async () => {
  const { outputs } = await bundle(undefined)
  const loaded = new Set<string>()
  const load = (file: string) => {
    if (loaded.has(file)) return
    loaded.add(file)
    for (const { path, kind } of outputs[file]?.imports ?? []) if (kind === 'import-statement') load(path)
  }
  load('dist/main.js')
  // A start imports these two by itself.
  for (const [file, { entryPoint = '' }] of Object.entries(outputs))
    if (/^src\/serv(e|ing)\.ts$/.test(entryPoint)) load(file)
  const inputsOf = (files: Iterable<string>) => [...files].flatMap((file) => Object.keys(outputs[file]?.inputs ?? {}))
  const isOfTraces = (input: string) => /@opentelemetry|observability\/tracing\//.test(input)
  expect(inputsOf(Object.keys(outputs)).filter(isOfTraces).length).toBeGreaterThan(10)
  expect(inputsOf(loaded).length).toBeGreaterThan(100)
  expect(inputsOf(loaded).filter(isOfTraces)).toEqual([])
})

test('SIGTERM sends the traces that are left, within the stop', async () => {
  const collector = await openOtlpReceiver()
  const { gateway, origin } = await runMain({
    ...{ DATA_DIR: folder, DATABASE_URL: '', LOG_LEVEL: 'info', INSTANCE_NAME: 'stopped' },
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: collector.origin },
  })
  expect((await fetch(`${origin}/api/v1/projects`)).status).toBe(401)
  gateway.process.kill('SIGTERM')
  expect(await gateway.ended()).toBe(0)
  const span = collector.spans.find(({ kind }) => kind === 2)
  expect(span?.attributes['http.response.status_code']).toBe(401)
  expect(span?.resource['service.instance.id']).toBe('stopped')
  const lines = gateway.stderr().trim().split('\n')
  expect(lines.map((line) => JSON.parse(line).instance)).toEqual(lines.map(() => 'stopped'))
  await collector.close()
})
