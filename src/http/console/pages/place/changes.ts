import { changeEnvironment } from '../../../../administration/environments.ts'
import { refuseWiderTrust } from '../../../../administration/keys/minting.ts'
import { changeTenant } from '../../../../administration/tenants.ts'
import {
  type EnvironmentSettingsChange,
  environmentSettingsChange,
  tenantSettingsChange,
} from '../../../../tenancy/settings.ts'
import { invalid } from '../../../invalid.ts'
import type { ConsoleContext } from '../../env.ts'
import type { PlaceHere } from './here.ts'

/** A change of an environment or a tenant. */
export interface PlaceChange {
  readonly name?: string | undefined
  readonly paused?: boolean | undefined
  readonly settings?: EnvironmentSettingsChange | undefined
}

/** Settings that were filled in, as the admin API takes them. @throws {Refusal} 400 */
export function settingsChange(kind: PlaceHere['kind'], settings: unknown): EnvironmentSettingsChange {
  const shape = kind === 'tenant' ? tenantSettingsChange : environmentSettingsChange
  const parsed = shape.safeParse(settings)
  if (!parsed.success) throw invalid(parsed.error)
  return parsed.data
}

/** Changes an environment or a tenant as the admin API does. @throws {Refusal} 400, 403, 404, 409, 412 */
export async function changePlace(c: ConsoleContext, place: PlaceHere, input: PlaceChange): Promise<void> {
  const { administration, principal } = c.var
  refuseWiderTrust(principal, place.scope, input.settings)
  const { projectId, environmentId } = place.scope
  if (place.kind === 'tenant') await changeTenant(administration, place.scope, place.tenant.id, input)
  else await changeEnvironment(administration, projectId, environmentId, input)
}
