import { fold } from '../scim/comparable.ts'
import { isObject, type JsonObject, type JsonValue } from '../scim/resource.ts'
import { USER_SCHEMA } from '../scim/urn.ts'
import type { Person } from './person.ts'

// What the gateway has stored is JSON, perhaps cut. An object about the person loses all but its id and what the protocol says. In all
// other texts, what names the person is taken out alone, so that nothing is lost of others.

/** What stands in the place of a text about the person. */
export const ERASED_TEXT = '(erased)'

/** Told of each text that is taken out. */
type Gone = (text: string) => void

/** Erases one person from values and texts. */
export interface Eraser {
  /** Whether an object is about the person. */
  readonly isAbout: (object: JsonObject) => boolean
  /** The value without the person; the same value where it has nothing of the person. */
  readonly value: (value: JsonValue, gone?: Gone) => JsonValue
  /** A text in which the person may be named. */
  readonly text: (text: string, gone?: Gone) => string
  /**
   * JSON, perhaps cut, or any other text; the same text where it has nothing of the person. Undefined where the person is in it, and
   * cannot be taken out alone.
   */
  readonly json: (text: string, gone?: Gone) => string | undefined
}

/** Members whose value says whom an object is about, in lower case. */
const NAMING: ReadonlySet<string> = new Set([
  ...['id', 'value', 'username', 'email', 'sub', 'user', 'userid', 'resourceid'],
  ...['path', 'location', '$ref', 'ref'],
])
/** What stays of an object about the person, if it names nobody. */
const STAYS: ReadonlySet<string> = new Set(['method', 'path', 'location', 'status', 'op', 'kind'])
/** Members whose whole value may be a name that stands for the person. */
const SHOWN: ReadonlySet<string> = new Set(['display', 'name'])
/** A shorter key is found where it is the whole of a value, since others may have it in them by chance. */
const SHORTEST_WITHIN = 4
/** Deeper values are none of ours. */
const DEEPEST = 64

/** What erases this person. */
export function eraserOf({ id, userNames, emails, externalIds, names }: Person): Eraser {
  const keys = [...new Set([...userNames, ...emails])]
  const [isKey, isName] = [new Set(keys), new Set(names)]
  const within = patternOf(keys.filter((key) => key.length >= SHORTEST_WITHIN))
  const quoted = new Set([...keys, ...externalIds, ...names])

  const text: Eraser['text'] = (before, gone) => {
    if (isKey.has(fold(before.trim()))) return taken(before, gone)
    let now = within === undefined ? before : before.replaceAll(within, (found) => taken(found, gone))
    if (now.includes('"'))
      now = now.replaceAll(QUOTED, (whole, inner: string) =>
        quoted.has(fold(inner.trim())) ? `"${taken(inner, gone)}"` : whole,
      )
    return now
  }

  const namesPerson = (name: string, value: JsonValue | undefined): boolean => {
    if (typeof value !== 'string' || !NAMING.has(name.toLowerCase())) return false
    return (id !== null && (value === id || isAddressOf(value, id))) || isKey.has(fold(value.trim()))
  }
  const isAbout: Eraser['isAbout'] = (object) =>
    Object.entries(object).some(
      ([name, value]) =>
        namesPerson(name, value) ||
        // A group may have the same externalId.
        (name.toLowerCase() === 'externalid' && isOneOf(externalIds, value) && isOfUser(object)) ||
        (name.toLowerCase() === 'emails' &&
          Array.isArray(value) &&
          value.some((one) => isObject(one) && isOneOf(emails, one.value))),
    )

  const erasedObject = (object: JsonObject, gone: Gone | undefined): JsonObject => {
    const kept = Object.entries(object).filter(([name, value]) => {
      if (value === id) return true
      const stays = STAYS.has(name.toLowerCase()) && typeof value === 'string' && text(value) === value
      if (!stays) allTexts(value ?? null, gone)
      return stays
    })
    return { ...Object.fromEntries(kept), erased: true }
  }

  const value = (before: JsonValue, gone?: Gone, depth = 0, name = ''): JsonValue => {
    if (typeof before === 'string')
      return SHOWN.has(name) && isName.has(fold(before.trim())) ? taken(before, gone) : text(before, gone)
    if (typeof before !== 'object' || before === null || depth > DEEPEST) return before
    if (Array.isArray(before))
      return sameOr(
        before,
        before.map((one) => value(one, gone, depth + 1, name)),
      )
    if (isAbout(before)) {
      const now = erasedObject(before, gone)
      return JSON.stringify(now) === JSON.stringify(before) ? before : now
    }
    let differs = false
    const entries = Object.entries(before).map(([member, inner]) => {
      const now = value(inner ?? null, gone, depth + 1, member.toLowerCase())
      differs ||= now !== inner
      return [member, now] as const
    })
    return differs ? Object.fromEntries(entries) : before
  }

  return {
    ...{ isAbout, text },
    value: (before, gone) => value(before, gone),
    json: (before, gone) => {
      const parsed = parsedOrCut(before)
      if (parsed === undefined) return text(before) === before ? before : undefined
      const now = value(parsed, gone)
      return now === parsed ? before : JSON.stringify(now)
    },
  }
}

