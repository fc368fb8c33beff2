import type { JsonObject } from '../scim/resource.ts'

/** A tenant as its identity provider knows it. */
export interface ScimTarget {
  readonly baseUrl: string
  readonly key: string
}

/** A request below the base URL. */
export interface ScimRequest {
  readonly method: string
  readonly path: string
  readonly body?: JsonObject | undefined
  /** Of what it sends and accepts. */
  readonly type?: string
  readonly agent?: string
}

/** What was answered. */
export interface ScimAnswer {
  readonly status: number
  readonly body: JsonObject
}

/** Sends one request of an identity provider, over HTTP. @throws {Error} where no answer comes */
export async function askScim({ baseUrl, key }: ScimTarget, request: ScimRequest): Promise<ScimAnswer> {
  const { method, path, body, type = 'application/scim+json', agent = 'rollcall' } = request
  const answer = await fetch(baseUrl.replace(/\/$/, '') + path, {
    method,
    headers: {
      ...{ Authorization: `Bearer ${key}`, Accept: type, 'User-Agent': agent },
      ...(body === undefined ? {} : { 'Content-Type': type }),
    },
    body: body === undefined ? null : JSON.stringify(body),
  })
  const text = await answer.text()
  return { status: answer.status, body: objectIn(text) }
}

/** What came has to be a success. @throws {Error} in the words of the gateway */
export function taken({ status, body }: ScimAnswer, what: string): JsonObject {
  if (status < 300) return body
  const detail = typeof body.detail === 'string' ? body.detail : 'no reason was given'
  throw new Error(`${what} was refused with ${status}: ${detail}`)
}

function objectIn(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject
  } catch {
    return {}
  }
}
