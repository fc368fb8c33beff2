import type { Administration } from '../../src/administration/control.ts'
import type { Database } from '../../src/db/database.ts'

/** The operator's verbs on a database, asked for by a test; `control` is told of changes. */
export function administrationOn(database: Database, control?: { changed(): void }): Administration {
  const author = { actor: 'test', address: null, requestId: null }
  return { database, changed: () => control?.changed(), author }
}
