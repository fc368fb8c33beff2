import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  committedReport,
  performanceSection,
  readmeSection,
  type Told,
  withSection,
} from '../../bench/performance-page.ts'

const text = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')

test.each([
  ['docs/performance.md', performanceSection],
  ['README.md', readmeSection],
])('the numbers of %s are those of the report', (file, section) => {
  expect(text(file)).toBe(withSection(text(file), section(committedReport())))
})

test('a row tells a case of the report, what peers do in it, and how it grows', () => {
  const side = (perSecond: number, p50: number) => ({
    ...{ perSecond, p50, p99: 2 * p50, p50s: [p50, p50], serverCpuUs: 100, postgresCpuUs: 50, rssMb: 90 },
  })
  const read = (name: string, p50: number) => ({
    ...{
      workload: 'read',
      title: 'Read by id',
      name,
      connections: 16,
      ours: side(5_000, p50),
      ceiling: side(6_000, 2),
    },
    ...{ ratios: [0.83], ratio: 0.834, bareRatio: 0.41, cpuRatio: 0.8 },
  })
  const told: Told = {
    origin: { date: '', command: 'npm run bench', machine: 'a machine', versions: { Node: '20', PostgreSQL: '15' } },
    results: [read('1k', 2), read('1M', 2.2)],
    ...{ memory: undefined, start: undefined },
    peers: {
      users: 1_000,
      ...{ servers: [], left: [], once: [] },
      cases: [
        {
          ...{ workload: 'read', title: 'Read by id', name: 'users', connections: 16 },
          sides: { gateway: { ...side(5_000, 2), ratio: 1 }, other: { ...side(1_000, 9), ratio: 5 } },
        },
      ],
    },
    verdicts: [{ what: 'read', target: '≥ 0.75', measured: '0.83', reached: true }],
  }
  const section = performanceSection(told).split('\n')
  expect(section).toContain('| Read by id | 1M | 5000 | 2.20 / 4.40 | 0.83 | 0.41 | 5.0 | 1.10 |')
  const create = { ...read('1M', 9), workload: 'create', title: 'Create a user' }
  expect(readmeSection({ ...told, results: [...told.results, create] })).toContain('5000 reads and 5000 creates.')
})

test('a page without marks is refused', () => {
  expect(() => withSection('# Performance', '')).toThrow('the page has no')
})
