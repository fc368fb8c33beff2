import { adminClient, type Schemas } from 'rollcall/client'

/** Where the directory of a customer is, and the key that reads it (`directory:read`). */
export interface Directory {
  readonly origin: string
  readonly key: string
  readonly project: string
  readonly environment: string
  readonly tenant: string
}

/** What the gateway says of a person who wants to sign in. */
export type SignIn = Schemas['SignIn']

const CHECK = '/projects/{project}/environments/{environment}/tenants/{tenant}/sign-in-checks'

/**
 * Asks whether a person may sign in, and with which roles. `identity` is what single sign-on has asserted. Without an answer
 * nobody gets in: this throws.
 */
export async function checkSignIn({ origin, key, ...path }: Directory, identity: string): Promise<SignIn> {
  const client = adminClient({ origin, key })
  const { data, error, response } = await client.POST(CHECK, { params: { path }, body: { identity } })
  if (data === undefined) throw new Error(`the sign-in check failed with ${response.status}: ${error?.detail}`)
  return data
}
