import type { AdminApp } from './env.ts'
import { idempotencyKeyParameter } from './idempotent.ts'

/** The OpenAPI 3.1 document of the admin API. */
export type ApiDocument = ReturnType<AdminApp['getOpenAPI31Document']>

const documents = new WeakMap<AdminApp, ApiDocument>()

/** Describes the admin API from the definitions of its routes; made once, when it is first asked for. */
export function describe(app: AdminApp): ApiDocument {
  const known = documents.get(app)
  if (known !== undefined) return known
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Rollcall admin API', version: '1' },
    servers: [{ url: '/api/v1' }],
    security: [{ apiKey: [] }],
  })
  // Every POST takes it, wherever it is defined.
  for (const { post } of Object.values(document.paths ?? {})) {
    if (post) post.parameters = [...(post.parameters ?? []), idempotencyKeyParameter]
  }
  documents.set(app, document)
  return document
}
