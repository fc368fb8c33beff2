import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { scim } from '@better-auth/scim'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { toNodeHandler } from 'better-auth/node'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { say } from './say.mjs'

// As its page on SCIM says: an adapter with transactions, the plugin with one connection and its token, the tables migrated.

const token = randomBytes(24).toString('hex')
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const auth = betterAuth({
  baseURL: 'http://localhost',
  secret: randomBytes(32).toString('hex'),
  database: {
    db: new Kysely({ dialect: new PostgresDialect({ pool }) }),
    type: 'postgres',
    transaction: true,
  },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [scim({ connections: [{ id: 'bench', credentials: [{ type: 'bearer', id: 'bench', token }] }] })],
})
await (await getMigrations(auth.options)).runMigrations()

const server = createServer(toNodeHandler(auth))
server.listen(0, '127.0.0.1', () => say(server, { base: '/api/auth/scim/v2', token }))
