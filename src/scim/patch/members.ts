import { fold } from '../comparable.ts'
import type { Deviations } from '../deviations/index.ts'
import { ScimError } from '../errors.ts'
import type { BoundFilter } from '../filter/ast.ts'
import { resolveAttribute } from '../filter/bind.ts'
import { evaluateElement } from '../filter/evaluate.ts'
import { isObject, isUnassigned, type JsonObject, type JsonValue, member } from '../resource.ts'
import type { Attribute } from '../schema/attribute.ts'
import type { ResourceType } from '../schema/resource-type.ts'
import { checkRequiredParts } from '../schema/validate.ts'
import { checkOne, patchRules, type ValueRules } from '../schema/values.ts'
import { inOperation, type PatchOperation } from './parse.ts'
import { keyNames, resolveTarget, type Target, targetOfKey } from './target.ts'
import { type Change, givenValues } from './values.ts'

/**
 * One step of a change of members, in order. A `change` first empties the group if `clear` is set, then adds and removes ids.
 * No id is in both lists, and after `clear` nothing is removed. A `removeWhere` needs to look at the members.
 */
export type MembershipStep =
  | {
      readonly kind: 'change'
      readonly clear: boolean
      readonly add: readonly string[]
      readonly remove: readonly string[]
      /** By id, the `display` that came with an added member; left out when there is none. */
      readonly displays?: ReadonlyMap<string, string>
    }
  | { readonly kind: 'removeWhere'; readonly filter: BoundFilter }

/** The operations of a PATCH, parted. */
export interface SplitOperations {
  /** What is left for `applyPatch`, in order. */
  readonly operations: readonly PatchOperation[]
  readonly membership: readonly MembershipStep[]
}

/**
 * Takes the operations on members out of a PATCH, so that a change of a group never loads who is in it (G-08). Works without
 * the group: consecutive changes become one step with their net effect, in time linear in the number of values.
 *
 * @param attributeName the multi-valued attribute whose values are stored as rows of their own
 * @throws {ScimError} mutability where a member would change instead of come or go (G-04), invalidValue, invalidSyntax,
 *   invalidPath, invalidFilter, noTarget
 */
export function splitMembership(
  type: ResourceType,
  operations: readonly PatchOperation[],
  deviations: Deviations,
  attributeName = 'members',
): SplitOperations {
  const attribute = type.core.get(attributeName.toLowerCase())
  if (attribute === undefined) return { operations, membership: [] }
  const rules = patchRules(deviations)
  const steps = new Steps()
  const rest = operations.flatMap((operation) =>
    inOperation(operation.index, () => takeMembers(type, attribute, operation, rules, steps)),
  )
  return { operations: rest, membership: steps.finish() }
}

/** Puts what `operation` does to members into `steps` and gives what is left of it: itself, a smaller one or nothing. */
function takeMembers(
  type: ResourceType,
  attribute: Attribute,
  operation: PatchOperation,
  rules: ValueRules,
  steps: Steps,
): readonly PatchOperation[] {
  const { op, path, pathText, value } = operation
  if (path !== undefined) {
    if (resolveAttribute(type, { ...path.attribute, sub: undefined })?.attribute !== attribute) return [operation]
    const target = resolveTarget(type, path, pathText, rules)
    if (target !== undefined) takeChange(target, { op, value, where: pathText, rules }, steps)
    return []
  }
  if (op === 'remove' || !isObject(value)) return [operation]
  const ours = new Set(Object.keys(value).filter((key) => keyNames(type, key, attribute)))
  if (ours.size === 0) return [operation]
  for (const key of ours) {
    const target = targetOfKey(type, key, rules)
    if (target !== undefined) takeChange(target, { op, value: value[key] ?? null, where: target.text, rules }, steps)
  }
  const left: JsonObject = Object.fromEntries(Object.entries(value).filter(([key]) => !ours.has(key)))
  return isUnassigned(left) ? [] : [{ ...operation, value: left }]
}

type MembersChange = Pick<Change, 'op' | 'value' | 'where' | 'rules'>

function takeChange(target: Target, change: MembersChange, steps: Steps): void {
  const { attribute, sub } = target.ref
  if (sub !== undefined) throw wholesOnly(change.where)
  if (target.filter !== undefined) takeChosen(target, target.filter.bound, change, steps)
  else takeAll(attribute, change, steps)
}

function takeAll(attribute: Attribute, change: MembersChange, steps: Steps): void {
  const { op, where } = change
  const value = change.value ?? null
  if (value === null) {
    if (op !== 'add') steps.clear()
    return
  }
  const given = givenValues(attribute, value, change)
  checkRequiredParts(attribute, given, where)
  if (op === 'replace') steps.clear()
  for (const element of given) {
    const id = idOf(element)
    if (op === 'remove') steps.remove(id)
    else steps.add(id, displayOf(element))
  }
}

