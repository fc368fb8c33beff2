import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig, type TestProjectConfiguration } from 'vitest/config'
import { findChromium } from './support/chromium.ts'
import { examplePackages } from './support/example-packages.ts'
import { findPgbouncer } from './support/pgbouncer.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

const STORE = 'test/**/*.store.test.ts'
const PROCESS = 'test/**/*.process.test.ts'
const BROWSER = 'test/**/*.browser.test.ts'

// On the global object: Vitest loads this file once more for each project.
const global = globalThis as { rollcallLeftOut?: Set<string> }
global.rollcallLeftOut ??= new Set()

/** Says once in a run what it leaves out. */
function leftOut(what: string): void {
  if (!global.rollcallLeftOut?.has(what)) console.log(`skipped: ${what}`)
  global.rollcallLeftOut?.add(what)
}

/** The tests that need a store run once on each engine, with one database per worker and a tenant of their own each. */
const onEngine = (
  engine: 'pglite' | 'postgres',
  {
    name = engine,
    only = [STORE],
    except = [],
    setup = engine,
  }: {
    readonly name?: string
    readonly only?: readonly string[]
    readonly except?: readonly string[]
    readonly setup?: string
  } = {},
): TestProjectConfiguration => ({
  extends: true,
  test: {
    name,
    include: [...only],
    exclude: [...configDefaults.exclude, ...except],
    globalSetup: ['test/support/global-setup-built.ts', `test/support/global-setup-${setup}.ts`],
    provide: { engine },
  },
})

/** On PostgreSQL once more, each tenant's statements under the role that row-level security binds. */
const underPolicies = onEngine('postgres', {
  name: 'postgres-rls',
  except: [
    // They explain statements of the tables' owner. Under policies other indexes are used: docs/adr/0025 says which.
    'test/repositories/plans.store.test.ts',
    'test/repositories/event-plans.store.test.ts',
    // It counts round trips without policies; with them each statement has more.
    'test/bench/round-trips.store.test.ts',
    // They kill gateways and servers: how those come back has nothing to do with what a role may see.
    'test/delivery/chaos.store.test.ts',
    'test/instances/crash.store.test.ts',
    'test/erasure/kills.store.test.ts',
    // It kills mirrors, which have the application's database.
    'test/mirror/kills.store.test.ts',
    // They count requests in memory, in front of any statement.
    'test/http/scim/limits.store.test.ts',
    'test/http/oauth/limits.store.test.ts',
    // The secrets are the instance's: only statements of the tables' owner read them, as db/tenant-role.store.test.ts holds.
    'test/start/secrets.store.test.ts',
    // They are about what the documents say.
    'test/docs/commands.store.test.ts',
  ],
})

/** On PostgreSQL behind PgBouncer in transaction mode: recorded traffic, races, and what `Database` promises. */
const pooled = (): TestProjectConfiguration[] => {
  if (findPgbouncer() === undefined || process.env.TEST_DATABASE_URL !== undefined) {
    leftOut('the project postgres-pooled, since there is no pgbouncer in front of a server of our own')
    return []
  }
  const only = ['test/traffic/*.store.test.ts', 'test/instances/races.store.test.ts', 'test/db/database.store.test.ts']
  return [onEngine('postgres', { name: 'postgres-pooled', only })]
}

/**
 * On Citus: recorded traffic, hostile requests, vectors, races, events and what stands on them. docs/scale.md says what cannot be kept
 * there, and what is left out here is about that, or about the plans and the statements of one machine.
 */
const distributed = (): TestProjectConfiguration[] => {
  if (process.env.CITUS_URL === undefined) {
    leftOut('the project citus, since CITUS_URL names no coordinator')
    return []
  }
  const only = [
    'test/{accounts,history,hostile,mapping,request-log,traffic,vectors}/*.store.test.ts',
    'test/administration/role-work.store.test.ts',
    'test/db/distribute.store.test.ts',
    'test/delivery/*.store.test.ts',
    'test/erasure/erasure.store.test.ts',
    'test/http/admin/{admin-api,audit-log,catalogue,directory,environment-users,people,transfer}.store.test.ts',
    'test/http/console/{actions,editing,find,history,pages,sessions}.store.test.ts',
    'test/http/{portal,ssf}/*.store.test.ts',
    'test/http/scim/{catalogue,logout,sync-switches}.store.test.ts',
    'test/instances/{races,roles,seats}.store.test.ts',
    'test/isolation/sweep.store.test.ts',
    'test/mirror/mirror.store.test.ts',
    'test/provisioning/*.store.test.ts',
    'test/repositories/{event-log,filter-agreement,membership-agreement,role-agreement}.store.test.ts',
  ]
  const except = [
    // It kills gateways and servers.
    'test/delivery/chaos.store.test.ts',
    // It counts the transactions for many tenants, which have one each there.
    'test/delivery/numbering.store.test.ts',
  ]
  return [onEngine('postgres', { name: 'citus', only, except, setup: 'citus' })]
}

/** What needs nothing but the memory of its worker and the files of the clone. */
const pure: TestProjectConfiguration = {
  extends: true,
  test: { name: 'pure', include: ['test/**/*.test.ts'], exclude: [...configDefaults.exclude, STORE, PROCESS, BROWSER] },
}

/** The examples with Next.js, Auth.js and better-auth themselves. */
const withPackages = (): string[] => {
  if (examplePackages.isInstalled()) return []
  console.log('skipped: the examples with next, @auth/core and better-auth, since npm run test:examples brings these')
  return ['test/examples/with-packages.process.test.ts']
}

/** What starts processes or engines of its own, or waits for a real clock; once, since the engine is part of the test. */
const processes = (): TestProjectConfiguration => ({
  extends: true,
  test: {
    name: 'process',
    include: [PROCESS],
    exclude: [...configDefaults.exclude, ...withPackages()],
    globalSetup: ['test/support/global-setup-built.ts'],
  },
})

/** In a browser, against one gateway that is filled as an example. */
const inBrowser = (): TestProjectConfiguration[] => {
  if (findChromium() === undefined) {
    leftOut('browser tests, since there is no Chromium')
    return []
  }
  const globalSetup = ['test/support/global-setup-built.ts', 'test/support/global-setup-browser.ts']
  return [{ extends: true, test: { name: 'browser', include: [BROWSER], globalSetup } }]
}

/** What the package exports, as the examples import it. */
const exported = ['client', 'mirror', 'receiver', 'testing'].map((name) => ({
  ...{ find: `rollcall/${name}`, replacement: `${root}src/${name}/index.ts` },
}))

export default defineConfig({
  root,
  resolve: { alias: exported },
  test: {
    isolate: false,
    // By default one core has no worker. Each worker has databases: more than four gain nothing.
    maxWorkers: Math.min(availableParallelism(), 4),
    // Far above what any takes: they only end what hangs, and machines may be busy.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // A poll ends as soon as what it waits for is there. Vitest's own limit is a second.
    expect: { poll: { timeout: 60_000 } },
    projects: [
      ...[pure, processes(), ...inBrowser(), onEngine('pglite')],
      ...(process.env.SKIP_POSTGRES === '1'
        ? []
        : [onEngine('postgres'), underPolicies, ...pooled(), ...distributed()]),
    ],
  },
})
