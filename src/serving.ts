import { bootstrap } from './administration/bootstrap.ts'
import type { Config } from './config.ts'
import type { EngineThread } from './db/pglite-port.ts'
import { openMeasuring } from './measure.ts'
import { createLogger } from './observability/logger.ts'
import { runningApp } from './running.ts'
import { startGateway, stopOnSignals } from './start.ts'

export { startFailure } from './start.ts'

/** What `serve` has found out before the modules of the gateway are there. */
export interface Serving {
  readonly config: Config
  /** The embedded engine's thread, if there is to be one. */
  readonly thread: EngineThread | undefined
  readonly onLost: (reason: string) => void
  readonly json: boolean | undefined
}

/** Starts the gateway with all its parts. The promise settles once it accepts requests. */
export async function startServing({ config: given, thread, onLost, json }: Serving): Promise<void> {
  const logger = createLogger(given.logLevel, undefined, given.instance)
  const measuring = await openMeasuring(given)
  await startGateway({
    config: given,
    thread,
    observer: measuring?.observer,
    logger,
    bootstrap,
    createApp: (deps) => runningApp({ ...deps, measuring }),
    out: process.stdout,
    json,
    onLost,
    onRunning: (gateway) => stopOnSignals(gateway, logger),
  })
}
