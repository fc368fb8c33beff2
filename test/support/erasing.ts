import type { Database } from '../../src/db/database.ts'
import { erasureStep } from '../../src/erasure/worker.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { adminSender } from './admin-sender.ts'
import type { TestTenant } from './gateway.ts'
import type { Instance } from './instances.ts'
import { placeOf } from './readers.ts'

/** A receipt as the admin API shows it. */
export interface Receipt {
  readonly id: string
  readonly state: string
  readonly user: string | null
  readonly reference: string | null
  readonly finishedAt: string | null
  readonly progress: { readonly step: number; readonly of: number; readonly name: string } | null
  readonly erased: readonly { readonly table: string; readonly rows: number }[]
  readonly storage: string | null
}

/** Erases a person over the admin API, does all steps, and gives the receipt. */
export async function erase(instance: Instance, adminKey: string, tenant: TestTenant, who: object): Promise<Receipt> {
  const admin = adminSender(() => instance, adminKey)
  const begun = await admin<Receipt>('POST', `${placeOf(tenant)}/erasures`, who)
  if (begun.status !== 202) throw new Error(begun.text)
  await instance.requestLog.flush()
  await eraseToTheEnd(instance.database, tenant.id, begun.body.id)
  return (await admin<Receipt>('GET', `${placeOf(tenant)}/erasures/${begun.body.id}`)).body
}

/** Does all steps that are left of an erasure, also those that wait for their time. */
export async function eraseToTheEnd(database: Database, tenantId: TenantId, id: string): Promise<void> {
  const dueNow = () => database.run('update erasures set due_at = now() where id = $1::uuid', [id])
  do await dueNow()
  while (await erasureStep(database, tenantId, id))
}

/** The names of the tables in whose rows a text stands, in any letter case: every column of every table is looked at as text. */
export async function tablesWith(database: Database, text: string): Promise<string[]> {
  const tables = await database.run<{ name: string }>(
    `select c.relname as name from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by 1`,
    [],
  )
  const found: string[] = []
  for (const { name } of tables) {
    const [row] = await database.run<{ has: boolean }>(
      `select exists (select 1 from ${name} t where strpos(lower(t::text), lower($1::text)) > 0) as has`,
      [text],
      { prepare: false },
    )
    if (row?.has) found.push(name)
  }
  return found
}
