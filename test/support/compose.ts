import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { ROOT } from './documents.ts'

/** As much of a service as is looked at. */
export interface Service {
  readonly image: string
  readonly command?: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly healthcheck: { readonly test: readonly string[] }
  readonly secrets: readonly string[]
  readonly [member: string]: unknown
}

export interface Compose {
  readonly services: { readonly rollcall: Service; readonly postgres: Service }
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly networks: Readonly<Record<string, object>>
  readonly volumes: Readonly<Record<string, object>>
}

export const COMPOSE_FOLDER = join(ROOT, 'deploy/compose')
const TEXT = readFileSync(join(COMPOSE_FOLDER, 'compose.yaml'), 'utf8')

/** The file that adds the mirror, as it is written. */
export const writtenMirror = (): Pick<Compose, 'secrets'> & { readonly services: { readonly mirror: Service } } =>
  parse(readFileSync(join(COMPOSE_FOLDER, 'mirror.yaml'), 'utf8'))

/** The file as it is written. */
export const written = (): Compose => parse(TEXT)

/**
 * The file with its variables filled in, as Compose does it.
 *
 * @throws with the words of the file where one that it asks for is missing
 */
export function composed(variables: Readonly<Record<string, string>>): Compose {
  const filled = TEXT.replace(
    /\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}/g,
    (found, name: string | undefined, kind: string | undefined, rest: string) => {
      if (name === undefined) return found === '$$' ? '$' : found
      const value = variables[name]
      if (value) return value
      if (kind === '?') throw new Error(`${name} ${rest}`)
      return rest ?? ''
    },
  )
  return parse(filled)
}