const isOneOf = (texts: readonly string[], value: JsonValue | undefined): boolean =>
  typeof value === 'string' && texts.includes(fold(value.trim()))

const isOfUser = (object: JsonObject): boolean =>
  Object.keys(object).some((name) => name.toLowerCase() === 'username') ||
  (Array.isArray(object.schemas) && object.schemas.includes(USER_SCHEMA))

const QUOTED = /"((?:[^"\\]|\\.)*)"/g

function taken(text: string, gone: Gone | undefined): string {
  gone?.(text)
  return ERASED_TEXT
}

/** Whether an address ends with the id, perhaps before a query: of a resource, or of a step of a bulk request. */
const isAddressOf = (address: string, id: string): boolean => (address.split('?', 1)[0] ?? '').endsWith(`/${id}`)

function allTexts(value: JsonValue, gone: Gone | undefined): void {
  if (typeof value === 'string') gone?.(value)
  else if (typeof value === 'object' && value !== null)
    for (const inner of Object.values(value)) allTexts(inner ?? null, gone)
}

const sameOr = (before: JsonValue[], now: JsonValue[]): JsonValue[] =>
  now.every((one, i) => one === before[i]) ? before : now

/** Any of these texts as a whole word or address, in any letter case; undefined for none. */
function patternOf(texts: readonly string[]): RegExp | undefined {
  if (texts.length === 0) return undefined
  const longestFirst = texts.toSorted((one, other) => other.length - one.length)
  const any = longestFirst.map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|')
  return new RegExp(`(?<![\\p{L}\\p{N}._@+-])(?:${any})(?![\\p{L}\\p{N}_@+-]|\\.[\\p{L}\\p{N}])`, 'giu')
}

function parsedOrCut(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    const closed = closedJson(text)
    try {
      return closed === undefined ? undefined : (JSON.parse(closed) as JsonValue)
    } catch {
      return undefined
    }
  }
}

/** JSON that was cut, up to its last whole member, with what closes it; undefined for other texts. */
function closedJson(text: string): string | undefined {
  const open: string[] = []
  let whole: { readonly end: number; readonly closers: string } | undefined
  const mark = (end: number) => {
    whole = { end, closers: open.toReversed().join('') }
  }
  let inText = false
  for (let i = 0; i < text.length; i++) {
    const letter = text[i]
    if (inText) {
      if (letter === '\\') i++
      else if (letter === '"') inText = false
    } else if (letter === '"') inText = true
    else if (letter === ',') mark(i)
    else if (letter === '{' || letter === '[') {
      open.push(letter === '{' ? '}' : ']')
      mark(i + 1)
    } else if (letter === '}' || letter === ']') {
      if (open.pop() !== letter) return undefined
      mark(i + 1)
    }
  }
  return whole && text.slice(0, whole.end) + whole.closers
}
