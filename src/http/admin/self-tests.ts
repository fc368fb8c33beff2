import { isIP } from 'node:net'
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { REASONS } from '../../scim/reasons.ts'
import { IDENTITY_PROVIDERS } from '../../self-test/conversations/index.ts'
import { FINDINGS } from '../../self-test/findings.ts'
import type { SelfTestPlace } from '../../self-test/scratch.ts'
import { type SelfTestRoute, selfTest } from '../../self-test/self-test.ts'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import { socketOf } from '../address.ts'
import { administrationOf } from '../control/administration.ts'
import type { AdminApp, AdminDependencies } from '../control/env.ts'
import { EXAMPLE } from '../control/examples.ts'
import { TENANT } from '../control/levels.ts'
import { tenantAt } from '../control/places.ts'
import { jsonAnswer, jsonBody, plainText, problems, tenantParams } from '../control/schemas.ts'
import { scimBaseUrls } from './tenants.ts'

const input = z
  .strictObject({
    identityProvider: z
      .enum(IDENTITY_PROVIDERS)
      .openapi({ description: 'Whose conversation is played; `generic` keeps to the letter of the RFCs.' }),
    key: plainText.optional().openapi({
      description: 'The key that the identity provider has. Without it, its own way to the tenant is not tested.',
    }),
    baseUrl: z
      .string()
      .max(2_000)
      .refine(isWebAddress, 'must be a URL that begins with https:// or http://')
      .optional()
      .openapi({
        format: 'uri',
        pattern: '^https?://',
        description: 'The base URL that the identity provider has. Nothing is sent to another host.',
      }),
    address: z
      .string()
      .refine((text) => isIP(text) !== 0 && !text.includes('%'), 'must be an IP address')
      .optional()
      .openapi({
        format: 'ip',
        pattern: '^[0-9A-Fa-f:.]+$',
        description: 'An IP address from which the identity provider sends, for `allowedAddresses`.',
      }),
    schemaUrns: z
      .array(plainText.max(256))
      .max(20)
      .optional()
      .openapi({ description: 'URNs of the schemas that the identity provider maps.' }),
  })
  .openapi('NewSelfTest')

const step = z
  .object({
    part: z.enum(['connection', 'tenant', 'conversation']),
    title: z.string(),
    state: z.enum(['passed', 'failed', 'skipped']),
    request: z.string().nullable().openapi({ description: 'Null where nothing was sent.' }),
    status: z.number().int().nullable(),
    reason: z
      .enum([...REASONS, ...FINDINGS])
      .nullable()
      .openapi({ description: 'Why it failed or was skipped.' }),
    problem: z.string().nullable().openapi({ description: 'The same in plain words.' }),
    remedy: z.string().nullable().openapi({ description: 'What to change, in the words of that identity provider.' }),
    field: z.string().nullable().openapi({ description: 'The attribute that was wrong.' }),
  })
  .openapi('SelfTestStep')
const result = z
  .object({
    identityProvider: z.enum(IDENTITY_PROVIDERS),
    baseUrl: z.string(),
    passed: z.boolean().openapi({ description: 'True where no step failed.' }),
    steps: z.array(step),
  })
  .openapi('SelfTest')

const baseUrl = `${EXAMPLE.origin}/scim/v2/shop/prod/v2/acme`
const example: z.infer<typeof result> = {
  ...{ identityProvider: 'okta', baseUrl, passed: false },
  steps: [
    {
      ...{ part: 'conversation', title: 'Creates a group', state: 'failed' },
      ...{ request: 'POST /Groups', status: 403, reason: 'group-sync-off', field: null },
      problem: 'Okta sent groups, and the tenant takes none (setting groupSync).',
      remedy: "Ask this service's administrator to turn groupSync on.",
    },
  ],
}

const run = createRoute({
  method: 'post',
  path: `${TENANT.path}/self-tests`,
  operationId: 'testConnection',
  summary: 'Test the connection of an identity provider',
  tags: ['Tenants'],
  description:
    'Plays the conversation of an identity provider over HTTP, and says for each step whether it passed and what to change. ' +
    'The tenant itself is only read; what writes goes to a scratch tenant with the same settings, which is removed afterwards. ' +
    'It takes up to half a minute. 409 while another one of the tenant runs.',
  request: { params: tenantParams, body: jsonBody(input, { identityProvider: 'okta', key: 'rck_…' }) },
  responses: { 200: jsonAnswer(result, 'What came of each step', example), ...problems },
})

/** `…/self-tests` of a tenant in the admin API. */
export function selfTestRoutes(
  app: AdminApp,
  dependencies: Pick<AdminDependencies, 'database' | 'control' | 'config'>,
): void {
  app.openapi(run, async (c) => {
    const place = await tenantAt(c.var, c.req.valid('param'))
    // Its statements are not those of this request, whose time ends sooner.
    const administration = administrationOf(c, dependencies, c.var.principal.keyId)
    const route = selfTestRoute(c, dependencies.config, place)
    const { steps, ...rest } = await selfTest(administration, place, c.req.valid('json'), route)
    return c.json({ ...rest, steps: [...steps] }, 200)
  })
}

/** By which way a self-test of a tenant reaches this gateway: the socket by which the request came that asks for it. */
export function selfTestRoute(
  c: Pick<Context, 'req' | 'env'>,
  config: OriginPolicy,
  { project, environment, tenant }: SelfTestPlace,
): SelfTestRoute {
  const { localAddress, localPort } = socketOf(c) ?? {}
  const via =
    localAddress === undefined || localPort === undefined ? undefined : { address: localAddress, port: localPort }
  return { via, baseUrl: scimBaseUrls(c, config, { project, environment }, tenant.key)[0] }
}

function isWebAddress(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
}
