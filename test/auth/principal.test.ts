import { expect, test } from 'vitest'
import { covers, type Scope } from '../../src/auth/principal.ts'
import { placeId } from '../support/place-ids.ts'

const scopes: Record<string, Scope> = {
  instance: { kind: 'instance' },
  project: { kind: 'project', projectId: placeId('p') },
  environment: { kind: 'environment', projectId: placeId('p'), environmentId: placeId('e') },
  tenant: { kind: 'tenant', projectId: placeId('p'), environmentId: placeId('e'), tenantId: placeId('t') },
  otherTenant: { kind: 'tenant', projectId: placeId('p'), environmentId: placeId('e'), tenantId: placeId('t2') },
  otherEnvironment: { kind: 'environment', projectId: placeId('p'), environmentId: placeId('e2') },
  otherEnvironmentsTenant: {
    kind: 'tenant',
    projectId: placeId('p'),
    environmentId: placeId('e2'),
    tenantId: placeId('t3'),
  },
  otherProject: { kind: 'project', projectId: placeId('p2') },
  otherProjectsTenant: {
    kind: 'tenant',
    projectId: placeId('p2'),
    environmentId: placeId('e3'),
    tenantId: placeId('t4'),
  },
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
