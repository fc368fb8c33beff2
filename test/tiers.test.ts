import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const TEST = import.meta.dirname

/** What starts processes or engines. */
const STARTERS = ['support/children.ts', 'support/engines.ts', 'support/postgres-server.ts', '@electric-sql/pglite']

/** What a file imports, types left out; files as paths below `test`. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(TEST, file), 'utf8')
  return [...text.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)'/gm)].map(([, to = '']) =>
    to.startsWith('.') ? relative(TEST, join(TEST, dirname(file), to)) : to,
  )
}

/** What a file imports, itself and through helpers. */
function reach(file: string, seen = new Set<string>()): Set<string> {
  for (const to of importsOf(file)) {
    if (seen.has(to)) continue
    seen.add(to)
    if (to.startsWith('support/')) reach(to, seen)
  }
  return seen
}

const starts = (file: string) =>
  importsOf(file).includes('node:child_process') || STARTERS.some((starter) => reach(file).has(starter))

test('a test that starts a process or an engine is named .process.test.ts, .store.test.ts or .browser.test.ts', () => {
  const files = readdirSync(TEST, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts'))
  const named = files.filter((file) => /\.(process|store|browser)\.test\.ts$/.test(file))
  expect(files.filter((file) => !named.includes(file) && starts(file))).toEqual([])
  expect(named.filter(starts).length).toBeGreaterThan(0)
})
