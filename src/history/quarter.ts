import type { Period } from '../repositories/history/as-of.ts'

/** The form of a quarter of a year. */
export const QUARTER_PATTERN = '^[0-9]{4}-Q[1-4]$'

/** `2026-Q3` as a time: from its first moment (UTC) until the last millisecond. Undefined for another text. */
export function quarterOf(text: string): Period | undefined {
  const [, year, quarter] = /^(\d{4})-Q([1-4])$/.exec(text) ?? []
  if (year === undefined || quarter === undefined) return undefined
  const month = (Number(quarter) - 1) * 3
  return { from: Date.UTC(Number(year), month), until: Date.UTC(Number(year), month + 3) - 1 }
}
