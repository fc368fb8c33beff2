import type { Bindable } from '../db/database.ts'

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
    const elements = type === 'uuid' ? values : values.map((value) => (value === null ? 'null' : quoted(value)))
    return `${this.bind(`{${elements.join(',')}}`)}::text::${type}[]`
  }
}

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`
