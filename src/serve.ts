import { loadServingConfig } from './config/production.ts'
import { engineThread } from './db/pglite-port.ts'

/**
 * Runs the gateway with the configuration in `env` until a signal stops it. The promise settles once the gateway accepts requests
 * and has written its banner to standard output, as JSON if `json` is set. `onLost` is called when the embedded database is lost
 * for good. The process should end then.
 *
 * @throws {ConfigError | CannotOpen | CannotListen} with words for the operator
 */
export async function serve(env: NodeJS.ProcessEnv, onLost: (reason: string) => void, json?: boolean): Promise<void> {
  const config = loadServingConfig(env)
  // It loads the embedded engine while this thread loads everything else.
  const thread = config.databaseUrl === undefined ? engineThread() : undefined
  try {
    const { startServing } = await import('./serving.ts')
    await startServing({ config, thread, onLost, json })
  } catch (error) {
    await thread?.end()
    throw error
  }
}
