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

  /** Binds a list of UUIDs or plain words as an array literal. */
  array(values: readonly string[], type: 'uuid' | 'text'): string {
    const literal = type === 'uuid' ? values.join(',') : values.map((v) => JSON.stringify(v)).join(',')
    return `${this.bind(`{${literal}}`)}::text::${type}[]`
  }
}
