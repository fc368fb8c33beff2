import type { Scope } from '../../../../auth/principal.ts'
import type { ApiKeyRow } from '../../../../repositories/control/api-keys.ts'
import { labelsOf, placeNamesOf } from '../../../../repositories/control/summaries.ts'
import { seesPeople } from '../../directory.ts'
import type { ConsoleContext } from '../../env.ts'
import { pathOf } from '../../paths.ts'

/** Whose a key is: the customer, or another place, or the user for whom it stands. */
export interface KeyOwner {
  readonly name: string
  readonly href: string
}

/** Whose these keys are, by their ids. */
export async function ownersOf(c: ConsoleContext, keys: readonly ApiKeyRow[]): Promise<ReadonlyMap<string, KeyOwner>> {
  const { database } = c.var
  const names = await placeNamesOf(
    database,
    keys.map(({ scope }) => scope),
  )
  const owners = new Map<string, KeyOwner>()
  for (const { id, scope, userId } of keys) {
    const place = names.get(innermost(scope))
    const href = pathOf(scope)
    const name = place === undefined ? 'the whole instance' : `${scope.kind} ${place}`
    if (userId === null || scope.kind !== 'tenant') owners.set(id, { name, href })
    else {
      const label = seesPeople(c) ? (await labelsOf(database, scope.tenantId, [userId])).get(userId) : undefined
      owners.set(
        id,
        label === undefined ? { name: `one user of ${name}`, href } : { name: label, href: `${href}/users/${userId}` },
      )
    }
  }
  return owners
}

const innermost = (scope: Scope): string => {
  switch (scope.kind) {
    case 'instance':
      return ''
    case 'project':
      return scope.projectId
    case 'environment':
      return scope.environmentId
    case 'tenant':
      return scope.tenantId
  }
}
