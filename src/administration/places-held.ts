import type { Scope } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import { environmentsOf } from '../repositories/control/environments.ts'
import { projectsIn } from '../repositories/control/projects.ts'
import { tenantsOf } from '../repositories/control/tenants.ts'
import type { Hold } from '../repositories/sql/lists.ts'
import { Refusal } from './refusal.ts'

/**
 * Locks a place until the end of the transaction, and the places around it so that they stay there. It locks from the outside
 * in, so that no two changes wait for each other.
 *
 * @throws {Refusal} 404 when it is gone
 */
export async function holdPlace(tx: Database, scope: Scope, hold: Hold): Promise<void> {
  if (scope.kind === 'instance') return
  const holdOf = (kind: Scope['kind']): Hold => (kind === scope.kind ? hold : 'key share')
  const { projectId } = scope
  let there: unknown = await projectsIn(tx).find(projectId, holdOf('project'))
  if (there && scope.kind !== 'project') {
    there = await environmentsOf(tx, projectId).find(scope.environmentId, holdOf('environment'))
    if (there && scope.kind === 'tenant') {
      there = await tenantsOf(tx, scope.environmentId).find(scope.tenantId, holdOf('tenant'))
    }
  }
  if (there === undefined) throw new Refusal(404, `The ${scope.kind} is gone.`)
}
