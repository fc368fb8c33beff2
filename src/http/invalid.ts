import type { z } from 'zod'
import { type Mistake, Refusal } from '../administration/refusal.ts'

/** What a refusal says that names several mistakes. */
export const SEE_ERRORS = 'The request has members that cannot be accepted; see errors.'
/** As many mistakes of one kind are named, and paths are cut: an answer is no longer than it has to be. */
const MOST_NAMED = 10
const LONGEST_PATH = 500
const NOT_TEXT = 'has a character that cannot be stored: U+0000 or half of a surrogate pair'
// With the flag u, pairs that belong together are none of it.
const UNSTORABLE = /[\0\p{Cs}]/u

/** A validation error in words, with the path of each member that is wrong. */
export function invalid(error: z.core.$ZodError): Refusal {
  const mistakes = error.issues.flatMap((issue): Mistake[] => {
    const path = issue.path.map(String)
    if (issue.code !== 'unrecognized_keys') return [{ path: path.join('.'), message: issue.message }]
    return issue.keys.map((name) => ({ path: [...path, name].join('.'), message: 'is not known here' }))
  })
  return new Refusal(400, SEE_ERRORS, mistakes)
}

/** A part of a request, and where it stands. */
interface Part {
  readonly value: unknown
  readonly name: string
  readonly within: Part | undefined
}

/**
 * The refusal of text that the store cannot keep, at any place in a body. PostgreSQL's texts have no U+0000, and UTF-8 has no
 * halves of surrogate pairs. Undefined where there is none.
 */
export function unstorable(sent: unknown): Refusal | undefined {
  const mistakes: Mistake[] = []
  // No recursion: what was sent may be nested as deep as its length allows.
  const parts: Part[] = [{ value: sent, name: '', within: undefined }]
  for (let part = parts.pop(); part !== undefined && mistakes.length < MOST_NAMED; part = parts.pop()) {
    const { value, name } = part
    const text = typeof value === 'string' ? value : ''
    if (UNSTORABLE.test(name) || UNSTORABLE.test(text)) mistakes.push({ path: pathOf(part), message: NOT_TEXT })
    if (typeof value !== 'object' || value === null) continue
    for (const [name, member] of Object.entries(value)) parts.push({ value: member, name, within: part })
  }
  const [first] = mistakes
  return first && new Refusal(400, `${first.path}: ${first.message}.`, mistakes)
}

function pathOf(part: Part): string {
  const names: string[] = []
  for (let at: Part | undefined = part; at?.within !== undefined; at = at.within) names.push(at.name)
  return names.reverse().join('.').replaceAll(new RegExp(UNSTORABLE, 'gu'), '').slice(0, LONGEST_PATH)
}
