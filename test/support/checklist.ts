import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const TEST = join(import.meta.dirname, '..')
const ID = /\b[A-Z]{1,3}-\d\d\b/g

/** Where the checklist, the tests and test/README.md do not agree. */
export interface Coverage {
  /** Ids of `docs/requirements.md` that no test names and test/README.md does not argue. */
  readonly idsWithoutTest: readonly string[]
  /** Test files that name no id and stand in no folder that test/README.md argues. */
  readonly filesWithoutId: readonly string[]
  /** Ids that test/README.md argues although a test names them. */
  readonly arguedNeedlessly: readonly string[]
}

/** Reads the checklist and the tests. A test file holds an id if its code names the id. */
export function coverage(): Coverage {
  const { ids } = requirementIds()
  const files = filesBelow('', '.test.ts')
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

/** The ids of `docs/requirements.md`, and how many requirements the page says there are. */
export function requirementIds(): { readonly ids: readonly string[]; readonly stated: number } {
  const page = read('../docs/requirements.md')
  const ids = [...page.matchAll(/^- \*\*([A-Z]+-\d\d)\*\*/gm)].map((match) => match[1] as string)
  return { ids, stated: Number(/^Requirements: (\d+)/m.exec(page)?.[1]) }
}

/** The ids that files of the source name, each once; `UTF-16` is none. */
export function idsInSource(): string[] {
  const named = filesBelow('../src', '.ts').flatMap((file) => read(join('../src', file)).match(ID) ?? [])
  return [...new Set(named)].filter((id) => id !== 'UTF-16')
}

const read = (path: string): string => readFileSync(join(TEST, path), 'utf8')

const filesBelow = (folder: string, ending: string): string[] =>
  readdirSync(join(TEST, folder), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith(ending))

function section(text: string, title: string): string {
  const [, after = ''] = text.split(`## ${title}\n`)
  return after.split('\n## ')[0] ?? ''
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { idsWithoutTest, filesWithoutId } = coverage()
  console.log(`ids without a test: ${idsWithoutTest.length === 0 ? 'none' : idsWithoutTest.join(' ')}`)
  console.log(`tests without an id: ${filesWithoutId.length === 0 ? 'none' : filesWithoutId.join(' ')}`)
}
