import type { ConsoleContext } from '../../env.ts'
import { Card, Form } from '../../parts.tsx'

/** Whether who is signed in may erase people. */
export const mayErase = (c: ConsoleContext): boolean => c.var.principal.permissions.has('people:erase')

/** The form that erases a user, once the name was typed. @param path of the tenant @param named what has to be typed */
export function EraseCard(props: { path: string; id: string; named: string; isThere: boolean }) {
  const { path, id, named, isThere } = props
  return (
    <Card title="Erase the person">
      <details class="more">
        <summary class="bad">Erase “{named}” …</summary>
        <Form action={`${path}/erasures`} class="fields">
          <p>
            {isThere && 'The user is deleted, and the application is told. '}
            Then the person is taken out of events, requests, queues and the audit trail, for good. What stays is a
            receipt without the person’s data. Take the person out at the identity provider first, since it may send the
            person again.
          </p>
          <input type="hidden" name="user" value={id} />
          <input type="hidden" name="named" value={named} />
          <ReferenceField />
          <ConfirmField named={named} />
          <button type="submit" class="bad">
            Erase for good
          </button>
        </Form>
      </details>
    </Card>
  )
}

/** The number of the case. */
export function ReferenceField() {
  return (
    <label>
      Number of the case
      <input name="reference" maxlength={64} placeholder="DSR-2026-17" autocomplete="off" />
      <small>The receipt shows it. It must not name the person; may be empty.</small>
    </label>
  )
}

/** What has to be typed before something is erased. */
export function ConfirmField({ named }: { named?: string }) {
  return (
    <label>
      {named === undefined ? 'Type the name once more to go on' : `Type “${named}” to go on`}
      <input name="confirm" required autocomplete="off" autocapitalize="off" spellcheck={false} />
    </label>
  )
}
