import type { Attributes } from '../receiver/events.ts'
import type { Mapped, State } from './gateway.ts'

/** A row of `users`, as it is to be. */
export interface UserRow {
  readonly tenant_id: string
  readonly id: string
  readonly user_name: string
  readonly external_id: string | null
  readonly display_name: string | null
  readonly email: string | null
  readonly active: boolean
  readonly account: string | null
  readonly attributes: Attributes
  readonly mapped: Mapped | null
  readonly version: number
}

/** A row of `groups`, as it is to be. */
export interface GroupRow {
  readonly tenant_id: string
  readonly id: string
  readonly display_name: string | null
  readonly external_id: string | null
  readonly attributes: Attributes
  readonly version: number
}

/** Somebody of a tenant, by id. */
export interface Ref {
  readonly tenant_id: string
  readonly id: string
}

/** What a mapping gives of a user now. */
export interface MappedRow extends Ref {
  readonly mapped: Mapped | null
}

/** A member of a group: the id of a user or group, or any other text. */
export interface MemberRow {
  readonly tenant_id: string
  readonly group_id: string
  readonly member: string
}

/** A role of a user. */
export interface RoleRow {
  readonly tenant_id: string
  readonly role: string
  readonly user_id: string
}

/** What a snapshot or an event says of a user, as a row. */
export function userRow(
  tenant: string,
  id: string,
  { version, active, attributes }: State,
  { account, mapped }: { readonly account?: string | undefined; readonly mapped?: Mapped | undefined },
): UserRow {
  const { userName, externalId, displayName, emails } = attributes
  return {
    ...{ tenant_id: tenant, id, version, attributes, active: active ?? true },
    ...{ user_name: textOf(userName) ?? '', external_id: textOf(externalId), display_name: textOf(displayName) },
    ...{ email: primaryOf(emails), account: account ?? null, mapped: mapped ?? null },
  }
}

/** The same of a group. */
export function groupRow(tenant: string, id: string, { version, attributes }: State): GroupRow {
  const { displayName, externalId } = attributes
  return {
    ...{ tenant_id: tenant, id, version, attributes },
    ...{ display_name: textOf(displayName), external_id: textOf(externalId) },
  }
}

/** The primary address, else the first. */
function primaryOf(emails: unknown): string | null {
  if (!Array.isArray(emails)) return null
  const all = emails as readonly { readonly value?: unknown; readonly primary?: unknown }[]
  return textOf((all.find(({ primary }) => primary === true) ?? all[0])?.value)
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The text as an id, where it has the form of one. */
export const idOf = (text: string): string | null => (UUID.test(text) ? text : null)

/** Rows as a parameter. What PostgreSQL takes in no text, a zero character or half of a pair, becomes U+FFFD. */
export function jsonOf(rows: readonly object[]): string {
  const text = JSON.stringify(rows)
  return /\\u(?:0000|d[89a-f])/.test(text)
    ? JSON.stringify(rows, (_, value) =>
        typeof value === 'string' ? value.replace(/[\0\p{Surrogate}]/gu, '\u{fffd}') : value,
      )
    : text
}
