import type { Scope } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import type { ProjectId } from '../place-ids.ts'
import { deleteApiKeysWithin } from '../repositories/control/api-keys.ts'
import { environmentsOf } from '../repositories/control/environments.ts'
import { type ProjectRow, projectsIn } from '../repositories/control/projects.ts'
import { isKeyOrId, keyProblem } from '../tenancy/scim-path.ts'
import { placeRecord } from './audit-records.ts'
import { type Administration, change, type Recorder } from './change.ts'
import { Refusal } from './refusal.ts'
import { projectState, refuseChanged } from './states/state-tags.ts'

/** What a new project is made from. */
export interface NewProject {
  readonly key: string
  readonly name?: string | undefined
  readonly paused?: boolean | undefined
}

/** The project with this key or id. */
export async function findProject(database: Database, name: string): Promise<ProjectRow | undefined> {
  return isKeyOrId(name) ? projectsIn(database).find(name) : undefined
}

/**
 * Makes a project, still without environments.
 *
 * @throws {Refusal} 400 for an invalid key, 409 for a key in use
 */
export function createProject(administration: Administration, input: NewProject): Promise<ProjectRow> {
  return change(administration, (tx, record) => insertProject(tx, record, input))
}

/** `createProject` inside a change that is under way. */
export async function insertProject(
  tx: Database,
  record: Recorder,
  { key, name, paused }: NewProject,
): Promise<ProjectRow> {
  const problem = keyProblem(key)
  if (problem !== undefined) throw Refusal.badKey(problem)
  const project = await projectsIn(tx).insert({ key, name: name ?? key, paused: paused ?? false })
  if (project === undefined) throw Refusal.keyTaken('project', key)
  record(placeRecord(placeOf(project.id), { before: null, after: project }))
  return project
}

/** Renames a project, pauses or resumes it with all that is in it; its key and id never change. @throws {Refusal} 404, 412 */
export function changeProject(
  administration: Administration,
  id: ProjectId,
  { name, paused }: { readonly name?: string | undefined; readonly paused?: boolean | undefined },
): Promise<ProjectRow> {
  return change(administration, async (tx, record) => {
    const project = await projectsIn(tx).find(id, 'no key update')
    if (project !== undefined) refuseChanged(administration, projectState(project))
    const values = project && { name: name ?? project.name, paused: paused ?? project.paused }
    const changed = values && (await projectsIn(tx).change(id, values))
    if (project === undefined || changed === undefined) throw Refusal.notFound('project', id)
    record(placeRecord(placeOf(id), { before: project, after: changed }))
    return changed
  })
}

/**
 * Deletes a project and its keys.
 *
 * @throws {Refusal} 404, 409 while it has environments, 412
 */
export function deleteProject(administration: Administration, id: ProjectId): Promise<void> {
  return change(administration, async (tx, record) => {
    const project = await projectsIn(tx).find(id, 'update')
    if (project === undefined) throw Refusal.notFound('project', id)
    refuseChanged(administration, projectState(project))
    const [environment] = await environmentsOf(tx, id).list({ after: undefined, limit: 1 })
    if (environment !== undefined)
      throw new Refusal(409, `The project still has environments, such as "${environment.key}"; delete them first.`)
    await deleteApiKeysWithin(tx, { kind: 'project', projectId: id })
    await projectsIn(tx).delete(id)
    record(placeRecord(placeOf(id), { before: project, after: null }))
  })
}

const placeOf = (projectId: ProjectId): Scope => ({ kind: 'project', projectId })
