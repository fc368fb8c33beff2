const DAY_MS = 86_400_000
const padded = (count: number, digits: number) =>
  Array.from({ length: count }, (_, n) => String(n).padStart(digits, '0'))
const TWO = padded(60, 2)
const THREE = padded(1_000, 3)

let lastDay = Number.NaN
let textOfDay = ''

/**
 * A moment as a DateTime (RFC 7643 §2.3.5): in UTC, as `Date.toISOString` writes it. That prints part by part, which for the
 * hundreds of a page of users is a good part of making their texts.
 *
 * @param milliseconds whole ones since 1970
 */
export function dateTime(milliseconds: number): string {
  const day = Math.floor(milliseconds / DAY_MS)
  if (day !== lastDay) {
    textOfDay = new Date(day * DAY_MS).toISOString().slice(0, -'00:00:00.000Z'.length)
    lastDay = day
  }
  const inDay = milliseconds - day * DAY_MS
  const part = (of: number, length: number) => Math.floor(inDay / of) % length
  return `${textOfDay}${TWO[part(3_600_000, 24)]}:${TWO[part(60_000, 60)]}:${TWO[part(1_000, 60)]}.${THREE[part(1, 1_000)]}Z`
}
