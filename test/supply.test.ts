import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { deliveredManifest, packagesOf, readScan, refusedLicences } from '../.ci/supply.ts'
import { bundle } from '../build.ts'

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
])('a package under a licence that is not allowed is named: %s', (_, licenses, line) => {
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

test('what the programs bundle counts as delivered, and what only builds them does not', async () => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const bundled = packagesOf(Object.keys((await bundle(undefined)).inputs))
  const { dependencies, devDependencies } = deliveredManifest(manifest, bundled)
  const names = Object.keys(dependencies)
  // What is left out of the bundle has to be installed with it.
  expect(Object.keys(manifest.dependencies)).toEqual(['@electric-sql/pglite', 'openapi-fetch', 'undici'])
  expect(names).toEqual(expect.arrayContaining(['@electric-sql/pglite', 'hono', 'drizzle-orm', 'jose', 'zod']))
  expect(names).not.toContain('vitest')
  expect(devDependencies).toEqual({})
})

test('the packages of a bundle are told by the paths of their files, also where one lies in another', () => {
  const files = [
    'src/main.ts',
    'node_modules/@a/b/c/d.js',
    'node_modules/@a/b/e.js',
    'node_modules/f/node_modules/g/h.js',
  ]
  expect([...packagesOf(files)]).toEqual(['@a/b', 'g'])
})

test('CI runs it', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  expect(scripts['verify:supply']).toContain('.ci/supply.ts')
  expect(readFileSync(new URL('../.ci/run', import.meta.url), 'utf8')).toContain('npm run -s verify:supply')
})
