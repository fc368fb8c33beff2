import type { Comparable, CompareOperator } from '../../scim/filter/ast.ts'

/** One operator on one SQL expression; prefixes become ranges, which a generic plan can answer from an index. */
export function compareSql(
  sql: string,
  operator: CompareOperator,
  value: Comparable,
  bind: (value: Comparable) => string,
): string {
  switch (operator) {
    case 'eq':
      return `${sql} = ${bind(value)}`
    case 'ne':
      return `not (${sql} = ${bind(value)}) is true`
    case 'gt':
      return `${sql} > ${bind(value)}`
    case 'ge':
      return `${sql} >= ${bind(value)}`
    case 'lt':
      return `${sql} < ${bind(value)}`
    case 'le':
      return `${sql} <= ${bind(value)}`
    case 'co':
      return `strpos(${sql}, ${bind(value)}) > 0`
    case 'ew':
      return `right(${sql}, length(${bind(value)})) = ${bind(value)}`
    case 'sw': {
      const prefix = String(value)
      const end = afterPrefix(prefix)
      const upper = end === undefined ? '' : ` and ${sql} < ${bind(end)}`
      return prefix === '' ? `${sql} is not null` : `${sql} >= ${bind(prefix)}${upper}`
    }
  }
}

/** The least text, in code point order, greater than every text that starts with `prefix`; undefined when there is none. */
function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (c) => c.codePointAt(0) as number)
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue
    // Surrogates are no characters: the next one after U+D7FF is U+E000.
    const next = last === 0xd7ff ? 0xe000 : last + 1
    return String.fromCodePoint(...points, next)
  }
  return undefined
}
