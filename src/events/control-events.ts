import type { JsonObject, JsonValue } from '../scim/resource.ts'
import { type ChangeEvent, differences } from './changes.ts'

/** Something that was done to the control plane; nothing in it is secret. */
interface Done {
  /** `tenant.created`, `api_key.rotated`, … */
  readonly action: string
  readonly target: { readonly id: string; readonly name: string }
  readonly before: Readonly<Record<string, unknown>> | null
  readonly after: Readonly<Record<string, unknown>> | null
}

/**
 * What the log of a tenant tells of a deed in that tenant: `tenant.created`, `tenant.updated`, `tenant.paused` and
 * `tenant.resumed`, and `api_key.…` with what the audit trail calls it. Nothing of other deeds; with the tenant its log goes.
 */
export function controlEvents({ action, target, ...deed }: Done): ChangeEvent[] {
  const [before, after] = [asJson(deed.before), asJson(deed.after)]
  const changed = differences('', before, after)
  if (action.startsWith('api_key.')) {
    const what = deed.before === null ? { after } : { changed: changed as unknown as JsonValue[] }
    return [{ type: action, changes: { key: { ...target }, ...what } }]
  }
  if (action === 'tenant.created') return [{ type: action, changes: { after } }]
  if (action !== 'tenant.changed') return []
  const [switched, rest] = [changed.filter(isPaused), changed.filter((change) => !isPaused(change))]
  return [
    { type: 'tenant.updated', changed: rest },
    { type: after.paused === true ? 'tenant.paused' : 'tenant.resumed', changed: switched },
  ].flatMap(({ type, changed }) =>
    changed.length === 0 ? [] : [{ type, changes: { changed: changed as unknown as JsonValue[] } }],
  )
}

const isPaused = ({ path }: { readonly path: string }): boolean => path === 'paused'

/** Moments become text. */
const asJson = (value: object | null): JsonObject => JSON.parse(JSON.stringify(value ?? {}))
