import { Hono } from 'hono'
import { html } from 'hono/html'
import { DEVIATIONS, deviationsOf, type Leniency, type Restriction } from '../scim/deviations/index.ts'
import { MODES, type Mode } from '../scim/deviations/mode.ts'

const ABOUT: Record<Mode, string> = {
  lenient: 'The mode of every tenant unless it is set otherwise: identity providers work as they are.',
  standard: 'RFC 7643 and RFC 7644 with the leniencies that harm nobody.',
  strict: 'RFC 7643 and RFC 7644 to the letter.',
  interop: 'The draft interoperability profile, which is stricter than RFC 7644 in places. Opt-in.',
}

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 3rem auto; padding: 0 1.5rem; color: #1c2430 }
  h1 { font-size: 1.7rem } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5dbe3; padding-bottom: .3rem }
  table { border-collapse: collapse; width: 100%; font-size: .92rem }
  th, td { text-align: left; vertical-align: top; padding: .45rem .8rem .45rem 0; border-bottom: 1px solid #e8ecf1 }
  code { background: #f1f4f8; border-radius: 3px; padding: .05rem .3rem; font-size: .88em; white-space: pre-wrap }
  td:first-child { white-space: nowrap } :target { scroll-margin-top: 1rem }
  @media (prefers-color-scheme: dark) {
    body { background: #10151c; color: #dfe5ec } code { background: #1d2530 } h2, th, td { border-color: #2b3542 }
  }`

/**
 * `/docs/modes`: what each mode of a tenant takes and reads, with a heading named after each mode; the `documentationUri` of
 * discovery points there. Plain HTML without a script, from the table that the code goes by.
 */
export function modesPage(): Hono {
  const page = new Hono()
  page.get('/docs/modes', (c) => {
    c.header('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
    c.header('X-Content-Type-Options', 'nosniff')
    return c.html(
      html`<!doctype html>${(
        <html lang="en">
          <head>
            <meta charset="utf-8" />
            <meta name="viewport" content="width=device-width, initial-scale=1" />
            <title>Modes · Rollcall</title>
            <style>{STYLE}</style>
          </head>
          <body>
            <h1>Modes of a tenant</h1>
            <p>
              A mode is a named set of deviations from the strict reading of the RFCs. What is sent is always exact.
            </p>
            {MODES.map((mode) => (
              <ModeSection mode={mode} />
            ))}
          </body>
        </html>
      )}`,
    )
  })
  return page
}

function ModeSection({ mode }: { mode: Mode }) {
  const deviations = [...deviationsOf(mode)].map((name) => ({ name, rule: DEVIATIONS[name] as Leniency | Restriction }))
  return (
    <section id={mode}>
      <h2>{mode}</h2>
      <p>{ABOUT[mode]}</p>
      {deviations.length === 0 ? (
        <p>No deviations.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th>deviation</th>
              <th>what is sent</th>
              <th>what it is read as</th>
              <th>by whom</th>
            </tr>
          </thead>
          <tbody>
            {deviations.map(({ name, rule }) => (
              <tr>
                <td>{name}</td>
                <td>{'sent' in rule ? <Marked text={rule.sent} /> : ''}</td>
                <td>{'sent' in rule ? <Marked text={rule.readAs} /> : <Marked text={rule.effect} />}</td>
                <td>{'sent' in rule ? rule.sentBy : ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

/** Text in which every second part between back-quotes is code. */
function Marked({ text }: { text: string }) {
  return <>{text.split('`').map((part, i) => (i % 2 === 1 ? <code>{part}</code> : part))}</>
}
