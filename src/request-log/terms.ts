import { hash } from 'node:crypto'

// People are found by what a request has named: userNames, addresses, externalIds and ids, whether such a user was ever made or not.
// The table of terms has hashes, as they are short and all of one length. They hide nothing that is not in the bodies beside them.

/** What a term is made of; its length is 72 bits in base64url. */
const TERM_LENGTH = 12
/** Terms of one request; a bulk request has many. */
const MOST_TERMS = 1_000
const [SHORTEST, LONGEST] = [2, 256]

/** A value as it is compared: people type it in any case. */
export const termOf = (value: string): string =>
  hash('sha256', value.normalize('NFC').trim().toLowerCase(), 'base64url').slice(0, TERM_LENGTH)

// By name, in a POST or PUT; as `value` of an address, a member or a PATCH operation; in the subject of a logout.
const NAMED = /"(?:username|externalid|value|id|email|sub)"\s*:\s*"((?:[^"\\]|\\.)*)"/gi
const QUOTED = /"((?:[^"\\]|\\.)*)"/g
const BOOLEAN = /^(?:true|false)$/i

/**
 * The terms of a request.
 *
 * @param body without secrets
 * @param filter decoded
 * @param others ids that its address names, and the like
 */
export function termsOf(body: string | undefined, filter: string, others: readonly (string | undefined)[]): string[] {
  const values = new Set<string>()
  const add = (value: string) => {
    if (values.size >= MOST_TERMS || value.length < SHORTEST || value.length > LONGEST || BOOLEAN.test(value)) return
    values.add(value.trim().toLowerCase())
  }
  for (const other of others) if (other !== undefined) add(other)
  if (filter.includes('"')) for (const [, text = ''] of filter.matchAll(QUOTED)) add(unescaped(text))
  if (body !== undefined) {
    for (const [, text = ''] of body.matchAll(NAMED)) {
      add(unescaped(text))
      if (values.size >= MOST_TERMS) break
    }
  }
  return [...values].map(termOf)
}

function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return text
  }
}
