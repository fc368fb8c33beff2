import type { Context } from 'hono'
import type { Administration } from '../../administration/change.ts'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import { addressOf } from '../address.ts'
import type { AdminDependencies } from './env.ts'

/**
 * What the operator's verbs work on, for one request of the key `actor`: the trail names it, and where the request came from.
 *
 * @param actorName what a person is called who signed in with an issuer
 */
export function administrationOf(
  c: Pick<Context, 'req' | 'env'> & { readonly var: { readonly requestId?: string } },
  { database, control, config }: Pick<AdminDependencies, 'database' | 'control'> & { readonly config: OriginPolicy },
  actor: string,
  actorName: string | null = null,
): Administration {
  const author = { actor, actorName, address: addressOf(c, config).address ?? null, requestId: c.var.requestId ?? null }
  return { database, changed: () => control.changed(), author }
}
