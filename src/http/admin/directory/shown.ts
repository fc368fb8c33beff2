import { mapperFor } from '../../../mapping/mapped.ts'
import { representation } from '../../../provisioning/representation.ts'
import { accountsOfUsers } from '../../../repositories/accounts/links.ts'
import type { JsonText, ResourceRow } from '../../../repositories/resources/rows.ts'
import type { Resource } from '../../../scim/resource.ts'
import type { ResourceType } from '../../../scim/schema/resource-type.ts'
import { withoutSecrets } from '../../../scim/schema/secrets.ts'
import type { TenantContext } from '../../../tenancy/tenant.ts'
import type { AdminRequest } from '../../control/env.ts'

type Row = ResourceRow<JsonText>

/** A resource without what is never returned. */
export const shown = (row: Row, type: ResourceType, baseUrl: string): Resource =>
  withoutSecrets(type, representation(row, type, baseUrl))

/**
 * How the application sees resources of a type: without what is never returned; users with the account they have, and with what the
 * tenant's mapping makes of them. Where the application has posted no accounts, and where there is no mapping, no statement is sent
 * and nothing is added.
 *
 * @param rows those that are to be shown
 */
export async function shownWith(
  c: { readonly var: Pick<AdminRequest, 'database'> },
  { id: tenantId, registry, settings, hasAccounts, baseUrl }: TenantContext,
  type: ResourceType,
  rows: readonly Pick<Row, 'id'>[],
): Promise<(row: Row) => Resource> {
  const alone = (row: Row) => shown(row, type, baseUrl)
  if (type.name !== 'User') return alone
  const { database } = c.var
  const ids = rows.map(({ id }) => id)
  const accounts = hasAccounts ? await accountsOfUsers(database, tenantId, ids) : undefined
  const mapper = await mapperFor(database, { id: tenantId, registry, mapping: settings.mapping }, ids)
  if (accounts === undefined && mapper === undefined) return alone
  return (row) => {
    const user = alone(row)
    const account = accounts?.get(row.id)
    return {
      ...user,
      ...(account !== undefined && { account }),
      ...(mapper !== undefined && { mapped: asJson(mapper(row.id, user)) }),
    }
  }
}

/** What is mapped is JSON; only its lists are not to be changed. */
const asJson = (mapped: ReturnType<NonNullable<Awaited<ReturnType<typeof mapperFor>>>>): Resource => mapped as Resource
