import { OpenAPIHono } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { Refusal } from '../../administration/refusal.ts'
import type { Challenge } from '../../auth/authenticate.ts'
import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import type { Permission } from '../../auth/principal.ts'
import { addressOf } from '../address.ts'
import { administrationOf } from '../control/administration.ts'
import { expectedBy, notModified } from '../control/conditional.ts'
import type { AdminApp, AdminDependencies, AdminEnv } from '../control/env.ts'
import { EventReaders } from '../control/event-readers.ts'
import { idempotent } from '../control/idempotent.ts'
import { authenticateRequest } from '../control/origin.ts'
import { refusalFor } from '../errors.ts'
import { guessed } from '../guesses.ts'
import { callerOf, inTime } from '../in-time.ts'
import { invalid, unstorable } from '../invalid.ts'
import { needs } from '../permissions.ts'
import { problemOf, problemResponse } from '../problem.ts'
import { serveText } from '../text.ts'
import { auditRoutes } from './audit.ts'
import { backupRoutes } from './backup.ts'
import { brakeRoutes } from './brake.ts'
import { configurationRoutes } from './configuration.ts'
import { consoleSessionRoutes } from './console-sessions.ts'
import { eventRoutes } from './delivery/events.ts'
import { pollRoutes } from './delivery/stream-polls.ts'
import { streamRoutes } from './delivery/streams.ts'
import { webhookRoutes } from './delivery/webhooks.ts'
import { changeRoutes } from './directory/changes.ts'
import { directoryRoutes } from './directory/directory.ts'
import { roleProgressRoutes } from './directory/role-progress.ts'
import { roleRoutes } from './directory/roles.ts'
import { signInRoutes } from './directory/sign-in-checks.ts'
import { MAX_IMPORT_BYTES, transferRoutes } from './directory/transfer.ts'
import { environmentRoutes } from './environments.ts'
import { externalIssuerRoutes } from './external-issuers.ts'
import { apiKeyRoutes } from './keys/api-keys.ts'
import { setupLinkRoutes } from './keys/setup-links.ts'
import { previewRoutes } from './previews.ts'
import { projectRoutes } from './projects.ts'
import { describe } from './reference/openapi.ts'
import { requestRoutes } from './requests.ts'
import { schemaDefinitionRoutes } from './schema-definitions.ts'
import { selfTestRoutes } from './self-tests.ts'
import { tenantMoveRoutes } from './tenant-moves.ts'
import { tenantRoutes } from './tenants.ts'

const NO_BODY = 'The body is missing: this takes JSON, with the Content-Type application/json.'
const MAX_BODY_BYTES = 65_536
// What is PUT are resource types with all their schemas; and acknowledgements come by the thousand.
const MAX_LARGE_BODY_BYTES = 1_048_576

/**
 * The admin API, to be mounted at `/api/v1`. A key with `admin` reaches projects, environments, tenants and API keys; a key with
 * `directory:read` reaches what an application reads of a tenant. Refusals are problem details (RFC 9457). `/openapi.json`
 * describes the API, without a key.
 *
 * Errors that are not the caller's fault go through to the application around it. The `requestId` that it has set shows in
 * problems.
 */
