import { fold } from '../scim/comparable.ts'
import { isObject, type JsonObject, type JsonValue } from '../scim/resource.ts'

/** By what somebody is found in what the gateway has stored. All texts are folded. */
export interface Person {
  /** Id of the user; null for a person who never was one, or of whom no id is known. */
  readonly id: string | null
  /** An object that has one of them is about the person. */
  readonly userNames: readonly string[]
  /** The same, but for those that somebody else has too. */
  readonly emails: readonly string[]
  /** The same of what has a userName too; a group may have the same externalId. */
  readonly externalIds: readonly string[]
  /** Names and telephone numbers, which others may have too: they are erased where they stand for the person. */
  readonly names: readonly string[]
  /** All but the id count in what happened before this moment, in ms since 1970. After it, they may be somebody else's. */
  readonly until: number
}

/** The most that is remembered of each; nobody has as many. */
const MOST = 100
const LONGEST = 256

/** Nobody yet. */
export const someone = (id: string | null, until: number): Person => ({
  ...{ id, userNames: [], emails: [], externalIds: [], names: [], until },
})

/** The person with more texts; empty ones, and those beyond the bound, are left out. */
export function withTexts(
  person: Person,
  more: { readonly [Kind in 'userNames' | 'emails' | 'externalIds' | 'names']?: readonly unknown[] },
): Person {
  return {
    ...person,
    userNames: joined(person.userNames, more.userNames),
    emails: joined(person.emails, more.emails),
    externalIds: joined(person.externalIds, more.externalIds),
    names: joined(person.names, more.names),
  }
}

function joined(known: readonly string[], more: readonly unknown[] = []): readonly string[] {
  const texts = more.flatMap((text) => (typeof text === 'string' ? [fold(text.trim()).slice(0, LONGEST)] : []))
  return [...new Set([...known, ...texts.filter((text) => text.length > 0)])].slice(0, MOST)
}

/** The person with what a user's attributes say. */
export function withAttributes(person: Person, attributes: JsonObject): Person {
  const { userName, externalId, emails, displayName, nickName, phoneNumbers, name } = attributes
  const full = isObject(name) ? [name.formatted, [name.givenName, name.familyName].filter(Boolean).join(' ')] : []
  return withTexts(person, {
    userNames: [userName],
    emails: valuesOf(emails),
    externalIds: [externalId],
    names: [displayName, nickName, ...full, ...valuesOf(phoneNumbers)],
  })
}

/** The person with what the changes of an event about the user say: all attributes, or what one was before and after. */
export function withChanges(person: Person, changes: JsonObject): Person {
  let known = person
  for (const all of [changes.before, changes.after]) if (isObject(all)) known = withAttributes(known, all)
  for (const change of Array.isArray(changes.changed) ? changes.changed : []) {
    if (!isObject(change) || typeof change.path !== 'string') continue
    const { path } = change
    for (const value of [change.before, change.after]) {
      if (value === undefined) continue
      known = withAttributes(known, path === 'name.formatted' ? { displayName: value } : { [path]: value })
    }
  }
  return known
}

const valuesOf = (list: JsonValue | undefined): readonly (JsonValue | undefined)[] =>
  Array.isArray(list) ? list.map((one) => (isObject(one) ? one.value : undefined)) : []

/**
 * What stands in each text that has anything of the person, in lower case: as it is, within JSON, twice within JSON, and in an address.
 * A database may know the lower case of ASCII alone, so of other texts it looks for a part.
 */
export function signsOf({ id, userNames, emails, externalIds, names }: Person): string[] {
  const texts = [...(id === null ? [] : [id]), ...[...userNames, ...emails, ...externalIds, ...names].map(plainPart)]
  const within = (text: string) => JSON.stringify(text).slice(1, -1)
  const signs = texts.flatMap((text) => [text, within(text), within(within(text)), encodeURIComponent(text)])
  return [...new Set([...signs.map((sign) => sign.toLowerCase()), ESCAPE])]
}

/** A text with such an escape may have any letter in it. */
const ESCAPE = '\\u00'
const SHORTEST_PART = 3
/** Half a character, which no address can have. */
const LONE = /\p{Cs}/gu

function plainPart(text: string): string {
  // A short text stands between quotation marks where it is a value.
  if (text.length < SHORTEST_PART) return `"${text}"`
  const parts: readonly string[] = text.match(/[ -~]+/g) ?? []
  const longest = parts.reduce((one, other) => (other.length > one.length ? other : one), '').trim()
  return longest.length === text.length || longest.length >= SHORTEST_PART ? longest : text.replaceAll(LONE, '')
}
