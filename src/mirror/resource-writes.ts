import { type GroupRow, jsonOf, type MappedRow, type Ref, type UserRow } from './rows.ts'
import { nobodyIn } from './schema.ts'
import type { Change, MirroredUser, Transaction } from './types.ts'

/** What writes are made with. */
export interface Writing {
  readonly tx: Transaction
  /** Name of the schema, quoted. */
  readonly s: string
  /** What becomes of rows of those who are gone. */
  readonly deleted: 'keep' | 'delete'
  /** What has changed in this transaction, in its order. */
  readonly changes: Change[]
}

interface Outcome extends Ref {
  /** Whether it was not there, or was gone. */
  readonly added: boolean
  /** Whether there was no row. */
  readonly fresh: boolean
  /** Whether more than the version is another. */
  readonly changed: boolean
}

const USER = `tenant_id uuid, id uuid, user_name text, external_id text, display_name text, email text, active boolean, account text,
  attributes jsonb, mapped jsonb, version bigint`
const GROUP = 'tenant_id uuid, id uuid, display_name text, external_id text, attributes jsonb, version bigint'

const namesOf = (columns: string): string[] => columns.split(',').map((column) => column.trim().split(' ')[0] ?? '')

/**
 * Makes rows what they are to be, and touches none that is so already. A row that is newer stays, unless the state comes from a snapshot:
 * that is what counts, also after the gateway's database was put back to an earlier state.
 */
async function put<Row extends Ref>(
  { tx, s }: Writing,
  table: 'users' | 'groups',
  rows: readonly Row[],
  from: 'events' | 'snapshot',
): Promise<{ readonly row: Row; readonly outcome: Outcome }[]> {
  if (rows.length === 0) return []
  const columns = table === 'users' ? USER : GROUP
  const names = namesOf(columns)
  const values = names.slice(2)
  const shown = values.filter((name) => name !== 'version')
  const differs = (left: string, right: string, of = shown) =>
    `(${of.map((name) => `${left}.${name}`)}) is distinct from (${of.map((name) => `${right}.${name}`)})`
  const wins =
    from === 'snapshot'
      ? differs('t', 'excluded', values)
      : `${differs('t', 'excluded')} and t.version <= excluded.version`
  const found = await tx.query<Outcome>(
    `with new as materialized (select * from jsonb_to_recordset($1::text::jsonb) as n(${columns})),
     old as materialized (select t.* from new n join ${s}.${table} t on t.tenant_id = n.tenant_id and t.id = n.id),
     put as (
       insert into ${s}.${table} as t (${names}) select ${names} from new
       on conflict (tenant_id, id) do update set ${values.map((name) => `${name} = excluded.${name}`)}, updated_at = now(), deleted_at = null
       where t.deleted_at is not null or (${wins})
       returning t.tenant_id, t.id
     )
     select p.tenant_id, p.id, o.id is null or o.deleted_at is not null as added, o.id is null as fresh, ${differs('o', 'n')} as changed
     from put p join new n on n.tenant_id = p.tenant_id and n.id = p.id left join old o on o.tenant_id = p.tenant_id and o.id = p.id`,
    [jsonOf(rows)],
  )
  const byId = new Map(rows.map((row) => [`${row.tenant_id} ${row.id}`, row]))
  return found.flatMap((outcome) => {
    const row = byId.get(`${outcome.tenant_id} ${outcome.id}`)
    return row === undefined ? [] : [{ row, outcome }]
  })
}

/** Makes users what they are to be. Who was awaited as a member becomes one. */
export async function putUsers(writing: Writing, rows: readonly UserRow[], from: 'events' | 'snapshot'): Promise<void> {
  const { tx, s, changes } = writing
  const done = await put(writing, 'users', rows, from)
  for (const { row, outcome } of done)
    if (outcome.added || outcome.changed)
      changes.push({ kind: outcome.added ? 'user.added' : 'user.changed', tenant: row.tenant_id, user: asUser(row) })
  const fresh = done.filter(({ outcome }) => outcome.fresh).map(({ row: { tenant_id, id } }) => ({ tenant_id, id }))
  if (fresh.length === 0) return
  const joined = await tx.query<{ tenant_id: string; group_id: string; user_id: string }>(
    `with new as materialized (select * from jsonb_to_recordset($1::text::jsonb) as n(tenant_id uuid, id uuid)),
     awaited as (
       delete from ${s}.other_members o using new n where o.tenant_id = n.tenant_id and o.member = n.id::text
       returning o.tenant_id, o.group_id, n.id, o.reading
     )
     insert into ${s}.memberships (tenant_id, group_id, user_id, reading) select a.tenant_id, a.group_id, a.id, a.reading from awaited a
     on conflict do nothing returning tenant_id, group_id, user_id`,
    [jsonOf(fresh)],
  )
  for (const row of joined)
    changes.push({ kind: 'membership.added', tenant: row.tenant_id, group: row.group_id, user: row.user_id })
}

/** Makes groups what they are to be. */
export async function putGroups(
  writing: Writing,
  rows: readonly GroupRow[],
  from: 'events' | 'snapshot',
): Promise<void> {
  for (const { row, outcome } of await put(writing, 'groups', rows, from)) {
    const { tenant_id: tenant, id, display_name: displayName, external_id: externalId, attributes } = row
    const kind = outcome.added ? 'group.added' : 'group.changed'
    if (outcome.added || outcome.changed)
      writing.changes.push({ kind, tenant, group: { id, displayName, externalId, attributes } })
  }
}

