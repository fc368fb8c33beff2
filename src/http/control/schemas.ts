import { z } from '@hono/zod-openapi'
import { PERMISSIONS } from '../../auth/principal.ts'
import { KEY_PATTERN } from '../../tenancy/scim-path.ts'
import {
  environmentSettings,
  environmentSettingsChange,
  tenantSettings,
  tenantSettingsChange,
} from '../../tenancy/settings.ts'
import { EXAMPLE } from './examples.ts'

/** Shapes that several routes of the admin API share. */

// A name has no control characters and no lone surrogates, and the store accepts neither.
/** Of a UUID with a version, as all ids are. */
export const UUID_PATTERN = '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}'
const TEXT = /^[^\p{Cc}\p{Cs}]*$/u

/** Text to look for. */
export const plainText = z
  .string()
  .min(1)
  .max(1_000)
  .refine((text) => TEXT.test(text), 'must not have control characters')
  .openapi({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]+$' })
/** The ids of two resources, as the `next` of some lists has them. */
export const PAIR_PATTERN = `^${UUID_PATTERN}\\.${UUID_PATTERN}$`
export const nameText = plainText.max(200)
export const keyText = z.string().openapi({
  pattern: KEY_PATTERN,
  description:
    'Unique in its parent without regard to case; a tenant gets another one only by a move. Neither a UUID, nor the name of ' +
    'a SCIM endpoint such as `Users`.',
})
export const permission = z.enum(PERMISSIONS)
export const moment = z.iso.datetime({ offset: true })

export const warnings = z.array(z.string()).openapi({ description: 'What an operator should know about this key.' })

/** Query of a list whose items have ids of the form `id`: the page after the item `after`. */
export const pageQuery = (id: z.ZodType<string, string>) =>
  z.object({ after: id.optional(), limit: z.coerce.number().int().min(1).max(200).default(50) })

/** Where a list goes on. */
export const next = z
  .string()
  .nullable()
  .openapi({ description: 'The `after` of the request for the next page; null on the last page.' })

/** A page of a list, under `name` in the OpenAPI document. */
export const listOf = <T extends z.ZodType>(item: T, name: string) =>
  z.object({ items: z.array(item), next }).openapi(name)

/** Cuts `rows` to a page; the caller has asked the store for one row more than `limit`. */
export function listAnswer<Row extends { readonly id: string }, Item>(
  rows: readonly Row[],
  limit: number,
  toItem: (row: Row) => Item,
): { items: Item[]; next: string | null } {
  const page = rows.slice(0, limit)
  return { items: page.map(toItem), next: rows.length > limit ? (page.at(-1)?.id ?? null) : null }
}

export const projectParams = z.object({ project: z.string().openapi({ description: 'Key or id of the project.' }) })
export const environmentParams = projectParams.extend({
  environment: z.string().openapi({ description: 'Key or id of the environment.' }),
})
export const tenantParams = environmentParams.extend({
  tenant: z.string().openapi({ description: 'Key or id of the tenant.' }),
})

export const apiKeyParam = z.string().openapi({ description: 'Id of the API key.' })

/** A place as keys and the audit log name it. */
export const scopeShape = z.object({
  kind: z.enum(['instance', 'project', 'environment', 'tenant']),
  projectId: z.uuid().optional(),
  environmentId: z.uuid().optional(),
  tenantId: z.uuid().optional(),
})

// Made anew: only what is made after this package was loaded has `.openapi`, and tenancy/settings may be loaded before.
export const environmentSettingsShape = z.strictObject(environmentSettings.shape).openapi('EnvironmentSettings')
export const tenantSettingsShape = z.strictObject(tenantSettings.shape).openapi('TenantSettings')
export const environmentSettingsChangeShape = z
  .strictObject(environmentSettingsChange.shape)
  .openapi('EnvironmentSettingsChange')
export const tenantSettingsChangeShape = z.strictObject(tenantSettingsChange.shape).openapi('TenantSettingsChange')

const problem = z
  .object({
    status: z.number().int(),
    title: z.string(),
    detail: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    changed: z
      .array(z.object({ path: z.string(), now: z.unknown() }))
      .optional()
      .openapi({ description: 'Of 412: what differs from what you have read, and what it is now.' }),
    requestId: z.string().optional(),
  })
  .openapi('Problem', {
    example: {
      status: 404,
      title: 'Not Found',
      detail: 'There is no tenant "acme" here.',
      requestId: EXAMPLE.requestId,
    },
  })

/** The refusals that every route may give, for the OpenAPI document. */
export const problems = {
  '4XX': { description: 'Refused', content: { 'application/problem+json': { schema: problem } } },
} as const

/** A JSON body that must be there. */
export const jsonBody = <T extends z.ZodType>(schema: T, example: z.input<T>) => ({
  required: true as const,
  content: { 'application/json': { schema, example } },
})

/** A JSON answer. */
export const jsonAnswer = <T extends z.ZodType>(schema: T, description: string, example: z.input<T>) => ({
  description,
  content: { 'application/json': { schema, example } },
})

/** An answer of JSON documents, one in a line. */
export const linesAnswer = (description: string, example: readonly object[]) => ({
  description,
  content: {
    'application/x-ndjson': {
      schema: z.string(),
      example: example.map((line) => `${JSON.stringify(line)}\n`).join(''),
    },
  },
})

export const noContent = { description: 'Done' }
