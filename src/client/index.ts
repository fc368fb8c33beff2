import createFetchClient from 'openapi-fetch'
import type { components, paths } from './api.ts'

/** What the admin API's bodies are made of, by the names of the OpenAPI document: `Schemas['Tenant']`. */
export type Schemas = components['schemas']

/** Where the gateway is, and as whom to ask. */
export interface AdminClientOptions {
  /** Origin of the gateway, such as `https://scim.example.com`, perhaps with a path. */
  readonly origin: string
  /** An API key with the permission `admin`, or `directory:read` for what it reaches. */
  readonly key: string
  /** In place of the global one. */
  readonly fetch?: (request: Request) => Promise<Response>
}

/** A client of the admin API; its methods take the path as the OpenAPI document has it. */
export type AdminClient = ReturnType<typeof adminClient>

/**
 * A client of the admin API, typed by its OpenAPI document: paths, parameters and bodies are checked when your program is
 * compiled.
 *
 *     const { data, error } = await client.POST('/projects', { body: { key: 'acme' } })
 *
 * `data` is the answer; where it is a refusal, `error` is the problem (RFC 9457) instead. Throws only where no answer came.
 */
export function adminClient({ origin, key, fetch }: AdminClientOptions) {
  return createFetchClient<paths>({
    baseUrl: `${origin.replace(/\/$/, '')}/api/v1`,
    headers: { Authorization: `Bearer ${key}` },
    ...(fetch && { fetch }),
  })
}
