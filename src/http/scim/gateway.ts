import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { missingPermission } from '../../context/authenticate.ts'
import { baseUrlOf, type OriginPolicy } from '../../context/base-url.ts'
import type { ControlPlane } from '../../context/control-cache.ts'
import type { Permission } from '../../context/principal.ts'
import { type Resolved, resolveForDiscovery, resolveTenant } from '../../context/resolve.ts'
import { locate, type ScimPath } from '../../context/scim-path.ts'
import type { Database } from '../../db/database.ts'
import { forTenant } from '../../repositories/tenant-scope.ts'
import { ScimError } from '../../scim/errors.ts'
import { ChallengeError } from '../errors.ts'
import type { GatewayEnv } from '../middleware.ts'
import { DISCOVERY } from './discovery.ts'
import type { ScimRequest } from './env.ts'
import { answerType } from './respond.ts'
import type { scimRouter } from './router.ts'

/** What the guard needs: the control plane to ask, and how far to believe what requests say of their origin. */
export interface GatewayDeps {
  readonly database: Database
  readonly control: ControlPlane
  readonly origin: OriginPolicy
}

/**
 * The way of every SCIM request: who asks (before anything else of it is looked at), what the address says, which tenant
 * that is for this caller, and then the router with the one tenant context. The three base URLs meet here.
 *
 * @throws {ScimError} 401, 403, 404, 406; whatever the routes refuse
 */
export function scimGateway(deps: GatewayDeps, router: ReturnType<typeof scimRouter>) {
  const { control, database, origin } = deps

  return async (c: Context<GatewayEnv>): Promise<Response> => {
    const header = c.req.header('authorization')
    const authentication = await control.authenticate(header)
    const located = locate(rawPathOf(c))
    const baseUrlFor = (basePath: string) => baseUrlOf(originOf(c), origin, basePath)
    const request = await ('principal' in authentication
      ? guarded(located, baseUrlFor, authentication.principal)
      : anonymous(located, baseUrlFor, header, new ChallengeError(authentication.challenge)))

    const { principal, resolved } = request
    c.set('tenantId', resolved.tenant.id)
    if (principal) c.set('keyId', principal.keyId)
    if (answerType(c.req.header('accept') ?? null) === undefined) {
      throw new ScimError(
        406,
        undefined,
        'Answers are application/scim+json or application/json; Accept names neither.',
      )
    }
    const { tenant, path } = resolved
    const requestId = c.get('requestId')
    const scope = {
      ...{ tenantId: tenant.id, baseUrl: tenant.baseUrl, requestId, actor: principal?.keyId ?? 'anonymous' },
      defersReferences: tenant.settings.deferReferenceChecks && tenant.deviations.has('deferred-references'),
    }
    const scim: ScimRequest = {
      tenant,
      principal,
      path: `/${path.rest.map(encodeURIComponent).join('/')}`,
      query: new URLSearchParams(path.query),
      requestId,
      repositories: forTenant(database, scope),
    }
    if (principal) {
      if (principal.userId !== undefined && path.rest[0] !== 'Me' && !DISCOVERY.includes(path.rest[0] ?? '')) {
        throw ScimError.forbidden('This API key stands for a user and reaches nothing but /Me.')
      }
      const lacking = missingPermission(principal, permissionFor(c.req.method, path))
      if (lacking) throw new ChallengeError(lacking)
    }
    return router.fetch(c.req.raw, { ...c.env, scim })
  }

  async function guarded(
    located: ReturnType<typeof locate>,
    baseUrlFor: (basePath: string) => string,
    principal: NonNullable<ScimRequest['principal']>,
  ): Promise<{ principal: ScimRequest['principal']; resolved: Resolved }> {
    if ('refused' in located) throw new ScimError(located.refused, located.scimType, located.detail)
    return { principal, resolved: await resolveTenant(located, principal, control, baseUrlFor) }
  }

  /** Without a key only discovery is answered, and only where the tenant says so; a bad key is never overlooked. */
  async function anonymous(
    located: ReturnType<typeof locate>,
    baseUrlFor: (basePath: string) => string,
    header: string | undefined,
    challenge: ChallengeError,
  ): Promise<{ principal: undefined; resolved: Resolved }> {
    if (header !== undefined || 'refused' in located) throw challenge
    const resolved = await resolveForDiscovery(located, control, baseUrlFor)
    if (!resolved || !DISCOVERY.includes(resolved.path.rest[0] ?? '')) throw challenge
    return { principal: undefined, resolved }
  }
}

/** Searching by POST reads; so does a method that no route offers, which is refused later for what it is. */
function permissionFor(method: string, path: ScimPath): Permission {
  const writes = ['POST', 'PUT', 'PATCH', 'DELETE'].includes(method)
  return writes && path.rest.at(-1) !== '.search' ? 'scim:write' : 'scim:read'
}

/** Path and query as they came over the wire: URL parsers fold dot segments away before anybody could refuse them. */
function rawPathOf(c: Context<GatewayEnv>): string {
  const incoming = (c.env as Partial<HttpBindings> | undefined)?.incoming
  if (incoming?.url !== undefined) return incoming.url
  const { url } = c.req.raw
  return url.slice(url.indexOf('/', url.indexOf('://') + 3))
}

function originOf(c: Context<GatewayEnv>) {
  const encrypted = (c.env as Partial<HttpBindings> | undefined)?.incoming?.socket as
    | { encrypted?: boolean }
    | undefined
  return {
    scheme: encrypted?.encrypted ? ('https' as const) : ('http' as const),
    host: c.req.header('host') ?? new URL(c.req.raw.url).host,
    forwardedHost: c.req.header('x-forwarded-host'),
    forwardedProto: c.req.header('x-forwarded-proto'),
  }
}
