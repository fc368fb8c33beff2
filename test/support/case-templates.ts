import type { JsonValue } from '../../src/scim/resource.ts'

/** A case names something that no step has set; the step or case that asks for it fails. */
export class MissingVariable extends Error {
  override name = 'MissingVariable'
  readonly variable: string

  constructor(variable: string) {
    super(`nothing has set {{${variable}}}`)
    this.variable = variable
  }
}

/** The value of a variable; undefined where there is none. */
export type LookUp = (name: string) => JsonValue | undefined

const REPETITION = /\{\{(repeat|count)\|([\s\S]*?)\|(\d+)\}\}/g
const VARIABLE = /\{\{((?:upper:|lower:)?[A-Za-z]\w*)\}\}/g
const ONLY_A_VARIABLE = /^\{\{((?:upper:|lower:)?[A-Za-z]\w*)\}\}$/
/** How deep variables nest in names of variables: `{{u{{i}}}}` takes two rounds. */
const ROUNDS = 3

/** `text` with its variables filled in, each value passed through `encode`; repetitions are written out first. */
export function fillText(text: string, lookUp: LookUp, encode: (value: string) => string = String): string {
  let filled = text.replace(REPETITION, (_, kind: string, part: string, times: string) =>
    kind === 'repeat'
      ? part.repeat(Number(times))
      : Array.from({ length: Number(times) }, (_, i) => part.replaceAll('#', String(i))).join(''),
  )
  for (let round = 0; round < ROUNDS && filled.includes('{{'); round++)
    filled = filled.replace(VARIABLE, (_, name: string) => encode(String(valueNamed(name, lookUp))))
  return filled
}

/** `value` with the variables in all its texts and keys filled in; a text that is only a variable takes that one's type. */
export function fill(value: JsonValue, lookUp: LookUp): JsonValue {
  if (typeof value === 'string') {
    const name = ONLY_A_VARIABLE.exec(value)?.[1]
    return name === undefined ? fillText(value, lookUp) : valueNamed(name, lookUp)
  }
  if (Array.isArray(value)) return value.map((element) => fill(element, lookUp))
  if (typeof value !== 'object' || value === null) return value
  // fromEntries defines its members, so that a key such as __proto__ stays data.
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [fillText(key, lookUp), fill(part, lookUp)]))
}

/** Names of the variables in anything that JSON can hold. */
export const variablesIn = (value: unknown): Set<string> =>
  new Set([...JSON.stringify(value ?? null).matchAll(VARIABLE)].map((match) => match[1] as string))

function valueNamed(name: string, lookUp: LookUp): JsonValue {
  if (name.startsWith('upper:')) return String(valueNamed(name.slice(6), lookUp)).toUpperCase()
  if (name.startsWith('lower:')) return String(valueNamed(name.slice(6), lookUp)).toLowerCase()
  const value = lookUp(name)
  if (value === undefined) throw new MissingVariable(name)
  return value
}
