import type { AttributePath, Filter } from './ast.ts'

/**
 * The filter as text (RFC 7644 §3.4.2.2), with brackets only where the tree needs them: parsed again it gives the same tree,
 * positions aside.
 */
export function formatFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return filter.terms.map((term) => formatTerm(term, filter.kind)).join(` ${filter.kind} `)
    case 'not':
      return `not (${formatFilter(filter.term)})`
    case 'present':
      return `${formatPath(filter.attribute)} pr`
    case 'compare':
      return `${formatPath(filter.attribute)} ${filter.operator} ${JSON.stringify(filter.value)}`
    case 'valuePath':
      return `${formatPath(filter.attribute)}[${formatFilter(filter.filter)}]`
  }
}

function formatTerm(term: Filter, parent: 'and' | 'or'): string {
  const needsBrackets = term.kind === 'or' || (term.kind === 'and' && parent === 'and')
  return needsBrackets ? `(${formatFilter(term)})` : formatFilter(term)
}

/** The attribute path in standard notation (RFC 7644 §3.10), as it was written. */
export function formatPath({ schema, name, sub }: AttributePath): string {
  return (schema === undefined ? name : `${schema}:${name}`) + (sub === undefined ? '' : `.${sub}`)
}
