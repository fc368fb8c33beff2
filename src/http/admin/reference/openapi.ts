import {
  entityTagHeader,
  hasTag,
  ifMatchParameter,
  ifNoneMatchParameter,
  takesIfMatch,
} from '../../control/conditional.ts'
import type { AdminApp } from '../../control/env.ts'
import { idempotencyKeyParameter, takesIdempotencyKey } from '../../control/idempotent.ts'

/** The OpenAPI 3.1 document of the admin API. */
export type ApiDocument = ReturnType<AdminApp['getOpenAPI31Document']>

/** In the order in which people read about them. */
const TAGS = [
  { name: 'Projects', description: 'What the instance is divided into, such as one for each product.' },
  { name: 'Environments', description: 'Stages of a project, such as dev and prod, with defaults for their tenants.' },
  { name: 'Tenants', description: 'Customers: each has base URLs for its identity provider, and settings of its own.' },
  { name: 'API keys', description: 'Who may do what and where. A key is shown once; rotating it leaves no gap.' },
  {
    name: 'Set-up links',
    description: 'Links by which an IT admin of a customer connects an identity provider to one tenant, without a key.',
  },
  { name: 'Schemas', description: 'Schema extensions and resource types beside the built-in ones.' },
  { name: 'Roles and entitlements', description: 'What identity providers may give to users.' },
  { name: 'Directory', description: 'What the application itself reads of a tenant.' },
  { name: 'Events', description: 'What happened in a tenant: pulled, as a stream, and where to begin.' },
  {
    name: 'Webhooks',
    description: 'Where events are sent, which the receiver has not accepted, and how they are sent again.',
  },
  {
    name: 'Streams of Security Event Tokens',
    description: 'Events as signed tokens, pushed or polled: of SCIM, and of sessions that are to end.',
  },
  { name: 'Provisioning log', description: 'What clients have sent to a tenant, and what came of it.' },
  {
    name: 'Leaver brake',
    description: 'Which events are held when too many people leave at a time, and the approval that releases them.',
  },
  { name: 'Export and import', description: "A tenant's directory on its way from one gateway to another." },
  { name: 'Backup', description: 'All that the embedded database of a gateway holds.' },
  { name: 'Configuration', description: 'What is in force on an instance, and what its database was found to be.' },
  { name: 'Console sessions', description: 'Who is signed in to the console, and an end to that.' },
  { name: 'Audit log', description: 'Who changed what of the above, when and from where.' },
]

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
    tags: TAGS,
  })
  // POSTs take it, wherever they are defined.
  for (const [path, { post }] of Object.entries(document.paths ?? {})) {
    if (post && takesIdempotencyKey(path)) post.parameters = [...(post.parameters ?? []), idempotencyKeyParameter]
  }
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    const { get, put, post, patch, delete: remove } = item
    if (get && hasTag(path)) {
      get.parameters = [...(get.parameters ?? []), ifNoneMatchParameter]
      get.responses = { ...get.responses, 304: { description: 'The same as you have' } }
      Object.assign(get.responses[200] ?? {}, { headers: { ETag: entityTagHeader } })
    }
    if (!takesIfMatch(path)) continue
    for (const write of [put, post, patch, remove])
      if (write) write.parameters = [...(write.parameters ?? []), ifMatchParameter]
  }
  documents.set(app, document)
  return document
}
