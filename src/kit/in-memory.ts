import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { bootstrap } from '../administration/bootstrap.ts'
import { loadConfig } from '../config.ts'
import { ensureImage } from '../db/image.ts'
import { openPgliteInMemory } from '../db/pglite.ts'
import { whileStarting } from '../http/starting.ts'
import { type Fetch, listen } from '../listen.ts'
import { createLogger } from '../observability/logger.ts'
import { runningApp } from '../running.ts'

/** Where a gateway in memory listens, and where its warnings go. */
export interface InMemoryOptions {
  /** 0 for any free one. */
  readonly port: number
  readonly warn: (line: string) => void
}

/** A gateway whose database is in the memory of this process. All of it is gone when it stops. */
export interface InMemoryGateway {
  readonly origin: string
  /** The key for everything. */
  readonly adminKey: string
  /** Where the start made a place: keys in URLs. */
  readonly place: { readonly project: string; readonly environment: string }
  stop(): Promise<void>
}

/** What a developer's machine has, so that webhooks may lead there. */
const LOOPBACK = '127.0.0.0/8,::1/128'
/** Nothing of value is in this gateway, so requests under way get little time at its end. */
const GRACE_MS = 1_000

/**
 * Starts the whole gateway on the loopback address, over an embedded database in memory. It reads no variable of the environment
 * and writes no file.
 *
 * @throws {CannotListen} when the port is taken
 */
export async function startInMemory({ port, warn }: InMemoryOptions): Promise<InMemoryGateway> {
  const adminKey = `dev-${randomBytes(24).toString('base64url')}`
  const config = loadConfig({
    ...{ PORT: String(port), HOST: '127.0.0.1', ADMIN_KEY: adminKey, DELIVERY_NETWORKS: LOOPBACK },
    // Signing keys and secrets of webhooks are sealed by it; it lives as long as they do.
    SECRETS_KEY: randomBytes(32).toString('base64url'),
  })
  let answer: Fetch = whileStarting
  const server = await listen((request, env) => answer(request, env), { ...config, setting: '--port' })
  try {
    const database = await openPgliteInMemory(new Blob([await readFile(await ensureImage())]))
    const { project, environment } = await bootstrap(database, config)
    const logger = createLogger('warn', { write: warn })
    const app = await runningApp({ database, config, logger })
    answer = app.fetch
    return {
      origin: `http://localhost:${server.port}`,
      adminKey,
      place: { project, environment },
      stop: async () => {
        app.drain?.()
        await server.stop(GRACE_MS)
        await app.stop?.()
        await database.close()
      },
    }
  } catch (error) {
    await server.stop(0)
    throw error
  }
}
