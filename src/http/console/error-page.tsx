import { STATUS_CODES } from 'node:http'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { Changed } from '../../administration/refusal.ts'
import { refusalFor } from '../errors.ts'
import { causeOf } from '../hung-up.ts'
import { problemOf } from '../problem.ts'
import { Conflict } from './conflict.tsx'
import type { ConsoleContext } from './env.ts'
import { CONSOLE } from './paths.ts'
import { type FormPages, refusedForm } from './refused-form.tsx'

/** What to do about a refusal, by its status. */
const ADVICE: Readonly<Record<number, string>> = {
  400: 'Go back, mend what is named above and send the form again.',
  403: 'The console shows and does what your key may. Sign in with a key that reaches further, or ask a colleague who has one.',
  404: 'It may have been deleted, or the address has a typing mistake.',
  412: 'Open the page again to see it as it is now, and repeat what you did.',
  409: 'Go back and look at it again: it may have changed since the page was made.',
  503: 'Try again in a few seconds.',
}

/**
 * A page that says what went wrong and what to do.
 *
 * @param failed told of what is a fault of ours
 * @param pages where the form of the request may have come from
 */
export async function errorPage(
  c: ConsoleContext,
  thrown: Error,
  failed: (error: unknown, requestId: string | undefined) => void,
  pages: FormPages,
): Promise<Response> {
  const { requestId } = c.var
  const error = causeOf(thrown, c)
  const { refusal, headers } = refusalFor(error, requestId ?? '')
  // A middleware that refuses with an answer of its own says little in it.
  const foreign = error instanceof HTTPException && error.res !== undefined
  const problem = foreign ? { status: error.status, detail: FOREIGN } : problemOf(error)
  const {
    status,
    detail,
    errors = [],
  } = { errors: undefined, ...(problem ?? { status: refusal.status, detail: refusal.message }) }
  if (status >= 500) failed(error, requestId)
  const again = problem && (await refusedForm(c, pages, problem))
  if (again !== undefined) return again
  c.status(status as ContentfulStatusCode)
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  const title = status === 412 ? 'Changed meanwhile' : (STATUS_CODES[status] ?? 'Error')
  return c.render(
    <>
      <section class="narrow card">
        <h1>{title}</h1>
        <p>{detail}</p>
        {errors.length > 0 && !(error instanceof Changed) && (
          <ul>
            {errors.map(({ path, message }) => (
              <li>
                <code>{path}</code> {message}
              </li>
            ))}
          </ul>
        )}
        {ADVICE[status] && <p class="quiet">{ADVICE[status]}</p>}
        {requestId && (
          <p class="quiet small">
            Request <code>{requestId}</code>; the log has it by this id.
          </p>
        )}
        <p>
          <a href={CONSOLE}>To the overview</a>
        </p>
      </section>
      {error instanceof Changed && <Conflict c={c} changed={error} />}
    </>,
    { title },
  )
}

const FOREIGN =
  'The form was not sent from a page of this console, or the gateway is reached by another address than it knows.'
