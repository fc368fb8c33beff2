import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { banner } from '../../src/banner.ts'
import { EXIT_CODES } from '../../src/cli/failure.ts'
import { DEFAULTS } from '../../src/config.ts'
import { DEFAULT_SETTINGS } from '../../src/tenancy/settings.ts'
import { rollcall } from '../support/cli.ts'
import {
  anchorsOf,
  blocksOf,
  codeMarksOf,
  type Document,
  documents,
  linksOf,
  ROOT,
  runnableOf,
  sentencesOf,
} from '../support/documents.ts'

const MOST_WORDS_OF_README = 1_000
const MOST_WORDS_OF_SENTENCE = 25
/** The README and what is below `docs` are for readers who are new here. */
const FOR_READERS = /^(?:README\.md$|docs\/)/

/** Variables that the documents name and that are not the gateway's: of the command line, the tests and the examples. */
const OF_OTHERS: ReadonlySet<string> = new Set([
  ...['ROLLCALL_URL', 'ROLLCALL_ADMIN_KEY', 'ROLLCALL_PROJECT', 'ROLLCALL_ENVIRONMENT', 'ROLLCALL_TEST_KEY'],
  ...['ROLLCALL_APP_KEY', 'ROLLCALL_WEBHOOK_SECRET', 'MIRROR_DATABASE_URL', 'MIRROR_PROJECT', 'MIRROR_ENVIRONMENT'],
  ...['TEST_DATABASE_URL', 'CITUS_URL', 'SKIP_POSTGRES', 'CHAOS_WRITES', 'NODE_EXTRA_CA_CERTS'],
])

const pages = documents()
const page = (path: string): Document => {
  const found = pages.find((one) => one.path === path)
  if (found === undefined) throw new Error(`there is no ${path}`)
  return found
}
const made = (text: string): Document => ({ path: 'docs/made.md', text })

/** Links of a page that lead to no file, or to no heading of it. */
function brokenLinks(from: Document): string[] {
  return linksOf(from).filter((link) => {
    const [file = '', anchor] = link.split('#')
    const path = file === '' ? from.path : normalize(join(dirname(from.path), decodeURI(file)))
    if (path.startsWith('..') || !(path === from.path || existsSync(join(ROOT, path)))) return true
    const target = path === from.path ? from : pages.find((one) => one.path === path)
    return anchor !== undefined && target !== undefined && !anchorsOf(target).has(anchor)
  })
}

const longSentences = (from: Document) =>
  sentencesOf(from)
    .filter(({ words }) => words > MOST_WORDS_OF_SENTENCE)
    .map(({ words, text }) => `${words} words: ${text}`)

/** Names such as `DATA_DIR` in code marks that are no setting of the gateway and no variable of others. */
const unknownSettings = (from: Document) =>
  codeMarksOf(from)
    .flatMap((code) => code.match(/(?<![\w-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?!\w)/g) ?? [])
    .filter((name) => !(name in DEFAULTS) && !OF_OTHERS.has(name))

const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly scripts: object }
const testFiles = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => `test/${file}`)

