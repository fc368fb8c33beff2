import { isDeepStrictEqual } from 'node:util'

/** One check of recorded traffic: where to look, and what must hold there, all of it (fixtures/idp-traffic). */
export type Check = Readonly<Record<string, unknown>>

/** A step of a path such as `emails[?type=work].value`. */
type Step =
  | { readonly kind: 'member'; readonly name: string }
  | { readonly kind: 'element'; readonly index: number }
  | { readonly kind: 'every' }
  | { readonly kind: 'first'; readonly name: string; readonly value: string }

const STEP =
  /\["(?<quoted>[^"]+)"\]|\[(?<index>\d+)\]|(?<every>\[\*\])|\[\?(?<name>[^=\]]+)=(?<value>[^\]]*)\]|\.?(?<plain>[^.[\]]+)/y

function stepsOf(path: string): Step[] {
  const steps: Step[] = []
  STEP.lastIndex = 0
  while (STEP.lastIndex < path.length) {
    // A match that fails sets lastIndex to 0, which would start all over.
    const at = path[STEP.lastIndex] === '.' && path[STEP.lastIndex + 1] === '[' ? STEP.lastIndex + 1 : STEP.lastIndex
    STEP.lastIndex = at
    const groups = STEP.exec(path)?.groups
    if (groups === undefined)
      throw new Error(`the path "${path}" of a check cannot be read from character ${at + 1} on`)
    const { quoted, index, every, name, value, plain } = groups
    if (index !== undefined) steps.push({ kind: 'element', index: Number(index) })
    else if (every !== undefined) steps.push({ kind: 'every' })
    else if (name !== undefined) steps.push({ kind: 'first', name, value: value ?? '' })
    else steps.push({ kind: 'member', name: quoted ?? plain ?? '' })
  }
  return steps
}

/** The value at `path` in an answer; a list where the path says `[*]`, undefined where there is nothing. */
export const valueAt = (document: unknown, path: string): unknown => follow(document, stepsOf(path))

function follow(value: unknown, [step, ...rest]: readonly Step[]): unknown {
  if (step === undefined) return value
  switch (step.kind) {
    case 'member':
      return follow(memberOf(value, step.name), rest)
    case 'element':
      return follow(Array.isArray(value) ? value[step.index] : undefined, rest)
    case 'every':
      return Array.isArray(value) ? value.map((element) => follow(element, rest)) : undefined
    case 'first': {
      const fits = (element: unknown) => String(memberOf(element, step.name)) === step.value
      return follow(Array.isArray(value) ? value.find(fits) : undefined, rest)
    }
  }
}

/** The member `name` of an object; undefined for all else, inherited members included. */
export const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined

const missing = (value: unknown): boolean => value === undefined || value === null
const isEmpty = (value: unknown): boolean =>
  missing(value) || value === '' || (typeof value === 'object' && Object.keys(value as object).length === 0)
const lengthOf = (value: unknown): number =>
  typeof value === 'string' || Array.isArray(value) ? value.length : missing(value) ? 0 : Number.NaN
const includes = (value: unknown, wanted: unknown): boolean =>
  Array.isArray(value)
    ? value.some((element) => isDeepStrictEqual(element, wanted))
    : typeof value === 'string' && value.includes(String(wanted))

function isOfType(value: unknown, type: unknown): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value)
    case 'array':
      return Array.isArray(value)
    case 'null':
      return value === null
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    default:
      return typeof value === type
  }
}

const RULES: Readonly<Record<string, (value: unknown, wanted: unknown) => boolean>> = {
  equals: isDeepStrictEqual,
  oneOf: (value, wanted) => (wanted as unknown[]).some((each) => isDeepStrictEqual(value, each)),
  exists: (value, wanted) => missing(value) !== wanted,
  absent: (value, wanted) => missing(value) === wanted,
  empty: (value, wanted) => isEmpty(value) === wanted,
  matches: (value, wanted) => typeof value === 'string' && new RegExp(String(wanted)).test(value),
  type: isOfType,
  length: (value, wanted) => lengthOf(value) === wanted,
  minLength: (value, wanted) => lengthOf(value) >= Number(wanted),
  maxLength: (value, wanted) => lengthOf(value) <= Number(wanted),
  contains: includes,
  notContains: (value, wanted) => !includes(value, wanted),
  gte: (value, wanted) => typeof value === 'number' && value >= Number(wanted),
  lte: (value, wanted) => typeof value === 'number' && value <= Number(wanted),
}

/** What of `check` does not hold for `value`, in words; `place` says where it was found. */
export function broken(check: Check, value: unknown, place: string): string[] {
  return Object.entries(check)
    .filter(([name]) => name !== 'path' && name !== 'name')
    .flatMap(([name, wanted]) => {
      const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined
      if (rule === undefined) throw new Error(`there is no check "${name}"`)
      return rule(value, wanted) ? [] : [`${place}: ${name} ${brief(wanted)}, but it is ${brief(value)}`]
    })
}

/** A value as it is shown in the words of a failure. */
export const brief = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 200)
