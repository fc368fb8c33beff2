import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const page = readFileSync(join(ROOT, 'docs/security.md'), 'utf8')

const CALLERS = [
  ...['Anonymous', 'Provisioning client', 'Application key', 'Tenant admin', 'Environment admin', 'Instance admin'],
  'Set-up visitor',
  ...['Database reader', 'Receiver', 'Network'],
]

interface Line {
  readonly says: string
  readonly file: string
  readonly test: string
}

/** The lines of a section's table. */
function linesOf(section: string): Line[] {
  const [, rest = ''] = page.split(`\n## ${section}\n`)
  const [body = ''] = rest.split('\n## ')
  const rows = body.split('\n').filter((line) => line.startsWith('| '))
  return rows.slice(1).map((row) => {
    const [says = '', file = '', name = '', ...more] = row.slice(2, -2).split(' | ')
    if (more.length > 0) throw new Error(`a row of ${section} has more than three cells: ${row}`)
    return { says, file, test: name }
  })
}

/** Names of tests and groups of tests as they are written, templates too. */
function namesIn(file: string): string[] {
  const literals = readFileSync(join(ROOT, file), 'utf8').matchAll(/(['"`])((?:\\.|(?!\1)[^\\\n])+)\1\s*,/g)
  return [...literals].map(([, , name = '']) => name.replaceAll(/\\(.)/g, '$1'))
}

describe('docs/security.md', () => {
  test('has every caller, each with what it may or may not do', () => {
    expect(CALLERS.filter((caller) => linesOf(caller).length < 3)).toEqual([])
  })

  test.each(CALLERS)('every line about %s names a test that there is', (caller) => {
    for (const { says, file, test: name } of linesOf(caller)) {
      expect(existsSync(join(ROOT, file)), `${says} ${file}`).toBe(true)
      expect(namesIn(file), says).toContain(name)
    }
  })

  test('says it in sentences of 25 words at most', () => {
    const long = CALLERS.flatMap(linesOf).filter(({ says }) => says.split(/\s+/).length > 25)
    expect(long).toEqual([])
  })

  test('a line about a test that is gone would be found', () => {
    expect(namesIn('test/isolation/isolation.store.test.ts')).not.toContain('a test that is not there')
    expect(namesIn('test/isolation/isolation.store.test.ts').length).toBeGreaterThan(5)
  })
})
