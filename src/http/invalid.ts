import type { z } from 'zod'
import { type Mistake, Refusal } from '../administration/control.ts'

/** A validation error in words, with the path of each member that is wrong. */
export function invalid(error: z.core.$ZodError): Refusal {
  const mistakes = error.issues.flatMap((issue): Mistake[] => {
    const path = issue.path.map(String)
    if (issue.code !== 'unrecognized_keys') return [{ path: path.join('.'), message: issue.message }]
    return issue.keys.map((name) => ({ path: [...path, name].join('.'), message: 'is not known here' }))
  })
  return new Refusal(400, 'The request has members that cannot be taken; see errors.', mistakes)
}
