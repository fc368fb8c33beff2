import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig, type TestProjectConfiguration } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The tests that need a store run once on each engine, with one database per worker and a tenant of their own each. */
const onEngine = (name: 'pglite' | 'postgres'): TestProjectConfiguration => ({
  extends: true,
  test: {
    name,
    include: ['test/**/*.store.test.ts'],
    globalSetup: [`test/support/global-setup-${name}.ts`],
    provide: { engine: name },
  },
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
    projects:
      process.env.SKIP_POSTGRES === '1' ? [pure, onEngine('pglite')] : [pure, onEngine('pglite'), onEngine('postgres')],
  },
})
