import { bootstrap } from './administration/bootstrap.ts'
import { createApp } from './app.ts'
import { loadConfig } from './config.ts'
import { ControlPlane } from './context/control-cache.ts'
import { migrateDatabase } from './db/open.ts'
import { LogWatch } from './delivery/log-watch.ts'
import { keepTrimmed } from './delivery/retention.ts'
import { createLogger, logFailure } from './observability/logger.ts'
import { controlStore } from './repositories/control-store.ts'
import { startFailure, startGateway, stopOnSignals } from './start.ts'

async function main(): Promise<void> {
  const config = loadConfig(process.env)
  if (process.argv[2] === 'migrate') return migrateDatabase(config)

  const logger = createLogger(config.logLevel)
  const gateway = await startGateway({
    config,
    logger,
    bootstrap,
    createApp: (deps) => {
      const control = new ControlPlane(controlStore(deps.database), { adminKey: config.adminKey })
      const watch = new LogWatch(deps.database, (error) => logFailure(logger, error, 'numbering events'))
      watch.start()
      const stopTrimming = keepTrimmed(deps.database, (error) => logFailure(logger, error, 'trimming events'))
      return {
        fetch: createApp({ ...deps, control, watch }).fetch,
        drain: () => watch.drain(),
        stop: async () => {
          await stopTrimming()
          await watch.stop()
          await control.stop()
        },
      }
    },
    out: process.stdout,
    onLost: (reason) => fail([reason]),
  })
  stopOnSignals(gateway, logger)
}

function fail(lines: readonly string[]): never {
  for (const line of lines) process.stderr.write(`rollcall: ${line}\n`)
  process.exit(1)
}

main().catch((error: unknown) => {
  const lines = startFailure(error)
  if (lines === undefined) throw error
  fail(lines)
})
