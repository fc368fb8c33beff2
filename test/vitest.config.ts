import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig, type TestProjectConfiguration } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The tests that need a store run once on each engine, with one database per worker and a tenant of their own each. */
const onEngine = (
  engine: 'pglite' | 'postgres',
  { name = engine, except = [] }: { readonly name?: string; readonly except?: readonly string[] } = {},
): TestProjectConfiguration => ({
  extends: true,
  test: {
    name,
    include: ['test/**/*.store.test.ts'],
    exclude: [...configDefaults.exclude, ...except],
    globalSetup: [`test/support/global-setup-${engine}.ts`],
    provide: { engine },
  },
})

/** On PostgreSQL once more, each tenant's statements under the role that row-level security binds. */
const underPolicies = onEngine('postgres', {
  name: 'postgres-rls',
  except: [
    // They explain statements of the tables' owner. Under policies other indexes are used: ARCHITECTURE.md says which.
    'test/repositories/plans.store.test.ts',
    'test/repositories/event-plans.store.test.ts',
    // It counts round trips without policies; with them each statement has more.
    'test/bench/round-trips.store.test.ts',
    // They kill gateways and servers: how those come back has nothing to do with what a role may see.
    'test/delivery/chaos.store.test.ts',
    'test/instances/crash.store.test.ts',
  ],
})

const pure: TestProjectConfiguration = {
  extends: true,
  test: {
    name: 'pure',
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/**/*.store.test.ts'],
  },
}

export default defineConfig({
  root,
  test: {
    isolate: false,
    // Far above what any takes: they only end what hangs, and machines may be busy.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      ...[pure, onEngine('pglite')],
      ...(process.env.SKIP_POSTGRES === '1' ? [] : [onEngine('postgres'), underPolicies]),
    ],
  },
})
