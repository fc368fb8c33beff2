import { describeUrl, type Target } from '../config/connection.ts'
import { cannotOpen, connectPostgres } from './connect.ts'
import type { Database } from './database.ts'
import { CannotOpen } from './errors.ts'
import type { StatementLimits } from './handle.ts'
import { lookAtWay, type Way } from './pooler.ts'
import { guardedDatabase } from './postgres-guard.ts'
import { Replicas } from './replicas.ts'
import { sessionSettings } from './session-settings.ts'
import { checkPolicies } from './tenant-role.ts'
import { rememberWay } from './way.ts'

export interface PostgresSettings extends StatementLimits {
  readonly databaseUrl: string
  /** Most connections at once. */
  readonly databasePool: number
  /** Whether statements have names; undefined to find out whether what is between allows it. */
  readonly databasePrepare?: boolean | undefined
  /** Role without ownership under which each tenant's statements run; undefined for no row-level security. */
  readonly databaseTenantRole?: string | undefined
  /** Standbys that may answer what reads many rows, each over as many connections. */
  readonly databaseReplicaUrls?: readonly string[] | undefined
}

/**
 * Opens PostgreSQL, and asks it whom the policies bind. Replicas are opened meanwhile, and used once they are.
 *
 * @param way what is between; found out where it is not given
 * @param say told when a replica is left alone, and when it answers again
 * @throws {CannotOpen} when it does not answer, refuses us, or is behind a pooler that would mix statements up
 */
export async function openPostgres(
  settings: PostgresSettings,
  { way, say = () => {} }: { readonly way?: Way; readonly say?: (line: string) => void } = {},
): Promise<Database> {
  const { databaseUrl, databasePool: connections, databaseTenantRole: tenantRole } = settings
  const found = way ?? (await lookAtWay(settings))
  const { prepare, pooled, sslmode } = found
  const database = databaseOn(found, settings, replicasOf(found, settings, say))
  rememberWay(database, { prepare, pooled, sslmode, connections, tenantRole })
  try {
    await checkPolicies(database, tenantRole)
  } catch (error) {
    await database.close()
    throw error instanceof CannotOpen ? error : cannotOpen(databaseUrl, error)
  }
  return database
}

/** Undefined where there are none. */
function replicasOf(
  { distributed }: Way,
  settings: PostgresSettings,
  say: (line: string) => void,
): Replicas | undefined {
  const { databaseReplicaUrls = [], databasePrepare, observer } = settings
  if (databaseReplicaUrls.length === 0) return undefined
  if (distributed) {
    say('DATABASE_REPLICA_URLS is left out: the log of a Citus coordinator does not tell how far its workers are')
    return undefined
  }
  const open = async (databaseUrl: string) => {
    const replica = {
      ...{ ...settings, databaseUrl, ofSeveral: 'any' as const },
      // What works on the way to the primary is found out anew for the way to the replica.
      databasePrepare: databasePrepare === false ? false : undefined,
      // Its statements are measured like all others. The pool that is looked at is the primary's.
      observer: observer && { ...observer, opened: () => {} },
    }
    return databaseOn(await lookAtWay(replica), replica)
  }
  return new Replicas(
    databaseReplicaUrls.map((url) => ({ name: describeUrl(url), open: () => open(url) })),
    say,
  )
}

function databaseOn(
  { takesSettings, prepare, sslmode, distributed }: Way,
  settings: PostgresSettings & { readonly ofSeveral?: Target },
  replicas?: Replicas,
): Database {
  const { databaseUrl, databasePool: connections, databaseTenantRole: tenantRole, ofSeveral } = settings
  const asked = takesSettings ? sessionSettings(distributed) : {}
  const connect = () => connectPostgres(databaseUrl, { max: connections, prepare, settings: asked, sslmode, ofSeveral })
  return guardedDatabase(connect, {
    ...settings,
    engine: 'postgres',
    ...{ prepare, connections, distributed, tenantRole, replicas },
    closed: replicas && (() => replicas.close()),
  })
}
