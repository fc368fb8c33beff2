import type { z } from 'zod'
import { Refusal } from '../../../../administration/refusal.ts'
import { type RoleRule, roleRule } from '../../../../tenancy/role-rules.ts'
import { jsonIn } from './fields.tsx'

/** By what a rule names groups. */
const KINDS = {
  displayName: 'the group named',
  pattern: 'groups whose name fits',
  externalId: 'the group with externalId',
  everyGroup: 'every group: the role of its name',
} as const
type Kind = keyof typeof KINDS

/** The empty rules below those that there are. */
const SPARE = 3

/** Rules to be filled in, one behind the other, and some empty ones. */
export function RuleFields({ rules }: { rules: readonly RoleRule[] }) {
  const rows: readonly (RoleRule | undefined)[] = [...rules, ...Array.from({ length: SPARE }, () => undefined)]
  return (
    <>
      {rows.map((rule, i) => {
        const { kind, text, role } = partsOf(rule)
        return (
          <fieldset class="rule">
            <legend>{rule === undefined ? 'New rule' : `Rule ${i + 1}`}</legend>
            <label>
              Which groups
              <select name={`kind-${i}`}>
                {Object.entries(KINDS).map(([name, words]) => (
                  <option value={name} selected={name === kind}>
                    {words}
                  </option>
                ))}
              </select>
            </label>
            <label>
              Name, pattern or id
              <input name={`text-${i}`} value={text} maxlength={300} autocomplete="off" spellcheck={false} />
            </label>
            <label>
              give the role
              <input name={`role-${i}`} value={role} maxlength={100} autocomplete="off" spellcheck={false} />
            </label>
            {rule !== undefined && (
              <label class="box">
                <input type="checkbox" name={`end-${i}`} value="true" />
                End this rule
              </label>
            )}
          </fieldset>
        )
      })}
    </>
  )
}

function partsOf(rule: RoleRule | undefined): { readonly kind: Kind; readonly text: string; readonly role: string } {
  if (rule === undefined) return { kind: 'displayName', text: '', role: '' }
  if ('everyGroup' in rule) return { kind: 'everyGroup', text: '', role: '' }
  const [[kind, text]] = Object.entries(rule.group) as [[Kind, string]]
  return { kind, text, role: rule.role }
}

/** A rule in words. */
export function ruleInWords(rule: RoleRule): string {
  const { kind, text, role } = partsOf(rule)
  switch (kind) {
    case 'everyGroup':
      return 'Every group gives the role of its name.'
    case 'pattern':
      return `Groups whose name fits “${text}” give ${role}.`
    case 'displayName':
      return `The group named “${text}” gives ${role}.`
    case 'externalId':
      return `The group with the externalId “${text}” gives ${role}.`
  }
}

/** The rules that a form has, whole as JSON or field by field; null where the place is to have none of its own. @throws {Refusal} 400 */
export function rulesIn(form: URLSearchParams): RoleRule[] | null {
  if (form.has('inherit')) return null
  const whole = form.get('rules')
  const given = whole === null ? filledIn(form) : jsonIn(whole, 'rules')
  if (given === null) return null
  const parsed = roleRule.array().max(200).safeParse(given)
  if (!parsed.success) throw wrong(parsed.error)
  return parsed.data
}

function filledIn(form: URLSearchParams): unknown[] {
  const numbers = [...form.keys()].flatMap((name) => /^kind-(\d{1,3})$/.exec(name)?.[1] ?? [])
  return numbers.flatMap((i) => {
    const [kind, text, role] = ['kind', 'text', 'role'].map((name) => (form.get(`${name}-${i}`) ?? '').trim()) as [
      Kind,
      string,
      string,
    ]
    if (form.has(`end-${i}`) || (kind !== 'everyGroup' && text === '' && role === '')) return []
    return [kind === 'everyGroup' ? { everyGroup: true } : { group: { [kind]: text }, role }]
  })
}

/** A rule has two forms, and what is wrong with the one that was meant says more than that neither fits. */
function wrong(error: z.core.$ZodError): Refusal {
  const numbers = [...new Set(error.issues.map(({ path }) => Number(path[0]) + 1))]
  const needs = 'needs a group and a role of letters, digits and “_.:-”'
  const mistakes = numbers.map((n) => ({ path: `rule ${n}`, message: needs }))
  return new Refusal(400, 'A rule cannot be read; nothing was saved.', mistakes)
}
