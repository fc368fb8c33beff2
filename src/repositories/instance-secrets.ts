import { randomBytes } from 'node:crypto'
import type { Database } from '../db/database.ts'

/**
 * A secret that all processes of the instance share, by its name; made by whoever asks first (32 random bytes, base64url).
 */
export async function instanceSecret(db: Database, name: string): Promise<string> {
  await db.run('insert into instance_secrets (name, secret) values ($1::text, $2::text) on conflict do nothing', [
    name,
    randomBytes(32).toString('base64url'),
  ])
  const rows = await db.run<{ secret: string }>('select secret from instance_secrets where name = $1::text', [name])
  const [row] = rows
  if (!row) throw new Error(`the instance secret "${name}" was deleted at the moment of its making`)
  return row.secret
}
