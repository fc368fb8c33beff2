import type { Context } from 'hono'
import type { ProvisioningLog } from '../../request-log/exchange.ts'
import { TOKEN_SEGMENTS } from '../../request-log/operation.ts'
import type { GatewayEnv } from '../middleware.ts'
import type { TokenRefusal } from './refusal.ts'

/** The key that a request for a token names, and whether the client proved to be it. */
export interface NamedClient {
  readonly clientId: string
  readonly isProven: boolean
}

/** Notes in the log of the key's tenant that a token was refused. Nothing of form and answer is kept: the one has secrets. */
export function noteTokenFailure(
  log: ProvisioningLog,
  c: Context<GatewayEnv>,
  belongs: NamedClient,
  { reason, message: detail }: TokenRefusal,
  status: number,
): void {
  const trace = c.var.noted
  if (trace === undefined) return
  const { requestId, isOurs, inEvents, startedAt } = trace
  log.note({
    ...{ belongs, requestId, isOurs, inEvents, at: Date.now() },
    ms: Math.round((performance.now() - startedAt) * 10) / 10,
    ...{ method: c.req.method, segments: TOKEN_SEGMENTS, query: '', userAgent: c.req.header('user-agent') },
    ...{ status, refusal: { status, scimType: undefined, detail, reason }, deviations: [] },
    ...{ body: undefined, answer: undefined, location: undefined, userId: undefined },
  })
}
