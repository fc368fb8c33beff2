import type { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { FailedAttempts } from '../../auth/attempts.ts'
import { missingPermission } from '../../auth/authenticate.ts'
import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import type { Permission, Principal } from '../../auth/principal.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import type { Database } from '../../db/database.ts'
import { clientAddress } from '../../network/proxies.ts'
import type { Tracing } from '../../observability/tracing/tracing.ts'
import type { TenantId } from '../../place-ids.ts'
import { scopeOf } from '../../repositories/scope.ts'
import { forTenant } from '../../repositories/tenant-scope.ts'
import type { ProvisioningLog } from '../../request-log/exchange.ts'
import { ScimError } from '../../scim/errors.ts'
import { REASON, SELF_TEST, selfTestToken } from '../../self-test/token.ts'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import { locate, notFound } from '../../tenancy/scim-path.ts'
import { Thread } from '../../thread.ts'
import { addressOf } from '../address.ts'
import { ChallengeError, refusalFor, scimErrorResponse } from '../errors.ts'
import { guessed } from '../guesses.ts'
import { type HeaderReader, headerReader } from '../headers.ts'
import type { InFlight, Passage } from '../in-flight.ts'
import { callerOf, inTime, type RequestLimits } from '../in-time.ts'
import { type GatewayEnv, REQUEST_ID, type Trace } from '../middleware.ts'
import { type Admission, admissions } from './admission.ts'
import { DISCOVERY } from './discovery.ts'
import type { Seen } from './env.ts'
import { tenantLimits } from './limits.ts'
import { isLogout, logoutAdmissions } from './logout-admission.ts'
import { newWay, noteExchange, seenOf, type Way } from './provisioning-log.ts'
import { answerType } from './respond.ts'
import { type ScimRoutes, templateOf } from './routes.ts'
import { tracedRepositories } from './traced-repositories.ts'

/** What the gateway needs to admit requests and to open their tenant. */
export interface GatewayDeps {
  readonly database: Database
  readonly control: ControlPlane
  readonly issuers: ExternalIssuers
  /** Which headers of a request tell its origin. */
  readonly origin: OriginPolicy
  readonly failures: FailedAttempts
  /** Requests under way. */
  readonly requests: InFlight
  readonly limits: RequestLimits
  /** What one query may cost. */
  readonly filterBudget: number
  /** Undefined where nothing is traced. */
  readonly tracing?: Tracing | undefined
  /** Told of each request of an identity provider once it is answered. */
  readonly heard?: ConnectionNotes['heard'] | undefined
  /** Undefined where no provisioning log is kept. */
  readonly log?: ProvisioningLog | undefined
}

/** Takes note of how each tenant's identity provider is heard of. */
export interface ConnectionNotes {
  heard(tenantId: TenantId, isFailure: boolean, status: number, client: string): void
}

/**
 * The way of every SCIM request, in this order: who asks, which address, which tenant, the tenant's limits, permissions, route.
 * Authentication comes first, so a refusal tells nothing about what exists. All three forms of base URL lead to one tenant
 * context here. Every error becomes an answer, and the gateway passes it to `failed`.
 */
export function scimGateway(
  { control, database, issuers, origin, failures, requests, limits, filterBudget, tracing, heard, log }: GatewayDeps,
  routes: ScimRoutes,
  failed: (error: unknown, requestId: string) => void,
) {
  const admit = admissions(control, issuers, origin)
  const admitLogout = logoutAdmissions(control, issuers, origin)
  const limit = tenantLimits()
  const thread = new Thread()

  return async (c: Context<GatewayEnv>, trace: Trace): Promise<Response> => {
    const way = newWay()
    const { method } = c.req
    try {
      const answered = await answer(c, trace, way)
      note(trace, method, answered.status)
      if (log !== undefined) noteExchange(log, trace, way, { method, status: answered.status })
      return answered
    } catch (thrown) {
      const error = guess(thrown, c) ?? thrown
      failed(error, trace.requestId)
      const { refusal, headers } = refusalFor(error, trace.requestId)
      const refused = refusal.refused()
      trace.refused = refused
      const { status } = refusal
      note(trace, method, status)
      if (log !== undefined) noteExchange(log, trace, way, { method, status, refused, thrown: error })
      const answer = scimErrorResponse(refusal, { ...headers, [REQUEST_ID]: trace.requestId })
      // No client learns it but the gateway itself.
      if (c.req.header(SELF_TEST) === selfTestToken) answer.headers.set(REASON, refusal.reason)
      return answer
    }
  }

  function note({ tenantId, client }: Trace, method: string, status: number): void {
    if (heard === undefined || client === undefined) return
    // Identity providers look for what may not be there.
    const isFailure = status >= 400 && !(status === 404 && (method === 'GET' || method === 'HEAD'))
    heard(tenantId as TenantId, isFailure, status, client)
  }

  function guess(error: unknown, c: Context<GatewayEnv>): Error | undefined {
    if (!(error instanceof ChallengeError)) return undefined
    return guessed(failures, error, c.req.header('authorization'), addressOf(c, origin))
  }

  /** @throws {ScimError} 401, 403, 404, 406, 429; what the routes refuse */
  async function answer(c: Context<GatewayEnv>, trace: Trace, way: Way): Promise<Response> {
    const bindings = c.env as Partial<HttpBindings> | undefined
    const { incoming } = bindings ?? {}
    const raw = c.req.raw
    const header = headerReader(raw, incoming)
    const rawPath = rawPathOf(raw, incoming)
    const located = locate(rawPath)
    if ('rest' in located) way.located = located
    way.header = header
    const ask = (): Admission | Promise<Admission> =>
      isLogout(located) ? admitLogout(located, rawPath, header, incoming) : admit(located, header, incoming)
    const admission = tracing === undefined ? ask() : tracing.part('admission', ask)
    const waits = admission instanceof Promise
    const { principal, tenant, rest, logout } = waits ? await inTime(admission, limits.requestTimeoutMs) : admission

    way.tenant = tenant
    way.principal = principal
    way.rest = rest
    if (log !== undefined) way.seen = seenOf(tenant)
    if ('rest' in located && located.doubledSlash) {
      if (!tenant.deviations.has('doubled-slash')) throw nothingThere()
      way.seen?.deviations.push('doubled-slash')
    }
    trace.tenantId = tenant.id
    if (principal) trace.keyId = principal.keyId
    // Who ends sessions may not be who provisions, whose rhythm is learnt.
    if (principal !== undefined && principal.userId === undefined && logout === undefined)
      trace.client = header('user-agent') ?? ''
    trace.route = templateOf(rest)
    const passage = requests.enter(principal?.keyId, tenant.id)
    try {
      const admitted = { principal, tenant, rest, logout, startedAt: waits ? trace.startedAt : undefined }
      const answered = await pass(c, trace, { located, admission: admitted, header, passage, seen: way.seen })
      passage.answered(c.req.method, bindings)
      return answered
    } catch (error) {
      passage.leave()
      throw error
    }
  }

  /** Answers a request that is counted among those under way. */
  async function pass(
    c: Context<GatewayEnv>,
    trace: Trace,
    { located, admission: { principal, tenant, rest, logout, startedAt }, header, passage, seen }: Counted,
  ): Promise<Response> {
    const { incoming } = (c.env as Partial<HttpBindings> | undefined) ?? {}
    const { requestId } = trace
    const raw = c.req.raw
    const counted = limit.request(tenant, () =>
      clientAddress(origin.trustProxy, incoming?.socket.remoteAddress, header),
    )
    if (counted) await counted
    // What ends sessions has no answer to be accepted but refusals.
    const type = logout === undefined ? answerType(header('accept')) : 'application/scim+json'
    if (type === undefined) {
      throw new ScimError(
        406,
        undefined,
        'accept-unsupported',
        'Answers are application/scim+json or application/json; Accept names neither.',
      )
    }
    const method = c.req.method === 'HEAD' ? 'GET' : c.req.method
    if (principal && logout === undefined) checkPermission(principal, method, rest)
    const actor = principal?.keyId ?? 'anonymous'
    const caller = callerOf(actor, rest[0] === 'Bulk' ? limits.bulkTimeoutMs : limits.requestTimeoutMs, {
      ...{ startedAt, reader: raw, streams: () => passage.streams },
    })
    const scope = { requestId: trace.inEvents, actor, reader: caller.time, filterBudget, tally: trace }
    const repositories = forTenant(database.for(caller), scopeOf(tenant, scope))
    return routes.fetch(raw, {
      tenant,
      principal,
      logout,
      method,
      segments: rest,
      header,
      raw,
      answerType: type,
      requestId,
      passage,
      failed: (error) => failed(error, requestId),
      query: 'query' in located && located.query !== '' ? new URLSearchParams(located.query) : NO_QUERY,
      countOperations: (operations) => limit.operations(tenant, operations),
      repositories: tracing === undefined ? repositories : tracedRepositories(repositories, tracing),
      thread,
      seen,
    })
  }
}

/** What the gateway knows of a request once it is counted. */
interface Counted {
  readonly located: ReturnType<typeof locate>
  /** When the request came, where it waited to be admitted. */
  readonly admission: Admission & { readonly startedAt: number | undefined }
  readonly header: HeaderReader
  readonly passage: Passage
  readonly seen: Seen | undefined
}

function nothingThere(): ScimError {
  const { refused, scimType, reason, detail } = notFound()
  return new ScimError(refused, scimType, reason, detail)
}

const NO_QUERY = new URLSearchParams()

/** @throws {ScimError} 403 */
function checkPermission(principal: Principal, method: string, rest: readonly string[]): void {
  if (principal.userId !== undefined && rest[0] !== 'Me' && !DISCOVERY.includes(rest[0] ?? '')) {
    throw ScimError.forbidden('key-of-one-user', 'This API key stands for a user and reaches nothing but /Me.')
  }
  const lacking = missingPermission(principal, permissionFor(method, rest))
  if (lacking) throw new ChallengeError(lacking)
}

const WRITES: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** A search by POST reads. A method that no route offers needs the permission to read, and is then 405. */
function permissionFor(method: string, rest: readonly string[]): Permission {
  return WRITES.has(method) && rest.at(-1) !== '.search' ? 'scim:write' : 'scim:read'
}

/** Path and query exactly as sent: a URL parser would remove the dot segments that `locate` refuses. */
function rawPathOf(request: Request, incoming: IncomingMessage | undefined): string {
  if (incoming?.url !== undefined) return incoming.url
  const { url } = request
  return url.slice(url.indexOf('/', url.indexOf('://') + 3))
}
