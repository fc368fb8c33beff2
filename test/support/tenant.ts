import { expect } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { ERROR } from '../../src/scim/urn.ts'
import { openTestDatabase } from './engines.ts'
import type { Answer, Scim, TestTenant } from './gateway.ts'
import { type Instance, json, openInstance } from './instances.ts'

/** A tenant, and the instance that serves it on the worker's database; the test closes the instance. */
export async function openTenant(): Promise<{
  readonly database: Database
  readonly instance: Instance
  readonly tenant: TestTenant
  readonly scim: Scim
}> {
  const database = await openTestDatabase()
  const instance = await openInstance(database)
  const tenant = await instance.newTenant()
  return { database, instance, tenant, scim: tenant.scim }
}

/** The answer is this error, in words for people that tell nothing of the inside. */
export function expectError(answer: Answer, status: number, scimType?: string): void {
  expect([answer.status, answer.body]).toMatchObject([status, { schemas: [ERROR], status: String(status) }])
  expect(json(answer).scimType).toBe(scimType)
  expect(answer.headers.get('content-type')).toMatch(/^application\/scim\+json/)
  expect(String(json(answer).detail)).toMatch(/\w+ \w+/)
  expect(String(json(answer).detail)).not.toMatch(/select |insert |\bat \w+\.ts|resources_/)
}
