import closeWithGrace from 'close-with-grace'
import type { Bootstrap } from './administration/bootstrap.ts'
import { instanceKey } from './administration/instance-key.ts'
import { banner, bannerJson } from './banner.ts'
import type { Config } from './config.ts'
import { ConfigError } from './config.ts'
import type { Database } from './db/database.ts'
import { CannotOpen } from './db/errors.ts'
import { openDatabase } from './db/open.ts'
import { CannotListen, type Fetch, listen } from './listen.ts'
import type { Logger } from './observability/logger.ts'

/** How long requests under way may take once a stop was asked for; less than the 30 s that platforms give. */
const GRACE_MS = 25_000

/**
 * The app over an open database; `drain` ends requests that only wait for something to happen, `stop` writes down what it
 * still holds, before the database closes.
 */
export interface RunningApp {
  readonly fetch: Fetch
  drain?(): void
  stop?(): Promise<void>
}

/** What the gateway is put together from. */
export interface GatewayParts {
  readonly config: Config
  readonly logger: Logger
  readonly bootstrap: (database: Database, config: Config) => Promise<Bootstrap>
  readonly createApp: (deps: { database: Database; config: Config; logger: Logger }) => RunningApp
  /** Where the banner goes, which `json` puts into JSON. */
  readonly out: { write(text: string): unknown; readonly isTTY?: boolean }
  readonly json?: boolean | undefined
  /** Called when the embedded database is lost for good; the process had better end. */
  readonly onLost: (reason: string) => void
}

export interface Gateway {
  readonly port: number
  /** Takes no more requests, lets those under way finish for up to `graceMs`, then closes the database. */
  stop(graceMs?: number): Promise<void>
}

/**
 * Starts a gateway: database, tables, first keys, app, port, in this order; whatever fails closes what was opened.
 *
 * @throws {CannotOpen | CannotListen} with one line for the operator
 */
export async function startGateway(parts: GatewayParts): Promise<Gateway> {
  const { logger, out } = parts
  const database = await openDatabase(parts.config, parts.onLost)
  try {
    const secretsKey = await instanceKey(database, parts.config, (line) => logger.warn(line))
    const config = { ...parts.config, secretsKey }
    const made = await parts.bootstrap(database, config)
    const app = parts.createApp({ database, config, logger })
    const server = await listen(app.fetch, config)
    const origin = config.publicUrl ?? `http://localhost:${server.port}`
    const facts = { ...config, ...made, origin, adminKeyConfigured: config.adminKey !== undefined }
    out.write(parts.json ? bannerJson(facts) : banner(facts, { colour: out.isTTY === true }))
    return {
      port: server.port,
      stop: async (graceMs = GRACE_MS) => {
        app.drain?.()
        await server.stop(graceMs)
        try {
          await app.stop?.()
        } finally {
          await database.close()
        }
      },
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Stops the gateway on SIGTERM, SIGINT and errors that nobody caught; a second signal ends the process at once. */
export function stopOnSignals(gateway: Gateway, logger: Logger): void {
  closeWithGrace({ delay: GRACE_MS + 4_000, logger: false }, async ({ signal, err }) => {
    if (err) logger.fatal({ err }, 'stopping after an error that nobody caught')
    else logger.info({ signal }, 'stopping')
    await gateway.stop()
  })
}

/** The lines that tell the operator why it did not start; undefined for what is a fault of ours and deserves its stack. */
export function startFailure(error: unknown): readonly string[] | undefined {
  if (error instanceof ConfigError) return error.lines
  if (error instanceof CannotOpen || error instanceof CannotListen) return [error.message]
  return undefined
}
