import type { Mapping } from '../../tenancy/mapping/form.ts'
import { type Administration, change } from '../change.ts'
import { changeEnvironment } from '../environments.ts'
import { Refusal } from '../refusal.ts'
import { mappingState, refuseChanged } from '../states/state-tags.ts'
import { changeTenant } from '../tenants.ts'
import { heldPlace, type MappedPlace, type MappingPlace } from './in-force.ts'

/**
 * Gives a place a mapping of its own, or with null takes it back to what is inherited. It is the setting `mapping`, and a change of it
 * like any other.
 *
 * @throws {Refusal} 400 with each path that leads to nothing; 404; 412 where the mapping is not as the caller has read it
 */
export function putMapping(
  administration: Administration,
  place: MappingPlace,
  mapping: Mapping | null,
): Promise<MappedPlace> {
  return change(administration, async (tx, record) => {
    const { environment, tenant } = await heldPlace(tx, place)
    refuseChanged(administration, mappingState(environment.settings, tenant?.settings))
    const within = { ...administration, database: tx, record, expected: undefined }
    const { projectId, environmentId, tenantId } = place
    const settings = { mapping }
    try {
      if (tenantId === null) {
        const changed = await changeEnvironment(within, projectId, environmentId, { settings })
        return { environment: changed, tenant: undefined }
      }
      return { environment, tenant: await changeTenant(within, place, tenantId, { settings }) }
    } catch (error) {
      throw error instanceof Refusal ? asOwn(error) : error
    }
  })
}

/** A refusal of the setting, with paths as they are in what was sent. */
const asOwn = (refusal: Refusal): Refusal =>
  new Refusal(
    refusal.status,
    refusal.message,
    refusal.mistakes.map(({ path, message }) => ({ path: path.replace(/^settings\./, ''), message })),
  )
