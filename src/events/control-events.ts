import type { JsonObject, JsonValue } from '../scim/resource.ts'
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
 * `tenant.paused`, `tenant.resumed`, and `api_key.…` with the verb of the record. Other records have no events; a deleted
 * tenant has no log any more.
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
  return [
    { type: 'tenant.updated', changed: rest } as const,
    { type: after.paused === true ? 'tenant.paused' : 'tenant.resumed', changed: switched } as const,
  ].flatMap(({ type, changed }) =>
    changed.length === 0 ? [] : [{ type, changes: { changed: changed as unknown as JsonValue[] } }],
  )
}

/** Records of API keys are made with the verbs of their events (`apiKeyRecord`). */
const isOfApiKey = (action: string): action is Extract<EventType, `api_key.${ApiKeyVerb}`> =>
  action.startsWith('api_key.')

const isPaused = ({ path }: { readonly path: string }): boolean => path === 'paused'

/** The same with timestamps as text. */
const asJson = (value: object | null): JsonObject => JSON.parse(JSON.stringify(value ?? {}))
