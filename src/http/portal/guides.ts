import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lexer, type Token } from 'marked'
import { PACKAGE_FOLDER } from '../../package.ts'
import type { IdentityProvider } from '../../tenancy/identity-providers.ts'

/** How a guide names the values of a tenant: between braces, alone in a code mark. */
export const VALUE_NAMES = ['base URL', 'token', 'client id', 'client secret', 'token URL', 'logout URL'] as const
export type ValueName = (typeof VALUE_NAMES)[number]

/** Values that are known; a guide shows the name of the others. */
export type Values = Readonly<Partial<Record<ValueName, string>>>

const read = new Map<IdentityProvider, Promise<readonly Token[]>>()

/** The guide for an identity provider, as the repository has it in `docs/idp`. It is read once. */
export function guideFor(provider: IdentityProvider): Promise<readonly Token[]> {
  const known = read.get(provider)
  if (known !== undefined) return known
  const reading = readFile(join(PACKAGE_FOLDER, 'docs/idp', `${provider}.md`), 'utf8').then((text) => lexer(text))
  read.set(provider, reading)
  // A failure is not remembered: the next visitor asks again.
  reading.catch(() => read.delete(provider))
  return reading
}

/** The value that a code mark stands for; undefined for any other code. */
export function valueNamed(code: string): ValueName | undefined {
  return VALUE_NAMES.find((name) => code === `{${name}}`)
}

/** Code in which such names are a part of more, with the values that are known in their place. */
export const withValues = (code: string, values: Values): string =>
  VALUE_NAMES.reduce((text, name) => text.replaceAll(`{${name}}`, values[name] ?? `{${name}}`), code)
