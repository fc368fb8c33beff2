import { type Change, consumeOutbox } from 'rollcall/mirror'

/** A relationship of OpenFGA. */
interface Tuple {
  readonly user: string
  readonly relation: string
  readonly object: string
}

/** Where the store is, and the model that tuples are written for. */
export interface OpenFga {
  /** Such as `http://localhost:8080`. */
  readonly apiUrl: string
  readonly storeId: string
  readonly modelId?: string | undefined
  readonly token?: string | undefined
}

/** OpenFGA takes so many tuples in one request. */
const TUPLES_AT_ONCE = 100

/**
 * Keeps the tuples of OpenFGA as the directory has members of groups and of roles, in a model with `type user`, `type group` and
 * `type role`, the latter two with `define member: [user]`. Ids lead with the tenant's, so that two customers never meet in one store.
 *
 * A deactivated user keeps the tuples: whether somebody is let in is for the sign-in check.
 */
export const keepTuples = (database: string, fga: OpenFga, signal: AbortSignal): Promise<void> =>
  consumeOutbox({ database, handle: (changes) => writeTuples(fga, changes) }, signal)

/** Writes what some changes come to. Changes may come again: what is there already, and what is gone already, is no error. */
export async function writeTuples(
  { apiUrl, storeId, modelId, token }: OpenFga,
  changes: readonly Change[],
): Promise<void> {
  const tuples = Object.entries(lastOf(changes))
  for (let from = 0; from < tuples.length; from += TUPLES_AT_ONCE) {
    const some = tuples.slice(from, from + TUPLES_AT_ONCE)
    const keys = (wanted: boolean) =>
      some.flatMap(([text, isIn]) => (isIn === wanted ? [JSON.parse(text) as Tuple] : []))
    const [writes, deletes] = [keys(true), keys(false)]
    const response = await fetch(`${apiUrl}/stores/${storeId}/write`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(token !== undefined && { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify({
        ...(modelId !== undefined && { authorization_model_id: modelId }),
        ...(writes.length > 0 && { writes: { tuple_keys: writes, on_duplicate: 'ignore' } }),
        ...(deletes.length > 0 && { deletes: { tuple_keys: deletes, on_missing: 'ignore' } }),
      }),
    })
    if (!response.ok) throw new Error(`OpenFGA answered ${response.status}: ${await response.text()}`)
  }
}

/** Whether each tuple is to be there in the end; OpenFGA takes each once in a request. */
function lastOf(changes: readonly Change[]): Record<string, boolean> {
  const last: Record<string, boolean> = {}
  for (const change of changes) {
    const named = (type: string, id: string) => `${type}:${change.tenant}/${id}`
    const put = (user: string, object: string, isIn: boolean) => {
      last[JSON.stringify({ user: named('user', user), relation: 'member', object })] = isIn
    }
    if (change.kind === 'membership.added' || change.kind === 'membership.removed')
      put(change.user, named('group', change.group), change.kind === 'membership.added')
    if (change.kind === 'role.added' || change.kind === 'role.removed')
      put(change.user, named('role', change.role), change.kind === 'role.added')
  }
  return last
}
