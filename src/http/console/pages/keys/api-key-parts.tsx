import { randomUUID } from 'node:crypto'
import type { PropsWithChildren } from 'hono/jsx'
import type { CreatedApiKey } from '../../../../administration/keys/api-keys.ts'
import { expiresSoon } from '../../../../administration/keys/key-warnings.ts'
import { rotationOf } from '../../../../auth/key-secrets.ts'
import { mayGive, PERMISSIONS, type Principal } from '../../../../auth/principal.ts'
import type { ApiKeyRow } from '../../../../repositories/control/api-keys.ts'
import { FORM_ID_FIELD } from '../../once.ts'
import { Badge, Card, Copy, cut, Form, Moment, Pager, Table, type Tone } from '../../parts.tsx'
import type { KeyOwner } from './key-owners.ts'

/** Keys of a place, one of them more than `limit` where there are more. @param path of the place */
export function KeysCard(
  props: PropsWithChildren<{
    keys: readonly ApiKeyRow[]
    owners: ReadonlyMap<string, KeyOwner>
    limit: number
    path: string
    first?: string | undefined
  }>,
) {
  const { keys, owners, limit, path, first, children } = props
  const { page, last } = cut(keys, limit)
  return (
    <Card title="API keys">
      {page.length === 0 && <p class="quiet">There are none yet.</p>}
      {page.length > 0 && (
        <Table head={['Key', 'Whose', 'May', 'Last used', 'Expires', 'State']} label="API keys">
          {page.map((key) => (
            <tr>
              <td class="long">
                <a href={`${path}/api-keys/${key.id}`}>{key.name}</a>
                <br />
                <code>{key.id}</code>
              </td>
              <td class="long">
                <Owner owner={owners.get(key.id)} />
              </td>
              <td>{key.permissions.join(', ')}</td>
              <td>
                <Moment at={lastUse(key)} />
              </td>
              <td>
                <Moment at={key.expiresAt} />
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

/** Whose a key is. */
export const Owner = ({ owner }: { owner: KeyOwner | undefined }) => owner && <a href={owner.href}>{owner.name}</a>

function lastUse({ secrets }: ApiKeyRow): number | null {
  const uses = secrets.flatMap(({ lastUsedAt }) => (lastUsedAt === null ? [] : [lastUsedAt.getTime()]))
  return uses.length === 0 ? null : Math.max(...uses)
}

/** How a key is: good, soon to expire, ended. */
export function KeyState({ row }: { row: ApiKeyRow }) {
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
  const offered = PERMISSIONS.filter((permission) => mayGive(by.permissions, permission))
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
  'requests:reveal': 'people in the provisioning log unmasked; beside admin',
  'ssf.read': 'receivers of Security Event Tokens read their stream and poll it',
  'ssf.manage': 'receivers make their stream and change it',
  'accounts:write': 'post the accounts that the application has',
  'people:erase': 'erase people for good; beside admin',
} as const

/** Makes two forms two, though the same be filled in. */
export const FormId = () => <input type="hidden" name={FORM_ID_FIELD} value={randomUUID()} />

/** When a new secret ends. */
export function Expiry({ label }: { label: string }) {
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
    <>
      <h1>{made.name}</h1>
      <Card title="API key">
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
    </>
  )
}
