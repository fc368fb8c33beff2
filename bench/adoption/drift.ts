import { BULK_REQUEST, GROUP_SCHEMA } from '../../src/scim/urn.ts'
import { fillDirectly, patchBody, userBody } from '../../test/support/instances.ts'
import { type Account, same, seconds, type World } from './world.ts'

/** Of so many accounts, as many have a difference of each kind: 20 of 2,000, so 1,000 of 100,000. */
export const STRETCH = 2_000
const KINDS = ['deactivated', 'deleted', 'never-there', 'missing', 'state', 'lacks', 'exceeds'] as const
type Kind = (typeof KINDS)[number]
const EACH: Readonly<Record<Kind, number>> = {
  ...{ deactivated: 5, deleted: 3, 'never-there': 2, missing: 4, state: 3, lacks: 2, exceeds: 1 },
}
const AT_ONCE = 500

/** One difference, as the gateway lists it. */
interface Difference {
  readonly kind: string
  readonly reason: string | null
  readonly account: string | null
  readonly user: string | null
  readonly lacks: readonly string[]
  readonly exceeds: readonly string[]
}

/**
 * As many users as accounts, linked when the accounts are posted. Then differences of all kinds are planted by requests, far apart: one
 * for each hundred accounts. The gateway has to find each of them, and nothing else.
 */
export async function measureDrift(world: World, accounts: number): Promise<void> {
  const { instance, place, database, admin, post } = world
  const roleRules = [{ group: { displayName: 'Editors' }, role: 'editor' }]
  const tenant = await instance.newTenant({ place, settings: { roleRules } })
  const { userId } = await fillDirectly(database, tenant.id, { users: accounts, groups: 0 })
  // Role rules look at groups of the gateway; the one of the editors is empty until the differences are planted.
  const accountId = (n: number) => `acc_${String(n).padStart(7, '0')}`
  const accountOf = (n: number, more: object = {}): Account => ({
    ...{ id: accountId(n), externalId: `ext${n}`, roles: [], ...more },
  })
  const linking = performance.now()
  const all = Array.from({ length: accounts }, (_, i) => accountOf(i + 1))
  const { linked, queued } = await post(tenant, 'first', all)
  const linkingMs = performance.now() - linking
  same('linked and queued', [linked, queued], [accounts, 0])
  same('differences before', await counts(), { ghost: 0, missing: 0, state: 0, roles: 0 })

  const of = planted(accounts)
  const bulk = async (operations: readonly object[]) => {
    const made: string[] = []
    for (let from = 0; from < operations.length; from += AT_ONCE) {
      const Operations = operations.slice(from, from + AT_ONCE)
      const { body } = await tenant.scim('POST', '/Bulk', { schemas: [BULK_REQUEST], Operations })
      const done = (body as { Operations: { status: string; location: string }[] }).Operations
      const failed = done.find(({ status }) => Number(status) >= 300)
      if (failed) throw new Error(JSON.stringify(failed))
      made.push(...done.map(({ location }) => location.split('/').at(-1) ?? ''))
    }
    return made
  }
  const leaves = patchBody({ op: 'replace', value: { active: false } })
  await bulk(of.deactivated.map((n) => ({ method: 'PATCH', path: `/Users/${userId(n)}`, data: leaves })))
  await bulk(of.deleted.map((n) => ({ method: 'DELETE', path: `/Users/${userId(n)}` })))
  const missing = await bulk(
    of.missing.map((n) => ({ method: 'POST', path: '/Users', bulkId: `m${n}`, data: userBody(`missing ${n}`) })),
  )
  const members = of.lacks.map((n) => ({ value: userId(n) }))
  const { status, text } = await tenant.scim('POST', '/Groups', {
    ...{ schemas: [GROUP_SCHEMA], displayName: 'Editors', members },
  })
  if (status !== 201) throw new Error(text)
  const strangers = of['never-there'].map((n) => `z${n}`)
  await post(tenant, 'differences', [
    ...strangers.map((id) => ({ id, userName: `nobody ${id}` })),
    ...of.state.map((n) => accountOf(n, { active: false })),
    ...of.exceeds.map((n) => accountOf(n, { roles: ['viewer'] })),
  ])

  const difference = (kind: string, reason: string | null, account: string | null, user: string | null) => ({
    ...{ kind, reason, account, user, lacks: [] as string[], exceeds: [] as string[] },
  })
  const ghost = (reason: string) => (n: number) => difference('ghost', reason, accountId(n), userId(n))
  const roles = (n: number) => difference('roles', null, accountId(n), userId(n))
  const expected: Difference[] = [
    ...of.deactivated.map(ghost('deactivated')),
    ...of.deleted.map(ghost('deleted')),
    ...strangers.map((id) => difference('ghost', 'never-there', id, null)),
    ...missing.map((user) => difference('missing', null, null, user)),
    ...of.state.map((n) => difference('state', null, accountId(n), userId(n))),
    ...of.lacks.map((n) => ({ ...roles(n), lacks: ['editor'] })),
    ...of.exceeds.map((n) => ({ ...roles(n), exceeds: ['viewer'] })),
  ]
  const found: Difference[] = []
  const listing = performance.now()
  for (let from: string | null = ''; from !== null; ) {
    const page = JSON.parse(await admin('GET', tenant, `/account-drift${from && `?from=${encodeURIComponent(from)}`}`))
    found.push(...(page.items as Difference[]))
    from = page.next
  }
  const listingMs = performance.now() - listing
  const inOrder = (some: readonly Difference[]) =>
    some
      .map(({ kind, reason, account, user, lacks, exceeds }) =>
        JSON.stringify([kind, reason, account, user, lacks, exceeds]),
      )
      .sort()
  same('differences', inOrder(found), inOrder(expected))

  const counting = performance.now()
  const found4 = await counts()
  const countingMs = performance.now() - counting
  const kind = (name: string) => expected.filter((one) => one.kind === name).length
  same('counts', found4, {
    ...{ ghost: kind('ghost'), missing: kind('missing'), state: kind('state'), roles: kind('roles') },
  })
  const lines = (await admin('GET', tenant, '/account-drift/csv')).trimEnd().split('\r\n')
  same('lines of CSV, with the head', lines.length, expected.length + 1)
  const n = (number: number) => number.toLocaleString('en')
  console.log(
    `${n(accounts)} accounts posted beside as many users: ${n(linked)} linked in ${seconds(linkingMs)}\n` +
      `drift of ${n(accounts)}: ${n(expected.length)} planted, ${n(found.length)} found, the same ones: ${JSON.stringify(found4)}\n` +
      `counted in ${seconds(countingMs)}; listed page by page in ${seconds(listingMs)}`,
  )

  async function counts(): Promise<Record<string, number>> {
    return JSON.parse(await admin('GET', tenant, '/account-drift/summary'))
  }
}

/** Numbers from 1 to `accounts` for each kind of difference, no number twice, and as far apart as they can be. */
function planted(accounts: number): Readonly<Record<Kind, readonly number[]>> {
  const order = KINDS.flatMap((kind) => Array.from({ length: EACH[kind] }, () => kind))
  const apart = STRETCH / order.length
  const numbers = Object.fromEntries(KINDS.map((kind) => [kind, [] as number[]])) as Record<Kind, number[]>
  for (let i = 0; i < Math.floor(accounts / apart); i++)
    numbers[order[i % order.length] as Kind].push(i * apart + 1 + (i % apart))
  return numbers
}
