import { z } from 'zod'
import type { JsonObject } from '../../scim/resource.ts'
import { changesOf, EVENT_TYPES, type EventType } from '../types.ts'
import { ENTRIES } from './entries.ts'

/** A type of event as documents and programs read it. */
export interface DescribedEvent {
  readonly type: string
  readonly when: string
  /** What `changes` hold; Markdown. */
  readonly changes: string
  /** JSON Schema (draft 2020-12) of the whole event. New members may come with any release. */
  readonly schema: JsonObject
  /** A whole event. */
  readonly example: JsonObject
}

const resource = (type: z.ZodType) => z.strictObject({ type, id: z.uuid(), version: z.number().int().min(1) })
const envelope = (type: z.ZodType, about: z.ZodType, changes: z.ZodType) =>
  z.strictObject({
    id: z.uuid(),
    position: z.number().int().min(1),
    type,
    tenant: z.uuid(),
    time: z.iso.datetime(),
    resource: resource(about),
    requestId: z.string(),
    actor: z.string(),
    account: z.string().optional(),
    origin: z.literal('repair').optional(),
    erased: z.literal(true).optional(),
    changes,
    mapped: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]))
      .optional(),
    snapshot: z
      .strictObject({ version: z.number().int(), active: z.boolean().optional(), attributes: z.looseObject({}) })
      .nullable()
      .optional(),
  })

const attributes = z.looseObject({})
const changed = z
  .array(z.strictObject({ path: z.string(), before: z.unknown().optional(), after: z.unknown().optional() }))
  .min(1)

/** What events of resource types have that an operator has registered, by their verb. */
const REGISTERED = {
  created: z.strictObject({ after: attributes }),
  updated: z.strictObject({ changed }),
  deleted: z.strictObject({ before: attributes }),
} as const

const isOwn = (type: string): type is EventType => Object.hasOwn(ENTRIES, type)
/** The schemas of a type: of its events, of those that are left of people who were erased, and of both. */
interface Schemas {
  readonly whole: z.ZodType
  readonly erased: z.ZodType
  readonly any: z.ZodType
}
const schemas = new Map<string, Schemas>()

/** What is left of the changes of an event about a person who was erased. */
const NOTHING = z.strictObject({})

/** The schemas of a type, to the letter; undefined for a type that there cannot be. */
function schemasOf(type: string): Schemas | undefined {
  const known = schemas.get(type)
  if (known !== undefined) return known
  const verb = type.slice(type.indexOf('.') + 1)
  if (!isOwn(type) && !Object.hasOwn(REGISTERED, verb)) return undefined
  const about = isOwn(type) ? z.literal(ENTRIES[type].about) : z.string()
  const changes = isOwn(type) ? ENTRIES[type].changes : REGISTERED[verb as keyof typeof REGISTERED]
  const of = (what: z.ZodType) => envelope(z.literal(type), about, what)
  const made = {
    whole: of(changes).omit({ erased: true }),
    erased: of(NOTHING).required({ erased: true }),
    any: of(z.union([changes, NOTHING])),
  }
  schemas.set(type, made)
  return made
}

/** What is wrong with an event, a line for each fault; none where it is as the catalogue says. */
export function faultsOf(event: { readonly type: string; readonly erased?: unknown }): string[] {
  const schema = schemasOf(event.type)
  if (schema === undefined) return [`${event.type}: there is no such type`]
  const { error } = (event.erased === undefined ? schema.whole : schema.erased).safeParse(event)
  return (error?.issues ?? []).map(({ path, message }) => `${event.type}: ${path.join('.')}: ${message}`)
}

const published = (schema: z.ZodType): JsonObject =>
  z.toJSONSchema(schema, {
    // What a later release adds is no fault for those who validate by the schema of this one.
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties !== false) return
      delete jsonSchema.additionalProperties
      if (Object.keys(jsonSchema.properties ?? {}).length === 0) jsonSchema.maxProperties = 0
    },
  }) as JsonObject

const EXAMPLE = {
  head: { id: 'a382ae4d-fcec-498b-af0b-8a0adde05585', position: 4711 },
  tail: { tenant: '01a22283-c767-71f2-b005-8fd9a64a2f4e', time: '2026-11-28T14:16:31.538Z' },
  asked: { requestId: '2646ad8d-9c25-4953-a1ea-d753f7ef6899', actor: 'IgMaIfcgr9ms' },
}

/** An event of a type, as it might come. */
export function exampleOf(type: EventType): JsonObject {
  const { about, example } = ENTRIES[type]
  const id = about === 'Tenant' ? EXAMPLE.tail.tenant : '01a22283-c806-7382-bdbd-12f707b6845b'
  const { head, tail, asked } = EXAMPLE
  const event = { ...head, type, ...tail, resource: { type: about, id, version: 2 }, ...asked, changes: example }
  return JSON.parse(JSON.stringify(event)) as JsonObject
}

/** Every type of event, in the order of documents. */
export const describedEvents = (): readonly DescribedEvent[] =>
  EVENT_TYPES.map((type) => ({
    ...{ type, when: ENTRIES[type].when, changes: changesOf(type), example: exampleOf(type) },
    schema: published((schemasOf(type) as Schemas).any),
  }))
