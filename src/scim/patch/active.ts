import type { Deviations } from '../deviations/index.ts'
import { resolveAttribute } from '../filter/bind.ts'
import { isObject } from '../resource.ts'
import type { ResourceType } from '../schema/resource-type.ts'
import { applyPatch } from './apply.ts'
import type { PatchOperation } from './parse.ts'
import { keyNames } from './target.ts'

/**
 * The value that a PATCH gives to `active`, when that is all it does; undefined for any other PATCH. What every identity
 * provider sends for a leaver can then be stored without reading the user first.
 *
 * @throws {ScimError} as `applyPatch` does for a value that is no boolean
 */
export function activeAlone(
  type: ResourceType,
  operations: readonly PatchOperation[],
  deviations: Deviations,
): boolean | undefined {
  if (operations.length === 0 || !operations.every((operation) => isAboutActive(type, operation))) return undefined
  const { resource } = applyPatch(type, { schemas: [type.schema.id], userName: 'any' }, operations, deviations)
  return typeof resource.active === 'boolean' ? resource.active : undefined
}

function isAboutActive(type: ResourceType, { op, path, value }: PatchOperation): boolean {
  const active = type.core.get('active')
  if (active === undefined || op === 'remove') return false
  if (path) {
    return (
      path.filter === undefined &&
      path.sub === undefined &&
      resolveAttribute(type, path.attribute)?.attribute === active
    )
  }
  if (!isObject(value)) return false
  const keys = Object.keys(value)
  return keys.length > 0 && keys.every((key) => keyNames(type, key, active))
}
