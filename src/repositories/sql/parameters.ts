import type { Bindable } from '../../db/database.ts'

/** Collects the values of one statement; what `bind` gives is the only way a value gets into its text. */
export class Parameters {
  readonly values: Bindable[] = []

  /** Binds a value and gives its placeholder, cast as `type` where the statement needs to know it. */
  bind(value: Bindable, type?: string): string {
    this.values.push(value)
    return type === undefined ? `$${this.values.length}` : `$${this.values.length}::${type}`
  }

  /** Binds JSON as text, which both drivers pass on alike, and casts it in the statement. */
  json(value: unknown): string {
    return `${this.bind(JSON.stringify(value))}::text::jsonb`
  }

  /** Binds a list as an array literal, which both drivers pass on alike. */
  array(values: readonly (string | null)[], type: 'uuid' | 'text'): string {
    return `${this.bind(arrayText(values, type))}::text::${type}[]`
  }
}

/** A list as PostgreSQL writes it, to be bound as text and cast. */
export function arrayText(values: readonly (string | null)[], type: 'uuid' | 'text'): string {
  const elements = type === 'uuid' ? values : values.map((value) => (value === null ? 'null' : quoted(value)))
  return `{${elements.join(',')}}`
}

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`

/** Gives the placeholder of a value, cast as `type`; the same for the same name. */
export type Place<Name> = (name: Name, type: string) => string

/** A statement whose text is the same at every call, with the values that it wants by their names. */
export interface Template<Name extends string> {
  readonly text: string
  values(of: Readonly<Record<Name, Bindable>>): Bindable[]
}

/**
 * Writes a template: for the hot paths, since to put a text together takes longer than anything else that is done before a
 * statement is sent, and drivers find prepared statements by their text.
 */
export function template<Name extends string>(write: (place: Place<Name>) => string): Template<Name> {
  const names: Name[] = []
  const text = write((name, type) => {
    const known = names.indexOf(name)
    return `$${known === -1 ? names.push(name) : known + 1}::${type}`
  })
  return { text, values: (of) => names.map((name) => of[name]) }
}

/** Templates of one kind that are kept. Only a client that tries all numbers needs more shapes than this. */
const MOST_SHAPES = 500

/** `make()`, or what it gave before for the same `shape`. */
export function ofShape<T>(known: Map<string, T>, shape: string, make: () => T): T {
  const before = known.get(shape)
  if (before !== undefined) return before
  const made = make()
  if (known.size < MOST_SHAPES) known.set(shape, made)
  return made
}
