import { OpenAPIHono } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { Refusal } from '../../administration/refusal.ts'
import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import type { Permission } from '../../auth/principal.ts'
import { historySigner } from '../../history/signing.ts'
import { admitted, atMost, counted, isAccountLines, onlyJson } from '../control/admission.ts'
import { notModified } from '../control/conditional.ts'
import type { AdminApp, AdminDependencies, AdminEnv } from '../control/env.ts'
import { EventReaders } from '../control/event-readers.ts'
import { idempotent } from '../control/idempotent.ts'
import { refusalFor } from '../errors.ts'
import { invalid, unstorable } from '../invalid.ts'
import { needs } from '../permissions.ts'
import { problemOf, problemResponse } from '../problem.ts'
import { serveText } from '../text.ts'
import { accountRoutes } from './accounts/accounts.ts'
import { domainRoutes } from './accounts/domains.ts'
import { readDriftRoutes, repairDriftRoutes } from './accounts/drift.ts'
import { accountReviewRoutes } from './accounts/reviews.ts'
import { auditRoutes } from './audit.ts'
import { backupRoutes } from './backup.ts'
import { brakeRoutes } from './brake.ts'
import { catalogueRoutes } from './catalogue.ts'
import { configurationRoutes } from './configuration.ts'
import { consoleSessionRoutes } from './console-sessions.ts'
import { environmentEventRoutes } from './delivery/environment-events.ts'
import { eventRoutes } from './delivery/events.ts'
import { pollRoutes } from './delivery/stream-polls.ts'
import { streamRoutes } from './delivery/streams.ts'
import { webhookRoutes } from './delivery/webhooks.ts'
import { changeRoutes } from './directory/changes.ts'
import { directoryRoutes } from './directory/directory.ts'
import { environmentChangeRoutes } from './directory/environment-changes.ts'
import { environmentUserRoutes } from './directory/environment-users.ts'
import { erasureRoutes } from './directory/erasures.ts'
import { roleProgressRoutes } from './directory/role-progress.ts'
import { roleRoutes } from './directory/roles.ts'
import { signInRoutes } from './directory/sign-in-checks.ts'
import { MAX_IMPORT_BYTES, transferRoutes } from './directory/transfer.ts'
import { environmentRoutes } from './environments.ts'
import { externalIssuerRoutes } from './external-issuers.ts'
import { historyRoutes } from './history/history.ts'
import { historyExportRoutes } from './history/history-exports.ts'
import { apiKeyRoutes } from './keys/api-keys.ts'
import { setupLinkRoutes } from './keys/setup-links.ts'
import { mappingRoutes } from './mapping/mapping.ts'
import { seenAttributeRoutes } from './mapping/seen-attributes.ts'
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
 * `directory:read` reaches what an application reads of a tenant, or of an environment. Refusals are problem details (RFC 9457). `/openapi.json`
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

  app.use('*', admitted({ database, config, control, failures, underWay, tracing }))
  app.use('*', counted({ underWay }))
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
  environmentUserRoutes(app, control, config)
  roleRoutes(app, control, config)
  signInRoutes(app, control, config)
  historyRoutes(app, control, config)
  historyExportRoutes(app, control, { config, history: historySigner(database, deliveries.signing) })
  const readers = new EventReaders(control, config)
  eventRoutes(app, control, { ...deliveries, config, readers })
  environmentEventRoutes(app, { ...deliveries, control, config, readers })
  for (const place of [ENVIRONMENT, TENANT])
    app.use(`${place}/streams/:stream/poll`, requires('directory:read'), onlyJson, large)
  pollRoutes(app, { ...deliveries, control, policy: config, readers })
  changeRoutes(app, control, { ...deliveries, config })
  environmentChangeRoutes(app, control, { ...deliveries, config })
  const [posting, reading] = [requires('accounts:write'), requires('directory:read')]
  app.use(`${TENANT}/accounts/*`, (c, next) => (c.req.method === 'POST' ? posting : reading)(c, next))
  app.use(`${TENANT}/account-runs/*`, posting)
  app.use(`${TENANT}/accounts`, onlyJson, (c, next) => (isAccountLines(c) ? next() : large(c, next)))
  accountRoutes(app, control, config)
  app.use(`${TENANT}/account-drift/*`, (c, next) => (c.req.method === 'GET' ? reading(c, next) : next()))
  readDriftRoutes(app, control, config)
  const once = idempotent()
  app.use(`${TENANT}/export`, requires('directory:read'))
  app.use(`${TENANT}/import`, requires('admin'), requires('scim:write'), onlyJson, atMost(MAX_IMPORT_BYTES), once)
  transferRoutes(app, control, config)
  app.use(`${TENANT}/brake/held`, reading)
  app.use(`${TENANT}/account-reviews`, (c, next) => (c.req.method === 'GET' ? reading(c, next) : next()))
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
  mappingRoutes(app)
  seenAttributeRoutes(app)
  schemaDefinitionRoutes(app)
  catalogueRoutes(app)
  apiKeyRoutes(app, deliveries)
  setupLinkRoutes(app, config)
  externalIssuerRoutes(app, issuers)
  auditRoutes(app)
  backupRoutes(app, config.dataDir)
  configurationRoutes(app, config.settings)
  consoleSessionRoutes(app)
  brakeRoutes(app)
  accountReviewRoutes(app)
  erasureRoutes(app, control, config)
  domainRoutes(app, config.dnsServers)
  repairDriftRoutes(app, control, config)
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
const DIRECTORY = [
  ...['users', 'groups', 'memberships', 'roles', 'events', 'changes', 'snapshot', 'sign-in-checks', 'history'].map(
    (name) => `${TENANT}/${name}`,
  ),
  ...['users', 'events', 'changes', 'snapshot'].map((name) => `${ENVIRONMENT}/${name}`),
]

const requires =
  (permission: Permission): MiddlewareHandler<AdminEnv> =>
  async (c, next) => {
    needs(c.var.principal, permission)
    return next()
  }
