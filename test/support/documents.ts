import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

/** One page of the project's documents. */
export interface Document {
  /** From the root of the project. */
  readonly path: string
  readonly text: string
}

/** A sentence of a page's prose. A code mark counts as one word, and a link as its text. */
export interface Sentence {
  readonly path: string
  readonly text: string
  readonly words: number
}

const AT_THE_ROOT = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']

/** The documents at the root, and every page below `docs`. */
export function documents(): readonly Document[] {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  )
  return [...AT_THE_ROOT, ...docs.sort().map((name) => `docs/${name.replaceAll('\\', '/')}`)].map((path) => ({
    path,
    text: readFileSync(join(ROOT, path), 'utf8'),
  }))
}

const FENCE = /^( *)(`{3,}|~{3,})(.*)\n([\s\S]*?)^\1\2 *$/gm

/** The blocks of code whose info string is `info`, such as `sh runnable`. */
export const blocksOf = (text: string, info: string): readonly string[] =>
  [...text.matchAll(FENCE)].filter(([, , , said = '']) => said.trim() === info).map(([, , , , code = '']) => code)

/** The commands of a page that are marked runnable, as one script. Empty where there are none. */
export const runnableOf = ({ text }: Document): string => blocksOf(text, 'sh runnable').join('\n')

const withoutBlocks = (text: string): string => text.replace(FENCE, '').replace(/<!--[\s\S]*?-->/g, '')

/** What stands in code marks in the prose and the tables of a page. */
export const codeMarksOf = ({ text }: Document): readonly string[] =>
  [...withoutBlocks(text).matchAll(/(`+)(.+?)\1/g)].map(([, , code = '']) => code)

/** The targets of links and pictures of a page, without those that lead to other sites. */
export function linksOf({ text }: Document): readonly string[] {
  const prose = withoutCode(withoutBlocks(text))
  const inline = [...prose.matchAll(/\]\(<?([^()\s>]+)>?(?: "[^"]*")?\)/g)]
  const named = [...prose.matchAll(/^ *\[[^\]]+\]: +<?([^\s>]+)>?/gm)]
  return [...inline, ...named].map(([, target = '']) => target).filter((target) => !/^[a-z]+:/i.test(target))
}

/** The anchors of a page as GitHub makes them: one for each heading, and those that the page names itself. */
export function anchorsOf({ text }: Document): ReadonlySet<string> {
  const prose = withoutBlocks(text)
  const seen = new Map<string, number>()
  const headings = [...prose.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, title = '']) => {
    const slug = anchor(title)
    const before = seen.get(slug) ?? 0
    seen.set(slug, before + 1)
    return before === 0 ? slug : `${slug}-${before}`
  })
  return new Set([...headings, ...[...prose.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, name = '']) => name)])
}

const anchor = (title: string): string =>
  withoutLinks(title)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
    .replaceAll(' ', '-')

const withoutCode = (text: string): string => text.replace(/(`+)(.+?)\1/gs, 'code')
const withoutLinks = (text: string): string => text.replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')

/** A line of a catalogue, such as `- **PAT-20** MUST …`: it is read as a row of a table. */
const CATALOGUED = /^\*\*[A-Z]{1,3}-\d\d\*\*/

/** The sentences of a page's prose: no headings, tables, pictures or blocks of code; each item of a list begins a new one. */
export function sentencesOf({ path, text }: Document): readonly Sentence[] {
  return paragraphsOf(withoutBlocks(text))
    .filter((paragraph) => !CATALOGUED.test(paragraph))
    .flatMap((paragraph) =>
      withoutLinks(withoutCode(paragraph)).split(/(?<=(?<!\b(?:e\.g|i\.e|etc|vs))[.!?][)”"*_]*)\s+/),
    )
    .map((sentence) => ({
      path,
      text: sentence,
      words: sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length,
    }))
}

function paragraphsOf(text: string): string[] {
  const paragraphs: string[] = []
  let open = false
  for (const line of text.split('\n')) {
    const plain = line.replace(/^[ >]+/, '')
    const item = /^(?:[-*+]|\d+[.)]) +(.*)$/.exec(plain)
    const outside = plain === '' || /^(?:#|\||!\[|<|\[[^\]]+\]: )/.test(plain)
    if (item) paragraphs.push(item[1] ?? '')
    else if (open && !outside) paragraphs.push(`${paragraphs.pop()} ${plain}`)
    else if (!outside) paragraphs.push(plain)
    open = !outside
  }
  return paragraphs
}
