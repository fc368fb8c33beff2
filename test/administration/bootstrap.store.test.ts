import { afterEach, beforeEach, expect, test } from 'vitest'
import { bootstrap } from '../../src/administration/bootstrap.ts'
import { deleteEnvironment } from '../../src/administration/environments.ts'
import { revokeApiKey } from '../../src/administration/keys/api-keys.ts'
import { createProject, deleteProject } from '../../src/administration/projects.ts'
import { parseApiKey } from '../../src/auth/api-key.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import type { Database } from '../../src/db/database.ts'
import { listAuditEntries } from '../../src/repositories/control/audit.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import { environmentsOf } from '../../src/repositories/control/environments.ts'
import { projectsIn } from '../../src/repositories/control/projects.ts'
import { tenantsOf } from '../../src/repositories/control/tenants.ts'
import { administrationOn } from '../support/administration.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { recordStatements } from '../support/statements.ts'

let database: Database
const all = { after: undefined, limit: 100 }
const administration = () => administrationOn(database)

beforeEach(async () => {
  database = await openFreshDatabase()
})
afterEach(() => database.close())

async function everything() {
  const projects = await projectsIn(database).list(all)
  const environments = (await Promise.all(projects.map(({ id }) => environmentsOf(database, id).list(all)))).flat()
  const tenants = (await Promise.all(environments.map(({ id }) => tenantsOf(database, id).list(all)))).flat()
  return [projects, environments, tenants].map((rows) => rows.map(({ key }) => key))
}

test('a first start makes a place and two keys that work', async () => {
  const made = await bootstrap(database, {})
  expect(made).toMatchObject({ project: 'default', environment: 'dev', tenant: 'default' })
  const control = new ControlPlane(controlStore(database))
  expect(await control.authenticate(`Bearer ${made.apiKey}`)).toMatchObject({
    principal: { scope: { kind: 'environment' }, permissions: new Set(['scim:read', 'scim:write']) },
  })
  expect(await control.authenticate(`Bearer ${made.adminKey}`)).toMatchObject({
    principal: { scope: { kind: 'instance' } },
  })
  expect(await everything()).toEqual([['default'], ['dev'], ['default']])
})

test('SEC-14 what a first start makes stands in the audit log as made by the gateway itself', async () => {
  await bootstrap(database, {})
  const entries = await listAuditEntries(database, { kind: 'instance' }, all)
  expect(entries.map(({ action, actor }) => `${actor} ${action}`)).toEqual([
    'rollcall api_key.created',
    'rollcall api_key.created',
    'rollcall tenant.created',
    'rollcall environment.created',
    'rollcall project.created',
  ])
})

test('a second start makes nothing twice', async () => {
  await bootstrap(database, {})
  expect(await bootstrap(database, {})).toMatchObject({ apiKey: undefined, adminKey: undefined })
  expect(await everything()).toEqual([['default'], ['dev'], ['default']])
})

test('four starts at once make one of each', async () => {
  const made = await Promise.all(Array.from({ length: 4 }, () => bootstrap(database, {})))
  expect(made.filter(({ apiKey }) => apiKey !== undefined)).toHaveLength(1)
  expect(made.filter(({ adminKey }) => adminKey !== undefined)).toHaveLength(1)
  expect(await everything()).toEqual([['default'], ['dev'], ['default']])
})

test('no admin key is made beside one that the configuration gives', async () => {
  expect((await bootstrap(database, { adminKey: 'x'.repeat(20) })).adminKey).toBeUndefined()
})

test('what an operator has deleted or revoked is not made again', async () => {
  const { adminKey = '' } = await bootstrap(database, {})
  const [project] = await projectsIn(database).list(all)
  const [environment] = project === undefined ? [] : await environmentsOf(database, project.id).list(all)
  if (project === undefined || environment === undefined) throw new Error('nothing was made')
  await createProject(administration(), { key: 'acme' })
  await deleteEnvironment(administration(), project.id, environment.id)
  await deleteProject(administration(), project.id)
  await revokeApiKey(administration(), { kind: 'instance' }, parseApiKey(adminKey) ?? '', new Date())
  expect(await bootstrap(database, {})).toMatchObject({ apiKey: undefined, adminKey: undefined })
  expect(await everything()).toEqual([['acme'], [], []])
})

test('a start that finds a place and a key asks once, and makes no transaction', async () => {
  await bootstrap(database, {})
  const recorder = recordStatements(database)
  for (const adminKey of [undefined, 'given']) {
    const again = await recorder.during(() => bootstrap(recorder.database, { adminKey }))
    expect({ statements: again.statements.length, transactions: again.transactions }).toEqual({
      statements: 1,
      transactions: 0,
    })
    expect(again.result).toMatchObject({ apiKey: undefined, adminKey: undefined, tenant: 'default' })
  }
})
