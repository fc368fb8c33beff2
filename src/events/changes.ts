import type { JsonObject, JsonValue, Resource } from '../scim/resource.ts'
import { isObject, member } from '../scim/resource.ts'
import { sameValue } from '../scim/schema/values.ts'

/** One changed attribute: its path in the standard notation of RFC 7644 §3.10, and the values where it is no secret. */
export interface Change {
  readonly path: string
  readonly before?: JsonValue
  readonly after?: JsonValue
}

/** An event that a change of a resource's attributes leads to; `type` as in the log, such as `user.updated`. */
export interface ChangeEvent {
  readonly type: string
  readonly changes: JsonObject
}

/**
 * The events of turning `before` into `after`: `…activated` or `…deactivated` when a user's `active` flips, and `…updated`
 * with every other attribute that differs. `passwordSet` is named without a value. None when nothing differs.
 */
export function changeEvents(
  resourceType: string,
  before: Resource,
  after: Resource,
  passwordSet: boolean,
): ChangeEvent[] {
  const noun = eventNoun(resourceType)
  const isUser = resourceType === 'User'
  const flips = isUser && (before.active ?? null) !== (after.active ?? null)
  const changes: Change[] = differences('', before, after).filter((c) => !(flips && c.path === 'active'))
  if (passwordSet) changes.push({ path: 'password' })
  const events: ChangeEvent[] = []
  if (changes.length > 0) events.push({ type: `${noun}.updated`, changes: asJson(changes) })
  if (flips) {
    const change = { path: 'active', before: before.active ?? null, after: after.active ?? null }
    // Only false blocks a user (RFC 7643 §4.1.1): an unassigned `active` is as good as true.
    const blocks = after.active === false
    if (blocks || before.active === false) {
      events.push({ type: blocks ? `${noun}.deactivated` : `${noun}.activated`, changes: asJson([change]) })
    } else events.push({ type: `${noun}.updated`, changes: asJson([change]) })
  }
  return events
}

/** `User` → `user`, as event types begin. */
export const eventNoun = (resourceType: string): string => resourceType.charAt(0).toLowerCase() + resourceType.slice(1)

const asJson = (changes: readonly Change[]): JsonObject => ({ changed: changes as unknown as JsonValue[] })

/** Singular complex attributes and extensions are compared part by part, multi-valued ones as a whole. */
function differences(prefix: string, before: JsonObject, after: JsonObject): Change[] {
  const changes: Change[] = []
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (prefix === '' && computed.has(name)) continue
    const [old, now] = [member(before, name), member(after, name)]
    if (sameValue(old, now)) continue
    if (isObject(old) || isObject(now)) {
      const separator = name.startsWith('urn:') ? ':' : '.'
      changes.push(...differences(`${prefix}${name}${separator}`, asObject(old), asObject(now)))
    } else {
      changes.push({
        path: `${prefix}${name}`,
        ...(old === undefined ? {} : { before: old }),
        ...(now === undefined ? {} : { after: now }),
      })
    }
  }
  return changes
}

const computed = new Set(['id', 'meta', 'schemas', 'groups', 'members', 'password'])
const asObject = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {})
