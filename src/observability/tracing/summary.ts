/** A text that was seen before has its summary here. Texts of queries differ, so there is a bound. */
const MOST_KEPT = 1_000
const kept = new Map<string, string>()
/** Tables that a summary names. A statement that touches more is named by the first ones. */
const MOST_TABLES = 3

/**
 * What a statement does to which tables, such as `UPDATE resources INSERT events`, without its values. What it only reads is named
 * where it changes nothing.
 */
export function summaryOf(statement: string): string {
  const known = kept.get(statement)
  if (known !== undefined) return known
  const summary = summarized(statement)
  if (kept.size >= MOST_KEPT) kept.clear()
  kept.set(statement, summary)
  return summary
}

const PART = /([a-z_]\w*)(?: *\([^()]*\))? +as +(?:(?:not +)?materialized +)?\(/gi
const CHANGE = /\b(insert +into|update(?! +(?:of|set|skip))|delete +from) +"?([a-z_]\w*)/gi
const SOURCE = /\b(?:from|join) +"?([a-z_]\w*)\b(?! *\()/gi

function summarized(statement: string): string {
  // Comments and texts in quotes may read like anything.
  const text = statement.replace(/--.*|'(?:[^']|'')*'/g, '').replace(/\s+/g, ' ')
  const parts = new Set([...text.matchAll(PART)].map(([, name]) => name))
  const changes = [...text.matchAll(CHANGE)].map(
    ([, verb = '', table]) => `${verb.split(' ')[0]?.toUpperCase()} ${table}`,
  )
  const sources = [...text.matchAll(SOURCE)]
    .map(([, name = '']) => name)
    .filter((name) => !parts.has(name) && !IS_NO_TABLE.has(name))
  const named = changes.length > 0 ? changes : sources.map((table) => `SELECT ${table}`)
  const first = text.trim().split(' ', 1)[0]?.toUpperCase() ?? ''
  return [...new Set(named)].slice(0, MOST_TABLES).join(' ') || first
}

const IS_NO_TABLE: ReadonlySet<string> = new Set(['lateral', 'unnest', 'now', 'select', 'generate_series'])
