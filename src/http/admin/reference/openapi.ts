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
  { name: 'Mapping', description: 'What the application reads of users as mapped, made from attributes and groups.' },
  { name: 'Directory', description: 'What the application itself reads of a tenant.' },
  {
    name: 'Accounts',
    description: 'Accounts that the application has: posted, linked to users of the directory, and compared with it.',
  },
  {
    name: 'History',
    description: 'Who was there, active, in which groups and with which roles at a time, and by which requests.',
  },
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
  {
    name: 'Erasure',
    description: 'People are erased for good, and what was erased where.',
  },
  { name: 'Export and import', description: "A tenant's directory on its way from one gateway to another." },
  { name: 'Backup', description: 'All that the embedded database of a gateway holds.' },
  { name: 'Configuration', description: 'What is in force on an instance, and what its database was found to be.' },
  { name: 'Console sessions', description: 'Who is signed in to the console, and an end to that.' },
  { name: 'Audit log', description: 'Who changed what of the above, when and from where.' },
]

/** What holds for every request, which no schema can say. */
const RULES = [
  'Every refusal is a problem (RFC 9457) that says what was wrong and where.',
  '`400`: texts may hold every character but U+0000 and halves of surrogate pairs, also in members that nobody reads. Integers ' +
    'are at most 9007199254740991. Query parameters that are not known are ignored; members of a body that are not known are ' +
    'refused, unless the schema lets them be.',
  '`401`, `429`: a key that is none of ours is refused; after many of them from one address, so is every other one that is none.',
  '`404`: ids and keys of places, keys, webhooks and streams are looked up, whatever form they have.',
  '`409`, `410`, `412`, `422`: what is there already, in use, gone, or changed since; the description of the operation says which.',
  '`413`, `415`: bodies are JSON (`application/json`) of at most 64 KiB; those of PUT and of polls 1 MiB.',
  '`431`: URL and headers are at most 16 KiB in all. What is no request of HTTP, or too large or too slow to be one, is refused ' +
    'before there is an API, with the error of SCIM (RFC 7644 §3.12).',
].join('\n\n')
const documents = new WeakMap<AdminApp, ApiDocument>()

/** Describes the admin API from the definitions of its routes; made once, when it is first asked for. */
export function describe(app: AdminApp): ApiDocument {
  const known = documents.get(app)
  if (known !== undefined) return known
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Rollcall admin API', version: '1', description: RULES },
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
