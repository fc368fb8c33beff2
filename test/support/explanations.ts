import { vi } from 'vitest'
import { CLIENTS } from '../../src/explanations/clients.ts'
import { explain } from '../../src/explanations/explain.ts'
import { type Refused, ScimError } from '../../src/scim/errors.ts'
import { REASONS } from '../../src/scim/reasons.ts'

const MOST_WORDS = 25

/** The sentences of an explanation; a colon ends none. */
export const sentencesIn = (text: string): string[] => text.split(/(?<=[.?!])\s+(?=[A-Z"]|authentik)/).filter(Boolean)

/** What is wrong with the explanation of a refusal, in words: nothing, where a person learns what to change. */
export function faultsOf({ status, scimType, detail, reason }: Refused): string[] {
  const faults = REASONS.includes(reason) ? [] : [`"${reason}" is no reason`]
  for (const client of [undefined, ...CLIENTS]) {
    const given = { status, scimType, detail, reason, method: 'POST', path: '/scim/v2/a/b/v2/c/Users', client }
    const { problem, remedy, field } = explain(given)
    const namesField = explain({ ...given, detail: 'userName is required' }).field !== undefined
    if (detail !== '' && namesField && field === undefined)
      faults.push(`${reason}: no attribute is found in: ${detail}`)
    for (const [name, text] of Object.entries({ problem, remedy })) {
      const wrong = (what: string) => faults.push(`${client ?? 'any client'}, ${reason}: the ${name} ${what}: ${text}`)
      if (!/^[A-Za-z].*[.]$/.test(text)) wrong('is no sentence')
      if (detail !== '' && text.includes(detail.replace(/\.$/, ''))) wrong('is the detail')
      if (text.includes('undefined')) wrong('has a gap')
      for (const sentence of sentencesIn(text))
        if (sentence.split(/\s+/).length > MOST_WORDS) wrong(`has a sentence of more than ${MOST_WORDS} words`)
    }
    if (problem === remedy) faults.push(`${client}, ${reason}: problem and remedy are the same`)
  }
  return faults
}

/**
 * Watches what SCIM refuses from now on, in this process: whole requests and single operations of bulk requests.
 *
 * @returns gives each kind of refusal once, and ends the watch
 */
export function watchRefusals(): () => readonly Refused[] {
  const spy = vi.spyOn(ScimError.prototype, 'toBody')
  return () => {
    const seen = new Map<string, Refused>()
    for (const error of spy.mock.contexts as ScimError[]) seen.set(error.reason + error.message, error.refused())
    spy.mockRestore()
    return [...seen.values()]
  }
}
