import { randomBytes } from 'node:crypto'

/** The operator's key of every gateway that is measured. */
export const ADMIN_KEY = `bench-${randomBytes(16).toString('hex')}`

/** Asks a gateway's admin API; `path` is below the environment. */
export type Admin = <Answer>(
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: object,
) => Promise<Answer>

/** The admin API of the gateway at `origin`. What it gives rejects unless the answer is 2xx. */
export const adminAt =
  (origin: string): Admin =>
  async <Answer>(method: string, path: string, body?: object) => {
    const response = await fetch(`${origin}/api/v1/projects/default/environments/dev${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path} was answered ${response.status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as Answer
  }
