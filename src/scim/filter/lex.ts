import type { ScimError } from '../errors.ts'
import { scanString } from '../json.ts'

/**
 * A token of a filter or PATCH path. A word is anything without spaces, brackets and quotes: an attribute path, an operator,
 * a number, a literal, or a mistake. Which one it is depends on where it stands, so the parser decides.
 */
export type Token = Place &
  (
    | { readonly kind: 'word'; readonly text: string }
    | { readonly kind: 'string'; readonly value: string }
    | { readonly kind: '(' | ')' | '[' | ']' | 'end' }
  )

interface Place {
  /** 0-based offset of the first character. */
  readonly start: number
  /** Offset behind the last character. */
  readonly end: number
  /** How many spaces stand before the token: the grammar (RFC 7644 §3.4.2.2, Figure 1) wants exactly one or none. */
  readonly spaces: number
}

const SPACE = 0x20
const QUOTE = 0x22
const APOSTROPHE = 0x27

/**
 * The token that begins at offset `from`, or after the spaces there.
 *
 * @param options.singleQuotes take 'x' as a string, where a deviation allows it; else it is a word
 * @param options.refuse makes the error for a broken string
 */
export function readToken(
  text: string,
  from: number,
  options: { readonly singleQuotes: boolean; readonly refuse: (position: number, problem: string) => ScimError },
): Token {
  let start = from
  while (text.charCodeAt(start) === SPACE) start++
  const spaces = start - from
  if (start === text.length) return { kind: 'end', start, end: start, spaces }

  const first = text.charAt(start)
  if (first === '(' || first === ')' || first === '[' || first === ']') {
    return { kind: first, start, end: start + 1, spaces }
  }
  const code = text.charCodeAt(start)
  if (code === QUOTE || (code === APOSTROPHE && options.singleQuotes)) {
    const end = scanString(text, start, (_, { what, position }) => options.refuse(position, `a string with ${what}`))
    return {
      kind: 'string',
      value: stringValue(text.slice(start + 1, end - 1), code, start, options.refuse),
      start,
      end,
      spaces,
    }
  }
  let end = start + 1
  while (end < text.length && !endsWord(text.charCodeAt(end))) end++
  return { kind: 'word', text: text.slice(start, end), start, end, spaces }
}

const endsWord = (code: number): boolean =>
  code === SPACE || code === QUOTE || code === 0x28 || code === 0x29 || code === 0x5b || code === 0x5d

function stringValue(
  content: string,
  quote: number,
  start: number,
  refuse: (position: number, problem: string) => ScimError,
): string {
  if (quote === APOSTROPHE && content.includes('"')) throw refuse(start, 'double quotes inside single quotes')
  return content.includes('\\') ? (JSON.parse(`"${content}"`) as string) : content
}
