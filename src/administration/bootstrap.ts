import { CONFIGURED_ADMIN, PERMISSIONS, type Scope } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import { hasBegun, instanceKeyExists } from '../repositories/control/api-keys.ts'
import { THE_GATEWAY } from '../repositories/control/audit.ts'
import { lockFirstStart } from '../repositories/control/control-revision.ts'
import { projectsIn } from '../repositories/control/projects.ts'
import { DEFAULT_TENANT } from '../tenancy/scim-path.ts'
import { change, type Recorder } from './change.ts'
import { insertEnvironment } from './environments.ts'
import { insertNewKey, LEAST } from './keys/api-keys.ts'
import { endOfLife } from './keys/minting.ts'
import { insertProject } from './projects.ts'

/** The place that a new instance begins with, and the keys that were made just now; they cannot be read again. */
export interface Bootstrap {
  /** Keys of the place that `apiKey` is for. */
  readonly project: string
  readonly environment: string
  readonly tenant: string
  /** For SCIM in the environment; undefined when there were projects already. */
  readonly apiKey: string | undefined
  /** For everything; undefined when the configuration gives one, or there ever was one. */
  readonly adminKey: string | undefined
  /** When the keys that were made just now expire. */
  readonly keysExpireAt: Date
}

const PROJECT = 'default'
const ENVIRONMENT = 'dev'

/** The keys of a first start, while they can still be read. */
export type FirstKeys = Pick<Bootstrap, 'apiKey' | 'adminKey' | 'keysExpireAt'>

/**
 * Makes a new instance usable: a project, an environment, a tenant, and keys. Safe to run on every start and on many
 * instances at once; what an operator has deleted since is not made again.
 *
 * @param keep is given the keys before they open anything, to store them where the operator finds them; where it fails, no keys
 *   are made
 */
export async function bootstrap(
  database: Database,
  config: { readonly adminKey?: string | undefined },
  keep: (keys: FirstKeys) => Promise<void> = async () => {},
): Promise<Bootstrap> {
  // Nothing is remembered of the control plane yet.
  const administration = { database, changed: () => undefined, author: THE_GATEWAY }
  const expiresAt = endOfLife(undefined, { permissions: PERMISSIONS }, CONFIGURED_ADMIN, new Date())
  const place = { project: PROJECT, environment: ENVIRONMENT, tenant: DEFAULT_TENANT }
  const none = { apiKey: undefined, adminKey: undefined }
  // Nearly every start finds it so, and need not wait for other instances that start.
  if (await hasBegun(database, config.adminKey === undefined)) return { ...place, ...none, keysExpireAt: expiresAt }
  return change(administration, async (tx, record) => {
    await lockFirstStart(tx)
    const keys = {
      apiKey: await firstPlace(tx, record, expiresAt),
      adminKey: config.adminKey === undefined ? await adminKey(tx, record, expiresAt) : undefined,
      keysExpireAt: expiresAt,
    }
    if (keys.apiKey !== undefined || keys.adminKey !== undefined) await keep(keys)
    return { ...place, ...keys }
  })
}

async function firstPlace(tx: Database, record: Recorder, expiresAt: Date): Promise<string | undefined> {
  const [existing] = await projectsIn(tx).list({ after: undefined, limit: 1 })
  if (existing !== undefined) return undefined
  const project = await insertProject(tx, record, { key: PROJECT })
  const environment = await insertEnvironment(tx, record, project.id, { key: ENVIRONMENT })
  const scope: Scope = { kind: 'environment', projectId: project.id, environmentId: environment.id }
  return (await insertNewKey(tx, record, scope, { name: 'first start', permissions: LEAST, expiresAt })).key
}

async function adminKey(tx: Database, record: Recorder, expiresAt: Date): Promise<string | undefined> {
  if (await instanceKeyExists(tx)) return undefined
  const input = { name: 'first start', permissions: PERMISSIONS, expiresAt }
  return (await insertNewKey(tx, record, { kind: 'instance' }, input)).key
}
