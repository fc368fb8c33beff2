import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { erasureStep } from '../../src/erasure/worker.ts'
import type { MirrorOptions, Report } from '../../src/mirror/index.ts'
import { ENTERPRISE_USER_SCHEMA, USER_SCHEMA } from '../../src/scim/urn.ts'
import { adminSender } from '../support/admin-sender.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { type Receipt, tablesWith } from '../support/erasing.ts'
import { addMembers, groupBody, type Instance, idIn, openInstance, patchBody, userBody } from '../support/instances.ts'
import {
  type ApplicationDatabase,
  applicationOf,
  directoryOf,
  mirrored,
  mirrorOnce,
  openApplicationDatabase,
} from '../support/mirrors.ts'
import { placeOf } from '../support/readers.ts'

const ADMIN = 'an-admin-key-for-the-erasure-of-mirrored-people'

let database: Database
let instance: Instance
let application: ApplicationDatabase
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database, { ADMIN_KEY: ADMIN })
  application = await openApplicationDatabase()
})
afterAll(async () => {
  await application.close()
  await instance.close()
  await database.close()
})

let schemas = 0

/** A tenant with a person whose every value has a mark, who is known in all ways that a mirror hears of. */
async function world(mark: string) {
  const place = await instance.newPlace()
  const admin = adminSender(() => instance, ADMIN)
  const settings = { roleRules: [{ group: { displayName: 'Staff' }, role: 'worker' }], deferReferenceChecks: true }
  const tenant = await instance.newTenant({ place, settings })
  const at = placeOf(tenant)
  await admin('PUT', `${at}/mapping`, {
    mapping: { login: 'userName', called: 'displayName', teams: { groups: 'Sta*' } },
  })
  const { ask, gateway } = await applicationOf(database, instance, place)
  const schema = `erased_${++schemas}`
  const options = { gateway, database: application.url, schema, outbox: true } satisfies MirrorOptions
  const { scim } = tenant

  /** Lives in the directory, until the moment before the erasure. */
  async function live(): Promise<string> {
    const accounts = [{ id: `acc-${mark}`, externalId: `ext-${mark}`, userName: `${mark}@acme.example` }]
    await admin('POST', `${at}/accounts`, { accounts })
    const id = idIn(
      await scim('POST', '/Users', {
        schemas: [USER_SCHEMA, ENTERPRISE_USER_SCHEMA],
        ...{ userName: `${mark}@acme.example`, externalId: `ext-${mark}`, displayName: `Given ${mark}`, active: true },
        ...{ name: { familyName: mark }, emails: [{ value: `${mark}@acme.example`, primary: true }] },
      }),
    )
    const report = idIn(await scim('POST', '/Users', userBody('report')))
    const manager = { op: 'add', path: `${ENTERPRISE_USER_SCHEMA}:manager`, value: { value: id } }
    await scim('PATCH', `/Users/${report}`, patchBody(manager))
    const group = idIn(await scim('POST', '/Groups', groupBody('Staff', [report])))
    await scim('PATCH', `/Groups/${group}`, addMembers(id))
    // Named before somebody of that name is there.
    await scim('PATCH', `/Groups/${group}`, addMembers(`${mark}@ACME.example`))
    await scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'title', value: `chief ${mark}` }))
    return id
  }

  const reports: Report[] = []
  return {
    ...{ tenant, live, reports, schema },
    mirror: () => mirrorOnce({ ...options, onReport: (report) => reports.push(report) }),
    async erase(id: string, between: () => Promise<void>): Promise<void> {
      const { status, text, body } = await admin<Receipt>('POST', `${at}/erasures`, { user: id, delete: true })
      if (status !== 202) throw new Error(text)
      await instance.requestLog.flush()
      const dueNow = () => database.run('update erasures set due_at = now() where id = $1::uuid', [body.id])
      do {
        await between()
        await dueNow()
      } while (await erasureStep(database, tenant.id, body.id))
      expect(await tablesWith(database, mark)).toEqual([])
    },
    directory: () => directoryOf(ask, [tenant]),
    is: () => mirrored(application.sql, schema),
    has: () => tablesOfSchemaWith(schema, mark),
  }
}

/** Tables of a schema in whose rows a text stands. */
async function tablesOfSchemaWith(schema: string, text: string): Promise<string[]> {
  const { sql } = application
  const tables = await sql<{ name: string }[]>`select c.relname as name from pg_class c
    where c.relkind = 'r' and c.relnamespace = ${schema}::regnamespace order by 1`
  const found: string[] = []
  for (const { name } of tables) {
    const [row] = await sql.unsafe(
      `select 1 from "${schema}"."${name}" t where strpos(lower(t::text), $1) > 0 limit 1`,
      [text],
    )
    if (row !== undefined) found.push(name)
  }
  return found
}

describe('a mirror of a tenant in which a person is erased', () => {
  const moments = {
    'has the person before': async ({ live, mirror, erase }: Awaited<ReturnType<typeof world>>) => {
      const id = await live()
      await mirror()
      await erase(id, async () => {})
    },
    'hears of each step': async ({ live, mirror, erase }: Awaited<ReturnType<typeof world>>) => {
      const id = await live()
      await mirror()
      await erase(id, mirror)
    },
    'hears of the person afterwards alone': async ({ live, mirror, erase }: Awaited<ReturnType<typeof world>>) => {
      await mirror()
      await erase(await live(), async () => {})
    },
  }
  for (const [moment, happens] of Object.entries(moments))
    test(`passes over what is told of the person, and has nothing of it, where it ${moment}`, async () => {
      const mark = `zqmirrored${schemas}`
      const here = await world(mark)
      await happens(here)
      await here.mirror()
      expect(await here.is()).toEqual(await here.directory())
      expect(await here.has()).toEqual([])
      // Whom the group has lost is read once, and nothing is read again.
      const { length } = here.reports
      expect(here.reports.filter(({ state }) => state === 'reading').length).toBeLessThanOrEqual(2)
      await here.mirror()
      expect(here.reports.slice(length)).toEqual([{ state: 'following' }])
    })
})
