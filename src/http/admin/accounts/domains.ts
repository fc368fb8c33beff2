import { createRoute, z } from '@hono/zod-openapi'
import {
  addDomain,
  deleteDomain,
  recordName,
  recordText,
  setDomain,
  verifyDomain,
} from '../../../administration/accounts/domains.ts'
import { type DomainRow, domainsOf } from '../../../repositories/accounts/domains.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { tenantAt } from '../../control/places.ts'
import {
  jsonAnswer,
  jsonBody,
  listAnswer,
  listOf,
  noContent,
  pageQuery,
  problems,
  tenantParams,
} from '../../control/schemas.ts'

const DOMAINS = `${TENANT.path}/domains`
const tags = ['Accounts']

const domainText = z
  .string()
  .min(1)
  .max(253)
  .openapi({
    description:
      'A domain such as acme.example, in any case: at least two labels of letters, digits and hyphens, of 63 characters at most; letters ' +
      'beyond ASCII are read as in a browser (IDNA).',
  })
const shape = z
  .object({
    domain: z.string().openapi({ description: 'As DNS has it: in lower case, and in ASCII.' }),
    verified: z.boolean(),
    verifiedBy: z.enum(['dns', 'operator']).nullable(),
    verifiedAt: z.string().nullable(),
    record: z
      .object({ name: z.string(), type: z.literal('TXT'), value: z.string() })
      .openapi({ description: 'The DNS record by which the domain is verified.' }),
    createdAt: z.string(),
  })
  .openapi('Domain', { description: 'A domain of e-mail addresses that is a tenant’s own, or is to be.' })
const example: z.infer<typeof shape> = {
  ...{
    domain: 'acme.example',
    verified: true,
    verifiedBy: 'dns',
    verifiedAt: EXAMPLE.changed,
    createdAt: EXAMPLE.created,
  },
  record: { name: '_rollcall.acme.example', type: 'TXT', value: 'rollcall-domain-verification=3q2-7w' },
}
const pending = { ...example, verified: false, verifiedBy: null, verifiedAt: null }
const params = tenantParams.extend({ domain: domainText })

const list = createRoute({
  method: 'get',
  path: DOMAINS,
  operationId: 'listDomains',
  summary: 'List the domains of a tenant',
  tags,
  request: { params: tenantParams, query: pageQuery(domainText) },
  responses: {
    200: jsonAnswer(listOf(shape, 'DomainList'), 'In the order of their names', { items: [example], next: null }),
    ...problems,
  },
})
const add = createRoute({
  method: 'post',
  path: DOMAINS,
  operationId: 'addDomain',
  summary: 'Add a domain that is to be verified',
  tags,
  description: 'A domain that is there already stays as it is, with its record.',
  request: {
    params: tenantParams,
    body: jsonBody(z.strictObject({ domain: domainText }).openapi('DomainInput'), { domain: 'acme.example' }),
  },
  responses: { 200: jsonAnswer(shape, 'The domain, with the record that verifies it', pending), ...problems },
})
const verify = createRoute({
  method: 'post',
  path: `${DOMAINS}/{domain}/verify`,
  operationId: 'verifyDomain',
  summary: 'Verify a domain by its TXT record',
  tags,
  description:
    'Looks for the record in DNS, for some seconds at most. 409 where it is not there, or another tenant of the environment has verified the domain.',
  request: { params },
  responses: { 200: jsonAnswer(shape, 'The domain is verified', example), ...problems },
})
const set = createRoute({
  method: 'put',
  path: `${DOMAINS}/{domain}`,
  operationId: 'putDomain',
  summary: 'Say as the operator that a domain is a tenant’s own',
  tags,
  description: 'For keys of the environment, or of what is around it. No DNS record is needed.',
  request: {
    params,
    body: jsonBody(
      z
        .strictObject({
          takeOver: z.boolean().default(false).openapi({
            description: 'Whether it is taken from another tenant of the environment that has verified it.',
          }),
        })
        .openapi('DomainSet'),
      { takeOver: false },
    ),
  },
  responses: {
    200: jsonAnswer(shape, 'The domain is verified', { ...example, verifiedBy: 'operator' }),
    ...problems,
  },
})
const remove = createRoute({
  method: 'delete',
  path: `${DOMAINS}/{domain}`,
  operationId: 'deleteDomain',
  summary: 'Delete a domain of a tenant',
  tags,
  description: 'Users who are linked to their accounts by it stay linked.',
  request: { params },
  responses: { 204: noContent, ...problems },
})

/** `…/domains` of a tenant in the admin API. @param dnsServers asked for TXT records; none for those of the machine */
export function domainRoutes(app: AdminApp, dnsServers: readonly string[]): void {
  app.openapi(list, async (c) => {
    const { environment, tenant } = await tenantAt(c.var, c.req.valid('param'))
    const { after, limit } = c.req.valid('query')
    const rows = await domainsOf(c.var.database, environment.id, tenant.id).list({ after, limit: limit + 1 })
    const named = rows.map((row) => ({ ...row, id: row.domain }))
    return c.json(listAnswer(named, limit, presentDomain), 200)
  })
  app.openapi(add, async (c) => {
    const { scope } = await tenantAt(c.var, c.req.valid('param'))
    return c.json(presentDomain(await addDomain(c.var.administration, scope, c.req.valid('json').domain)), 200)
  })
  app.openapi(verify, async (c) => {
    const { domain, ...names } = c.req.valid('param')
    const { scope } = await tenantAt(c.var, names)
    return c.json(presentDomain(await verifyDomain(c.var.administration, scope, domain, dnsServers)), 200)
  })
  app.openapi(set, async (c) => {
    const { domain, ...names } = c.req.valid('param')
    const { scope } = await tenantAt(c.var, names)
    const { takeOver } = c.req.valid('json')
    return c.json(presentDomain(await setDomain(c.var.administration, scope, domain, c.var.principal, takeOver)), 200)
  })
  app.openapi(remove, async (c) => {
    const { domain, ...names } = c.req.valid('param')
    const { scope } = await tenantAt(c.var, names)
    await deleteDomain(c.var.administration, scope, domain)
    return c.body(null, 204)
  })
}

/** A domain with the record that verifies it. */
export const presentDomain = ({
  domain,
  token,
  verifiedBy,
  verifiedAt,
  createdAt,
}: DomainRow): z.infer<typeof shape> => ({
  ...{ domain, verified: verifiedBy !== null, verifiedBy, verifiedAt: verifiedAt?.toISOString() ?? null },
  record: { name: recordName(domain), type: 'TXT', value: recordText(token) },
  createdAt: createdAt.toISOString(),
})
