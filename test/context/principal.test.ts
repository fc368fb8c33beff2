import { expect, test } from 'vitest'
import { covers, type Scope } from '../../src/context/principal.ts'

const scopes: Record<string, Scope> = {
  instance: { kind: 'instance' },
  project: { kind: 'project', projectId: 'p' },
  environment: { kind: 'environment', projectId: 'p', environmentId: 'e' },
  tenant: { kind: 'tenant', projectId: 'p', environmentId: 'e', tenantId: 't' },
  otherTenant: { kind: 'tenant', projectId: 'p', environmentId: 'e', tenantId: 't2' },
  otherEnvironment: { kind: 'environment', projectId: 'p', environmentId: 'e2' },
  otherEnvironmentsTenant: { kind: 'tenant', projectId: 'p', environmentId: 'e2', tenantId: 't3' },
  otherProject: { kind: 'project', projectId: 'p2' },
  otherProjectsTenant: { kind: 'tenant', projectId: 'p2', environmentId: 'e3', tenantId: 't4' },
}
const reach: Record<string, string[]> = {
  instance: Object.keys(scopes),
  project: ['project', 'environment', 'tenant', 'otherTenant', 'otherEnvironment', 'otherEnvironmentsTenant'],
  environment: ['environment', 'tenant', 'otherTenant'],
  tenant: ['tenant'],
}

const cases = Object.keys(reach).flatMap((scope) => Object.keys(scopes).map((place) => [scope, place] as const))

test.each(cases)('SEC-13 a key for the %s, at: %s', (scope, place) => {
  const [from, to] = [scopes[scope], scopes[place]]
  if (from === undefined || to === undefined) throw new Error('the table is wrong')
  expect(covers(from, to)).toBe(reach[scope]?.includes(place))
})
