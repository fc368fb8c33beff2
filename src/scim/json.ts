import { ScimError } from './errors.ts'
import type { JsonValue } from './resource.ts'

/** SCIM needs five levels (bulk: Operations, data, extension, manager, value); no resource comes near this many. */
const DEFAULT_MAX_DEPTH = 32

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const TAB = 0x09
const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const BYTE_ORDER_MARK = 0xfeff

// Sticky, and no two parts of it can match the same text: linear.
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const LITERALS = ['true', 'false', 'null']

type Expected = 'value' | 'value or ]' | 'name or }' | 'name' | 'colon' | 'comma or end'

/**
 * Reads a request body (RFC 8259; checklist H-11, H-12, E-04). A leading byte order mark is dropped; a member `__proto__`
 * is an own member like any other.
 *
 * @param limits.maxDepth how many arrays and objects may stand inside each other, the outermost counted; 32 unless told
 * @throws {ScimError} invalidSyntax for text that is not JSON, a member name repeated in one object (letter case aside) and
 *   nesting beyond the limit; invalidValue for what cannot be stored as it was sent: U+0000, lone surrogates, numbers that a
 *   double cannot hold, whole numbers beyond ±(2^53 − 1)
 */
export function parseJson(text: string, limits: { readonly maxDepth?: number } = {}): JsonValue {
  const body = text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text
  // Everything JSON.parse could refuse is refused here first: in our own words, and before deep nesting can reach it.
  check(body, limits.maxDepth ?? DEFAULT_MAX_DEPTH)
  return JSON.parse(body) as JsonValue
}

function check(text: string, maxDepth: number): void {
  /** Per open array or object: undefined, or the names seen so far in lower case. */
  const open: (Set<string> | undefined)[] = []
  let names: Set<string> | undefined
  let expected: Expected = 'value'
  let at = 0

  while (at < text.length) {
    const code = text.charCodeAt(at)
    switch (code) {
      case SPACE:
      case LINE_FEED:
      case CARRIAGE_RETURN:
      case TAB:
        at++
        continue
      case QUOTE: {
        if (expected === 'colon' || expected === 'comma or end') throw unexpected(text, at)
        const end = scanString(text, at, stringRefusal)
        if (names !== undefined && (expected === 'name' || expected === 'name or }')) {
          addName(names, text, at, end)
          expected = 'colon'
        } else expected = 'comma or end'
        at = end
        continue
      }
      case COLON:
        if (expected !== 'colon') throw unexpected(text, at)
        expected = 'value'
        at++
        continue
      case COMMA:
        if (expected !== 'comma or end' || open.length === 0) throw unexpected(text, at)
        expected = names === undefined ? 'value' : 'name'
        at++
        continue
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        if (expected !== 'value' && expected !== 'value or ]') throw unexpected(text, at)
        if (open.length === maxDepth) {
          throw ScimError.invalidSyntax(
            'body-too-deep',
            `the body nests deeper than ${maxDepth} levels at ${place(text, at)}`,
          )
        }
        names = code === OPEN_OBJECT ? new Set() : undefined
        open.push(names)
        expected = code === OPEN_OBJECT ? 'name or }' : 'value or ]'
        at++
        continue
      case CLOSE_OBJECT:
      case CLOSE_ARRAY: {
        const isObject = code === CLOSE_OBJECT
        const mayClose = expected === 'comma or end' || expected === (isObject ? 'name or }' : 'value or ]')
        if (!mayClose || open.length === 0 || (names !== undefined) !== isObject) throw unexpected(text, at)
        open.pop()
        names = open.at(-1)
        expected = 'comma or end'
        at++
        continue
      }
      default:
        if (expected !== 'value' && expected !== 'value or ]') throw unexpected(text, at)
        at = literalEnd(text, at)
        expected = 'comma or end'
    }
  }
  if (expected === 'comma or end' && open.length === 0) return
  throw text.trim() === ''
    ? ScimError.invalidSyntax('body-not-json', 'the body is empty; expected JSON')
    : unexpected(text, at)
}

function addName(names: Set<string>, text: string, start: number, end: number): void {
  const raw = text.slice(start + 1, end - 1)
  const name = raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw
  const before = names.size
  if (names.add(name.toLowerCase()).size === before) {
    throw ScimError.invalidSyntax(
      'member-repeated',
      `the member ${JSON.stringify(clip(name))} is repeated in one object (names ignore case) at ${place(text, start)}`,
    )
  }
}

