import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { requestLogOf } from '../../repositories/log/request-log.ts'
import { LAST_ID } from '../../repositories/sql/ids.ts'
import type { Bodies, Entry } from '../../request-log/compose.ts'
import { lowestIdAt, momentOf } from '../../request-log/ids.ts'
import { maskedBody } from '../../request-log/masking.ts'
import type { Operation } from '../../request-log/operation.ts'
import type { JsonValue } from '../../scim/resource.ts'
import type { ResourceType, SchemaRegistry } from '../../scim/schema/resource-type.ts'
import { unknownAttributes } from '../../scim/schema/unknown.ts'

// Attributes that identity providers send and no schema has are found in the provisioning log when somebody asks. So nothing is
// written for them, no value is kept twice, and what is erased from the log is gone from here.

/** Requests of each kind that are looked at, and how large a body may be; there are three kinds. */
const REQUESTS_OF_A_KIND = 200
const LARGEST_BODY = 65_536
const MOST_ATTRIBUTES = 100
const EXAMPLES = 3
const LONGEST_EXAMPLE = 200

const KINDS: readonly Operation[] = ['create', 'replace', 'modify']

/** An attribute of users that was sent, and that no schema of the tenant has. */
export interface SeenAttribute {
  readonly path: string
  /** What a schema would say of it, by its values. */
  readonly type: 'string' | 'boolean' | 'integer' | 'decimal' | 'complex'
  readonly multiValued: boolean
  /** How many of the requests that were looked at have it, and when the last one of them came. */
  readonly requests: number
  readonly lastAt: number
  /** JSON texts, in which the values of people are masked. */
  readonly examples: readonly string[]
}

/** What was seen, and in how many requests it was looked for. */
export interface SeenAttributes {
  readonly attributes: readonly SeenAttribute[]
  readonly requests: number
  /** When the oldest of these came; undefined where there is none. */
  readonly since: number | undefined
}

/** Attributes of users in the latest requests of a tenant that no schema has, those that most requests have first. */
export async function seenAttributes(
  database: Database,
  tenantId: TenantId,
  registry: SchemaRegistry,
): Promise<SeenAttributes> {
  const users = registry.byName.get('User')
  const log = requestLogOf(database, tenantId)
  const page = { before: LAST_ID, from: lowestIdAt(0), limit: REQUESTS_OF_A_KIND }
  const found = new Map<string, Seen>()
  let [requests, since] = [0, Number.POSITIVE_INFINITY]
  for (const operation of users === undefined ? [] : KINDS) {
    const { requests: listed } = await log.list({ operation, terms: [] }, page)
    const ids = listed.flatMap(({ id, entry }) => (isAboutUsers(entry, users as ResourceType) ? [id] : []))
    for (const { id, bodies } of ids.length === 0 ? [] : await log.bodies(ids, LARGEST_BODY)) {
      const body = messageIn(bodies)
      if (body === undefined) continue
      requests++
      since = Math.min(since, momentOf(id))
      for (const { path, value } of unknownAttributes(users as ResourceType, body))
        note(found, path, value, momentOf(id))
    }
  }
  const attributes = [...found.values()].sort((a, b) => b.requests - a.requests || (a.path < b.path ? -1 : 1))
  return { attributes, requests, since: requests === 0 ? undefined : since }
}

function isAboutUsers(entry: string, { endpoint }: ResourceType): boolean {
  const { path } = JSON.parse(entry) as Entry
  return path === endpoint || path.startsWith(`${endpoint}/`) || path.startsWith(`${endpoint}?`)
}

/** The message of a request; undefined where not all of it is kept, or where it is none. */
function messageIn(bodies: string): JsonValue | undefined {
  const { request } = JSON.parse(bodies) as Bodies
  if (typeof request?.text !== 'string') return undefined
  try {
    return JSON.parse(request.text) as JsonValue
  } catch {
    return undefined
  }
}

interface Seen extends SeenAttribute {
  requests: number
  lastAt: number
  multiValued: boolean
  readonly examples: string[]
}

function note(found: Map<string, Seen>, path: string, value: JsonValue, at: number): void {
  const known = found.get(path.toLowerCase())
  if (known === undefined && found.size >= MOST_ATTRIBUTES) return
  const [one] = Array.isArray(value) ? value : [value]
  const seen = known ?? { path, type: typeOf(one), multiValued: false, requests: 0, lastAt: 0, examples: [] }
  found.set(path.toLowerCase(), seen)
  seen.requests++
  seen.lastAt = Math.max(seen.lastAt, at)
  seen.multiValued ||= Array.isArray(value)
  const example = maskedBody(JSON.stringify(value)).slice(0, LONGEST_EXAMPLE)
  if (seen.examples.length < EXAMPLES && !seen.examples.includes(example)) seen.examples.push(example)
}

function typeOf(value: JsonValue | undefined): SeenAttribute['type'] {
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'decimal'
  return typeof value === 'object' && value !== null ? 'complex' : 'string'
}
