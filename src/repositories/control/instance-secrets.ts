import { randomBytes } from 'node:crypto'
import type { Database } from '../../db/database.ts'
import { ownerOf } from '../../signing/keyring.ts'
import { secretBox } from '../../signing/secret-box.ts'
import { signingKeyStore } from './signing-keys.ts'

/**
 * A secret that all processes of the instance share, by its name; made by whoever asks first (32 random bytes, base64url).
 * Whoever reads the database has it: it is for instances without a key of their own.
 */
export async function instanceSecret(db: Database, name: 'secrets' | 'cursor'): Promise<string> {
  await db.run('insert into instance_secrets (name, secret) values ($1::text, $2::text) on conflict do nothing', [
    name,
    randomBytes(32).toString('base64url'),
  ])
  const rows = await db.run<{ secret: string }>('select secret from instance_secrets where name = $1::text', [name])
  const [row] = rows
  if (!row) throw new Error(`the instance secret "${name}" was deleted at the moment of its making`)
  return row.secret
}

/** What an instance found that came with a key of its own. */
export interface Sealing {
  /** Whether anything was sealed under another key, or under the secret in the database. */
  readonly changed: boolean
  /** Secrets of webhooks and streams that were sealed anew. */
  readonly sealedAnew: number
  /** And those that open under no key that is known here. */
  readonly unopened: number
}

/** The row of `instance_secrets` that tells under which key the rest is sealed: something known, sealed under that key. */
const CHECK = 'check'
const OWNER = 'instance'

/** How the secrets in a database stand to a key. */
export type Standing = 'nothing sealed' | 'this key' | 'another key'

/** Under which key the secrets are sealed, as far as that was ever a key of the operator's. */
export async function standingOf(database: Database, key: string | undefined): Promise<Standing> {
  const check = (await storedSecrets(database)).get(CHECK)
  if (check === undefined) return 'nothing sealed'
  const opened = key === undefined ? undefined : await secretBox(async () => key).open(check, OWNER)
  return opened === undefined ? 'another key' : 'this key'
}

/**
 * Makes `key` the one under which everything is sealed. What is sealed under the secret in the database, or under the key
 * `before`, is sealed anew, and that secret is deleted, in one transaction; of several instances that start at once, one does
 * it. Signing keys that do not open under `key` are deleted: whoever has read the database may have copied them.
 */
export async function sealUnder(database: Database, key: string, before?: string | undefined): Promise<Sealing> {
  const box = secretBox(async () => key)
  const done: Sealing = { changed: false, sealedAnew: 0, unopened: 0 }
  if (await settled(database)) return done
  return database.transaction(async (tx) => {
    await tx.run('lock table instance_secrets in share row exclusive mode', [])
    if (await settled(tx)) return done
    const stored = await storedSecrets(tx)
    const [secret, check] = [stored.get('secrets'), stored.get(CHECK)]
    const earlier = [secret, before].flatMap((text) => (text === undefined ? [] : [secretBox(async () => text)]))
    const { sealedAnew, unopened } = await sealEndpoints(tx, async (sealed, owner) => {
      if ((await box.open(sealed, owner)) !== undefined) return sealed
      for (const other of earlier) {
        const opened = await other.open(sealed, owner)
        if (opened !== undefined) return box.seal(opened, owner)
      }
      return undefined
    })
    const signingKeys = signingKeyStore(tx)
    for (const { kid, sealed } of await signingKeys.list())
      if ((await box.open(sealed, ownerOf(kid))) === undefined) await signingKeys.delete(kid)
    await tx.run(`delete from instance_secrets where name in ('secrets', 'cursor')`, [])
    // While something does not open, the next start looks again.
    if (unopened === 0) await store(tx, CHECK, await box.seal('', OWNER))
    const other = check !== undefined && (await box.open(check, OWNER)) === undefined
    return { changed: secret !== undefined || other || unopened > 0, sealedAnew, unopened }
  })

  async function settled(db: Database): Promise<boolean> {
    const stored = await storedSecrets(db)
    const check = stored.get(CHECK)
    if (check === undefined || stored.size > 1) return false
    return (await box.open(check, OWNER)) !== undefined
  }
}

const ENDPOINTS_AT_ONCE = 500

/** @param renew gives what is to be stored of a sealed secret; undefined where it cannot be opened */
async function sealEndpoints(
  tx: Database,
  renew: (sealed: string, owner: string) => Promise<string | undefined>,
): Promise<{ sealedAnew: number; unopened: number }> {
  let [sealedAnew, unopened] = [0, 0]
  for (let after = '00000000-0000-0000-0000-000000000000'; ; ) {
    const page = await tx.run<{ id: string; secret: string; previous: string | null }>(
      `select w.id, w.secret, w.previous_secret as previous from webhook_endpoints w
       where w.id > $1::uuid and w.secret <> '' order by w.id limit ${ENDPOINTS_AT_ONCE} for update`,
      [after],
    )
    const changed: { id: string; secret: string; previous: string | null }[] = []
    for (const row of page) {
      const secret = await renew(row.secret, row.id)
      const previous = row.previous === null ? null : ((await renew(row.previous, row.id)) ?? null)
      if (secret === undefined) unopened++
      if (secret === undefined || (secret === row.secret && previous === row.previous)) continue
      changed.push({ id: row.id, secret, previous })
    }
    if (changed.length > 0)
      await tx.run(
        `update webhook_endpoints w set secret = n.secret, previous_secret = n.previous
         from json_to_recordset($1::text::json) as n(id uuid, secret text, previous text) where w.id = n.id`,
        [JSON.stringify(changed)],
      )
    sealedAnew += changed.length
    const last = page.at(-1)
    if (last === undefined || page.length < ENDPOINTS_AT_ONCE) return { sealedAnew, unopened }
    after = last.id
  }
}

async function storedSecrets(db: Database): Promise<ReadonlyMap<string, string>> {
  const rows = await db.run<{ name: string; secret: string }>('select name, secret from instance_secrets', [])
  return new Map(rows.map(({ name, secret }) => [name, secret]))
}

async function store(tx: Database, name: string, secret: string): Promise<void> {
  await tx.run(
    `insert into instance_secrets (name, secret) values ($1::text, $2::text)
     on conflict (name) do update set secret = excluded.secret, created_at = now()`,
    [name, secret],
  )
}
