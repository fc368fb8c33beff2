import { watchExpiry } from './administration/keys/key-warnings.ts'
import { watchReceivers } from './administration/receivers/expired-receivers.ts'
import { RoleWorker } from './administration/roles/role-work.ts'
import { createApp } from './app.ts'
import type { Config } from './config.ts'
import { ConnectionNotes } from './connections/noting.ts'
import { refreshConnections, watchConnections } from './connections/watch.ts'
import { ControlPlane } from './context/control-plane.ts'
import { BACKGROUND } from './db/caller.ts'
import type { Database } from './db/database.ts'
import { openDeliveries } from './delivery/deliveries.ts'
import { ErasureWorker } from './erasure/worker.ts'
import { HistoryWorker } from './history/history-worker.ts'
import { nothingUnderWay } from './http/in-flight.ts'
import type { openMeasuring } from './measure.ts'
import { keyExpiryLine, type Logger, logError, logFailure } from './observability/logger.ts'
import { controlStore } from './repositories/control/control-store.ts'
import { backlogOf } from './repositories/delivery/backlog.ts'
import { RequestLogWriter } from './request-log/writer.ts'
import { byTheClock } from './retention/by-the-clock.ts'
import { deleteOld } from './retention/retention.ts'
import type { RunningApp } from './start.ts'
import { measureTraces, openTraces } from './traces.ts'

/** What the app of a gateway runs on. */
export interface RunningOn {
  readonly database: Database
  readonly config: Config
  readonly logger: Logger
  /** Undefined where nothing is measured. */
  readonly measuring?: Awaited<ReturnType<typeof openMeasuring>>
}

/** The app over an open database, and all that goes on behind its requests. */
export async function runningApp({ database: opened, config, logger, measuring }: RunningOn): Promise<RunningApp> {
  const tracing = await openTraces(config, logger)
  const database = tracing === undefined ? opened : opened.watched(tracing.statement)
  const control = new ControlPlane(controlStore(database, config.secretsKey), { adminKey: config.adminKey })
  control.start()
  const failed = (error: unknown) => logError(logger, error)
  const background = database.for(BACKGROUND)
  const expiry = watchExpiry(background, (key) => keyExpiryLine(logger, key), failed)
  const disabled = (webhookId: string, reason: string) => logger.warn({ webhookId, reason }, 'webhook disabled')
  const receivers = watchReceivers(background, disabled, failed)
  const stopRetention = byTheClock(background, 'retention', {
    work: (stopped) =>
      deleteOld(background, { auditDays: config.auditRetentionDays, feedIdleDays: config.feedIdleDays }, stopped),
    failed: (error) => logFailure(logger, error, 'deleting what is no longer kept'),
  })
  const connections = new ConnectionNotes(background, (error) => logFailure(logger, error, 'noting connections'))
  const stopConnections = watchConnections(background, (error) => logFailure(logger, error, 'watching connections'))
  const stopRefreshing = byTheClock(background, 'connections', {
    work: (stopped) => refreshConnections(background, stopped),
    failed: (error) => logFailure(logger, error, 'counting the users of tenants'),
  })
  const histories = new HistoryWorker(background, (error) => logFailure(logger, error, 'writing histories'))
  const deliveries = openDeliveries(
    database,
    { ...config, tracing },
    {
      failed: (error, task) => logFailure(logger, error, task),
      disabled,
      sent: measuring?.sent,
      numbered: () => histories.noticed(),
    },
  )
  deliveries.start()
  histories.start()
  const roleWorker = new RoleWorker(background, (error) => logFailure(logger, error, 'following role rules'))
  roleWorker.start()
  const erasureWorker = new ErasureWorker(background, (error) => logFailure(logger, error, 'erasing a person'))
  erasureWorker.start()
  const requestLog = new RequestLogWriter({
    ...{ database: background, control },
    failed: (error) => logFailure(logger, error, 'writing the provisioning log'),
  })
  const underWay = nothingUnderWay(config)
  const metricsPort = await measuring?.begin({
    ...{ engine: opened.engine, underWay, cache: () => control.stats() },
    ...{ backlog: () => backlogOf(background), workers: deliveries.workers },
    replicas: () => opened.replicas,
    requestLog: () => requestLog.numbers,
    histories: () => histories.numbers,
  })
  if (measuring !== undefined && tracing !== undefined) measureTraces(measuring.metrics, tracing)
  return {
    fetch: createApp({
      ...{ database, config, logger, control, connections, deliveries, underWay, tracing, requestLog },
      metrics: measuring?.metrics,
    }).fetch,
    drain: () => deliveries.drain(),
    stop: async () => {
      await metricsPort?.stop()
      await expiry.stop()
      await receivers.stop()
      await stopRetention()
      await stopRefreshing()
      await stopConnections()
      // What cannot be written at the end is of no use to anybody.
      await connections.flush().catch(() => undefined)
      await roleWorker.stop()
      await erasureWorker.stop()
      await deliveries.stop()
      await histories.stop()
      await requestLog.stop()
      await control.stop()
      // Last, since what ends here is traced too.
      await tracing?.stop()
    },
  }
}
