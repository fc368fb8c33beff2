import { bindFilter } from '../filter/bind.ts'
import { parseFilter } from '../filter/parse.ts'
import { parseJson } from '../json.ts'
import { applyPatch } from '../patch/apply.ts'
import { splitMembership } from '../patch/members.ts'
import { parsePatch } from '../patch/parse.ts'
import { isObject, type JsonValue, memberIgnoringCase, type Resource } from '../resource.ts'
import type { ResourceType } from '../schema/resource-type.ts'
import { validateResource } from '../schema/validate.ts'
import type { DeviationName, Deviations } from './index.ts'

/** A message about resources of one type, as a client has sent it. */
export interface Message {
  readonly method: string
  readonly type: ResourceType
  /** Whether it names a resource; else it is about all of them. */
  readonly ofOne: boolean
  readonly body: string | undefined
  readonly filter: string | undefined
}

/** Beyond this a message is not read again so many times. */
const MOST_LENGTH = 65_536

/**
 * The deviations without which a message would be read in another way, or refused. Each is taken away in turn, and the message read
 * anew; so there is no second list of what clients do. What depends on the stored resource is read as if nothing was stored.
 */
export function deviationsMet(message: Message, deviations: Deviations): DeviationName[] {
  if ((message.body?.length ?? 0) > MOST_LENGTH) return []
  const all = readAs(message, deviations)
  return [...deviations].filter((name) => readAs(message, without(deviations, name)) !== all)
}

const without = (deviations: Deviations, name: DeviationName): Deviations =>
  new Set([...deviations].filter((other) => other !== name))

/** What becomes of a message, as a text to compare. */
function readAs({ method, type, ofOne, body, filter }: Message, deviations: Deviations): string {
  const parts: unknown[] = []
  const attempt = (read: () => unknown) => {
    try {
      parts.push(read())
    } catch (error) {
      parts.push(error instanceof Error ? error.message : error)
    }
  }
  if (filter !== undefined) attempt(() => bindFilter(parseFilter(filter, deviations), type))
  if (body !== undefined) attempt(() => readBody(parseJson(body), { method, type, ofOne }, deviations))
  // Attributes are large, and their names tell them apart.
  return JSON.stringify(parts, (name, value: unknown) => (name === 'attribute' && isNamed(value) ? value.name : value))
}

const isNamed = (value: unknown): value is { readonly name: string } =>
  typeof value === 'object' && value !== null && 'name' in value && 'mutability' in value

function readBody(
  body: JsonValue,
  { method, type, ofOne }: Pick<Message, 'method' | 'type' | 'ofOne'>,
  deviations: Deviations,
): unknown {
  if (method === 'PATCH') {
    const { operations, membership } = splitMembership(type, parsePatch(body, deviations), deviations)
    return [applyPatch(type, stored(type), operations, deviations), membership]
  }
  if (method === 'PUT') return validateResource(type, body, { kind: 'replace', stored: stored(type) }, deviations)
  if (!ofOne && isSearch(body)) {
    const filter = memberIgnoringCase(body, 'filter')
    return typeof filter === 'string' ? bindFilter(parseFilter(filter, deviations), type) : undefined
  }
  return validateResource(type, body, { kind: 'create' }, deviations)
}

const isSearch = (body: JsonValue): body is Record<string, JsonValue> =>
  isObject(body) && Array.isArray(body.schemas) && body.schemas.some((urn) => /SearchRequest$/i.test(String(urn)))

/** A resource with what its type requires, and nothing else. */
function stored(type: ResourceType): Resource {
  const required = type.schema.attributes.filter(({ required, name }) => required && name !== 'id')
  return {
    schemas: [type.schema.id],
    id: '00000000-0000-0000-0000-000000000000',
    ...Object.fromEntries(required.map(({ name, type: kind }) => [name, kind === 'boolean' ? false : 'x'])),
  }
}
