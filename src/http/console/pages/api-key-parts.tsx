import { randomUUID } from 'node:crypto'
import type { PropsWithChildren } from 'hono/jsx'
import type { CreatedApiKey } from '../../../administration/keys/api-keys.ts'
import { apiKeyWarnings, expiresSoon } from '../../../administration/keys/key-warnings.ts'
import { rotationOf } from '../../../auth/key-secrets.ts'
import { PERMISSIONS, type Principal } from '../../../auth/principal.ts'
import type { ApiKeyRow } from '../../../repositories/control/api-keys.ts'
import { FORM_ID_FIELD } from '../once.ts'
import { Action, Badge, Card, Copy, cut, Form, Moment, Pager, Table, type Tone } from '../parts.tsx'

/** Keys of a place, one of them more than `limit` where there are more. @param path of the place */
export function KeysCard(
  props: PropsWithChildren<{ keys: readonly ApiKeyRow[]; limit: number; path: string; first?: string | undefined }>,
) {
  const { keys, limit, path, first, children } = props
  const { page, last } = cut(keys, limit)
  return (
    <Card title="API keys">
      {page.length === 0 && <p class="quiet">There are none yet.</p>}
      {page.length > 0 && (
        <Table head={['Key', 'For', 'May', 'Last used', 'State']} label="API keys">
          {page.map((key) => (
            <tr>
              <td class="long">
                <a href={`${path}/api-keys/${key.id}`}>{key.name}</a>
                <br />
                <code>{key.id}</code>
              </td>
              <td>{key.userId === null ? key.scope.kind : 'one user'}</td>
              <td>{key.permissions.join(', ')}</td>
              <td>
                <Moment at={lastUse(key)} />
              </td>
              <td>
                <KeyState row={key} />
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Pager
        next={last && `${path}/api-keys?after=${last.id}`}
        first={first}
        older={first ? 'Next page' : 'More keys'}
      />
      {children}
    </Card>
  )
}

function lastUse({ secrets }: ApiKeyRow): number | null {
  const uses = secrets.flatMap(({ lastUsedAt }) => (lastUsedAt === null ? [] : [lastUsedAt.getTime()]))
  return uses.length === 0 ? null : Math.max(...uses)
}

function KeyState({ row }: { row: ApiKeyRow }) {
  const states = statesOf(row, new Date())
  return (
    <span class="badges">
      {states.map(({ tone, text }) => (
        <Badge tone={tone}>{text}</Badge>
      ))}
    </span>
  )
}

function statesOf(row: ApiKeyRow, now: Date): { tone: Tone; text: string }[] {
  if (row.revokedAt !== null) return [{ tone: 'plain', text: 'revoked' }]
  if (row.expiresAt !== null && row.expiresAt <= now) return [{ tone: 'bad', text: 'expired' }]
  const states = [
    ...(expiresSoon(row, now) ? [{ tone: 'warn', text: 'expires soon' } as const] : []),
    ...(rotationOf(row.secrets, now) ? [{ tone: 'warn', text: 'rotating' } as const] : []),
  ]
  return states.length > 0 ? states : [{ tone: 'good', text: 'good' }]
}

/** The form for a new key. It offers no more than the asking key may give. @param path of the place */
export function NewKey({ path, by }: { path: string; by: Principal }) {
  const offered = PERMISSIONS.filter((permission) => by.permissions.has(permission))
  return (
    <details class="more">
      <summary>New key …</summary>
      <Form action={`${path}/api-keys`} class="fields">
        <FormId />
        <label>
          Name
          <input name="name" required maxlength={200} placeholder="acme Okta" />
          <small>Who will have it.</small>
        </label>
        <fieldset>
          <legend>What it may do</legend>
          {offered.map((permission) => (
            <label class="box">
              <input type="checkbox" name="permissions" value={permission} checked={permission.startsWith('scim:')} />
              <code>{permission}</code> <small>{ABOUT[permission]}</small>
            </label>
          ))}
        </fieldset>
        {offered.includes('admin') && (
          <label class="box">
            <input type="checkbox" name="tokensMayMintAdminKeys" value="true" />
            Its access tokens may make keys with <code>admin</code> <small>for keys with admin alone</small>
          </label>
        )}
        <Expiry
          label={
            by.expiresAt === undefined ? 'in a year' : 'in a year; with admin, not after the key you signed in with'
          }
        />
        <button type="submit" class="main">
          Make the key
        </button>
      </Form>
    </details>
  )
}

const ABOUT = {
  'scim:read': 'identity providers read',
  'scim:write': 'identity providers write',
  'directory:read': 'your application reads people, groups and events',
  admin: 'this console and the admin API',
} as const

/** Makes two forms two, though the same be filled in. */
const FormId = () => <input type="hidden" name={FORM_ID_FIELD} value={randomUUID()} />

function Expiry({ label }: { label: string }) {
  return (
    <label>
      Expires
      <select name="expiresInDays">
        <option value="">{label}</option>
        {[30, 90, 180].map((days) => (
          <option value={String(days)}>in {days} days</option>
        ))}
      </select>
    </label>
  )
}

/** A key, or its new secret, the one time it is shown. @param path of the key's page */
export function ShownOnce({ made, path }: { made: CreatedApiKey; path: string }) {
  return (
    <Card title={made.name}>
      <p class="warning">This is shown this once and kept nowhere. Copy it now; a click selects it.</p>
      <br />
      <Copy text={made.key} />
      <br />
      {made.warnings.map((warning) => (
        <p class="warning">{warning}</p>
      ))}
      <p>
        <a href={path}>I have it; show the key’s page</a>
      </p>
    </Card>
  )
}

/** One key: what it may, who uses it, and how its rotation goes. @param path of this page */
export function KeyPage({ row, path }: { row: ApiKeyRow; path: string }) {
  const now = new Date()
  const warnings = apiKeyWarnings(row, now)
  const tone = row.expiresAt !== null && row.expiresAt <= now ? 'warning bad' : 'warning'
  return (
    <>
      <div class="head">
        <h1>{row.name}</h1>
        <KeyState row={row} />
      </div>
      {warnings.map((warning) => (
        <p class={tone}>{warning}</p>
      ))}
      <Card title="Key">
        <dl class="facts">
          <dt>Id</dt>
          <dd>
            <code>{row.id}</code>
          </dd>
          <dt>For</dt>
          <dd>{row.userId === null ? `the ${row.scope.kind}` : `the user ${row.userId}`}</dd>
          <dt>May</dt>
          <dd>{row.permissions.join(', ')}</dd>
          {row.permissions.includes('admin') && (
            <>
              <dt>Its tokens</dt>
              <dd>may{row.tokensMayMintAdminKeys ? '' : ' not'} make keys with admin</dd>
            </>
          )}
          <dt>Made</dt>
          <dd>
            <Moment at={row.createdAt} />
          </dd>
          <dt>Expires</dt>
          <dd>
            <Moment at={row.expiresAt} />
          </dd>
          {row.revokedAt && (
            <>
              <dt>Revoked</dt>
              <dd>
                <Moment at={row.revokedAt} />
              </dd>
            </>
          )}
        </dl>
      </Card>
      <Card title="Secrets">
        <Table head={['Version', 'Made', 'Ends', 'Last used', 'By']} label="Secrets">
          {row.secrets.map((secret) => (
            <tr>
              <td class="num">{secret.version}</td>
              <td>
                <Moment at={secret.createdAt} />
              </td>
              <td>
                {secret.endsOnUse ? 'when the new one is used' : <Moment at={secret.endsAt ?? secret.expiresAt} />}
              </td>
              <td>
                <Moment at={secret.lastUsedAt} />
              </td>
              <td>{secret.lastUsedBy ?? ''}</td>
            </tr>
          ))}
        </Table>
      </Card>
      {row.revokedAt === null && <KeyActions row={row} path={path} now={now} />}
    </>
  )
}

function KeyActions({ row, path, now }: { row: ApiKeyRow; path: string; now: Date }) {
  const rotating = rotationOf(row.secrets, now)
  return (
    <Card title="What to do">
      {rotating ? (
        <div class="actions">
          <Action
            action={`${path}/end-rotation`}
            label="End the old secret"
            ask={`A client that still uses secret ${rotating.from.version} gets 401 from then on.`}
          />
          <Action
            action={`${path}/undo-rotation`}
            label="Undo the rotation"
            ask={`Secret ${rotating.to.version} ends at once, and secret ${rotating.from.version} stays.`}
          />
          <Revoke path={path} />
        </div>
      ) : (
        <div class="actions">
          <details>
            <summary>Rotate …</summary>
            <Form action={`${path}/rotate`} class="fields">
              <FormId />
              <p class="small">A new secret, good at once, under the same id.</p>
              <label>
                The old secret ends
                <select name="old">
                  <option value="day">after a day</option>
                  <option value="use">once the new one was used</option>
                  <option value="now">at once: it has leaked</option>
                </select>
              </label>
              <Expiry label="after as long again" />
              <button type="submit" class="main">
                Rotate
              </button>
            </Form>
          </details>
          {row.permissions.includes('admin') && <TokenRights row={row} path={path} />}
          <Revoke path={path} />
        </div>
      )}
    </Card>
  )
}

function TokenRights({ row: { tokensMayMintAdminKeys: may }, path }: { row: ApiKeyRow; path: string }) {
  const label = may ? 'Let its tokens make no admin keys' : 'Let its tokens make admin keys'
  const ask = may
    ? 'Who has an access token of it makes no keys with admin from then on.'
    : 'Who gets hold of an access token, good for an hour, can then make a key that lives as long as this one.'
  return <Action action={`${path}/token-rights`} label={label} ask={ask} fields={{ may: String(!may) }} />
}

function Revoke({ path }: { path: string }) {
  const ask = 'For good: clients that use it get 401 within a second. To replace it without a gap, rotate it.'
  return <Action action={`${path}/revoke`} label="Revoke" ask={ask} tone="bad" />
}
