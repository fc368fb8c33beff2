import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { STATEMENT_NAMES } from '../../src/db/statement-names.ts'
import { REFUSALS } from '../../src/http/errors.ts'
import { type Child, freePort, runMain } from '../support/children.ts'
import { anchorsOf, documents, ROOT } from '../support/documents.ts'
import { userBody } from '../support/instances.ts'
import { type Exported, exportedIn, faultsOf, seriesIn } from '../support/prometheus.ts'
import { openReceiver, type Receiver } from '../support/receiver.ts'
import { newStoreFolder } from '../support/store-folder.ts'
import { findTool } from '../support/tools.ts'

const ADMIN_KEY = 'the-key-of-the-operator-of-this-test'
const ALERTS = join(ROOT, 'deploy/prometheus/alerts.yml')
/** Values of labels that this traffic does not have. */
const KNOWN = {
  status: ['2xx', '3xx', '4xx', '5xx'],
  reason: REFUSALS,
  state: ['well', 'failing', 'resting', 'disabled'],
}

let gateway: Child
let receiver: Receiver
const folder = newStoreFolder()
let text = ''
let exported: Map<string, Exported>

beforeAll(async () => {
  receiver = await openReceiver()
  const port = await freePort()
  const run = await runMain({
    ...{
      DATA_DIR: folder,
      ADMIN_KEY,
      METRICS_PORT: String(port),
      DELIVERY_NETWORKS: '127.0.0.0/8',
      LOG_LEVEL: 'error',
    },
  })
  gateway = run.gateway
  const send = async (method: string, path: string, body?: object, key = ADMIN_KEY) => {
    const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }
    return fetch(`${run.origin}${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })
  }
  const place = '/api/v1/projects/default/environments/dev'
  let accepts = true
  receiver.answer('/', () => (accepts ? 204 : 503))
  await send('POST', `${place}/webhooks`, { url: `${receiver.origin}/`, events: ['user.*'] })
  const users = '/scim/v2/default/dev/v2/acme/Users'
  await send('POST', `${place}/tenants`, { key: 'acme' })
  for (const name of ['ada', 'bob']) expect((await send('POST', users, userBody(name))).status).toBe(201)
  expect((await send('GET', users)).status).toBe(200)
  expect((await send('GET', `${users}?filter=${encodeURIComponent('userName eq "ada"')}`)).status).toBe(200)
  expect((await send('GET', users, undefined, 'no-key')).status).toBe(401)
  await vi.waitFor(() => expect(receiver.messages).toHaveLength(2), { timeout: 60_000 })
  accepts = false
  expect((await send('POST', users, userBody('eve'))).status).toBe(201)
  const read = async () => (await fetch(`http://127.0.0.1:${port}/metrics?tenants=5&silent=5`)).text()
  const retried = async () => {
    text = await read()
    expect(text).toMatch(/delivery_receivers\{.*state="(?:failing|resting)"/)
  }
  await vi.waitFor(retried, { timeout: 60_000, interval: 500 })
  exported = exportedIn(text)
})
afterAll(async () => {
  gateway.process.kill('SIGTERM')
  await gateway.ended()
  await receiver.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Panel {
  readonly title: string
  readonly type: string
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}

/** Labels in `{{…}}` of a text. */
const labelsIn = (words: string): string[] =>
  [...words.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, label = '']) => label)

test('each name follows the conventions of Prometheus, and each help is a sentence', () => {
  const ours = [...exported].filter(([name]) => name.startsWith('rollcall_'))
  expect(ours.length).toBeGreaterThan(30)
  for (const [name, { type, help }] of ours) {
    if (type === 'counter') expect(name).toMatch(/_total$/)
    if (type === 'gauge') expect(name).not.toMatch(/_(?:total|count|sum|bucket)$/)
    if (/duration|_wait_|busy|_late_|_age_|standstill/.test(name)) expect(name).toMatch(/_seconds(?:$|_)/)
    expect(help, name).toMatch(/^[A-Z].*\.$/)
  }
  expect(seriesIn(text)).toBeLessThan(2_000)
})

describe('the dashboard', () => {
  const dashboard = JSON.parse(readFileSync(join(ROOT, 'deploy/grafana/rollcall.json'), 'utf8')) as {
    readonly panels: readonly Panel[]
    readonly annotations: { readonly list: readonly { readonly expr: string; readonly textFormat: string }[] }
  }
  const query = (expr: string) => expr.replaceAll('$__rate_interval', '1m')

  test('asks for metrics, labels and values alone that a running gateway exports', () => {
    const queries = [
      ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr, legendFormat }) => [expr, legendFormat])),
      ...dashboard.annotations.list.map(({ expr, textFormat }) => [expr, textFormat]),
    ] as [string, string][]
    expect(queries.length).toBeGreaterThan(30)
    expect(queries.flatMap(([expr, words]) => faultsOf(query(expr), exported, labelsIn(words), KNOWN))).toEqual([])
  })

  test('has a row for each question of who is on call, with the words of the page', () => {
    const page = documents().find(({ path }) => path === 'docs/operations.md')?.text ?? ''
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title)
    expect(rows).toHaveLength(6)
    expect(rows.filter((title) => !page.includes(`### ${title}\n`))).toEqual([])
  })

  test('a query for what is not exported is found', () => {
    expect(faultsOf('rate(rollcall_gone_total[5m])', exported)).toEqual(['rollcall_gone_total is not exported'])
    const odd = 'sum by (tenant) (rollcall_database_connections{state="lost",of="x"})'
    expect(faultsOf(odd, exported)).toHaveLength(4)
    expect(() => faultsOf('sum by (', exported)).toThrow('cannot be parsed')
  })
})

