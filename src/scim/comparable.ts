import type { Comparable } from './filter/ast.ts'
import type { JsonValue } from './resource.ts'
import type { Attribute } from './schema/attribute.ts'

/**
 * Text as it is compared where case does not matter: lower case over all of Unicode, then NFC (the PRECIS case mapping of
 * RFC 8265 §3.3, checklist Q-12, U-02). Idempotent.
 */
export function fold(text: string): string {
  const lower = text.toLowerCase()
  // Most values of most users: what has no letter beyond Latin-1 is in NFC, and to make sure of that takes most of the time.
  if (!BEYOND_LATIN_1.test(lower)) return lower
  // A capital sigma is lower-cased by its place in the word; without this "ΟΔΟΣ" would not start "ΟΔΟΣΗΜΑ".
  return lower.replaceAll('ς', 'σ').normalize('NFC')
}
const BEYOND_LATIN_1 = /[\u0100-\uffff]/

/**
 * `value` in the form in which it is compared (see `Comparable`), or undefined where it does not fit the attribute's type.
 * `value` is one value: an element where the attribute is multi-valued. Complex attributes have no comparable form.
 */
export function toComparable(attribute: Attribute, value: JsonValue): Comparable | undefined {
  switch (attribute.type) {
    case 'string':
      if (typeof value !== 'string') return undefined
      return attribute.caseExact ? value : fold(value)
    case 'reference':
    case 'binary':
      return typeof value === 'string' ? value : undefined
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined
    case 'integer':
    case 'decimal':
      return typeof value === 'number' ? value : undefined
    case 'dateTime':
      return typeof value === 'string' ? parseDateTime(value) : undefined
    case 'complex':
      return undefined
  }
}

const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))?$/
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]

/**
 * An xsd:dateTime (RFC 7643 §2.3.5, checklist A-10) as whole microseconds since 1970 in UTC, or undefined for anything
 * else, dates alone and days that the calendar lacks included. Without offset it is UTC. Digits beyond microseconds are cut.
 *
 * Exact up to the year 2255, within 32 µs up to 9999, where a double has fewer digits.
 */
export function parseDateTime(text: string): number | undefined {
  const match = DATE_TIME.exec(text)
  if (match === null) return undefined
  const part = (group: number): number => Number(match[group] ?? 0)
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)]
  const micros = Number((match[7] ?? '').slice(0, 6).padEnd(6, '0'))

  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined
  // xsd:dateTime writes the end of a day as 24:00:00 too.
  const isEndOfDay = hour === 24 && minute === 0 && second === 0 && !/[1-9]/.test(match[7] ?? '')
  if ((hour > 23 && !isEndOfDay) || minute > 59 || second > 59) return undefined
  const [offsetHours, offsetMinutes] = [part(9), part(10)]
  if (offsetMinutes > 59 || offsetHours * 60 + offsetMinutes > 14 * 60) return undefined

  const offset = (match[8] === '-' ? -1 : 1) * (offsetHours * 60 + offsetMinutes)
  const seconds = ((daysSince1970(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second
  return seconds * 1_000_000 + micros
}

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0

function daysIn(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

// Date.UTC reads the years 0 to 99 as 1900 to 1999.
function daysSince1970(year: number, month: number, day: number): number {
  const before = year - 1
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400)
  const inYear = (DAYS_BEFORE_MONTH[month - 1] ?? 0) + (month > 2 && isLeap(year) ? 1 : 0) + day - 1
  return before * 365 + leapDays + inYear - 719_162
}

/**
 * Orders text by Unicode code point (checklist S-05), which is the byte order of UTF-8 and PostgreSQL's "C" collation.
 * JavaScript's `<` compares UTF-16 units and puts U+1F600 before U+FFFD. Negative, 0 or positive.
 */
export function compareText(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) {
    const [unitA, unitB] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (unitA !== unitB) return codePointRank(unitA) - codePointRank(unitB)
  }
  return a.length - b.length
}

/** Moves surrogates, which stand for U+10000 and above, behind the rest of the basic plane. */
const codePointRank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x2000 + 0x800 : unit)

/** Orders two values of one attribute: text by code point, numbers and instants by value, false before true (S-06). */
export function compareValues(a: Comparable, b: Comparable): number {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  return Number(a) - Number(b)
}
