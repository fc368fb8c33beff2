import type { z } from 'zod'
import { urlsIn, withoutSecrets } from './connection.ts'
import { type given, kindOf, variables } from './variables.ts'

/** A variable with the value that is in force. */
export interface Setting {
  readonly name: string
  /** As it would be written, without what is secret; null where there is none. */
  readonly value: string | null
  readonly source: Source
}

/** Where a value comes from: `derived` is made from other settings, or from what the machine has. */
export const SOURCES = ['environment', 'file', 'derived', 'default'] as const
type Source = (typeof SOURCES)[number]

/** What stands in the place of a secret. */
export const HIDDEN = '***'

/** What is in force for a variable that is not set. */
export interface InPlace {
  readonly value: string | number | undefined
  readonly source: Exclude<Source, 'environment'>
}

/**
 * Every variable with the value that is in force.
 *
 * @param instead what is in force for variables that are not set, where that is not the default of the variable itself
 */
export function settingsInForce(
  set: ReturnType<typeof given>,
  instead: Readonly<Partial<Record<keyof typeof variables.shape, InPlace>>>,
): readonly Setting[] {
  const types: Readonly<Record<string, z.ZodType>> = variables.shape
  return Object.entries(types).map(([name, type]) => {
    const shown = (value: unknown) => (value === undefined ? null : withoutSecret(kindOf(type), String(value)))
    const written = set[name]
    if (written !== undefined) return { name, value: shown(written), source: 'environment' }
    const inPlace = instead[name as keyof typeof variables.shape]
    if (inPlace !== undefined) return { name, value: shown(inPlace.value), source: inPlace.source }
    return { name, value: shown(type.safeParse(undefined).data), source: 'default' }
  })
}

function withoutSecret(kind: ReturnType<typeof kindOf>, value: string): string {
  if (kind === 'secret') return HIDDEN
  if (kind === 'urls')
    return urlsIn(value)
      .map((url) => withoutSecrets(url, HIDDEN))
      .join(',')
  if (kind !== 'url') return value
  return /^https?:/i.test(value) ? withoutCredentials(value) : withoutSecrets(value, HIDDEN)
}

function withoutCredentials(value: string): string {
  const url = new URL(value)
  if (url.password !== '') url.password = HIDDEN
  for (const name of url.searchParams.keys()) url.searchParams.set(name, HIDDEN)
  return url.href
}
