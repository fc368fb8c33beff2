import { createHash } from 'node:crypto'
import type { Handler } from 'hono'
import { html, raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import { serveText } from './text.ts'

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 3rem auto; padding: 0 1.5rem; color: #1c2430 }
h1 { font-size: 1.7rem } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5dbe3; padding-bottom: .3rem }
nav h2 { font-size: .92rem; margin: .9rem 0 .2rem; border: 0; padding: 0 }
h3 { font-size: 1rem; margin: 2rem 0 .4rem } h4 { font-size: .92rem; margin: .9rem 0 .2rem }
table { border-collapse: collapse; width: 100%; font-size: .92rem }
th, td { text-align: left; vertical-align: top; padding: .45rem .8rem .45rem 0; border-bottom: 1px solid #e8ecf1 }
td table { font-size: 1em } td td, td th { padding-left: .8rem }
code { background: #f1f4f8; border-radius: 3px; padding: .05rem .3rem; font-size: .88em; white-space: pre-wrap }
pre { background: #f1f4f8; border-radius: 3px; padding: .6rem .8rem; margin: .3rem 0; font-size: .84rem; white-space: pre-wrap }
summary { cursor: pointer; color: #1f5fbf; font-size: .88rem; width: max-content }
td:first-child { white-space: nowrap } :target { scroll-margin-top: 1rem } a { color: #1f5fbf }
.method { display: inline-block; min-width: 4rem; font-weight: 700; font-size: .85rem }
.get { color: #1f6f3f } .post { color: #1f5fbf } .put, .patch { color: #8a5a00 } .delete { color: #a8232b }
.quiet { color: #5b6676 } nav ul { list-style: none; padding: 0; columns: 2 30rem; font-size: .88rem }
nav li { padding-left: 4.2rem; text-indent: -4.2rem } nav a { text-decoration: none } nav .method { min-width: 4.2rem; font-size: .78rem; text-indent: 0 }
.wide td:first-child { width: 14rem } .wide td td:first-child { width: 11rem } section { overflow-wrap: anywhere }
@media (max-width: 48rem) {
  td:first-child { white-space: normal } .wide tr { display: block; border-bottom: 1px solid #e8ecf1; padding: .3rem 0 }
  .wide td, .wide td:first-child, .wide td td:first-child { display: block; width: auto; border: 0; padding: .1rem 0 }
  .wide td table { margin-left: .8rem; width: auto }
}
@media (prefers-color-scheme: dark) {
  body { background: #10151c; color: #dfe5ec } code, pre { background: #1d2530 } h2, th, td, .wide tr { border-color: #2b3542 }
  a, summary { color: #7db0ff } .quiet { color: #93a0b1 }
  .get { color: #6cc78f } .post { color: #7db0ff } .put, .patch { color: #e0b050 } .delete { color: #ff8a8f }
}`
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${STYLE_HASH}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * Serves a page of documentation: plain HTML, complete in itself, without a script. It is made once, when it is first asked for.
 *
 * @param make gives the title and what stands in the body
 */
export function servePage(make: () => { readonly title: string; readonly content: Child }): Handler {
  return serveText('text/html; charset=UTF-8', () => textOf(make()), {
    'Content-Security-Policy': POLICY,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  })
}

async function textOf({ title, content }: { readonly title: string; readonly content: Child }): Promise<string> {
  const page = await html`<!doctype html>${(
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{title} · Rollcall</title>
        <style>{raw(STYLE)}</style>
      </head>
      <body>
        <main>{content}</main>
      </body>
    </html>
  )}`
  return page.toString()
}

/** Text in which every second part between back-quotes is code. */
export function Marked({ text }: { text: string }) {
  return <>{text.split('`').map((part, i) => (i % 2 === 1 ? <code>{part}</code> : part))}</>
}
