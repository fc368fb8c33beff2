import { z } from 'zod'
import { Refusal } from '../../../../administration/refusal.ts'
import type { ConsoleContext } from '../../env.ts'
import { fieldsOf } from '../../forms.ts'
import { Card, Form } from '../../parts.tsx'

/** A form that deletes something for good, once its key was typed. @param loses what goes with it */
export function DeleteCard(props: { action: string; what: string; named: string; loses: string; tag?: string }) {
  const { action, what, named, loses, tag } = props
  return (
    <Card title={`Delete the ${what}`}>
      <details class="more">
        <summary class="bad">Delete “{named}” …</summary>
        <Form action={action} class="fields" tag={tag}>
          <p>{loses} This cannot be undone.</p>
          <label>
            Type “{named}” to go on
            <input name="confirm" required autocomplete="off" autocapitalize="off" spellcheck={false} />
          </label>
          <button type="submit" class="bad">
            Delete the {what} for good
          </button>
        </Form>
      </details>
    </Card>
  )
}

/** Refuses a deletion whose form does not name what is to go. @throws {Refusal} 400 */
export function confirmed(c: ConsoleContext, named: string): void {
  const { confirm } = fieldsOf(c.var.form, z.object({ confirm: z.string().optional() }))
  if (confirm === named) return
  const message = `must be "${named}", which is what would be deleted`
  throw new Refusal(400, `Nothing was deleted: what you have typed ${message}.`, [{ path: 'confirm', message }])
}