/** Takes users out, with their memberships and roles. What is kept of one says nothing of the person but the id. */
export async function removeUsers({ tx, s, deleted, changes }: Writing, gone: readonly Ref[]): Promise<void> {
  if (gone.length === 0) return
  const named = `with gone as materialized (select * from jsonb_to_recordset($1::text::jsonb) as n(tenant_id uuid, id uuid))`
  const values = [jsonOf(gone)]
  const left = await tx.query<{ tenant_id: string; group_id: string; user_id: string }>(
    `${named} delete from ${s}.memberships m using gone g where m.tenant_id = g.tenant_id and m.user_id = g.id
     returning m.tenant_id, m.group_id, m.user_id`,
    values,
  )
  for (const row of left)
    changes.push({ kind: 'membership.removed', tenant: row.tenant_id, group: row.group_id, user: row.user_id })
  const taken = await tx.query<{ tenant_id: string; role: string; user_id: string }>(
    `${named} delete from ${s}.roles r using gone g where r.tenant_id = g.tenant_id and r.user_id = g.id
     returning r.tenant_id, r.role, r.user_id`,
    values,
  )
  for (const row of taken)
    changes.push({ kind: 'role.removed', tenant: row.tenant_id, role: row.role, user: row.user_id })
  const emptied = `update ${s}.users t set user_name = null, external_id = null, display_name = null, email = null, active = false,
    account = null, attributes = null, mapped = null, updated_at = now(), deleted_at = now()
    from gone g where t.tenant_id = g.tenant_id and t.id = g.id and t.deleted_at is null`
  const removed = await tx.query<Ref>(
    `${named} ${deleted === 'keep' ? emptied : `delete from ${s}.users t using gone g where t.tenant_id = g.tenant_id and t.id = g.id`}
     returning t.tenant_id, t.id`,
    values,
  )
  // Who takes changes late hears of somebody without a name, who is removed then.
  if (removed.length > 0)
    await tx.query(
      `${named} update ${s}.outbox o set change = ${nobodyIn('o.change')} from gone g
       where o.change ->> 'kind' in ('user.added', 'user.changed') and o.change ->> 'tenant' = g.tenant_id::text
         and o.change -> 'user' ->> 'id' = g.id::text`,
      [jsonOf(removed)],
    )
  for (const { tenant_id: tenant, id } of removed) changes.push({ kind: 'user.removed', tenant, user: { id } })
}

/** Takes groups out, with what is left of their members. */
export async function removeGroups({ tx, s, deleted, changes }: Writing, gone: readonly Ref[]): Promise<void> {
  if (gone.length === 0) return
  const named = `with gone as materialized (select * from jsonb_to_recordset($1::text::jsonb) as n(tenant_id uuid, id uuid))`
  const values = [jsonOf(gone)]
  const left = await tx.query<{ tenant_id: string; group_id: string; user_id: string }>(
    `${named}, others as (
       delete from ${s}.other_members m using gone g where m.tenant_id = g.tenant_id and m.group_id = g.id
     )
     delete from ${s}.memberships m using gone g where m.tenant_id = g.tenant_id and m.group_id = g.id
     returning m.tenant_id, m.group_id, m.user_id`,
    values,
  )
  for (const row of left)
    changes.push({ kind: 'membership.removed', tenant: row.tenant_id, group: row.group_id, user: row.user_id })
  const emptied = `update ${s}.groups t set display_name = null, external_id = null, attributes = null, updated_at = now(),
    deleted_at = now() from gone g where t.tenant_id = g.tenant_id and t.id = g.id and t.deleted_at is null`
  const removed = await tx.query<Ref>(
    `${named} ${deleted === 'keep' ? emptied : `delete from ${s}.groups t using gone g where t.tenant_id = g.tenant_id and t.id = g.id`}
     returning t.tenant_id, t.id`,
    values,
  )
  for (const { tenant_id: tenant, id } of removed) changes.push({ kind: 'group.removed', tenant, group: { id } })
}

/** Changes one column of users, where it is another. */
async function change(
  { tx, s, changes }: Writing,
  column: 'account text' | 'mapped jsonb',
  rows: readonly Ref[],
): Promise<void> {
  if (rows.length === 0) return
  const [name] = namesOf(column)
  const changed = await tx.query<UserRow>(
    `with new as materialized (select * from jsonb_to_recordset($1::text::jsonb) as n(tenant_id uuid, id uuid, ${column}))
     update ${s}.users t set ${name} = n.${name}, updated_at = now() from new n
     where t.tenant_id = n.tenant_id and t.id = n.id and t.deleted_at is null and t.${name} is distinct from n.${name}
     returning ${namesOf(USER).map((one) => `t.${one}`)}`,
    [jsonOf(rows)],
  )
  for (const row of changed) changes.push({ kind: 'user.changed', tenant: row.tenant_id, user: asUser(row) })
}

/** Notes which accounts users have. */
export const putAccounts = (writing: Writing, rows: readonly (Ref & { readonly account: string | null })[]) =>
  change(writing, 'account text', rows)

/** Notes what a mapping gives of users now. */
export const putMapped = (writing: Writing, rows: readonly MappedRow[]) => change(writing, 'mapped jsonb', rows)

const asUser = (row: UserRow): MirroredUser => ({
  ...{ id: row.id, userName: row.user_name, externalId: row.external_id, displayName: row.display_name },
  ...{ email: row.email, active: row.active, account: row.account, attributes: row.attributes, mapped: row.mapped },
})