describe('the alerts', () => {
  const { groups } = parse(readFileSync(ALERTS, 'utf8')) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string; runbook: string } }[] }[]
  }
  const rules = groups.flatMap((group) => group.rules)

  test('ask for metrics, labels and values alone that a running gateway exports', () => {
    expect(rules.length).toBeGreaterThan(10)
    const faults = rules.flatMap(({ expr, annotations }) =>
      faultsOf(expr, exported, labelsIn(annotations.summary), KNOWN),
    )
    expect(faults).toEqual([])
  })

  test('each leads to the part of the page that says what to do', () => {
    const pages = documents()
    const lost = rules.filter(({ annotations: { runbook } }) => {
      const [path, anchor = ''] = runbook.split('#')
      const page = pages.find((one) => one.path === path)
      return page === undefined || !anchorsOf(page).has(anchor)
    })
    expect(lost.map(({ alert }) => alert)).toEqual([])
  })

  const promtool = findTool('promtool')
  test.skipIf(promtool === undefined)(
    'promtool takes them (skipped where Debian’s package prometheus is not there)',
    () => {
      const checked = execFileSync(promtool ?? '', ['check', 'rules', ALERTS], { encoding: 'utf8' })
      expect(checked).toContain(`SUCCESS: ${rules.length} rules found`)
    },
  )
})

describe('the page of metrics', () => {
  const page = documents().find(({ path }) => path === 'docs/metrics.md')?.text ?? ''
  const cell = (words: string) => words.replaceAll('|', '\\|')

  test('has a row for each metric, with its labels and its help', () => {
    const base = (name: string) => name.replace(/_(?:bucket|sum|count)$/, '')
    const rows = new Map<string, string>()
    for (const [name, { type, help, labels }] of exported) {
      if (!name.startsWith('rollcall_')) continue
      const metric = type === 'histogram' ? base(name) : name
      const of = [...labels].map((label) => `\`${label}\``).join(', ')
      rows.set(metric, `| \`${metric}\` | ${type} | ${of} | ${cell(help)} |`)
    }
    const written = page.split('\n').filter((line) => line.startsWith('| `rollcall_'))
    expect(written.sort()).toEqual([...rows.values()].sort())
  })

  test('names each statement, and each reason for a refusal', () => {
    expect(STATEMENT_NAMES.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
    expect(REFUSALS.filter((reason) => !page.includes(`| \`${reason}\` |`))).toEqual([])
  })
})
