import type { RequestSummary } from '../../administration/requests.ts'
import { isUnavailable } from '../../db/errors.ts'
import type { TenantId } from '../../place-ids.ts'
import type { RequestWatch } from '../../request-log/watch.ts'
import { presentRequest } from './request-shapes.ts'

/** More often than proxies cut silent connections. */
const BEAT_MS = 15_000

/**
 * The provisioning log from now on as server-sent events. Ends when the reader leaves or may read no longer, when the instance stops,
 * and when the database cannot be reached.
 */
export async function* requestTexts(
  follow: () => Promise<readonly RequestSummary[]>,
  watch: RequestWatch,
  tenantId: TenantId,
  signal: AbortSignal,
): AsyncGenerator<string> {
  yield 'retry: 1000\n\n'
  let newest: string | undefined
  for (;;) {
    const requests = await follow().catch((error: unknown) => {
      if (isUnavailable(error)) return undefined
      throw error
    })
    if (requests === undefined) return
    for (const request of requests) yield `id: ${request.id}\ndata: ${JSON.stringify(presentRequest(request))}\n\n`
    // An idle reader sends no statement of its own: there may be thousands.
    for (let woken = false; !woken; ) {
      const found = await watch.wait(tenantId, newest, BEAT_MS, signal)
      if (signal.aborted || watch.drained) return
      newest = found.newest
      woken = found.woken
      if (!woken) yield ': \n\n'
    }
  }
}
