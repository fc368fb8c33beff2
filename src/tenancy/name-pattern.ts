import { fold } from '../scim/comparable.ts'

/** A pattern for names: `*` stands for any text, also none. Letter case does not count. */
export interface NamePattern {
  /** Whether a name fits, which is folded already. */
  fits(folded: string): boolean
  /** What stands in the place of the only `*`; undefined where the name does not fit, and for a pattern with none or several. */
  starIn(name: string): string | undefined
}

/** Reads a pattern. Any text is one. */
export function namePattern(pattern: string): NamePattern {
  const parts = fold(pattern).split('*')
  const [before = '', after] = parts
  return {
    fits: (folded) => fitsParts(parts, folded),
    starIn(name) {
      const folded = fold(name)
      if (after === undefined || parts.length !== 2 || !fitsParts(parts, folded)) return undefined
      // A few letters of Unicode get longer in lower case: such a name gives its folded text.
      const text = folded.length === name.length ? name : folded
      return text.slice(before.length, text.length - after.length)
    },
  }
}

/** Each part is looked for once, from where the one before ended: no pattern takes longer than its length times the text's. */
function fitsParts(parts: readonly string[], text: string): boolean {
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first)) return false
  let from = first.length
  for (const part of rest) {
    const at = text.indexOf(part, from)
    if (at === -1) return false
    from = at + part.length
  }
  return text.length - last.length >= from && text.endsWith(last)
}
