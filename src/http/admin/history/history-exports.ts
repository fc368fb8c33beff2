import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { Refusal } from '../../../administration/refusal.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import { gapsIn, type Told, tellsOf, toldBy } from '../../../history/asking.ts'
import { exportedSpans, exportText, manifestOf } from '../../../history/export.ts'
import type { HistorySigner } from '../../../history/signing.ts'
import type { Period } from '../../../repositories/history/as-of.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { AdminApp, AdminEnv } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { jsonAnswer, problems, tenantParams } from '../../control/schemas.ts'
import { streamed } from '../../streamed.ts'
import { HISTORY, tags } from './history.ts'
import { exportQuery, periodIn } from './history-shapes.ts'

const signed = z
  .object({
    manifest: z
      .string()
      .openapi({ description: 'The text that is signed, as JSON: of what the export is, its size and its SHA-256.' }),
    signature: z.string().openapi({ description: 'A detached JWS of it (RFC 7515 appendix F).' }),
    kid: z.string().openapi({ description: 'The key that has signed, of those at `/.well-known/history-keys.json`.' }),
  })
  .openapi('HistoryManifest')
const SAME =
  'An export of a time that is over is the same text whenever it is made, until a person is erased or the time is kept no longer.'

const exporting = createRoute({
  method: 'get',
  path: `${HISTORY}/export`,
  operationId: 'exportHistory',
  summary: 'Export who had which access in a time',
  tags,
  description:
    'For keys with the permission `directory:read`. From when until when people were there, active or not, and had groups and roles, by which requests: ' +
    `a line for each span that touches the time. A line of the kind \`gap\` names a time of which the history does not tell. ${SAME}`,
  request: { params: tenantParams, query: z.object(exportQuery) },
  responses: {
    200: {
      description: 'The export',
      content: {
        'text/csv': { schema: z.string(), example: 'kind,subject,subjectKind\r\n' },
        'application/json': {
          schema: z.object({}).loose().openapi('HistoryExport'),
          example: {
            tenant: { id: EXAMPLE.tenantId, key: 'acme' },
            from: EXAMPLE.created,
            until: EXAMPLE.changed,
            spans: [],
          },
        },
      },
    },
    ...problems,
  },
})
const manifest = createRoute({
  method: 'get',
  path: `${HISTORY}/export/manifest`,
  operationId: 'getHistoryManifest',
  summary: 'Get the signed manifest of an export',
  tags,
  description:
    'For keys with the permission `directory:read`. The export is made once more, and its hash signed. While that goes on, the answer is white space, ' +
    'which JSON may begin with.',
  request: { params: tenantParams, query: z.object(exportQuery) },
  responses: {
    200: jsonAnswer(signed, 'The manifest and its signature', {
      manifest: `{"kind":"rollcall-history","tenant":{"id":"${EXAMPLE.tenantId}","key":"acme"}}`,
      signature: 'eyJhbGciOiJFUzI1NiJ9..c2lnbmF0dXJl',
      kid: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
    }),
    ...problems,
  },
})

/** All the time that a history tells of without a gap, until now. */
function allOf({ since, until, gaps }: Told): Period {
  const from = Math.max(since ?? 0, gaps.at(-1)?.until ?? 0)
  return { from, until: Math.max(from, until ?? Date.now()) }
}

/** Exports of `…/history` of a tenant in the admin API; `adminApi` checks the permission. */
export function historyExportRoutes(
  app: AdminApp,
  control: ControlPlane,
  { config: policy, history: signer }: { readonly config: OriginPolicy; readonly history: HistorySigner },
): void {
  /** What is exported. @throws {Refusal} where the history does not tell of the whole time */
  const opened = async (
    c: Context<AdminEnv>,
    names: Parameters<typeof openTenant>[1],
    query: Parameters<typeof periodIn>[0],
  ) => {
    const { tenant } = await openTenant(c, names, control, policy)
    const isNamed = Object.values(query).some((one) => one !== undefined)
    const told = await toldBy(c.var.database, tenant.id, tenant.settings.historyRetentionDays)
    const period = isNamed ? periodIn(query) : allOf(told)
    if (period === undefined)
      throw new Refusal(400, 'The query must have either a `quarter`, or `from` and a later `until`.')
    await tellsOf(c.var.database, tenant.id, told, period, 'gaps')
    const reader = c.var.database.caller.time ?? c.req.raw
    const spans = exportedSpans(c.var.database, tenant.id, period, gapsIn(told, period), reader)
    return { place: { id: tenant.id, key: tenant.key }, period, spans }
  }

  app.openapi(exporting, async (c) => {
    const { format, ...query } = c.req.valid('query')
    const { place, period, spans } = await opened(c, c.req.valid('param'), query)
    const type = format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json; charset=utf-8'
    const text = exportText(spans, place, period, format)
    return c.body(streamed(text, c.var.passage), 200, { 'Content-Type': type, 'Cache-Control': 'no-store' }) as never
  })

  app.openapi(manifest, async (c) => {
    const { format, ...query } = c.req.valid('query')
    const { place, period, spans } = await opened(c, c.req.valid('param'), query)
    const text = async function* () {
      const steps = manifestOf(spans, place, period, format)
      let step = await steps.next()
      // A space for each page that is read, so that nobody takes the connection for dead.
      for (; !step.done; step = await steps.next()) yield ' '
      const manifest = JSON.stringify(step.value)
      const { jws, kid } = await signer.sign(manifest)
      yield JSON.stringify({ manifest, signature: jws, kid })
    }
    const headers = { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' }
    return c.body(streamed(text(), c.var.passage), 200, headers) as never
  })
}
