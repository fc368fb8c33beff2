import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mode } from '../../src/scim/deviations/mode.ts'
import type { JsonObject } from '../../src/scim/resource.ts'
import { SEARCH_REQUEST } from '../../src/scim/urn.ts'
import { memberOf, valueAt } from '../support/checks.ts'
import { faultsOf, watchRefusals } from '../support/explanations.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { registryFor, type VectorFile, type VectorTenant, vectorTenant, withIds } from '../support/vector-tenant.ts'

interface Vector {
  readonly id: string
  readonly endpoint: '/Users' | '/Groups' | '/'
  readonly filter: string
  readonly mode?: Mode
}

const text = readFileSync(new URL('../fixtures/scim/filter-vectors.json', import.meta.url), 'utf8')
const file: VectorFile & {
  readonly resources: readonly (JsonObject & { readonly meta: { readonly resourceType: string } })[]
  readonly valid: readonly (Vector & { readonly matches: readonly string[] })[]
  readonly invalid: readonly Vector[]
} = JSON.parse(text)

const NAMES = /\b(?:ua|ga)\d\b/gi
/** Versions are numbers with us, and `W/"a3"` in the file. */
const withVersions = (filter: string) => filter.replace(/W\/\\"[ag](\d)\\"/g, 'W/\\"$1\\"')
const ours = (filter: string) => withVersions(withIds(filter, NAMES))

let gateway: Gateway
let refusals: ReturnType<typeof watchRefusals>
let tenant: VectorTenant
beforeAll(async () => {
  refusals = watchRefusals()
  gateway = await openGateway()
  tenant = vectorTenant(gateway.database, await gateway.newTenant(), registryFor(file))
  for (const resource of withIds(file.resources, NAMES)) await tenant.load(resource.meta.resourceType, resource)
})
afterAll(() => gateway.close())

const ways = {
  'GET ?filter': (mode: Mode, { endpoint, filter }: Vector) =>
    tenant.send(mode, 'GET', endpoint, { filter: ours(filter) }),
  'POST .search': (mode: Mode, { endpoint, filter }: Vector) => {
    const path = endpoint === '/' ? '/.search' : `${endpoint}/.search`
    return tenant.send(mode, 'POST', path, {}, { schemas: [SEARCH_REQUEST], filter: ours(filter) })
  },
}

describe.each(Object.entries(ways))('%s', (_, ask) => {
  const chosen = async (mode: Mode, vector: Vector) => {
    const { status, body } = await ask(mode, vector)
    const ids = valueAt(body, 'Resources[*].id') as string[] | undefined
    return { status, totalResults: memberOf(body, 'totalResults'), ids: (ids ?? []).toSorted() }
  }
  const refused = async (mode: Mode, vector: Vector) => {
    const { status, body } = await ask(mode, vector)
    return { status, scimType: memberOf(body, 'scimType') }
  }

  test.each(file.valid)('Q-04 $id $filter', async (vector) => {
    const ids = withIds(vector.matches, NAMES).toSorted()
    const expected = { status: 200, totalResults: ids.length, ids }
    expect(await chosen(vector.mode ?? 'standard', vector)).toEqual(expected)
    expect(await chosen('lenient', vector)).toEqual(expected)
  })

  test.each(file.valid.filter(({ mode }) => mode === 'lenient'))(
    'Q-27 Q-28 $id is for lenient tenants',
    async (vector) => {
      expect(await refused('standard', vector)).toEqual({ status: 400, scimType: 'invalidFilter' })
    },
  )

  test.each(file.invalid)('Q-09 $id $filter', async (vector) => {
    expect(await refused('standard', vector)).toEqual({ status: 400, scimType: 'invalidFilter' })
    expect(await refused('lenient', vector)).toEqual({ status: 400, scimType: 'invalidFilter' })
  })
})

test('each refusal of it is explained in plain words, with a remedy', () => {
  const seen = refusals()
  expect(new Set(seen.map(({ reason }) => reason)).size).toBeGreaterThan(2)
  expect(seen.flatMap(faultsOf)).toEqual([])
})

test('every vector is here', () => expect([file.valid.length, file.invalid.length]).toEqual([151, 58]))
