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
  // Whole numbers of 32 bits: V8 divides those in a fifth of the time.
  const inDay = (milliseconds - day * DAY_MS) | 0
  const seconds = (inDay / 1_000) | 0
  const minutes = (seconds / 60) | 0
  const hours = (minutes / 60) | 0
  return `${textOfDay}${TWO[hours]}:${TWO[minutes - hours * 60]}:${TWO[seconds - minutes * 60]}.${THREE[inDay - seconds * 1_000]}Z`
}
