import { z } from 'zod'
import { fold } from '../scim/comparable.ts'
import { namePattern } from './name-pattern.ts'

// Neither control characters nor lone surrogates: no group has such a name, and the store refuses both.
const text = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]{1,300}$/u, 'must be 1 to 300 characters, none of them for control')
  // For OpenAPI, which takes no flags.
  .meta({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]{1,300}$' })
const ofGroup = z.union([
  z.strictObject({ displayName: text }),
  z.strictObject({ externalId: text }),
  /** Of the displayName: `*` stands for any text, also none. */
  z.strictObject({ pattern: text }),
])

/** Which groups give a role: those that a rule names, or each one the role that is called like it. */
export const roleRule = z.union(
  [
    z.strictObject({
      group: ofGroup,
      role: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$/, 'must be 1 to 100 letters, digits and _.:-'),
    }),
    z.strictObject({ everyGroup: z.literal(true) }),
  ],
  'must be {"group": {"displayName": …}, "role": …}, with externalId or pattern in its place, or {"everyGroup": true}',
)
export type RoleRule = z.infer<typeof roleRule>

/** What rules know of a group. */
export interface NamedGroup {
  /** Its displayName, folded. */
  readonly displayKey: string | null
  readonly externalId: string | null
}

/** A role that a rule gives to a group; `rule` tells the rule from all others for as long as it says the same. */
export interface RoleMatch {
  readonly rule: string
  readonly role: string
}

/** The `rule` of matches of `everyGroup`, under which no two groups may give the same role. */
export const EVERY_GROUP = 'everyGroup'

/** The roles that these rules give to a group, by what it is called now. */
export function rolesByRules(rules: readonly RoleRule[]): (group: NamedGroup) => RoleMatch[] {
  const all = rules.map(compiled)
  return (group) => all.flatMap((match) => match(group) ?? [])
}

/** What `RoleMatch.rule` may be while these rules are in force. */
export const ruleNames = (rules: readonly RoleRule[]): string[] => rules.map(ruleName)

/**
 * A group's name as the key of a role: lower case, with one hyphen for each run of other characters than letters and digits. A
 * long key is cut to 200 characters; it is empty where nothing is left.
 */
export const roleKeyOf = (displayName: string): string => {
  const hyphenated = fold(displayName.normalize('NFKC')).replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, '-')
  return [...hyphenated.replace(/^-/, '')].slice(0, 200).join('').replace(/-$/, '')
}

function ruleName(rule: RoleRule): string {
  if ('everyGroup' in rule) return EVERY_GROUP
  const [[kind, value]] = Object.entries(rule.group) as [[string, string]]
  return JSON.stringify([kind, kind === 'externalId' ? value : fold(value), rule.role])
}

function compiled(rule: RoleRule): (group: NamedGroup) => RoleMatch | undefined {
  const name = ruleName(rule)
  if ('everyGroup' in rule) {
    return ({ displayKey }) => {
      const role = roleKeyOf(displayKey ?? '')
      return role === '' ? undefined : { rule: name, role }
    }
  }
  const { group, role } = rule
  const fits = fitting(group)
  return (named) => (fits(named) ? { rule: name, role } : undefined)
}

function fitting(group: z.infer<typeof ofGroup>): (named: NamedGroup) => boolean {
  if ('externalId' in group) return ({ externalId }) => externalId === group.externalId
  if ('displayName' in group) {
    const wanted = fold(group.displayName)
    return ({ displayKey }) => displayKey === wanted
  }
  const { fits } = namePattern(group.pattern)
  return ({ displayKey }) => displayKey !== null && fits(displayKey)
}
