import { isOurId } from '../repositories/sql/ids.ts'
import type { Resource } from '../scim/resource.ts'

/** A resource of any type, with its id; without what is computed and what is never returned. */
export interface ResourceRecord {
  readonly kind: 'resource'
  readonly type: string
  readonly resource: Resource
}

/**
 * One membership, by ids. `deferred` is one whose member is not in the tenant (yet), kept as it was sent: only where the
 * tenant has the setting `deferReferenceChecks`.
 */
export interface MemberRecord {
  readonly kind: 'member' | 'deferred'
  readonly group: string
  readonly member: string
  /** What the client called the member. */
  readonly display?: string | undefined
}

/** A piece of a tenant's directory. All resources come before all members, so a reader in this order has both ends. */
export type TransferRecord = ResourceRecord | MemberRecord

/** Where a record stands in the order: what an export goes on after. */
export type Position =
  | { readonly kind: 'resource'; readonly id: string }
  | { readonly kind: 'member' | 'deferred'; readonly group: string; readonly member: string }

/** The position of a record as text. */
export const positionOf = (record: TransferRecord): string =>
  record.kind === 'resource'
    ? `resource:${String(record.resource.id)}`
    : `${record.kind}:${record.group}:${record.member}`

const ID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
/** The form of positions, for OpenAPI. */
export const POSITION_PATTERN = `^(?:resource:${ID}|member:${ID}:${ID}|deferred:${ID}:.*)$`

/** Reads a position; undefined where the text is none. */
export function parsePosition(text: string): Position | undefined {
  const [, kind, id = '', member] = /^(resource|member|deferred):([^:]*)(?::(.*))?$/s.exec(text) ?? []
  if (!isOurId(id)) return undefined
  if (kind === 'resource') return member === undefined ? { kind, id } : undefined
  if (kind === 'deferred' && member !== undefined) return { kind, group: id, member }
  return kind === 'member' && member !== undefined && isOurId(member) ? { kind, group: id, member } : undefined
}
