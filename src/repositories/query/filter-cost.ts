import { ScimError } from '../../scim/errors.ts'
import type { BoundFilter, CompareOperator } from '../../scim/filter/ast.ts'
import type { AttributeRef } from '../../scim/schema/resource-type.ts'
import { type FilterScope, rows } from './attribute-sql.ts'
import { equalities, onlyEqualities } from './equalities.ts'
import { hasColumn, namesOne } from './index-choice.ts'

/**
 * What a term costs: about the milliseconds that PostgreSQL takes to evaluate it for 50,000 resources, one after the other.
 * Measured by `bench/fences`, and rounded up.
 */
const COST = {
  /** A column that holds the value as it is compared. */
  column: 2,
  /** A value that is computed from several: an address, or an attribute of another resource. */
  composed: 50,
  /** Equality in the search document: an index answers a few of them, where the filter has no other terms. */
  equality: 8,
  /** Any other comparison of one value in the search document. */
  single: 20,
  /** Of many values, which are unpacked for each resource. */
  many: 100,
  /** Every further term in brackets, for values that were found by another. */
  again: 30,
  /** A user's group, direct or indirect, by its id; or a group that has a certain member. */
  relatedId: 50,
  /** Anything else of a user's groups: one search finds the groups, and then their members. */
  groups: 150,
  /** Their `type`, which needs the groups of each indirect member. */
  groupType: 250,
  /** Anything else of the members, which are read for each group. */
  members: 250,
  /** Ordering by groups or members, which are read for each resource. */
  orderByRelated: 2_000,
} as const

/** Queries of one tenant that cost this much or more take turns. */
export const SCANS_FROM = 10

/** What a query costs, and its dearest term. */
export interface QueryCost {
  readonly cost: number
  readonly dearest: { readonly name: string; readonly cost: number } | undefined
}

interface Term {
  readonly name: string
  readonly cost: number
}

/** What it costs to filter by `filter` and to order by `sortBy`; computed before a statement is sent. */
export function queryCost(
  filter: BoundFilter | undefined,
  sortBy: AttributeRef | undefined,
  scope: FilterScope,
): QueryCost {
  if (filter !== undefined && namesOne(filter, scope)) return { cost: 1, dearest: undefined }
  const asked = filter === undefined ? [] : termsOf(filter, scope)
  const indexed = filter !== undefined && !isNegated(filter) && asked.every(({ cost }) => cost === COST.equality)
  const terms = [
    ...asked.map((term) => (term.cost === COST.equality && !indexed ? { ...term, cost: COST.single } : term)),
    ...(sortBy ? [orderTerm(sortBy, scope)] : []),
  ]
  return { cost: terms.reduce((sum, term) => sum + term.cost, 0), dearest: dearestOf(terms) }
}

const dearestOf = (terms: readonly Term[]): Term | undefined =>
  terms.reduce<Term | undefined>((most, term) => (term.cost > (most?.cost ?? 0) ? term : most), undefined)

/** The refusal of a query that costs more than `budget` (RFC 7644 §3.4.2.1). */
export const tooDear = ({ cost, dearest }: QueryCost, budget: number): ScimError =>
  ScimError.tooMany(
    'query-too-costly',
    `This query costs ${cost}, more than the ${budget} that one may (FILTER_BUDGET). ` +
      `Dearest is ${dearest?.name ?? 'the filter'}, ${dearest?.cost ?? cost} each time. ` +
      'Ask for fewer such terms at once, or put an equality on id or on a unique name before them with "and".',
  )

const isNegated = (filter: BoundFilter): boolean =>
  filter.kind === 'not' || ((filter.kind === 'and' || filter.kind === 'or') && filter.terms.some(isNegated))

function termsOf(filter: BoundFilter, scope: FilterScope): Term[] {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return filter.terms.flatMap((term) => termsOf(term, scope))
    case 'not':
      return termsOf(filter.term, scope)
    case 'nothing':
      return [{ name: 'an attribute that there is not', cost: COST.column }]
    case 'present':
      return [{ name: `"${pathOf(filter.ref)} pr"`, cost: costOf(filter.ref, 'pr', scope) }]
    case 'compare': {
      const { ref, operator } = filter
      return [{ name: `"${pathOf(ref)} ${operator}"`, cost: costOf(ref, operator, scope) }]
    }
    case 'element': {
      const inside = termsOf(filter.term, scope)
      if (rows(filter.ref, scope) !== undefined) {
        // The rows are read once for all terms; or only one of them, by its id.
        const led = equalities(filter.term).has('value') ? COST.relatedId : undefined
        const dearest = dearestOf(inside)
        return inside.map((term) => ({ ...term, cost: term === dearest ? (led ?? term.cost) : COST.again }))
      }
      if (!filter.ref.attribute.multiValued) return inside
      // Each value is compared with the terms in brackets. Only if all are equalities, the index answers them together.
      if (onlyEqualities(filter.term)) return inside.slice(0, 1)
      return inside.map((term, i) => ({ ...term, cost: i === 0 ? COST.many : COST.again }))
    }
  }
}

function costOf(ref: AttributeRef, operator: CompareOperator | 'pr', scope: FilterScope): number {
  if (rows(ref, scope) !== undefined) {
    if (operator === 'eq' && (ref.sub?.name ?? 'value') === 'value') return COST.relatedId
    if (ref.attribute.name === 'members') return COST.members
    return ref.sub?.name === 'type' ? COST.groupType : COST.groups
  }
  if (hasColumn(ref, scope)) return isComposed(ref) ? COST.composed : COST.column
  if (operator === 'eq') return COST.equality
  return ref.attribute.multiValued && (operator !== 'pr' || ref.sub !== undefined) ? COST.many : COST.single
}

/** A value that is computed for each resource. */
const isComposed = ({ extension, attribute, sub }: AttributeRef): boolean =>
  extension !== undefined || (attribute.name === 'meta' && (sub === undefined || sub.name === 'location'))

/** Ordering reads the attribute of every resource. */
const orderTerm = (ref: AttributeRef, scope: FilterScope): Term => ({
  name: `"sortBy=${pathOf(ref)}"`,
  cost: rows(ref, scope) ? COST.orderByRelated : costOf(ref, 'gt', scope),
})

const pathOf = ({ extension, attribute, sub }: AttributeRef): string =>
  `${extension === undefined ? '' : `${extension}:`}${attribute.name}${sub === undefined ? '' : `.${sub.name}`}`
