import { idOf } from '../population.ts'
import { PAGE } from '../world.ts'
import { ours } from './users.ts'
import { type Case, expect, shortNumber, type Workload } from './workload.ts'

const POSITIONS = ['first', 'middle', 'last'] as const

/** Where a page begins, from 0. */
const offsetOf = (position: (typeof POSITIONS)[number], users: number): number =>
  ({ first: 0, middle: users / 2, last: users - PAGE })[position]

const pages = (by: 'index' | 'cursor'): Workload => ({
  name: `page-by-${by}`,
  title: `List a page of ${PAGE} by ${by}`,
  connections: 4,
  cases: (world) =>
    world.sizes.flatMap((tenant) =>
      POSITIONS.map((position): Case => {
        const offset = offsetOf(position, tenant.users)
        const cursor = position === 'first' ? '' : world.cursors[tenant.key]?.[position]
        const query = by === 'index' ? `startIndex=${offset + 1}&count=${PAGE}` : `cursor=${cursor}&count=${PAGE}`
        const after = offset === 0 ? '00000000-0000-0000-0000-000000000000' : idOf(tenant.id, offset - 1)
        const ceiling = by === 'index' ? `offset/${tenant.id}/${offset}` : `after/${tenant.id}/${after}`
        return {
          name: `${shortNumber(tenant.users)} ${position}`,
          calls: {
            ours: () => ({ method: 'GET', path: ours(world, tenant, `/Users?${query}`) }),
            ceiling: () => ({ method: 'GET', path: `/${ceiling}` }),
          },
          check: (body, side) => {
            const answer = JSON.parse(body) as { Resources: { externalId: string; id: string }[] }
            const [first] = answer.Resources
            const right = side === 'ceiling' || first?.id === idOf(tenant.id, offset)
            expect(answer.Resources.length === PAGE && right, `${PAGE} users from number ${offset}`, body)
          },
        }
      }),
    ),
})

/** Pages of all users of a tenant. */
export const pageWorkloads: readonly Workload[] = [pages('index'), pages('cursor')]
