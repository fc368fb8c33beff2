import { STATUS_CODES } from 'node:http'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type FormPages, refusedForm } from '../console/refused-form.tsx'
import { refusalFor } from '../errors.ts'
import { causeOf } from '../hung-up.ts'
import { problemOf } from '../problem.ts'
import type { PortalContext } from './env.ts'

/** What to do about a refusal, by its status. */
const ADVICE: Readonly<Record<number, string>> = {
  400: 'Go back, mend what is named above, and send the form again.',
  401: 'Open the link that you were sent once more. Whoever sent it can send another.',
  403: 'Open the page again and repeat what you did.',
  404: 'Open the link that you were sent, whole, as it is.',
  409: 'Go back and look again: it may have changed since the page was made.',
  410: 'Ask whoever sent it for another one. The tokens that were made with it are as good as before.',
  503: 'Try again in a few seconds.',
}

const FOREIGN = 'The form was not sent from a page of this portal.'

/**
 * A page that says what went wrong and what to do.
 *
 * @param failed told of what is a fault of ours
 * @param pages where the form of the request may have come from
 */
export async function portalErrorPage(
  c: PortalContext,
  thrown: Error,
  failed: (error: unknown, requestId: string | undefined) => void,
  pages: FormPages,
): Promise<Response> {
  const { requestId } = c.var
  const error = causeOf(thrown, c)
  const { refusal, headers } = refusalFor(error, requestId ?? '')
  const foreign = error instanceof HTTPException && error.res !== undefined
  const problem = foreign ? { status: error.status, detail: FOREIGN } : problemOf(error)
  const { status, detail } = problem ?? { status: refusal.status, detail: refusal.message }
  if (status >= 500) failed(error, requestId)
  const again = problem && (await refusedForm(c, pages, problem))
  if (again !== undefined) return again
  c.status(status as ContentfulStatusCode)
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  return c.render(
    <section class="narrow card">
      <h1>{STATUS_CODES[status] ?? 'Error'}</h1>
      <p>{detail}</p>
      {ADVICE[status] && <p class="quiet">{ADVICE[status]}</p>}
      {requestId && (
        <p class="quiet small">
          If you ask for help, give this id of the request: <code>{requestId}</code>
        </p>
      )}
    </section>,
    { title: STATUS_CODES[status] ?? 'Error' },
  )
}
