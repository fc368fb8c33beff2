import { InvalidArgumentError } from 'commander'
import { CliError, EXIT } from './failure.ts'

/**
 * `name=value` texts as an object; a value is JSON where it can be read as such (`true`, `25`, `null`, `["a"]`), else the text.
 *
 * @throws {CliError} for a text without `=`
 */
export function assignments(texts: readonly string[]): Record<string, unknown> {
  const pairs = texts.map((text) => {
    const at = text.indexOf('=')
    if (at < 1) throw new CliError(EXIT.usage, `"${text}" is not of the form setting=value`)
    return [text.slice(0, at), read(text.slice(at + 1))]
  })
  return Object.fromEntries(pairs)
}

function read(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** @throws {InvalidArgumentError} for what is no whole number */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It takes a whole number.')
  return Number(text)
}

/** A time as the admin API takes it. @throws {InvalidArgumentError} */
export function moment(text: string): string {
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('It takes a time such as 2027-01-31T00:00:00Z.')
  return time.toISOString()
}
