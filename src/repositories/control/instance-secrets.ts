import { randomBytes } from 'node:crypto'
import { and, asc, eq, gt, inArray, ne, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { instanceSecrets, webhookEndpoints } from '../../db/schema.ts'
import { ownerOf } from '../../signing/keyring.ts'
import { secretBox } from '../../signing/secret-box.ts'
import { literal } from '../sql/fragments.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { signingKeyStores } from './signing-keys.ts'

/**
 * A secret that all processes of the instance share, by its name. The first process that needs it makes it: 32 random bytes,
 * base64url. A reader of the database can read it, so it is for instances without a key of their own.
 */
export async function instanceSecret({ orm }: Database, name: 'secrets' | 'cursor'): Promise<string> {
  const made = randomBytes(32).toString('base64url')
  await orm.insert(instanceSecrets).values({ name, secret: made }).onConflictDoNothing()
  const { secret } = instanceSecrets
  const [row] = await orm.select({ secret }).from(instanceSecrets).where(eq(instanceSecrets.name, name))
  if (!row) throw new Error(`the instance secret "${name}" was deleted at the moment of its making`)
  return row.secret
}

/** What an instance with a key of its own has found in the database. */
export interface Sealing {
  /** Whether anything was sealed under another key, or under the secret in the database. */
  readonly changed: boolean
  /** Secrets of webhooks and streams that were sealed anew. */
  readonly sealedAnew: number
  /** Secrets that open under no key that is known here. */
  readonly unopened: number
}

/** The row of `instance_secrets` that shows under which key the rest is sealed: a known text, sealed under that key. */
const CHECK = 'check'
const OWNER = 'instance'

/** Whether the secrets in a database are sealed under a key. */
export type Standing = 'nothing sealed' | 'this key' | 'another key'

/** Under which key the secrets are sealed, where the operator has ever given a key. */
export async function standingOf(database: Database, key: string | undefined): Promise<Standing> {
  const check = (await storedSecrets(database)).get(CHECK)
  if (check === undefined) return 'nothing sealed'
  const opened = key === undefined ? undefined : await secretBox(async () => key).open(check, OWNER)
  return opened === undefined ? 'another key' : 'this key'
}

/**
 * Makes `key` the one under which everything is sealed. One transaction seals anew what is sealed under the secret in the
 * database, or under the key `before`, and deletes that secret. Of several instances that start at once, one does it. It
 * deletes signing keys that do not open under `key`: a reader of the database may have copied them.
 */
export async function sealUnder(database: Database, key: string, before?: string | undefined): Promise<Sealing> {
  const box = secretBox(async () => key)
  const done: Sealing = { changed: false, sealedAnew: 0, unopened: 0 }
  if (await settled(database)) return done
  return database.transaction(async (tx) => {
    await tx.orm.execute(sql`lock table ${instanceSecrets} in share row exclusive mode`)
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
    for (const signingKeys of signingKeyStores(tx))
      for (const { kid, sealed } of await signingKeys.list())
        if ((await box.open(sealed, ownerOf(kid))) === undefined) await signingKeys.delete(kid)
    await tx.orm.delete(instanceSecrets).where(inArray(instanceSecrets.name, ['secrets', 'cursor']))
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

/** @param renew gives what is to be stored in place of a sealed secret; undefined where no known key opens it */
async function sealEndpoints(
  { orm }: Database,
  renew: (sealed: string, owner: string) => Promise<string | undefined>,
): Promise<{ sealedAnew: number; unopened: number }> {
  const { id, secret, previousSecret } = webhookEndpoints
  let [sealedAnew, unopened] = [0, 0]
  for (let after = FIRST_ID; ; ) {
    const page = await orm
      .select({ id, secret, previous: previousSecret })
      .from(webhookEndpoints)
      .where(and(gt(id, after), ne(secret, '')))
      .orderBy(asc(id))
      .limit(literal(ENDPOINTS_AT_ONCE))
      .for('update')
    const changed: { id: string; secret: string; previous: string | null }[] = []
    for (const row of page) {
      const secret = await renew(row.secret, row.id)
      const previous = row.previous === null ? null : ((await renew(row.previous, row.id)) ?? null)
      if (secret === undefined) unopened++
      if (secret === undefined || (secret === row.secret && previous === row.previous)) continue
      changed.push({ id: row.id, secret, previous })
    }
    if (changed.length > 0)
      await orm
        .update(webhookEndpoints)
        .set({ secret: sql`n.secret`, previousSecret: sql`n.previous` })
        .from(sql`json_to_recordset(${JSON.stringify(changed)}::text::json) as n(id uuid, secret text, previous text)`)
        .where(sql`${id} = n.id`)
    sealedAnew += changed.length
    const last = page.at(-1)
    if (last === undefined || page.length < ENDPOINTS_AT_ONCE) return { sealedAnew, unopened }
    after = last.id
  }
}

async function storedSecrets({ orm }: Database): Promise<ReadonlyMap<string, string>> {
  const { name, secret } = instanceSecrets
  const rows = await orm.select({ name, secret }).from(instanceSecrets)
  return new Map(rows.map((row) => [row.name, row.secret]))
}

async function store({ orm }: Database, name: string, secret: string): Promise<void> {
  await orm
    .insert(instanceSecrets)
    .values({ name, secret })
    .onConflictDoUpdate({ target: instanceSecrets.name, set: { secret, createdAt: sql`now()` } })
}
