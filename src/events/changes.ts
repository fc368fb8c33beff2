import type { JsonObject, JsonValue, Resource } from '../scim/resource.ts'
import { isObject, member } from '../scim/resource.ts'
import { agentType } from '../scim/schema/agents.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import { secretPaths, withoutSecrets } from '../scim/schema/secrets.ts'
import { sameValue } from '../scim/schema/values.ts'
import { eventNoun, type LoggedEventType } from './types.ts'

/** One changed attribute: its path in the standard notation of RFC 7644 §3.10, and the values where it is no secret. */
export interface Change {
  readonly path: string
  readonly before?: JsonValue
  readonly after?: JsonValue
}

/** An event that a change leads to. */
export interface ChangeEvent {
  readonly type: LoggedEventType
  readonly changes: JsonObject
}

/**
 * The events of turning `before` into `after`; none when nothing differs. When `active` of a user or an agent flips, the event is
 * `user.activated`, `user.deactivated`, `agent.activated` or `agent.deactivated`. Every other attribute that differs is in `….updated`. An attribute that is never
 * returned is named without a value. So is the password, of which only `passwordSet` tells.
 */
export function changeEvents(
  type: ResourceType,
  before: Resource,
  after: Resource,
  passwordSet: boolean,
): ChangeEvent[] {
  const updated: LoggedEventType = `${eventNoun(type.name)}.updated`
  const flips = tellsActivity(type) && (before.active ?? null) !== (after.active ?? null)
  const changes: Change[] = shownDifferences(type, before, after).filter((c) => !(flips && c.path === 'active'))
  if (passwordSet) changes.push({ path: 'password' })
  const events: ChangeEvent[] = []
  if (changes.length > 0) events.push({ type: updated, changes: asJson(changes) })
  if (flips) {
    const change = { path: 'active', before: before.active ?? null, after: after.active ?? null }
    // Only false blocks (RFC 7643 §4.1.1): an unassigned `active` is as good as true.
    const blocks = after.active === false
    if (blocks || before.active === false) {
      const noun = type.name === 'User' ? 'user' : 'agent'
      events.push({ type: `${noun}.${blocks ? 'deactivated' : 'activated'}`, changes: asJson([change]) })
    } else events.push({ type: updated, changes: asJson([change]) })
  }
  return events
}

/** Whether an event of its own says of a resource of this type that `active` flips. A registered type of the same name is another. */
const tellsActivity = ({ name, schema }: ResourceType): boolean => name === 'User' || schema === agentType.schema

const asJson = (changes: readonly Change[]): JsonObject => ({ changed: changes as unknown as JsonValue[] })

function shownDifferences(type: ResourceType, before: Resource, after: Resource): Change[] {
  const computed = computedIn.get(type.name) ?? COMPUTED
  const all = differences('', before, after, computed)
  if (secretPaths(type).length === 0) return all
  const shown = differences('', withoutSecrets(type, before), withoutSecrets(type, after), computed)
  const byPath = new Map(shown.map((change) => [change.path, change]))
  return all.map(({ path }) => byPath.get(path) ?? { path })
}

/** The attributes that differ. Singular complex attributes and extensions are compared part by part, multi-valued ones as a whole. */
export function differences(
  prefix: string,
  before: JsonObject,
  after: JsonObject,
  computed: ReadonlySet<string> = NOTHING,
): Change[] {
  const changes: Change[] = []
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (computed.has(name)) continue
    const [old, now] = [member(before, name), member(after, name)]
    if (sameValue(old, now)) continue
    if (isObject(old) || isObject(now)) {
      const separator = name.toLowerCase().startsWith('urn:') ? ':' : '.'
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

const COMPUTED: ReadonlySet<string> = new Set(['id', 'meta', 'schemas'])
const NOTHING: ReadonlySet<string> = new Set()
// A registered type may have attributes with these names; there they are like any other.
const computedIn: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['User', new Set([...COMPUTED, 'groups', 'password'])],
  ['Group', new Set([...COMPUTED, 'members'])],
])
const asObject = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {})
