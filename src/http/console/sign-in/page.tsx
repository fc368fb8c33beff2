import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { ConsoleContext } from '../env.ts'
import { Form } from '../parts.tsx'
import { CONSOLE } from '../paths.ts'

/** Why nobody was signed in. */
export interface NotSignedIn {
  readonly status: ContentfulStatusCode
  readonly why: string
}

/**
 * The page on which people sign in.
 *
 * @param issuer host of the issuer with which they may; undefined where there is none
 */
export function signInPage(c: ConsoleContext, issuer: string | undefined, failed?: NotSignedIn) {
  if (failed !== undefined) c.status(failed.status)
  return c.render(
    <section class="narrow card">
      <h1>Rollcall console</h1>
      {failed && (
        <p class="warning bad" role="alert">
          {failed.why}
        </p>
      )}
      {issuer !== undefined && (
        <p>
          <a class="button" href={`${CONSOLE}/sign-in/oidc`}>
            Sign in with {issuer}
          </a>
        </p>
      )}
      <p class="quiet">
        {issuer === undefined ? 'Sign in' : 'Or sign in'} with an API key that has the permission “admin”. You see what
        that key may see.
      </p>
      <Form action={`${CONSOLE}/sign-in`} class="fields">
        <label>
          API key
          <input type="password" name="key" required autocomplete="current-password" autofocus spellcheck={false} />
        </label>
        <button type="submit" class="main">
          Sign in
        </button>
      </Form>
    </section>,
    { title: 'Sign in' },
  )
}

/**
 * A page that sends the browser on by itself. A redirect would not do: after one that another site began, browsers leave out the
 * cookie of the session. And they follow none to another site after a form of ours, since the policy of our pages forbids it.
 */
export function onwardPage(
  c: ConsoleContext,
  to: { readonly url: string; readonly title: string; readonly link: string },
) {
  c.header('Refresh', `0;url=${to.url}`)
  return c.render(
    <section class="narrow card">
      <h1>{to.title}</h1>
      <p>
        <a href={to.url}>{to.link}</a>
      </p>
    </section>,
    { title: to.title },
  )
}
