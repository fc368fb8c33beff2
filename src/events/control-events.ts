import { isDeepStrictEqual } from 'node:util'
import { isObject, type JsonObject, type JsonValue, member } from '../scim/resource.ts'
import { type ChangeEvent, differences } from './changes.ts'
import type { ApiKeyVerb, EventType } from './types.ts'

/** A record of the audit trail; nothing in it is secret. */
interface Done {
  /** `tenant.created`, `api_key.rotated`, … */
  readonly action: string
  readonly target: { readonly id: string; readonly name: string }
  readonly before: Readonly<Record<string, unknown>> | null
  readonly after: Readonly<Record<string, unknown>> | null
}

/**
 * The events that a tenant's log has of a record about that tenant. They are `tenant.created`, `tenant.updated`,
 * `tenant.paused`, `tenant.resumed`, `mapping.changed` where the tenant's own mapping is another one, and `api_key.…` with the verb
 * of the record. Other records have no events; a deleted tenant has no log any more.
 */
export function controlEvents({ action, target, ...record }: Done): ChangeEvent[] {
  const [before, after] = [asJson(record.before), asJson(record.after)]
  const changed = differences('', before, after)
  if (isOfApiKey(action)) {
    const what = record.before === null ? { after } : { changed: changed as unknown as JsonValue[] }
    return [{ type: action, changes: { key: { ...target }, ...what } }]
  }
  if (action === 'tenant.created') return [{ type: action, changes: { after } }]
  if (action !== 'tenant.changed' && action !== 'tenant.moved') return []
  const [switched, rest] = [changed.filter(isPaused), changed.filter((change) => !isPaused(change))]
  const told = [
    { type: 'tenant.updated', changed: rest } as const,
    { type: after.paused === true ? 'tenant.paused' : 'tenant.resumed', changed: switched } as const,
  ].flatMap(({ type, changed }): ChangeEvent[] =>
    changed.length === 0 ? [] : [{ type, changes: { changed: changed as unknown as JsonValue[] } }],
  )
  return isDeepStrictEqual(mappingIn(before), mappingIn(after)) ? told : [...told, MAPPING_CHANGED]
}

/** What a tenant's log has where mapped values of all of its users may be others. */
export const MAPPING_CHANGED: ChangeEvent = { type: 'mapping.changed', changes: {} }

/** The tenant's own mapping. An empty one differs from none: it hides that of the environment. */
const mappingIn = ({ settings }: JsonObject): JsonValue | undefined =>
  isObject(settings) ? member(settings, 'mapping') : undefined

/** Records of API keys are made with the verbs of their events (`apiKeyRecord`). */
const isOfApiKey = (action: string): action is Extract<EventType, `api_key.${ApiKeyVerb}`> =>
  action.startsWith('api_key.')

const isPaused = ({ path }: { readonly path: string }): boolean => path === 'paused'

/** The same with timestamps as text. */
const asJson = (value: object | null): JsonObject => JSON.parse(JSON.stringify(value ?? {}))
