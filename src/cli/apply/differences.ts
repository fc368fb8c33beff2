import { isDeepStrictEqual } from 'node:util'

/** What a file says of a value, and what is there. */
export interface Difference {
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

/** One thing that differs from the file, or stands beside it. */
export interface Step {
  /** `left`: the file names no such thing, and it stays. */
  readonly action: 'create' | 'change' | 'delete' | 'left'
  /** What it is: `tenant`, `webhook` … */
  readonly what: string
  /** Where it is, such as `shop/prod/acme`, and its own name behind a space where it has one. */
  readonly at: string
  readonly differences: readonly Difference[]
  /** What else there is to know, such as who gains a role. */
  readonly notes: readonly string[]
}

type Members = Readonly<Record<string, unknown>>

/** The members that `wanted` names with another value than `there` has. @param prefix of their paths */
export function differencesOf(there: Members, wanted: Members, prefix = ''): Difference[] {
  return Object.entries(wanted).flatMap(([name, after]) => {
    const before = there[name]
    const same = after === undefined || isDeepStrictEqual(plain(before), plain(after))
    return same ? [] : [{ path: `${prefix}${name}`, before, after }]
  })
}

/** The same of settings. A file that names settings names all of a place's own: what it leaves out is taken back. */
export function settingsDifferences(there: Members, wanted: Members | undefined): Difference[] {
  if (wanted === undefined) return []
  const left = Object.keys(there).filter((name) => !(name in wanted))
  return differencesOf(there, { ...wanted, ...Object.fromEntries(left.map((name) => [name, null])) }, 'settings.')
}

/** A difference of two objects, such as mappings, by the members that differ: what people have to see of it. */
export function memberDifferences(difference: Difference): Difference[] {
  const { path, before, after } = difference
  if (!isMembers(before) || !isMembers(after)) return [difference]
  return differencesOf(before, { ...gone(before), ...after }, `${path}.`)
}

const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const gone = (members: Members): Members => Object.fromEntries(Object.keys(members).map((name) => [name, null]))

/** As JSON has it, without the members that are undefined. */
const plain = (value: unknown): unknown => (value === undefined ? null : JSON.parse(JSON.stringify(value)))

/** A change of a place, as the admin API takes it. */
export function changeOf(differences: readonly Difference[]): Record<string, unknown> {
  const settings: Record<string, unknown> = {}
  const change: Record<string, unknown> = {}
  for (const { path, after } of differences) {
    if (path.startsWith('settings.')) settings[path.slice('settings.'.length)] = after ?? null
    else change[path] = after
  }
  return Object.keys(settings).length === 0 ? change : { ...change, settings }
}
