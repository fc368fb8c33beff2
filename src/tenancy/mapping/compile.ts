import { compareText, fold } from '../../scim/comparable.ts'
import type { Resource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { namePattern } from '../name-pattern.ts'
import { type Expression, type Mapping, partsOf, type Single } from './form.ts'
import { type AttributeReader, attributeReader, BadPath } from './paths.ts'

/** A value as the application reads it; null where there is none. */
export type MappedValue = Single | null | readonly string[]
/** What a mapping gives of one user: each of its names, always. */
export type Mapped = Readonly<Record<string, MappedValue>>

/** What a mapping looks at. */
export interface MappedUser {
  /** The attributes as they are stored, with `active`. */
  readonly attributes: Resource
  /** Names of the groups that the user is in, directly and through others; none where the mapping does not ask. */
  readonly groups: readonly string[]
}

/** A mapping that is ready for use. It is pure: the same user gives the same. */
export interface MappingPlan {
  /** Whether it looks at names of groups. */
  readonly usesGroups: boolean
  /** Whether a group of this name counts for one of its lists. */
  namesGroup(displayName: string): boolean
  of(user: MappedUser): Mapped
}

/** What is wrong with a mapping, by the path of the expression in it. */
export interface MappingMistake {
  readonly path: string
  readonly message: string
}

/** Longer texts and lists are left out, never cut: half of a list of groups would look like a whole one. */
const LONGEST_TEXT = 4_096
const LONGEST_LIST = 1_000
/** Letters of all values of one user, and of one list on the way. */
const MOST_LETTERS = 65_536

type Value = Single | readonly string[] | undefined
type Evaluate = (user: MappedUser) => Value

const plans = new WeakMap<ResourceType, WeakMap<Mapping, MappingPlan>>()

/** The plan of a mapping. A path that leads to nothing by these schemas gives no value. */
export function mappingPlan(mapping: Mapping, type: ResourceType): MappingPlan {
  const ofType = plans.get(type) ?? new WeakMap<Mapping, MappingPlan>()
  plans.set(type, ofType)
  const known = ofType.get(mapping)
  if (known !== undefined) return known
  const plan = planOf(mapping, type)
  ofType.set(mapping, plan)
  return plan
}

/** What the schemas say against a mapping: paths that lead to nothing. */
export function mappingMistakes(mapping: Mapping, type: ResourceType): MappingMistake[] {
  const mistakes: MappingMistake[] = []
  for (const [name, whole] of Object.entries(mapping))
    for (const expression of everyPart(whole)) {
      const path = pathIn(expression)
      if (path === undefined) continue
      try {
        attributeReader(type, path)
      } catch (error) {
        if (!(error instanceof BadPath)) throw error
        mistakes.push({ path: name, message: error.message })
      }
    }
  return mistakes
}

/** Whether a mapping gives anything. */
export const givesAnything = (mapping: Mapping): boolean => Object.keys(mapping).length > 0

/** Whether it looks at names of groups. */
export const usesGroups = (mapping: Mapping): boolean =>
  Object.values(mapping).some((whole) => [...everyPart(whole)].some(isOfGroups))

/** URNs of the extensions whose attributes it names, in lower case. */
export function schemasNamed(mapping: Mapping): Set<string> {
  const paths = Object.values(mapping).flatMap((whole) => [...everyPart(whole)].flatMap((each) => pathIn(each) ?? []))
  const qualified = paths.map((path) => path.slice(0, Math.max(0, beforeBrackets(path).lastIndexOf(':'))).toLowerCase())
  return new Set(qualified.filter((urn) => urn !== ''))
}

const beforeBrackets = (path: string): string => path.split('[', 1)[0] ?? ''

function* everyPart(whole: Expression): Generator<Expression> {
  yield whole
  for (const part of partsOf(whole)) yield* everyPart(part)
}

const isOfGroups = (expression: Expression): expression is Extract<Expression, { groups: string }> =>
  typeof expression !== 'string' && 'groups' in expression

const pathIn = (expression: Expression): string | undefined =>
  typeof expression === 'string' ? expression : 'all' in expression ? expression.all : undefined

function planOf(mapping: Mapping, type: ResourceType): MappingPlan {
  const fields = Object.entries(mapping).map(([name, expression]) => ({ name, evaluate: compiled(expression, type) }))
  const patterns = Object.values(mapping).flatMap((whole) =>
    [...everyPart(whole)].filter(isOfGroups).map(({ groups }) => namePattern(groups)),
  )
  return {
    usesGroups: patterns.length > 0,
    namesGroup: (displayName) => patterns.some(({ fits }) => fits(fold(displayName))),
    of(user) {
      let left = MOST_LETTERS
      const shown = fields.map(({ name, evaluate }): [string, MappedValue] => {
        const value = evaluate(user)
        const letters = lettersOf(value)
        if (value === undefined || letters > left) return [name, null]
        left -= letters
        return [name, value]
      })
      return Object.fromEntries(shown)
    },
  }
}

const lettersOf = (value: Value): number =>
  typeof value === 'string' ? value.length : isList(value) ? value.reduce((sum, each) => sum + each.length + 1, 0) : 0

const isList = (value: Value): value is readonly string[] => typeof value === 'object'

/** Values of an expression as texts, in their order. */
const textsOf = (value: Value): readonly string[] =>
  value === undefined ? [] : isList(value) ? value : [String(value)]

/** A value within the bounds; no value for one that is not, and for an empty text or list. */
function bounded(value: Value): Value {
  if (typeof value === 'string') return value === '' || value.length > LONGEST_TEXT ? undefined : value
  if (!isList(value)) return value
  const fits = value.length > 0 && value.length <= LONGEST_LIST && lettersOf(value) <= MOST_LETTERS
  return fits && value.every((each) => each.length <= LONGEST_TEXT) ? value : undefined
}

function compiled(expression: Expression, type: ResourceType): Evaluate {
  const evaluate = evaluator(expression, type)
  return (user) => bounded(evaluate(user))
}

function evaluator(expression: Expression, type: ResourceType): Evaluate {
  const each = (some: readonly Expression[]) => some.map((one) => compiled(one, type))
  if (typeof expression === 'string') {
    const reader = readerFor(type, expression)
    return ({ attributes }) => reader?.one(attributes)
  }
  if ('all' in expression) {
    const reader = readerFor(type, expression.all)
    return ({ attributes }) => reader?.all(attributes).map(String)
  }
  if ('constant' in expression) return () => expression.constant
  if ('groups' in expression) return groupNames(expression)
  if ('first' in expression) {
    const some = each(expression.first)
    return (user) => {
      for (const evaluate of some) {
        const value = evaluate(user)
        if (value !== undefined) return value
      }
      return undefined
    }
  }
  if ('join' in expression) {
    const [some, between] = [each(expression.join), expression.with ?? '']
    return (user) => some.flatMap((evaluate) => textsOf(evaluate(user))).join(between)
  }
  if ('lower' in expression) return ofTexts(compiled(expression.lower, type), (text) => text.toLowerCase())
  if ('upper' in expression) return ofTexts(compiled(expression.upper, type), (text) => text.toUpperCase())
  if ('split' in expression) return split(compiled(expression.split, type), expression)
  return choose(expression, type)
}

/** Undefined where the path leads to nothing, as after an extension was taken away. */
function readerFor(type: ResourceType, path: string): AttributeReader | undefined {
  try {
    return attributeReader(type, path)
  } catch (error) {
    if (error instanceof BadPath) return undefined
    throw error
  }
}

function ofTexts(evaluate: Evaluate, change: (text: string) => string): Evaluate {
  return (user) => {
    const value = evaluate(user)
    return typeof value === 'string' ? change(value) : isList(value) ? value.map(change) : value
  }
}

function split(evaluate: Evaluate, { by, part }: Extract<Expression, { split: Expression }>): Evaluate {
  const cut = (text: string) => text.split(by).map((piece) => piece.trim())
  if (part === undefined)
    return (user) =>
      textsOf(evaluate(user))
        .flatMap(cut)
        .filter((piece) => piece !== '')
  return (user) => {
    const value = evaluate(user)
    const pieces = textsOf(value).map((text) => cut(text).at(part) ?? '')
    return isList(value) ? pieces.filter((piece) => piece !== '') : pieces[0]
  }
}

function choose(expression: Extract<Expression, { choose: Expression }>, type: ResourceType): Evaluate {
  const evaluate = compiled(expression.choose, type)
  const cases = new Map(Object.entries(expression.cases).map(([text, value]) => [fold(text), value]))
  const other = expression.otherwise === undefined ? () => undefined : compiled(expression.otherwise, type)
  return (user) => {
    const value = evaluate(user)
    const chosen = textsOf(value).flatMap((text) => cases.get(fold(text)) ?? [])
    if (chosen.length === 0) return other(user)
    return isList(value) ? [...new Set(chosen.map(String))] : chosen[0]
  }
}

function groupNames({ groups, keep }: Extract<Expression, { groups: string }>): Evaluate {
  const pattern = namePattern(groups)
  const kept = (name: string): string | undefined => {
    if (keep === 'star') return pattern.starIn(name)
    return pattern.fits(fold(name)) ? name : undefined
  }
  return (user) => {
    const names = new Set(user.groups.flatMap((name) => kept(name) ?? []))
    names.delete('')
    return [...names].sort(compareText)
  }
}
