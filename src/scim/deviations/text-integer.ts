import type { JsonValue } from '../resource.ts'

/** The integer that a text such as `"3"` stands for under `integers-as-text`; any other value as it is. */
export const readTextInteger = (value: JsonValue): JsonValue =>
  typeof value === 'string' && /^-?[0-9]+$/.test(value) ? Number(value) : value
