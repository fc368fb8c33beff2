import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readScan, refusedLicences } from '../.ci/supply.ts'

const component = (licenses?: object[]) => ({ name: 'p', version: '1.0.0', ...(licenses && { licenses }) })
const id = (name: string) => ({ license: { id: name } })

test.each([
  ['MIT', [id('MIT')]],
  ['one of two', [{ expression: '(GPL-3.0-only OR MIT)' }]],
  ['both of two', [{ expression: 'MIT AND ISC' }]],
])('a package under an allowed licence passes: %s', (_, licenses) => {
  expect(refusedLicences({ components: [component(licenses)] })).toEqual([])
})

test.each([
  ['GPL-3.0-only', [id('GPL-3.0-only')], 'p@1.0.0: GPL-3.0-only'],
  ['one of two that both hold', [{ expression: 'MIT AND GPL-3.0-only' }], 'p@1.0.0: MIT AND GPL-3.0-only'],
  ['words of its own', [{ license: { name: 'SEE LICENSE IN x' } }], 'p@1.0.0: SEE LICENSE IN x'],
  ['none', undefined, 'p@1.0.0: no licence named'],
  ['an empty list', [], 'p@1.0.0: no licence named'],
])('a package under a licence that nobody has allowed is named: %s', (_, licenses, line) => {
  expect(refusedLicences({ components: [component(licenses)] })).toEqual([line])
})

test('a scan tells what was found from a registry that does not answer', () => {
  const report = (counts: object) => JSON.stringify({ metadata: { vulnerabilities: counts } })
  expect(readScan(report({ low: 3, moderate: 1, high: 0, critical: 0 })).kind).toBe('clean')
  expect(readScan(report({ high: 1, critical: 0 })).kind).toBe('found')
  expect(readScan(report({ high: 0, critical: 1 })).kind).toBe('found')
  expect(readScan('{"message":"405 Method Not Allowed","error":{}}')).toEqual({
    kind: 'unanswered',
    why: '405 Method Not Allowed',
  })
  expect(readScan('npm error network\nmore')).toEqual({ kind: 'unanswered', why: 'npm error network' })
  expect(readScan('').kind).toBe('unanswered')
})

test('CI runs it', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  expect(scripts['verify:supply']).toContain('.ci/supply.ts')
  expect(readFileSync(new URL('../.ci/run', import.meta.url), 'utf8')).toContain('npm run -s verify:supply')
})
