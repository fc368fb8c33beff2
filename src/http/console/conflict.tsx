import type { Changed } from '../../administration/refusal.ts'
import type { ConsoleContext } from './env.ts'
import { NOTHING_SENT } from './forms.ts'
import { Card, Form, Table } from './parts.tsx'

const LONGEST = 300

/** What differs from what the sender of a form has seen, and the way to save over it with open eyes. */
export function Conflict({ c, changed }: { c: ConsoleContext; changed: Changed }) {
  const sent = [...c.var.form].filter(([name]) => !NOTHING_SENT.has(name))
  const mine = (path: string) => sent.find(([name]) => name === path || name === path.replace(/^settings\./, ''))?.[1]
  return (
    <Card title="What somebody else has changed">
      {changed.changed.length === 0 ? (
        <p>It is something else now than what your page has shown, or is there no longer.</p>
      ) : (
        <Table head={['What', 'Is now', 'You have sent']} label="Differences">
          {changed.changed.map(({ path, now }) => (
            <tr>
              <td>
                <code>{path}</code>
              </td>
              <td class="long">
                <ins>{textOf(now)}</ins>
              </td>
              <td class="long">{mine(path) ?? <span class="quiet">nothing of it</span>}</td>
            </tr>
          ))}
        </Table>
      )}
      {changed.tag && (
        <details class="more">
          <summary>Save mine all the same …</summary>
          <p class="small">What you have sent takes the place of what is there now.</p>
          <Form action={c.req.path} tag={`"${changed.tag}"`}>
            {sent.map(([name, value]) => (
              <input type="hidden" name={name} value={value} />
            ))}
            <button type="submit" class="bad">
              Save mine over it
            </button>
          </Form>
        </details>
      )}
    </Card>
  )
}

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}