/** Scripts of npm, and beginnings of test files, that a page tells to run and that are not there. */
const missingRuns = ({ text }: Document): string[] => [
  ...[...text.matchAll(/npm run (?:-s )?([\w:-]+)/g)].map(([, name = '']) => name).filter((name) => !(name in scripts)),
  ...[...text.matchAll(/npm test -- ([^`\n#]+)/g)]
    .flatMap(([, asked = '']) => asked.split(/\s+/).filter((one) => one.startsWith('test/')))
    .filter((asked) => !testFiles.some((file) => file.startsWith(asked))),
]

/** The rows of a page's tables whose first cell is one name in code marks, with the second cell. */
const rowsOf = ({ text }: Document) =>
  [...text.matchAll(/^\| `(\w+)` \| (.*?) \| /gm)].map(([, name = '', value = '']) => ({ name, value }))

describe('the documents', () => {
  test.each(pages)('every link of $path leads to a file, and every anchor to a heading', (one) => {
    expect(brokenLinks(one)).toEqual([])
  })

  test.each(pages.filter(({ path }) => FOR_READERS.test(path)))(
    `$path has no sentence of more than ${MOST_WORDS_OF_SENTENCE} words`,
    (one) => {
      expect(longSentences(one)).toEqual([])
    },
  )

  test.each(pages.filter(({ path }) => path !== 'CHANGELOG.md'))('every setting that $path names is one', (one) => {
    expect(unknownSettings(one)).toEqual([])
  })

  test.each(pages)('every test and script that $path tells to run is there', (one) => {
    // What was, the list of changes may name.
    if (one.path !== 'CHANGELOG.md') expect(missingRuns(one)).toEqual([])
  })

  test('what they must not have would be found', () => {
    expect(
      missingRuns(made('`npm run gone`, `npm test -- --project pure test/gone test/docs`, `npm run build`')),
    ).toEqual([...['gone', 'test/gone']])
    const links = made('[a](gone.md) [b](made.md#gone) [c](#here) [d](../README.md#no-such) `[e](f.md)`\n\n# Here\n')
    expect(brokenLinks(links)).toEqual(['gone.md', 'made.md#gone', '../README.md#no-such'])
    const long = Array.from({ length: 26 }, () => 'word').join(' ')
    expect(longSentences(made(`# ${long}\n\n| ${long} |\n\n- ${long}\n- short\n\nA few. ${long}.\n`))).toHaveLength(2)
    expect(longSentences(made(`One [link](to.md) of \`${long}\`\n\n\`\`\`sh\n${long}\n\`\`\`\n`))).toEqual([])
    expect(unknownSettings(made('`DATA_DIRS` and `DATA_DIR=./data`, not MAX_SPEED'))).toEqual(['DATA_DIRS'])
  })

  test('a page of a folder below docs is one of them', () => {
    expect(pages.map(({ path }) => path)).toEqual(expect.arrayContaining(['README.md', 'docs/README.md']))
    expect(anchorsOf(made('# One `two`, and [three](four.md)\n## Same\n## Same\n'))).toEqual(
      new Set(['one-two-and-three', 'same', 'same-1']),
    )
  })
})

describe('README.md', () => {
  test(`has at most ${MOST_WORDS_OF_README} words`, () => {
    expect(page('README.md').text.split(/\s+/).length).toBeLessThanOrEqual(MOST_WORDS_OF_README)
  })

  test('shows one picture, which is small', () => {
    const pictures = linksOf(page('README.md')).filter((link) => /\.(?:png|svg|jpe?g|webp)$/.test(link))
    expect(pictures).toHaveLength(1)
    expect(statSync(join(ROOT, pictures[0] ?? '')).size).toBeLessThan(150_000)
  })

  test('shows what a first start prints', () => {
    const [shown = ''] = blocksOf(page('README.md').text, 'text')
    const until = /^Good until +(\S+);/m.exec(shown)?.[1] ?? ''
    const facts = {
      ...{ origin: 'http://localhost:8080', project: 'default', environment: 'dev', tenant: 'default' },
      ...{ apiKey: 'rck_…', adminKey: 'rck_…', keysExpireAt: new Date(until), keysFile: undefined },
      ...{ adminKeyConfigured: false, databaseUrl: undefined, dataDir: './data' },
    }
    const [printed = ''] = banner(facts, { colour: false }).split('\nCreate a user:')
    expect(shown.trim()).toBe(printed.trim())
  })

  test('has three requests of curl for a first customer', () => {
    expect(runnableOf(page('README.md')).match(/\bcurl /g)).toHaveLength(3)
  })
})

describe('docs/settings.md', () => {
  const rows = rowsOf(page('docs/settings.md'))

  test.each(Object.entries(DEFAULTS))('has the variable %s with its default, %s', (name, value) => {
    const shown = rows.filter((row) => row.name === name).map((row) => row.value)
    expect(shown).toEqual([value === undefined ? 'none' : `\`${value}\``])
  })

  test.each(Object.entries(DEFAULT_SETTINGS))('has the setting %s of tenants with its default', (name, value) => {
    const [shown, ...more] = rows.filter((row) => row.name === name).map((row) => row.value.replaceAll('`', ''))
    expect(more).toEqual([])
    expect(typeof value === 'string' ? shown : JSON.parse(shown ?? '')).toEqual(value)
  })

  test('names nothing else as a variable or a setting', () => {
    const names = rows.map(({ name }) => name).filter((name) => name !== 'none')
    expect(names.filter((name) => !(name in DEFAULTS) && !(name in DEFAULT_SETTINGS))).toEqual([])
  })
})

describe('docs/cli.md', () => {
  const { text } = page('docs/cli.md')

  /** The commands that a command's help names. */
  async function commandsOf(...names: readonly string[]): Promise<string[]> {
    const { out } = await rollcall({}, ...names, '--help')
    const [, list = ''] = out.split('\nCommands:\n')
    const below = [...(list.split('\n\n')[0] ?? '').matchAll(/^ {2}(\w+)/gm)].map(([, name = '']) => name)
    return below.filter((name) => name !== 'help')
  }

  test('has every command, and no other', async () => {
    const all: string[] = []
    for (const name of await commandsOf()) {
      const below = await commandsOf(name)
      all.push(...(below.length === 0 ? [name] : below.map((verb) => `${name} ${verb}`)))
    }
    const shown = [...text.matchAll(/^\| `([a-z][a-z ]*[a-z])[^`]*` \|/gm)].map(([, name = '']) => name)
    expect(shown.sort()).toEqual(all.sort())
  })

  test('has every exit code, and no other', () => {
    const codes = (of: string, pattern: RegExp) => [...of.matchAll(pattern)].map(([, code]) => Number(code))
    expect(codes(text, /^\| (\d) \|/gm)).toEqual(codes(EXIT_CODES, /^ +(\d) /gm))
  })
})
