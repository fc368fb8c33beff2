import type { StoredMember } from '../repositories/resources/export-pages.ts'
import type { StoredResource } from '../repositories/resources/snapshot.ts'
import { resourceFrom } from '../repositories/resources/stored-form.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { withoutSecrets } from '../scim/schema/secrets.ts'
import type { TenantContext } from '../tenancy/tenant.ts'
import { type MemberRecord, type Position, positionOf, type ResourceRecord, type TransferRecord } from './records.ts'

/** A page of an export; `next` is the position to go on after, null at the end. */
export interface ExportPage {
  readonly items: TransferRecord[]
  readonly next: string | null
}

/**
 * Reads up to `limit` records of a tenant after a position: resources by id, then members, then deferred ones. Nothing is
 * locked between two exportPages; what is changed meanwhile may be in it or not.
 */
export async function exportPage(
  { exportPages }: Repositories,
  tenant: TenantContext,
  after: Position | undefined,
  limit: number,
): Promise<ExportPage> {
  const items: TransferRecord[] = []
  for (const kind of ORDER.slice(ORDER.indexOf(after?.kind ?? 'resource'))) {
    const room = limit - items.length
    if (kind === 'resource') {
      const rows = await exportPages.resources(after?.kind === 'resource' ? after.id : undefined, room)
      // What a type that is no longer registered must not show is not known any more, and nothing could take it in.
      items.push(...rows.flatMap((row) => resourceRecord(row, tenant)))
      if (rows.length === limit) return { items, next: `resource:${rows.at(-1)?.id}` }
    } else {
      const read = kind === 'member' ? exportPages.members : exportPages.deferredMembers
      const rows = await read(after?.kind === kind ? after : undefined, room)
      items.push(...rows.map((row) => memberRecord(kind, row)))
      const last = items.at(-1)
      if (rows.length === room && last) return { items, next: positionOf(last) }
    }
  }
  return { items, next: null }
}

const ORDER = ['resource', 'member', 'deferred'] as const

function resourceRecord(row: StoredResource, tenant: TenantContext): ResourceRecord[] {
  const type = tenant.registry.byName.get(row.type)
  if (type === undefined) return []
  return [{ kind: 'resource', type: type.name, resource: withoutSecrets(type, resourceFrom(row)) }]
}

const memberRecord = (kind: MemberRecord['kind'], { group, member, display }: StoredMember): MemberRecord => ({
  ...{ kind, group, member },
  ...(display !== null && { display }),
})
