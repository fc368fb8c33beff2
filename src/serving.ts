import { bootstrap } from './administration/bootstrap.ts'
import { watchExpiry } from './administration/keys/key-warnings.ts'
import { RoleWorker } from './administration/role-work.ts'
import { createApp } from './app.ts'
import type { Config } from './config.ts'
import { ConnectionNotes } from './connections/noting.ts'
import { refreshConnections, watchConnections } from './connections/watch.ts'
import { ControlPlane } from './context/control-plane.ts'
import { BACKGROUND } from './db/caller.ts'
import type { EngineThread } from './db/pglite-port.ts'
import { openDeliveries } from './delivery/deliveries.ts'
import { nothingUnderWay } from './http/in-flight.ts'
import { openMeasuring } from './measure.ts'
import { createLogger, keyExpiryLine, logError, logFailure } from './observability/logger.ts'
import { controlStore } from './repositories/control/control-store.ts'
import { backlogOf } from './repositories/delivery/backlog.ts'
import { RequestLogWriter } from './request-log/writer.ts'
import { byTheClock } from './retention/by-the-clock.ts'
import { deleteOld } from './retention/retention.ts'
import { startGateway, stopOnSignals } from './start.ts'
import { measureTraces, openTraces } from './traces.ts'

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
    createApp: async (deps) => {
      const { config } = deps
      const tracing = await openTraces(config, logger)
      const database = tracing === undefined ? deps.database : deps.database.watched(tracing.statement)
      const control = new ControlPlane(controlStore(database, config.secretsKey), { adminKey: config.adminKey })
      control.start()
      const failed = (error: unknown) => logError(logger, error)
      const background = database.for(BACKGROUND)
      const expiry = watchExpiry(background, (key) => keyExpiryLine(logger, key), failed)
      const stopRetention = byTheClock(background, 'retention', {
        work: (stopped) => deleteOld(background, config.auditRetentionDays, stopped),
        failed: (error) => logFailure(logger, error, 'deleting what is no longer kept'),
      })
      const connections = new ConnectionNotes(background, (error) => logFailure(logger, error, 'noting connections'))
      const stopConnections = watchConnections(background, (error) => logFailure(logger, error, 'watching connections'))
      const stopRefreshing = byTheClock(background, 'connections', {
        work: (stopped) => refreshConnections(background, stopped),
        failed: (error) => logFailure(logger, error, 'counting the users of tenants'),
      })
      const deliveries = openDeliveries(
        database,
        { ...config, tracing },
        {
          failed: (error, task) => logFailure(logger, error, task),
          disabled: (webhookId, reason) => logger.warn({ webhookId, reason }, 'webhook disabled'),
          sent: measuring?.sent,
        },
      )
      deliveries.start()
      const roleWorker = new RoleWorker(background, (error) => logFailure(logger, error, 'following role rules'))
      roleWorker.start()
      const requestLog = new RequestLogWriter({
        ...{ database: background, control },
        failed: (error) => logFailure(logger, error, 'writing the provisioning log'),
      })
      const underWay = nothingUnderWay(config)
      const metricsPort = await measuring?.begin({
        ...{ engine: deps.database.engine, underWay, cache: () => control.stats() },
        ...{ backlog: () => backlogOf(background), workers: deliveries.workers },
        replicas: () => deps.database.replicas,
        requestLog: () => requestLog.numbers,
      })
      if (measuring !== undefined && tracing !== undefined) measureTraces(measuring.metrics, tracing)
      return {
        fetch: createApp({
          ...{ ...deps, database, control, connections, deliveries, underWay, tracing, requestLog },
          metrics: measuring?.metrics,
        }).fetch,
        drain: () => deliveries.drain(),
        stop: async () => {
          await metricsPort?.stop()
          expiry.stop()
          await stopRetention()
          await stopRefreshing()
          await stopConnections()
          // What cannot be written at the end is of no use to anybody.
          await connections.flush().catch(() => undefined)
          await roleWorker.stop()
          await deliveries.stop()
          await requestLog.stop()
          await control.stop()
          // Last, since what ends here is traced too.
          await tracing?.stop()
        },
      }
    },
    out: process.stdout,
    json,
    onLost,
    onRunning: (gateway) => stopOnSignals(gateway, logger),
  })
}