export function adminApi({
  database,
  config,
  control,
  deliveries,
  issuers,
  failures,
  underWay,
  tracing,
}: AdminDependencies & { issuers: ExternalIssuers }): AdminApp {
  const app: AdminApp = new OpenAPIHono<AdminEnv>({
    defaultHook: (result, c) => {
      // Asked only of routes that need a body. One without a type would have been refused, had it anything in it.
      if (result.target === 'json' && c.req.header('content-type') === undefined) throw new Refusal(400, NO_BODY)
      const refusal = unstorable('data' in result ? result.data : undefined)
      if (refusal !== undefined) throw refusal
      if (!result.success) throw invalid(result.error)
    },
  })

  app.onError((error, c) => {
    const problem = problemOf(error)
    if (problem === undefined) throw error
    return problemResponse(problem, c.var.requestId, refusalFor(error, '').headers)
  })

  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', { type: 'http', scheme: 'bearer' })
  app.get(
    '/openapi.json',
    serveText('application/json', () => JSON.stringify(describe(app))),
  )

  // Before the body is read, and before any route: what is added below cannot be reached without a key.
  app.use('*', async (c, next) => {
    const startedAt = performance.now()
    const admit = () => authenticateRequest(control, c, config)
    const admission = tracing === undefined ? admit() : tracing.part('admission', admit)
    const result = await inTime(admission, config.requestTimeoutMs)
    if ('challenge' in result) {
      const { challenge } = result
      const tooMany = guessed(failures, challenge, c.req.header('authorization'), addressOf(c, config))
      if (tooMany !== undefined) throw tooMany
      return challengeResponse(challenge, c.var.requestId)
    }
    if (result.principal.userId !== undefined) throw new Refusal(403, 'This API key stands for a user.')
    const { keyId } = result.principal
    const limitMs = c.req.path.endsWith('/import') ? config.bulkTimeoutMs : config.requestTimeoutMs
    const streams = () => c.var.passage?.streams === true
    const asked = database.for(callerOf(keyId, limitMs, { startedAt, reader: c.req.raw, streams }))
    c.set('keyId', keyId)
    c.set('principal', result.principal)
    c.set('database', asked)
    const administration = administrationOf(c, { database: asked, control, config }, keyId)
    c.set('administration', { ...administration, expected: expectedBy(c) })
    return next()
  })
  app.use('*', async (c, next) => {
    const { keyId, scope } = c.var.principal
    const passage = underWay?.requests.enter(keyId, scope.kind === 'tenant' ? scope.tenantId : undefined)
    c.set('underWay', underWay)
    c.set('passage', passage)
    try {
      await next()
    } finally {
      passage?.answered(c.req.method, c.env)
    }
  })
  app.use(
    '*',
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        const Allow = methods.sort().join(', ')
        const detail = `${c.req.method} is not offered here; ${Allow} is.`
        return problemResponse({ status: 405, detail }, c.var.requestId, { Allow })
      },
    }),
  )

  // Everything but what the application reads is for administrators.
  const [usual, large] = [atMost(MAX_BODY_BYTES), atMost(MAX_LARGE_BODY_BYTES)]
  for (const collection of DIRECTORY) app.use(`${collection}/*`, requires('directory:read'), onlyJson, usual)
  directoryRoutes(app, control, config)
  roleRoutes(app, control, config)
  signInRoutes(app, control, config)
  const readers = new EventReaders(control, config)
  eventRoutes(app, control, { ...deliveries, config, readers })
  for (const place of [ENVIRONMENT, TENANT])
    app.use(`${place}/streams/:stream/poll`, requires('directory:read'), onlyJson, large)
  pollRoutes(app, control, { ...deliveries, config, readers })
  changeRoutes(app, control, { ...deliveries, config })
  const once = idempotent()
  app.use(`${TENANT}/export`, requires('directory:read'))
  app.use(`${TENANT}/import`, requires('admin'), requires('scim:write'), onlyJson, atMost(MAX_IMPORT_BYTES), once)
  transferRoutes(app, control, config)
  app.use(`${TENANT}/brake/held`, requires('directory:read'))
  app.use('*', requires('admin'))

  app.use('*', onlyJson)
  app.use('*', (c, next) => (c.req.method === 'PUT' ? large : usual)(c, next))

  // Inside a transaction that holds the request there would be no way to ask for the key.
  app.use('*', async (c, next) => {
    if (ENDPOINTS.test(c.req.path)) await deliveries.box.ready()
    return next()
  })
  app.use('*', once)
  app.use('*', notModified)

  projectRoutes(app)
  environmentRoutes(app)
  tenantRoutes(app, config)
  tenantMoveRoutes(app, config)
  previewRoutes(app)
  schemaDefinitionRoutes(app)
  apiKeyRoutes(app)
  setupLinkRoutes(app, config)
  externalIssuerRoutes(app, issuers)
  auditRoutes(app)
  backupRoutes(app, config.dataDir)
  configurationRoutes(app, config.settings)
  consoleSessionRoutes(app)
  brakeRoutes(app)
  roleProgressRoutes(app)
  requestRoutes(app, deliveries, readers)
  selfTestRoutes(app, { database, control, config })
  webhookRoutes(app, deliveries)
  streamRoutes(app, deliveries, config)

  app.all('*', (c) => {
    const detail = 'The admin API has nothing at this address.'
    return problemResponse({ status: 404, detail }, c.var.requestId)
  })
  return app
}

const ENDPOINTS = /\/(?:webhooks|streams)(?:\/|$)/
const ENVIRONMENT = '/projects/:project/environments/:environment'
const TENANT = `${ENVIRONMENT}/tenants/:tenant`
const DIRECTORY = ['users', 'groups', 'memberships', 'roles', 'events', 'changes', 'snapshot', 'sign-in-checks'].map(
  (name) => `${TENANT}/${name}`,
)

const requires =
  (permission: Permission): MiddlewareHandler<AdminEnv> =>
  async (c, next) => {
    needs(c.var.principal, permission)
    return next()
  }

const challengeResponse = ({ status, detail, wwwAuthenticate }: Challenge, requestId: string | undefined): Response =>
  problemResponse({ status, detail }, requestId, { 'WWW-Authenticate': wwwAuthenticate })

const onlyJson: MiddlewareHandler = (c, next) => {
  if (!['POST', 'PUT', 'PATCH'].includes(c.req.method)) return next()
  const header = (name: string) => c.req.header(name) ?? ''
  // Whether there has to be a body, the route knows.
  const empty = ['', '0'].includes(header('content-length')) && header('transfer-encoding') === ''
  if (empty && header('content-type') === '') return next()
  const type = c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw new HTTPException(415, { message: 'The body must be application/json.' })
  return next()
}

function atMost(maxSize: number): MiddlewareHandler<AdminEnv> {
  const onError = () => {
    throw new HTTPException(413, { message: `The body must not be larger than ${maxSize} bytes.` })
  }
  const limited = bodyLimit({ maxSize, onError })
  return (c, next) => {
    const announced = Number(c.req.header('content-length') ?? (c.req.header('transfer-encoding') ? maxSize : 0))
    // A body that is too large is not read.
    if (announced <= maxSize) c.var.passage?.holdBody(announced)
    return limited(c, next)
  }
}
