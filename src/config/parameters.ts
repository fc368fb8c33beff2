import { ConnectionMistake } from './connection-string.ts'

/** The parameters of a URL, of which each is taken by what knows it. */
export class Parameters {
  readonly #left: Map<string, string>

  constructor(given: ReadonlyMap<string, string>) {
    this.#left = new Map(given)
  }

  /** The value; undefined where the URL does not have it. */
  take(name: string): string | undefined {
    const value = this.#left.get(name)
    this.#left.delete(name)
    return value
  }

  /** @throws {ConnectionMistake} for any other value */
  oneOf<T extends string>(name: string, values: readonly T[]): T | undefined {
    const value = this.take(name)
    if (value === undefined || value === '') return undefined
    const known = values.find((one) => one === value)
    if (known === undefined) throw new ConnectionMistake(`takes one of ${values.join(', ')} as ${name}`)
    return known
  }

  /** @throws {ConnectionMistake} for what is neither */
  flag(name: string): boolean | undefined {
    const value = this.oneOf(name, ['true', 'false', '1', '0'])
    return value === undefined ? undefined : value === 'true' || value === '1'
  }

  /** A whole number; libpq's -1 stands for 0. @throws {ConnectionMistake} */
  number(name: string): number | undefined {
    const value = this.take(name)
    if (value === undefined || value === '') return undefined
    if (!/^(?:-1|\d{1,6})$/.test(value)) throw new ConnectionMistake(`takes a whole number as ${name}`)
    return Math.max(0, Number(value))
  }

  /** The names that nothing has taken. */
  rest(): string[] {
    return [...this.#left.keys()]
  }
}
