import type { Bindable } from '../../db/database.ts'

/** A statement to be run. */
export interface Statement {
  readonly text: string
  readonly values: Bindable[]
}

/** Collects the values of one statement. A value is never written into the text, only its placeholder. */
export class Parameters {
  readonly values: Bindable[] = []

  /** Binds a value and returns its placeholder, cast to `type` if one is given. */
  bind(value: Bindable, type?: string): string {
    this.values.push(value)
    return type === undefined ? `$${this.values.length}` : `$${this.values.length}::${type}`
  }

  /** Binds JSON as text, which both drivers send alike, and casts it in the statement. */
  json(value: unknown): string {
    return this.jsonText(JSON.stringify(value))
  }

  /** The same for a value that is JSON text already. */
  jsonText(text: string): string {
    return `${this.bind(text)}::text::jsonb`
  }

  /** Binds a list as an array literal, which both drivers send alike. */
  array(values: readonly (string | null)[], type: 'uuid' | 'text'): string {
    return `${this.bind(arrayText(values, type))}::text::${type}[]`
  }
}

/** A list as an array literal of PostgreSQL, to be bound as text and cast. */
export function arrayText(values: readonly (string | null)[], type: 'uuid' | 'text'): string {
  const elements = type === 'uuid' ? values : values.map((value) => (value === null ? 'null' : quoted(value)))
  return `{${elements.join(',')}}`
}

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`

/** Returns the placeholder of a value, cast to `type`; the same placeholder for the same name. */
export type Place<Name> = (name: Name, type: string) => string

/** A statement whose text is the same at every call, and whose values have names. */
export interface Template<Name extends string> {
  readonly text: string
  values(of: Readonly<Record<Name, Bindable>>): Bindable[]
}

/**
 * Makes a template, for hot paths: composing a text takes longer than all other work before a statement is sent. Drivers find
 * prepared statements by their text.
 */
export function template<Name extends string>(write: (place: Place<Name>) => string): Template<Name> {
  const names: Name[] = []
  const text = write((name, type) => {
    const known = names.indexOf(name)
    return `$${known === -1 ? names.push(name) : known + 1}::${type}`
  })
  return { text, values: (of) => names.map((name) => of[name]) }
}

/**
 * The statement of a text that is written as for a template: a template of its `shape`; or made anew where that is undefined, since
 * more than the values is different each time.
 */
export function statementOf(
  known: Map<string, Template<string>>,
  shape: string | undefined,
  of: Readonly<Record<string, Bindable>>,
  write: (place: Place<string>, parameters: Parameters) => string,
): Statement {
  if (shape === undefined) {
    const parameters = new Parameters()
    const text = write((name, type) => parameters.bind(of[name] ?? null, type), parameters)
    return { text, values: parameters.values }
  }
  const { text, values } = ofShape(known, shape, () => template((place) => write(place, new Parameters())))
  return { text, values: values(of) }
}

/** The most templates of one kind that are kept, so that a client that tries all page sizes cannot fill the memory. */
const MOST_SHAPES = 500

/** The result of `make()`, or its former result for the same `shape`. */
export function ofShape<T>(known: Map<string, T>, shape: string, make: () => T): T {
  const before = known.get(shape)
  if (before !== undefined) return before
  const made = make()
  if (known.size < MOST_SHAPES) known.set(shape, made)
  return made
}
