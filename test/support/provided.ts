import 'vitest'
import type { Example } from './example.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    engine: 'pglite' | 'postgres'
    /** Folder of the programs that tests start, as `global-setup-built.ts` makes it. */
    built: string
    /** A gateway that is filled as an example, for browser tests. */
    example: Example
    /** Where the browser of the browser tests is. */
    browser: string
    /** A migrated, empty data folder of the embedded engine, to be copied. */
    emptyStore: string
    /** Server on which a worker makes its database, from the template beside it. */
    postgres: {
      readonly url: string
      /** The same server through PgBouncer, where this run's gateways go that way. */
      readonly pooledUrl: string | undefined
      readonly template: string
      readonly tenantRole: string | undefined
      /** Whether each database is to be made on all machines of a Citus. */
      readonly citus: boolean
    }
  }
}
