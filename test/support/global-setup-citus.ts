import { randomBytes } from 'node:crypto'
import type { TestProject } from 'vitest/node'
import './provided.ts'
import { dropCitusDatabases, nodesOf } from './citus.ts'

/** Provides the Citus at CITUS_URL. Each database of a test is made and distributed by itself. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const url = process.env.CITUS_URL
  if (url === undefined) throw new Error('CITUS_URL is not set')
  const prefix = `rollcall_test_${randomBytes(4).toString('hex')}`
  console.log(`engine: Citus with ${(await nodesOf(url)).length} machines (CITUS_URL)`)
  project.provide('postgres', { url, pooledUrl: undefined, template: prefix, tenantRole: undefined, citus: true })
  return () => dropCitusDatabases(url, prefix)
}
