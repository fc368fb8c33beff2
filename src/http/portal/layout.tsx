import { createHash } from 'node:crypto'
import { raw } from 'hono/html'
import { jsxRenderer } from 'hono/jsx-renderer'
import { DEFAULT_SETTINGS } from '../../tenancy/settings.ts'
import { NOTICES } from '../console/forms.ts'
import { Form } from '../console/parts.tsx'
import { SETUP } from '../control/setup-urls.ts'
import type { PortalContext } from './env.ts'
import { SCRIPT, SCRIPT_SOURCE } from './script.ts'
import { portalStyle } from './style.ts'

/** What pages say was done before them, beside what the console says. */
const OWN_NOTICES = {
  chosen: 'Your choice is kept. Follow the steps below.',
  'old-ended': 'The old token has ended.',
} as const
export type PortalNotice = keyof typeof OWN_NOTICES

/** Sends the browser on after something was done. */
export const doneHere = (c: PortalContext, path: string, what: PortalNotice) => c.redirect(`${path}?done=${what}`, 303)

const { setupPortal: PLAIN } = DEFAULT_SETTINGS

/** Where the pages of a link are. */
export const pathOfLink = (id: string): string => `${SETUP}/${id}`

/** The policy of a page: its own style and script, nothing else, and the sites that may show it in a frame. */
export function policyOf(c: PortalContext): string {
  const { colour, frameAncestors } = c.var.portal ?? PLAIN
  const style = createHash('sha256').update(portalStyle(colour)).digest('base64')
  return [
    "default-src 'none'",
    `style-src 'sha256-${style}'`,
    `script-src ${SCRIPT_SOURCE}`,
    "connect-src 'self'",
    "form-action 'self'",
    `frame-ancestors ${frameAncestors.length === 0 ? "'none'" : ["'self'", ...frameAncestors].join(' ')}`,
    "base-uri 'none'",
  ].join('; ')
}

/** Puts a page into its frame: whose portal it is, its parts, and what was done just now. */
export const portalLayout = jsxRenderer(({ children, title }, context) => {
  const c = context as unknown as PortalContext
  const { portal = PLAIN, place, link, visit } = c.var
  const name = portal.name === '' ? (place?.project.name ?? '') : portal.name
  const asked = c.req.query('done') ?? ''
  const notices: Readonly<Record<string, string>> = { ...NOTICES, ...OWN_NOTICES }
  const notice = Object.hasOwn(notices, asked) ? notices[asked] : undefined
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>{name === '' ? title : `${title} · ${name}`}</title>
        <style>{raw(portalStyle(portal.colour))}</style>
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to the content
        </a>
        <header class="bar">
          <div>
            <span class="brand">{name === '' ? 'Set-up' : name}</span>
            {link && visit !== undefined && <Parts path={pathOfLink(link.id)} current={c.req.path} />}
          </div>
        </header>
        <main id="main">
          {notice && (
            <p class="notice" role="status">
              {notice}
            </p>
          )}
          {children}
        </main>
        <script type="module">{raw(SCRIPT)}</script>
      </body>
    </html>
  )
})

function Parts({ path, current }: { path: string; current: string }) {
  const links = [
    { name: 'Overview', href: path },
    { name: 'Steps', href: `${path}/steps` },
    { name: 'Tokens', href: `${path}/tokens` },
    { name: 'Self-test', href: `${path}/self-test` },
    { name: 'What arrives', href: `${path}/arrivals` },
  ]
  return (
    <>
      <nav aria-label="Set-up">
        {links.map(({ name, href }) => (
          <a href={href} aria-current={current === href ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <div class="who">
        <Form action={`${path}/leave`}>
          <button type="submit" class="link">
            Leave
          </button>
        </Form>
      </div>
    </>
  )
}
