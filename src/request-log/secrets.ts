import { isObject, type JsonValue } from '../scim/resource.ts'
import type { SchemaRegistry } from '../scim/schema/resource-type.ts'

// Passwords and the like are taken out before anything is stored. Most texts have none: one look by a regular expression says so.
// In a text that may have one, the JSON is read and written anew; what cannot be read is not stored at all.

/** What a secret is called, in whatever schema. */
const NAMES = 'passw|passphrase|passcode|secret|credential|private_?key|api_?key|access_?token|authorization'
/** A letter of ASCII that is written as an escape could hide such a name. */
const HIDDEN = '\\\\u00[4-7]'
/** What stands in the place of a secret. */
export const LEFT_OUT = '(left out)'

/** Beyond this, a text that may hold a secret is not looked through, but left out: reading it would take the thread for long. */
const MOST_READ = 1_000_000

/** The secret attributes of a tenant's own schemas, as regular expressions. */
interface Suspects {
  readonly inText: RegExp
  readonly name: RegExp
}

const known = new WeakMap<SchemaRegistry, Suspects>()

function suspectsOf(registry: SchemaRegistry): Suspects {
  const before = known.get(registry)
  if (before !== undefined) return before
  const own = new Set<string>()
  for (const type of registry.resourceTypes)
    for (const schema of [type.schema, ...type.extensions.map((extension) => extension.schema)])
      for (const attribute of schema.attributes)
        for (const part of [attribute, ...attribute.subAttributes])
          if (part.returned === 'never') own.add(part.name.replaceAll(/[^\w]/g, '\\$&'))
  const names = [NAMES, ...[...own].map((name) => `(?<!\\w)${name}(?!\\w)`)].join('|')
  const made = { inText: new RegExp(`${names}|${HIDDEN}`, 'i'), name: new RegExp(names, 'i') }
  known.set(registry, made)
  return made
}

/**
 * A body without secrets: the text itself where there is none, undefined where there may be one that cannot be taken out.
 *
 * @param whole false for the beginning of a longer text
 */
export function withoutSecrets(text: string, registry: SchemaRegistry, whole = true): string | undefined {
  const suspects = suspectsOf(registry)
  if (!suspects.inText.test(text)) return withoutKeys(text)
  if (!whole || text.length > MOST_READ) return undefined
  try {
    return withoutKeys(JSON.stringify(cleaned(JSON.parse(text) as JsonValue, suspects)))
  } catch {
    return undefined
  }
}

function cleaned(value: JsonValue, suspects: Suspects): JsonValue {
  if (Array.isArray(value)) return value.map((one) => cleaned(one, suspects))
  // A filter over a secret, and a path that chooses by one, have its value in them.
  if (typeof value === 'string') return comparesSecret(value, suspects) ? LEFT_OUT : value
  if (!isObject(value)) return value
  const path = Object.entries(value).find(([name]) => name.toLowerCase() === 'path')?.[1]
  const isAbout = typeof path === 'string' && suspects.name.test(path)
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      const isSecret = suspects.name.test(name) || (isAbout && name.toLowerCase() === 'value')
      return [name, isSecret ? LEFT_OUT : cleaned(inner ?? null, suspects)]
    }),
  )
}

const comparesSecret = (text: string, { name }: Suspects): boolean => text.includes('"') && name.test(text)

/** Parts of a query whose values are those of the protocol. */
const PARAMETERS: ReadonlySet<string> = new Set(
  ['filter', 'attributes', 'excludedAttributes', 'sortBy', 'sortOrder', 'startIndex', 'count', 'cursor'].map((name) =>
    name.toLowerCase(),
  ),
)

/** A query without secrets: of what is no parameter of SCIM, such as a token, the name alone. */
export function queryWithoutSecrets(query: string, registry: SchemaRegistry): string {
  if (query === '') return ''
  const suspects = suspectsOf(registry)
  return query
    .split('&')
    .map((part) => {
      const [name = ''] = part.split('=', 1)
      const decoded = decodedText(part)
      if (!PARAMETERS.has(decodedText(name).toLowerCase())) return part.includes('=') ? `${name}=…` : withoutKeys(part)
      return comparesSecret(decoded, suspects) ? `${name}=…` : withoutKeys(part)
    })
    .join('&')
}

/** As the gateway reads a part of a query. What is no encoding is itself. */
export function decodedText(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

const ANY_KEY = /rck_|bearer|basic |eyJ/i
const KEYS = /rck_[0-9A-Za-z]{4,}(?:_[0-9A-Za-z]*)?|\b(?:bearer|basic)\s+[\w.~+/=-]{8,}|\beyJ[\w-]{8,}\.[\w.-]+/gi

/** A text without API keys and tokens, wherever in it somebody has put one. */
export const withoutKeys = (text: string): string => (ANY_KEY.test(text) ? text.replaceAll(KEYS, LEFT_OUT) : text)
