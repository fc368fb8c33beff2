import { loadConfig } from '../../../src/config.ts'
import { createLogger } from '../../../src/observability/logger.ts'
import { startFailure, startGateway, stopOnSignals } from '../../../src/start.ts'

// A gateway as main.ts starts it, around an app that only waits: GET /slow?ms=… answers after so long.
try {
  const config = loadConfig(process.env)
  const logger = createLogger(config.logLevel)
  const gateway = await startGateway({
    config,
    logger,
    bootstrap: async () => ({
      project: 'p',
      environment: 'e',
      tenant: 't',
      apiKey: undefined,
      adminKey: undefined,
      keysExpireAt: new Date(),
    }),
    createApp: async ({ database }) => ({
      fetch: async (request) => {
        const ms = Number(new URL(request.url).searchParams.get('ms') ?? 0)
        process.stdout.write(`request ${ms}\n`)
        await new Promise((resolve) => setTimeout(resolve, ms))
        await database.run('select 1', [])
        return new Response('answered')
      },
      stop: async () => {
        process.stdout.write('app stopped\n')
      },
    }),
    out: process.stdout,
    onLost: (reason) => {
      process.stderr.write(`${reason}\n`)
      process.exit(1)
    },
  })
  stopOnSignals(gateway, logger)
  process.stdout.write(`port ${gateway.port}\n`)
} catch (error) {
  for (const line of startFailure(error) ?? [String(error)]) process.stderr.write(`rollcall: ${line}\n`)
  process.exitCode = 1
}
