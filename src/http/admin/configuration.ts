import { createRoute, z } from '@hono/zod-openapi'
import { SSL_MODES } from '../../config/connection-tls.ts'
import { type Setting, SOURCES } from '../../config/in-force.ts'
import type { Database } from '../../db/database.ts'
import { inspectDatabase } from '../../db/inspect.ts'
import { wayOf } from '../../db/way.ts'
import { VERSION } from '../../package.ts'
import type { AdminApp } from '../control/env.ts'
import { placeNamed } from '../control/places.ts'
import { jsonAnswer, problems } from '../control/schemas.ts'

const setting = z
  .object({
    name: z.string().openapi({ description: 'Of the variable.' }),
    value: z
      .string()
      .nullable()
      .openapi({ description: 'As it would be written; "***" in the place of a secret, null where there is none.' }),
    source: z.enum(SOURCES).openapi({
      description:
        '`environment`: the variable is set; `file`: it stands in a file beside the embedded database; `derived`: made from other settings or from what the machine has.',
    }),
  })
  .openapi('ConfigurationSetting')

const configuration = z
  .object({
    version: z.string().openapi({ description: 'Of this gateway.' }),
    settings: z.array(setting).openapi({ description: 'Every variable, in the order of the documentation.' }),
    database: z
      .object({
        engine: z.enum(['pglite', 'postgres']).openapi({ description: '`pglite` is the embedded one.' }),
        version: z.string().openapi({ description: 'Of PostgreSQL.' }),
        migration: z.string().nullable().openapi({ description: 'The last one that the database has, if known here.' }),
        missingMigrations: z.number().int().openapi({ description: 'Of this version, that the database lacks.' }),
        isNewer: z.boolean().openapi({ description: 'Whether a newer version has migrated the database.' }),
        connections: z.number().int().openapi({ description: 'The most of this instance.' }),
        preparedStatements: z.boolean().openapi({ description: 'Whether statements have names.' }),
        pooler: z.boolean().nullable().openapi({
          description: 'Whether a pooler answers; null where DATABASE_PREPARE is set, and nobody looked.',
        }),
        sslmode: z.enum(SSL_MODES).nullable().openapi({ description: 'In force; null for the embedded engine.' }),
        tenantRole: z.string().nullable().openapi({ description: "Role of each tenant's statements; null for none." }),
        lackingSessionSettings: z.array(z.string()).openapi({ description: 'Settings that a pooler has dropped.' }),
      })
      .openapi('ConfigurationDatabase'),
  })
  .openapi('Configuration')

const example: z.infer<typeof configuration> = {
  version: '1.0.0',
  settings: [
    { name: 'PORT', value: '8080', source: 'default' },
    { name: 'DATABASE_URL', value: 'postgres://rollcall:***@db.example:5432/rollcall', source: 'environment' },
    { name: 'SECRETS_KEY', value: '***', source: 'environment' },
  ],
  database: {
    ...{ engine: 'postgres', version: '17.6', migration: '0042_what_it_does', missingMigrations: 0, isNewer: false },
    ...{ connections: 10, preparedStatements: true, pooler: false, sslmode: 'verify-full', tenantRole: null },
    lackingSessionSettings: [],
  },
}

const retrieve = createRoute({
  method: 'get',
  path: '/configuration',
  operationId: 'getConfiguration',
  summary: 'Get the configuration that is in force on an instance',
  tags: ['Configuration'],
  description:
    'For keys of the instance. Each variable with its value and where that comes from, and what the database was found to be. ' +
    'Never a secret. Instances behind one address may have different ones: the instance that answers tells its own.',
  request: {},
  responses: {
    200: jsonAnswer(configuration, 'What is in force on the instance that answers', example),
    ...problems,
  },
})

/** `/configuration` of the admin API: what is in force on this instance. */
export function configurationRoutes(app: AdminApp, settings: readonly Setting[]): void {
  app.openapi(retrieve, async (c) => {
    await placeNamed(c.var, {})
    return c.json({ version: VERSION, settings: [...settings], database: await databaseInForce(c.var.database) }, 200)
  })
}

/** What the database was found to be, and how this instance reaches it. */
export async function databaseInForce(database: Database): Promise<z.infer<typeof configuration>['database']> {
  const { version, migration, missing, newer, lacking } = await inspectDatabase(database)
  const { connections, prepare, pooled, sslmode, tenantRole } = wayOf(database)
  return {
    ...{ engine: database.engine, version, migration: migration ?? null },
    ...{ missingMigrations: missing, isNewer: newer, connections, preparedStatements: prepare, pooler: pooled ?? null },
    ...{ sslmode: sslmode ?? null, tenantRole: tenantRole ?? null, lackingSessionSettings: [...lacking] },
  }
}
