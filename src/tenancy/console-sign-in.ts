import { z } from 'zod'
import { isKeyOrId } from './scim-path.ts'

/** By which issuer people sign in to the console, and what they may do there. */
export interface ConsoleSignIn {
  readonly issuer: string
  readonly clientId: string
  /** Undefined for a public client, which has PKCE alone. */
  readonly clientSecret: string | undefined
  readonly scopes: string
  /** The claim whose values say what a person may do. */
  readonly claim: string
  readonly access: readonly ConsoleAccess[]
}

const entry = z.strictObject({
  value: z.string().min(1).max(500),
  permissions: z
    .array(
      z.enum([
        'scim:read',
        'scim:write',
        'directory:read',
        'admin',
        'requests:reveal',
        'accounts:write',
        'people:erase',
      ]),
    )
    // Without it no page opens.
    .refine((list) => list.includes('admin')),
  /** The keys of project, environment and tenant; undefined for the whole instance. */
  place: z
    .string()
    .refine((text) => text.split('/').length <= 3 && text.split('/').every(isKeyOrId))
    .optional(),
})

/** What a person may do to whom the issuer gives a value of the claim. */
export type ConsoleAccess = z.infer<typeof entry>

/** Each of them is looked for among the values of a person at every page. */
const MOST_ENTRIES = 100
const entries = z.array(entry).min(1).max(MOST_ENTRIES)

/** The list that a text in JSON is; undefined where it is none. */
export function consoleAccessIn(text: string): readonly ConsoleAccess[] | undefined {
  try {
    return entries.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** What a person with these values of the claim may do: what the first entry says of which there is a value. */
export const accessOf = (
  { access }: Pick<ConsoleSignIn, 'access'>,
  values: readonly string[],
): ConsoleAccess | undefined => access.find(({ value }) => values.includes(value))
