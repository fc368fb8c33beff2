import type { TenantId } from '../place-ids.ts'
import type { Caller } from './caller.ts'
import type { Database } from './database.ts'
import { type Handle, handle, type Run } from './view.ts'

/** The `Database` inside a transaction: one more cannot begin there, and closing is not its business. */
export function insideTransaction(
  { engine, distributed }: Pick<Database, 'engine' | 'distributed'>,
  caller: Caller,
  run: Run,
  tenantRole: string | undefined,
  tenantId?: TenantId,
): Database {
  const inside = {
    ...{ engine, distributed, caller, inTransaction: true },
    transaction: refuse('a transaction was begun inside a transaction'),
    close: refuse('close() was called inside a transaction'),
    watched: () => {
      throw new Error('watched() was called inside a transaction')
    },
    for: (_: Caller, self: Database) => self,
  }
  const asTenant: Handle['asTenant'] = (other, self) => {
    if (tenantRole === undefined) return self
    const enter = entering(tenantRole, other)
    // The transaction may go on with what is not the tenant's, so each statement takes the role and gives it back. After one
    // that failed there is no way on but back.
    return handle({
      ...{ ...inside, shared: self.shared },
      run: async (...statement) => {
        const [, rows] = await Promise.all([run(...enter), run(...statement), run(...LEAVE)])
        return rows
      },
      asTenant: onlyAs(other),
    })
  }
  return handle({ ...inside, shared: undefined, run, asTenant: tenantId === undefined ? asTenant : onlyAs(tenantId) })
}

const refuse = (what: string) => () => Promise.reject(new Error(what))

/** A handle that works for one tenant works for no other. */
export function onlyAs(tenantId: TenantId): Handle['asTenant'] {
  return (other, self) => {
    if (other !== tenantId) throw new Error('a statement of one tenant was to be run as another')
    return self
  }
}

/** How statements of our own run. */
export const HOW = { prepare: true, shape: 'objects' } as const

/**
 * Lets a transaction see one tenant alone, until its end, in every way that it may end: nothing stays on a connection that others
 * use next.
 */
export const entering = (role: string, tenantId: TenantId): Parameters<Run> => [
  `select set_config('role', $1::text, true), set_config('rollcall.tenant', $2::text, true)`,
  [role, tenantId],
  HOW,
]
const LEAVE: Parameters<Run> = [
  `select set_config('role', 'none', true), set_config('rollcall.tenant', '', true)`,
  [],
  HOW,
]
