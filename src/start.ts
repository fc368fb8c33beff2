import { setTimeout as pause } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { Bootstrap, FirstKeys } from './administration/bootstrap.ts'
import { instanceKey } from './administration/keys/instance-key.ts'
import { banner, bannerJson } from './banner.ts'
import type { Config } from './config.ts'
import { ConfigError } from './config.ts'
import type { Database } from './db/database.ts'
import { CannotOpen } from './db/errors.ts'
import type { DatabaseObserver } from './db/observer.ts'
import { openDatabase } from './db/open.ts'
import type { EngineThread } from './db/pglite-port.ts'
import { keysFile } from './first-keys.ts'
import { whileStarting, whileStopping } from './http/starting.ts'
import { CannotListen, type Fetch, listen } from './listen.ts'
import type { Logger } from './observability/logger.ts'

/** Requests under way may take this long after a stop was asked for: less than the 30 s that platforms allow. */
const GRACE_MS = 25_000

/**
 * The app over an open database. `drain` ends the requests that only wait for events. `stop` stores what the app still holds in
 * memory, before the database closes.
 */
export interface RunningApp {
  readonly fetch: Fetch
  drain?(): void
  stop?(): Promise<void>
}

/** The parts of a gateway. */
export interface GatewayParts {
  readonly config: Config
  /** For the embedded engine, where one was started already. */
  readonly thread?: EngineThread | undefined
  readonly logger: Logger
  /** Told of the database's statements; undefined where nothing is measured. */
  readonly observer?: DatabaseObserver | undefined
  readonly bootstrap: (
    database: Database,
    config: Config,
    keep: (keys: FirstKeys) => Promise<void>,
  ) => Promise<Bootstrap>
  readonly createApp: (deps: { database: Database; config: Config; logger: Logger }) => Promise<RunningApp>
  /** Where the banner goes, as JSON if `json` is set. Only a terminal shows the admin key. */
  readonly out: { write(text: string): unknown; readonly isTTY?: boolean }
  readonly json?: boolean | undefined
  /** Called when the embedded database is lost for good. The process should end then. */
  readonly onLost: (reason: string) => void
  /** Called before the banner is written: a gateway that says that it runs can be stopped without loss. */
  readonly onRunning?: (gateway: Gateway) => void
}

export interface Gateway {
  readonly port: number
  /**
   * Tells load balancers at `/readyz`, and waits until they know. Then it accepts no more requests, lets those under way finish,
   * for up to `graceMs` in all, and closes the database.
   */
  stop(graceMs?: number): Promise<void>
}

/**
 * Starts a gateway: port, database, tables, the instance's key, first keys, app, in this order. A failure closes what is open
 * already. Until the start is done, every request gets 503. The keys of a first start stand in a file before they are valid. The
 * file is deleted where a terminal shows the keys.
 *
 * @throws {CannotOpen | CannotListen} with one line for the operator
 */
export async function startGateway(parts: GatewayParts): Promise<Gateway> {
  const { logger, out } = parts
  let answer: Fetch = whileStarting
  const server = await listen((request, env) => answer(request, env), parts.config)
  let database: Database | undefined
  try {
    const settings = { ...parts.config, observer: parts.observer }
    database = await openDatabase(settings, parts.onLost, (line) => logger.warn(line), parts.thread)
    const opened = database
    const secretsKey = await instanceKey(database, parts.config, (line) => logger.warn(line))
    const config = { ...parts.config, secretsKey }
    const keys = keysFile(config)
    const { apiKey, adminKey, keysExpireAt, ...place } = await keys.kept((keep) =>
      parts.bootstrap(opened, config, keep),
    )
    const app = await parts.createApp({ database, config, logger })
    answer = app.fetch
    const terminal = out.isTTY === true
    // Outside production the log belongs to the developer. It may hold the first environment's key, but never the admin key.
    const shown = {
      apiKey: terminal || !config.production ? apiKey : undefined,
      adminKey: terminal ? adminKey : undefined,
    }
    const made = apiKey !== undefined || adminKey !== undefined
    const allShown = made && shown.apiKey === apiKey && shown.adminKey === adminKey
    const facts = {
      ...{ ...config, ...place, ...shown, adminKeyConfigured: config.adminKey !== undefined },
      origin: config.publicUrl ?? `http://localhost:${server.port}`,
      keysExpireAt: made ? keysExpireAt : undefined,
      keysFile: allShown ? undefined : await keys.path(),
    }
    const gateway: Gateway = {
      port: server.port,
      stop: async (graceMs = GRACE_MS) => {
        const { drainDelayMs } = config
        answer = whileStopping(app.fetch)
        server.retire()
        await pause(Math.min(drainDelayMs, graceMs))
        app.drain?.()
        await server.stop(Math.max(graceMs - drainDelayMs, 0))
        try {
          await app.stop?.()
        } finally {
          await opened.close()
        }
      },
    }
    parts.onRunning?.(gateway)
    out.write(parts.json ? bannerJson(facts) : banner(facts, { colour: out.isTTY === true }))
    if (facts.keysFile === undefined) await keys.delete()
    return gateway
  } catch (error) {
    await server.stop(0)
    await database?.close()
    throw error
  }
}

/** Stops the gateway on SIGTERM, SIGINT and uncaught errors. A second signal ends the process at once. */
export function stopOnSignals(gateway: Gateway, logger: Logger): void {
  closeWithGrace({ delay: GRACE_MS + 4_000, logger: false }, async ({ signal, err }) => {
    if (err) logger.fatal({ err }, 'stopping after an uncaught error')
    else logger.info({ signal }, 'stopping')
    await gateway.stop()
  })
}

/** The lines that tell the operator why the gateway did not start. Undefined for a fault in Rollcall, which needs its stack. */
export function startFailure(error: unknown): readonly string[] | undefined {
  if (error instanceof ConfigError) return error.lines
  if (error instanceof CannotOpen || error instanceof CannotListen) return [error.message]
  return undefined
}
