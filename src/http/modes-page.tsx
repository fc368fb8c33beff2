import { Hono } from 'hono'
import { DEVIATIONS, deviationsOf, type Leniency, type Restriction } from '../scim/deviations/index.ts'
import { MODES, type Mode } from '../scim/deviations/mode.ts'
import { Marked, servePage } from './page.tsx'

const ABOUT: Record<Mode, string> = {
  lenient: 'The mode of every tenant unless it is set otherwise: identity providers work as they are.',
  standard: 'RFC 7643 and RFC 7644 with the leniencies that do no harm.',
  strict: 'RFC 7643 and RFC 7644 to the letter.',
  interop: 'The draft interoperability profile, which is stricter than RFC 7644 in places. Opt-in.',
}

/**
 * `/docs/modes`: what each mode of a tenant takes and reads, with a heading named after each mode; the `documentationUri` of
 * discovery points there. Plain HTML without a script, from the table that the code uses.
 */
export function modesPage(): Hono {
  const modes = new Hono()
  modes.get(
    '/docs/modes',
    servePage(() => ({ title: 'Modes', content: <Modes /> })),
  )
  return modes
}

function Modes() {
  return (
    <>
      <h1>Modes of a tenant</h1>
      <p>
        <Marked text="A mode is a named set of deviations from the strict reading of the RFCs. What the gateway sends is exact in every mode, except that `lenient` shows `externalId` in `/Schemas`." />
      </p>
      <p>
        <Marked text="What becomes of attributes that no schema of the tenant has is a setting beside the mode, `unknownAttributes`: `ignore` passes over them in POST, PUT, PATCH and bulk requests, `refuse` answers 400, and `by-mode`, the default, follows the tables below. They are never kept; register an extension for those that are wanted." />
      </p>
      {MODES.map((mode) => (
        <ModeSection mode={mode} />
      ))}
    </>
  )
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
