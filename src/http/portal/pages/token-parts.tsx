import { randomUUID } from 'node:crypto'
import { currentSecret, rotationOf } from '../../../auth/key-secrets.ts'
import type { ApiKeyRow } from '../../../repositories/control/api-keys.ts'
import { FORM_ID_FIELD } from '../../console/once.ts'
import { Action, Badge, Card, Form, Moment, Table } from '../../console/parts.tsx'
import { lastUse } from '../connection.ts'

/** Makes two forms two, though the same be filled in. */
const FormId = () => <input type="hidden" name={FORM_ID_FIELD} value={randomUUID()} />

/** The form for a new token, and the way to those that there are. @param path of the link's pages */
export function MakeToken(props: { path: string; keys: readonly ApiKeyRow[]; provider: string }) {
  const { path, keys, provider } = props
  const form = (
    <Form action={`${path}/tokens`} class="fields">
      <FormId />
      <label>
        Name
        <input name="name" required maxlength={200} value={provider} />
        <small>By which you tell your tokens apart.</small>
      </label>
      <button type="submit" class="main">
        Make a token
      </button>
    </Form>
  )
  if (keys.length === 0) return form
  return (
    <>
      <p>
        You have <a href={`${path}/tokens`}>{keys.length === 1 ? 'a token' : `${keys.length} tokens`}</a>. Who has lost
        it rotates it there.
      </p>
      <details class="more">
        <summary>Make another one …</summary>
        {form}
      </details>
    </>
  )
}

/** The tokens of a tenant that visitors of links have made. */
export function TokenList({ path, keys }: { path: string; keys: readonly ApiKeyRow[] }) {
  return (
    <Table head={['Token', 'Client id', 'Made', 'Last used', 'Expires']} label="Tokens">
      {keys.map((key) => (
        <tr>
          <td class="long">
            <a href={`${path}/tokens/${key.id}`}>{key.name}</a>{' '}
            {rotationOf(key.secrets, new Date()) && <Badge tone="warn">rotating</Badge>}
          </td>
          <td>
            <code>{key.id}</code>
          </td>
          <td>
            <Moment at={key.createdAt} />
          </td>
          <td>
            <Moment at={lastUse(key)} />
          </td>
          <td>
            <Moment at={key.expiresAt} />
          </td>
        </tr>
      ))}
    </Table>
  )
}

/** One token: who uses it, and how its rotation goes. @param path of this page */
export function TokenPage({ row, path }: { row: ApiKeyRow; path: string }) {
  const rotation = rotationOf(row.secrets, new Date())
  const current = currentSecret(row.secrets)
  return (
    <>
      <h1>{row.name}</h1>
      <Card title="Token">
        <dl class="facts">
          <dt>Client id</dt>
          <dd>
            <code>{row.id}</code>
          </dd>
          <dt>Made</dt>
          <dd>
            <Moment at={row.createdAt} />
          </dd>
          <dt>Expires</dt>
          <dd>
            <Moment at={row.expiresAt} />
          </dd>
          <dt>Last used</dt>
          <dd>
            <Moment at={current.lastUsedAt} /> {current.lastUsedBy !== null && `by ${current.lastUsedBy}`}
          </dd>
          {rotation && (
            <>
              <dt>Old token</dt>
              <dd>
                last used <Moment at={rotation.from.lastUsedAt} />, ends{' '}
                {rotation.from.endsAt === null ? 'when the new one is used' : <Moment at={rotation.from.endsAt} />}
              </dd>
            </>
          )}
        </dl>
      </Card>
      <Card title="What to do">
        {rotation ? (
          <Action
            action={`${path}/end-old`}
            label="End the old token"
            ask="Your identity provider must have the new one by now: requests with the old one are refused from then on."
            tone="bad"
          />
        ) : (
          <Form action={`${path}/rotate`} class="fields">
            <FormId />
            <p class="small">Rotating makes a new token, which is good at once and shown once.</p>
            <label>
              The old token ends
              <select name="old">
                <option value="use">once the new one was used</option>
                <option value="day">after a day</option>
                <option value="now">at once: it has leaked</option>
              </select>
            </label>
            <button type="submit" class="main">
              Rotate
            </button>
          </Form>
        )}
      </Card>
    </>
  )
}
