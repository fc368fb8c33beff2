import type { Gateway } from './gateway.ts'

/** What the token endpoint answers, and what it refuses with. */
export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: string
  readonly expires_in: number
  readonly scope: string
  readonly error?: string
  readonly error_description?: string
}

/** Id of an API key: what an OAuth client has for its id. */
export const idOf = (key: string): string => key.split('_')[1] ?? ''

export const basic = (id: string, secret: string): string =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`

/** Sends a form to the token endpoint. */
export async function askToken(
  gateway: Pick<Gateway, 'origin'>,
  form: Readonly<Record<string, string>> | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly headers: Headers; readonly body: TokenAnswer }> {
  const type = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const body = typeof form === 'string' ? form : new URLSearchParams(form).toString()
  const response = await fetch(`${gateway.origin}/oauth/token`, {
    method: 'POST',
    headers: { ...type, ...headers },
    body,
  })
  return { status: response.status, headers: response.headers, body: (await response.json()) as TokenAnswer }
}

/** An access token for an API key. */
export async function tokenFor(gateway: Pick<Gateway, 'origin'>, key: string, scope?: string): Promise<string> {
  const form = { grant_type: 'client_credentials', ...(scope === undefined ? {} : { scope }) }
  const { status, body } = await askToken(gateway, form, { Authorization: basic(idOf(key), key) })
  if (status !== 200) throw new Error(`no token was given: ${JSON.stringify(body)}`)
  return body.access_token
}