/** Where the number, `true`, `false` or `null` at `start` ends. */
function literalEnd(text: string, start: number): number {
  const end = numberEnd(text, start)
  if (end === start) {
    const literal = LITERALS.find((word) => text.startsWith(word, start))
    if (literal === undefined) throw unexpected(text, start)
    return start + literal.length
  }
  const value = Number(text.slice(start, end))
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    throw ScimError.invalidValue(
      'number-too-large',
      `the number ${clip(text.slice(start, end))} at ${place(text, start)} is too large to be kept exactly`,
    )
  }
  return end
}

/** Where the JSON number at `start` ends (RFC 8259 §6); `start` itself when there is none. */
export function numberEnd(text: string, start: number): number {
  NUMBER.lastIndex = start
  return NUMBER.test(text) ? NUMBER.lastIndex : start
}

/** What is wrong in a string: not JSON, or JSON that no database and no UTF-8 text can hold. */
export interface StringProblem {
  readonly kind: 'malformed' | 'unstorable'
  /** Reads on after "the string has" or alone, such as `a control character`. */
  readonly what: string
  /** 0-based offset. */
  readonly position: number
}

/**
 * Checks the JSON string whose opening quote is at `start` (RFC 8259 §7) and gives the offset after its closing quote, which
 * is the same character. `refusal` makes the error to throw.
 */
export function scanString(text: string, start: number, refusal: Refusal): number {
  const quote = text.charCodeAt(start)
  let at = start + 1
  for (;;) {
    const code = text.charCodeAt(at) // NaN at the end of the text, which no comparison holds for
    if (code === quote) return at + 1
    if (code === BACKSLASH) at = escapeEnd(text, at, refusal)
    else if (code < 0xd800 && code >= SPACE) at++
    else if (code > 0xdfff) at++
    else if (code >= 0xd800) {
      if (!isPair(code, text.charCodeAt(at + 1))) throw refusal(text, loneSurrogate(at))
      at += 2
    } else if (code === 0) throw refusal(text, nul(at))
    else if (code < SPACE) throw refusal(text, { kind: 'malformed', what: 'a raw control character', position: at })
    else throw refusal(text, { kind: 'malformed', what: 'no closing quote', position: start })
  }
}

type Refusal = (text: string, problem: StringProblem) => ScimError

const nul = (position: number): StringProblem => ({ kind: 'unstorable', what: 'the character U+0000', position })
const loneSurrogate = (position: number): StringProblem => ({
  kind: 'unstorable',
  what: 'half of a surrogate pair',
  position,
})
const isPair = (high: number, low: number): boolean =>
  high >= 0xd800 && high <= 0xdbff && low >= 0xdc00 && low <= 0xdfff

function escapeEnd(text: string, at: number, refusal: Refusal): number {
  const letter = text.charAt(at + 1)
  if (letter !== '' && '"\\/bfnrt'.includes(letter)) return at + 2
  const code = unicodeEscape(text, at)
  if (code === undefined) throw refusal(text, { kind: 'malformed', what: 'an unknown escape', position: at })
  if (code === 0) throw refusal(text, nul(at))
  if (code < 0xd800 || code > 0xdfff) return at + 6
  if (!isPair(code, unicodeEscape(text, at + 6) ?? 0)) throw refusal(text, loneSurrogate(at))
  return at + 12
}

function unicodeEscape(text: string, at: number): number | undefined {
  if (!text.startsWith('\\u', at)) return undefined
  const digits = text.slice(at + 2, at + 6)
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : undefined
}

const stringRefusal: Refusal = (text, { kind, what, position }) =>
  kind === 'unstorable'
    ? ScimError.invalidValue('text-unstorable', `a string in the body has ${what} at ${place(text, position)}`)
    : ScimError.invalidSyntax(
        'body-not-json',
        `the body is not valid JSON: a string with ${what} at ${place(text, position)}`,
      )

function unexpected(text: string, at: number): ScimError {
  const found = at >= text.length ? 'end' : JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0))
  return ScimError.invalidSyntax(
    'body-not-json',
    `the body is not valid JSON: unexpected ${found} at ${place(text, at)}`,
  )
}

function place(text: string, at: number): string {
  let line = 1
  let lineStart = 0
  for (let feed = text.indexOf('\n'); feed !== -1 && feed < at; feed = text.indexOf('\n', lineStart)) {
    line++
    lineStart = feed + 1
  }
  return `line ${line} column ${at - lineStart + 1}`
}

const clip = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text)
