import type { Context, Hono } from 'hono'
import type { SetupLinkRow } from '../../repositories/control/keys/setup-links.ts'
import type { SetupPortal } from '../../tenancy/settings.ts'
import type { ConsoleEnv } from '../console/env.ts'
import type { AdminDependencies } from '../control/env.ts'
import type { TenantPlace } from '../control/places.ts'

/** What requests to the portal carry: what those to the console do, for the tenant of one link. */
export interface PortalEnv {
  Bindings: ConsoleEnv['Bindings']
  Variables: ConsoleEnv['Variables'] & {
    /** There on every page of a link. */
    readonly link?: SetupLinkRow
    readonly place?: TenantPlace
    readonly portal?: SetupPortal
    /** Undefined until the visitor has begun a session. */
    readonly visit?: string | undefined
    /** True for the answer whose address has the secret of a link. */
    readonly hidesAddress?: boolean
  }
}

export type PortalContext = Context<PortalEnv>

export type PortalApp = Hono<PortalEnv>

/** What the portal is made from. */
export interface PortalDependencies extends AdminDependencies {
  /** Told of what failed on our side, with the id of the request. */
  readonly failed: (error: unknown, requestId: string | undefined) => void
}

/** The link of a page, which the middleware has found. */
export function linkOf(c: PortalContext): { readonly link: SetupLinkRow; readonly place: TenantPlace } {
  const { link, place } = c.var
  if (link === undefined || place === undefined) throw new Error('a page of the portal without a link')
  return { link, place }
}
