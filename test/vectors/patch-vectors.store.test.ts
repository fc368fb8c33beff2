import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Mode } from '../../src/scim/deviations/mode.ts'
import type { JsonObject } from '../../src/scim/resource.ts'
import { memberOf } from '../support/checks.ts'
import { faultsOf, watchRefusals } from '../support/explanations.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { canonical } from '../support/vector-comparison.ts'
import { registryFor, type VectorFile, vectorTenant, withIds } from '../support/vector-tenant.ts'

interface Vector {
  readonly id: string
  readonly resourceType: 'User' | 'Group'
  readonly note?: string
  readonly mode?: Mode
  readonly before: JsonObject
  readonly request: JsonObject
  readonly expect: {
    readonly status: number | readonly number[]
    readonly scimType?: readonly string[]
    readonly after?: JsonObject
    readonly unchanged?: true
    readonly notReturned?: readonly string[]
  }
}

const file: VectorFile & {
  readonly seed: { readonly Users: readonly JsonObject[]; readonly Groups: readonly JsonObject[] }
  readonly vectors: readonly Vector[]
} = JSON.parse(readFileSync(new URL('../fixtures/scim/patch-vectors.json', import.meta.url), 'utf8'))

/** Whole texts, also inside filters, where their quotes are escaped. */
const NAMES = /(?<=")[pg]\d(?=\\?")/g
const registry = registryFor(file)
const seed = withIds(file.seed, NAMES)

let gateway: Gateway
let refusals: ReturnType<typeof watchRefusals>
beforeAll(async () => {
  refusals = watchRefusals()
  gateway = await openGateway()
})
afterAll(() => gateway.close())

/** A tenant with the seed and, in place of the one with its id, the resource that the vector changes. */
async function tenantFor({ resourceType, before }: Vector) {
  const tenant = vectorTenant(gateway.database, await gateway.newTenant(), registry)
  const load = async (type: string, resources: readonly JsonObject[]) => {
    for (const resource of resources) if (resource.id !== before.id) await tenant.load(type, resource)
  }
  await load('User', seed.Users)
  await load('Group', seed.Groups)
  await tenant.load(resourceType, before)
  return tenant
}

test.each(file.vectors.map((vector) => [vector.id, vector.note ?? '', vector] as const))(
  'PAT-34 %s %s',
  async (_id, _note, inFile) => {
    const vector = withIds(inFile, NAMES)
    const { resourceType, before, request, mode = 'standard', expect: expected } = vector
    const tenant = await tenantFor(vector)
    const path = `/${resourceType}s/${before.id}`
    const read = async () => (await tenant.send(mode, 'GET', path)).body as JsonObject
    const earlier = await read()
    expect(canonical(earlier)).toEqual(canonical(before))

    const answer = await tenant.send(mode, 'PATCH', path, {}, request)
    const later = await read()

    expect([expected.status].flat(), answer.text).toContain(answer.status)
    if (expected.scimType) expect(expected.scimType).toContain(memberOf(answer.body, 'scimType'))
    expect(canonical(later)).toEqual(canonical(expected.after ?? before))
    expect(later.schemas).toEqual(expect.arrayContaining((expected.after ?? before).schemas as string[]))
    if (answer.status === 200) expect(answer.body).toEqual(later)
    const changed = expected.after !== undefined && !expected.unchanged
    if (changed) expect(later.meta).not.toEqual(earlier.meta)
    else expect(later.meta).toEqual(earlier.meta)
    for (const name of expected.notReturned ?? [])
      expect([memberOf(answer.body, name), memberOf(later, name)]).toEqual([undefined, undefined])
  },
)

test('each refusal of it is explained in plain words, with a remedy', () => {
  const seen = refusals()
  expect(new Set(seen.map(({ reason }) => reason)).size).toBeGreaterThan(8)
  expect(seen.flatMap(faultsOf)).toEqual([])
})

test('every vector is here', () => expect(file.vectors).toHaveLength(150))
