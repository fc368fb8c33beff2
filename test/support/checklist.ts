import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const TEST = join(import.meta.dirname, '..')
const ID = /\b[A-Z]{1,3}-\d\d\b/g

/** What the checklist, the tests and test/README.md say of each other. */
export interface Coverage {
  /** Ids of `fixtures/scim/checklist.md` that no test names and test/README.md does not argue. */
  readonly idsWithoutTest: readonly string[]
  /** Test files that name no id and stand in no folder that test/README.md argues. */
  readonly filesWithoutId: readonly string[]
  /** Ids that test/README.md argues although a test names them. */
  readonly arguedNeedlessly: readonly string[]
}

/** Reads the checklist and the tests. An id counts as held by a file in which a test's code names it. */
export function coverage(): Coverage {
  const read = (path: string) => readFileSync(join(TEST, path), 'utf8')
  const ids = [...read('fixtures/scim/checklist.md').matchAll(/^- \*\*([A-Z]+-\d\d)\*\*/gm)].map(
    (match) => match[1] as string,
  )
  const files = readdirSync(TEST, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts'))
  const named = new Map(files.map((file) => [file, new Set(read(file).match(ID) ?? [])]))
  const held = new Set([...named.values()].flatMap((set) => [...set]))
  const argued = new Set(section(read('README.md'), 'Lines without a test').match(ID) ?? [])
  const folders = [...section(read('README.md'), 'Tests without a line').matchAll(/^- `([^`]+)`/gm)].map(
    (m) => m[1] as string,
  )
  return {
    idsWithoutTest: ids.filter((id) => !held.has(id) && !argued.has(id)),
    filesWithoutId: files.filter(
      (file) => named.get(file)?.size === 0 && !folders.some((place) => file.startsWith(place)),
    ),
    arguedNeedlessly: [...argued].filter((id) => held.has(id)),
  }
}

function section(text: string, title: string): string {
  const [, after = ''] = text.split(`## ${title}\n`)
  return after.split('\n## ')[0] ?? ''
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { idsWithoutTest, filesWithoutId } = coverage()
  console.log(`ids without a test: ${idsWithoutTest.length === 0 ? 'none' : idsWithoutTest.join(' ')}`)
  console.log(`tests without an id: ${filesWithoutId.length === 0 ? 'none' : filesWithoutId.join(' ')}`)
}