function takeChosen(
  target: Target,
  filter: BoundFilter,
  { op, value, where, rules }: MembersChange,
  steps: Steps,
): void {
  if (op === 'replace') throw wholesOnly(where)
  if (op === 'remove') {
    const ids = namedIds(filter)
    if (ids === undefined) steps.removeWhere(filter)
    else for (const id of ids) steps.remove(id)
    return
  }
  const id = addedId(filter)
  if (id === undefined) throw ScimError.noTarget('no-value-matches', `"${where}" does not say which member to add`)
  const element = checkOne(target.ref.attribute, value ?? null, where, rules)
  const given = isObject(element) ? member(element, 'value') : undefined
  if (given !== undefined && given !== id) throw wholesOnly(where)
  steps.add(id)
}

const wholesOnly = (where: string): ScimError =>
  ScimError.mutability('member-changed', `"${where}": members cannot be changed, only added and removed as wholes`)

const displayOf = (element: JsonValue): string | undefined => {
  const display = isObject(element) ? member(element, 'display') : undefined
  return typeof display === 'string' && display !== '' ? display : undefined
}

const idOf = (element: JsonValue): string => {
  const value = isObject(element) ? member(element, 'value') : undefined
  return typeof value === 'string' ? value : ''
}

/** The ids that `value eq "x" or value eq "y" …` lists; undefined for any other filter. */
function namedIds(filter: BoundFilter): readonly string[] | undefined {
  if (filter.kind === 'compare') {
    const isId = filter.operator === 'eq' && filter.ref.sub?.name === 'value' && typeof filter.value === 'string'
    return isId ? [String(filter.value)] : undefined
  }
  if (filter.kind !== 'or') return undefined
  const ids: string[] = []
  for (const term of filter.terms) {
    const named = namedIds(term)
    if (named === undefined) return undefined
    ids.push(...named)
  }
  return ids
}

/** The id that the eq terms of a filter spell out (PAT-14). */
function addedId(filter: BoundFilter): string | undefined {
  if (filter.kind === 'and') {
    const isPlain = filter.terms.every((term) => term.kind === 'compare' && term.operator === 'eq')
    const ids = isPlain ? filter.terms.flatMap((term) => namedIds(term) ?? []) : []
    return ids.length === 1 ? ids[0] : undefined
  }
  return filter.kind === 'compare' ? namedIds(filter)?.[0] : undefined
}

/** Gathers steps; what comes later wins. */
class Steps {
  readonly #done: MembershipStep[] = []
  #clear = false
  #add = new Set<string>()
  #remove = new Set<string>()
  #displays = new Map<string, string>()

  add(id: string, display?: string): void {
    this.#remove.delete(id)
    this.#add.add(id)
    if (display !== undefined) this.#displays.set(id, display)
  }

  remove(id: string): void {
    this.#add.delete(id)
    if (!this.#clear) this.#remove.add(id)
  }

  clear(): void {
    this.#clear = true
    this.#add.clear()
    this.#remove.clear()
  }

  removeWhere(filter: BoundFilter): void {
    this.finish()
    this.#done.push({ kind: 'removeWhere', filter })
  }

  finish(): readonly MembershipStep[] {
    if (this.#clear || this.#add.size > 0 || this.#remove.size > 0) {
      const displays = new Map([...this.#displays].filter(([id]) => this.#add.has(id)))
      this.#done.push({
        ...{ kind: 'change', clear: this.#clear, add: [...this.#add], remove: [...this.#remove] },
        ...(displays.size > 0 ? { displays } : {}),
      })
    }
    this.#clear = false
    this.#add = new Set()
    this.#displays = new Map()
    this.#remove = new Set()
    return this.#done
  }
}

/** What is known of a member besides its id. */
export interface MemberFacts {
  /** `User`, `Group`, … */
  readonly type?: string
  readonly display?: string
}

/**
 * The members after `steps`, in memory: what the rows in the database must come to.
 *
 * @param known facts of the resources that may be added
 */
export function applyMembership(
  steps: readonly MembershipStep[],
  current: ReadonlyMap<string, MemberFacts>,
  known: ReadonlyMap<string, MemberFacts> = new Map(),
): ReadonlyMap<string, MemberFacts> {
  const members = new Map(current)
  for (const step of steps) {
    if (step.kind === 'removeWhere') {
      for (const [id, facts] of members)
        if (evaluateElement(step.filter, comparableMember(id, facts))) members.delete(id)
      continue
    }
    if (step.clear) members.clear()
    for (const id of step.remove) members.delete(id)
    for (const id of step.add) members.set(id, current.get(id) ?? known.get(id) ?? {})
  }
  return members
}

const comparableMember = (id: string, { type, display }: MemberFacts): JsonObject => ({
  value: id,
  ...(type ? { type: fold(type) } : {}),
  ...(display ? { display: fold(display) } : {}),
})
