import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import { jsxRenderer } from 'hono/jsx-renderer'
import type { ConsoleContext } from './env.ts'
import { NOTICES } from './forms.ts'
import { Badge, Form, TenantParts } from './parts.tsx'
import { CONSOLE, pathOf } from './paths.ts'
import type { Session } from './sessions.ts'
import { STYLE } from './style.ts'

/** One step of the way to a page. */
export interface Crumb {
  readonly name: string
  readonly path: string
}

interface PageProps {
  readonly title: string
  /** The way to the page, without itself. */
  readonly crumbs?: readonly Crumb[]
}

declare module 'hono' {
  interface ContextRenderer {
    // biome-ignore lint/style/useShorthandFunctionType: only an interface can be added to
    (content: Child, props: PageProps): Response | Promise<Response>
  }
}

/** Puts a page into its frame: who is signed in, where else to go, and what was done just now. */
export const layout = jsxRenderer(({ children, title, crumbs = [] }, context) => {
  const c = context as ConsoleContext
  const { session } = c.var
  const asked = c.req.query('done') ?? ''
  const notice = Object.hasOwn(NOTICES, asked) ? NOTICES[asked as keyof typeof NOTICES] : undefined
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{title} · Rollcall</title>
        <style>{raw(STYLE)}</style>
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to the content
        </a>
        {session && <Bar session={session} path={c.req.path} />}
        <main id="main">
          {crumbs.length > 0 && <Crumbs crumbs={crumbs} title={title} />}
          {crumbs.length > 0 && <TenantParts path={c.req.path} />}
          {notice && (
            <p class="notice" role="status">
              {notice}
            </p>
          )}
          {children}
        </main>
      </body>
    </html>
  )
})

function Bar({ session: { principal, person }, path }: { session: Session; path: string }) {
  const home = pathOf(principal.scope)
  const links = [
    { name: 'Overview', href: CONSOLE },
    { name: 'API keys', href: `${home}/api-keys` },
    { name: 'Audit log', href: `${home}/audit-log` },
    ...(principal.scope.kind === 'instance' ? [{ name: 'Configuration', href: `${CONSOLE}/configuration` }] : []),
  ]
  return (
    <header class="bar">
      <div>
        <a class="brand" href={CONSOLE}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <rect width="16" height="3.4" rx="1.5" />
            <rect y="6.3" width="11" height="3.4" rx="1.5" />
            <rect y="12.6" width="14" height="3.4" rx="1.5" />
          </svg>
          Rollcall
        </a>
        <nav aria-label="Console">
          {links.map(({ name, href }) => (
            <a href={href} aria-current={path === href ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <search>
          <form class="find" action={`${CONSOLE}/find`}>
            <label>
              <span class="unseen">Find a tenant, a person or an API key</span>
              <input
                type="search"
                name="q"
                required
                maxlength={1000}
                placeholder="Tenant, person or key"
                spellcheck={false}
              />
            </label>
            <button type="submit">Find</button>
          </form>
        </search>
        <div class="who">
          <a href={`${CONSOLE}/sessions`}>
            {person === null ? (
              <>
                key <code>{principal.keyId}</code>
              </>
            ) : (
              person.name
            )}{' '}
            <Badge>{principal.scope.kind}</Badge>
          </a>
          <Form action={`${CONSOLE}/sign-out`}>
            <button type="submit" class="link">
              Sign out
            </button>
            <button
              type="submit"
              class="link"
              name="everywhere"
              value="true"
              title={`Ends all sessions of this ${person === null ? 'key' : 'person'}`}
            >
              Sign out everywhere
            </button>
          </Form>
        </div>
      </div>
    </header>
  )
}

function Crumbs({ crumbs, title }: { crumbs: readonly Crumb[]; title: string }) {
  return (
    <nav class="crumbs" aria-label="Breadcrumb">
      <ol>
        {crumbs.map(({ name, path }) => (
          <li>
            <a href={path}>{name}</a>
          </li>
        ))}
        <li aria-current="page">{title}</li>
      </ol>
    </nav>
  )
}
