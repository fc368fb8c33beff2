import { afterAll, beforeAll, expect, test } from 'vitest'
import { BULK_REQUEST, USER_SCHEMA } from '../../src/scim/urn.ts'
import { DEFAULT_ADOPTION } from '../../src/tenancy/adoption.ts'
import { accountsApi } from '../support/accounts.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

interface Person {
  readonly accounts: readonly { readonly id: string }[]
  readonly user: { readonly userName: string }
}

/** What a bulk answers to one create. */
interface Created {
  readonly status: string
  readonly location?: string
  readonly response?: { readonly detail: string }
}

/**
 * The ways in which a user and an account overlap, with how many there are, whether the two are the same person for certain, and what
 * answers a second create of the user.
 */
const WAYS: readonly (readonly [
  way: string,
  count: number,
  certain: boolean,
  person: (i: number) => Person,
  again: '200' | '409',
])[] = [
  [
    'externalId',
    3_000,
    true,
    (i) =>
      one(
        `x${i}`,
        { externalId: `ext-${i}`, addresses: [`x${i}@own.example`] },
        { userName: `idp-x${i}`, externalId: `ext-${i}` },
      ),
    '200',
  ],
  [
    'userName of a verified domain',
    2_000,
    true,
    (i) => one(`n${i}`, { userName: `n${i}@own.example` }, { userName: `N${i}@Own.example` }),
    '200',
  ],
  [
    'e-mail of a verified domain',
    2_000,
    true,
    (i) =>
      one(
        `e${i}`,
        { addresses: [`e${i}@own.example`] },
        { userName: `idp-e${i}`, emails: [{ value: `e${i}@own.example`, primary: true }] },
      ),
    '409',
  ],
  [
    'userName of another domain',
    800,
    false,
    (i) => one(`u${i}`, { userName: `u${i}@free.example` }, { userName: `u${i}@free.example` }),
    '409',
  ],
  [
    'second e-mail',
    400,
    false,
    (i) =>
      one(
        `s${i}`,
        { addresses: [`s${i}@own.example`] },
        {
          userName: `idp-s${i}`,
          emails: [{ value: `idp-s${i}@own.example`, primary: true }, { value: `s${i}@own.example` }],
        },
      ),
    '409',
  ],
  [
    'a name that is no address',
    300,
    false,
    (i) => one(`p${i}`, { userName: `plain${i}` }, { userName: `plain${i}` }),
    '409',
  ],
  [
    'another externalId',
    200,
    false,
    (i) =>
      one(
        `d${i}`,
        { externalId: `theirs-${i}`, addresses: [`d${i}@own.example`] },
        { userName: `d${i}@own.example`, externalId: `ours-${i}` },
      ),
    '200',
  ],
  [
    'two accounts',
    150,
    false,
    (i) => ({
      accounts: [
        account(`t${i}`, { userName: `t${i}@own.example` }),
        account(`tt${i}`, { addresses: [`t${i}@own.example`] }),
      ],
      user: user({ userName: `t${i}@own.example` }),
    }),
    '200',
  ],
  [
    'an account that somebody has',
    150,
    false,
    (i) => ({
      accounts: [],
      user: user({ userName: `admin-n${i}`, emails: [{ value: `n${i}@own.example`, primary: true }] }),
    }),
    '409',
  ],
]
const account = (id: string, more: object) => ({ id: `acc-${id}`, ...more })
const user = (more: { userName: string; externalId?: string; emails?: object }) => ({
  schemas: [USER_SCHEMA],
  active: true,
  ...more,
})
const one = (id: string, more: object, of: { userName: string; externalId?: string; emails?: object }): Person => ({
  ...{ accounts: [account(id, more)], user: user(of) },
})

test('10,000 accounts and a first sync of 12,000 users with 9,000 overlaps: nobody is adopted silently, none is refused, and the doubtful ones wait', {
  timeout: 600_000,
}, async () => {
  const tenant = await gateway.newTenant({ settings: { adoption: { ...DEFAULT_ADOPTION, existingUser: 'adopt' } } })
  const api = await accountsApi(gateway, tenant)
  await api.own('own.example')
  const people = WAYS.map(([, count, , person]) => Array.from({ length: count }, (_, i) => person(i)))
  const overlapping = people.flat()
  const alone = Array.from({ length: 1_000 }, (_, i) => account(`alone${i}`, { userName: `alone${i}@own.example` }))
  const fresh = Array.from({ length: 3_000 }, (_, i) => user({ userName: `fresh${i}@own.example` }))
  const accounts = [...overlapping.flatMap((person) => person.accounts), ...alone]
  const users = [...overlapping.map((person) => person.user), ...fresh]
  expect([accounts.length, overlapping.length, users.length]).toEqual([10_000, 9_000, 12_000])

  for (let from = 0; from < accounts.length; from += 4_000)
    await api.lines(accounts.slice(from, from + 4_000), '?run=first')
  await api.done('POST', '/account-runs/first/finish')

  const create = async (some: readonly object[]) => {
    const Operations = some.map((data, i) => ({ method: 'POST', path: '/Users', bulkId: `b${i}`, data }))
    const answer = await tenant.scim('POST', '/Bulk', { schemas: [BULK_REQUEST], Operations })
    return (answer.body as { Operations: Created[] }).Operations
  }
  const ids = new Map<string, string>()
  for (let from = 0; from < users.length; from += 500) {
    const some = users.slice(from, from + 500)
    const done = await create(some)
    expect(done.filter(({ status }) => status !== '201')).toEqual([])
    for (const [i, { userName }] of some.entries()) ids.set(userName, done[i]?.location?.split('/').at(-1) ?? '')
  }
  expect(ids.size).toBe(12_000)

  const linksNow = async () => {
    const linked = new Map<string, string>()
    for (let after = ''; ; ) {
      const page = (await api.done('GET', `/accounts?limit=200${after}`)) as unknown as {
        items: { id: string; user: string | null }[]
        next: string | null
      }
      for (const item of page.items) if (item.user !== null) linked.set(item.user, item.id)
      if (page.next === null) return linked
      after = `&after=${page.next}`
    }
  }
  const waitingNow = async () =>
    new Map((await api.waiting()).map(({ id, candidates }) => [id, candidates.map((each) => each.account)]))
  const [linked, waiting] = [await linksNow(), await waitingNow()]
  const idOf = (person: Person) => ids.get(person.user.userName) ?? ''
  for (const [i, [way, , certain]] of WAYS.entries()) {
    const wrong = (people[i] ?? []).filter((person, j) => {
      const expected = way === 'an account that somebody has' ? [`acc-n${j}`] : person.accounts.map(({ id }) => id)
      const [has, may] = [linked.get(idOf(person)), waiting.get(idOf(person))]
      if (certain) return has !== expected[0] || may !== undefined
      return has !== undefined || JSON.stringify(may) !== JSON.stringify(expected.sort())
    })
    expect([way, wrong.length]).toEqual([way, 0])
  }
  expect([linked.size, waiting.size]).toEqual([7_000, 2_000])
  // Nobody silently: the log tells of each link.
  const told = await api.events('account.linked')
  expect(new Map(told.map(({ changes }) => [changes.user, changes.account]))).toEqual(linked)

  // An identity provider that has lost the ids creates some of each way again. It gets the user who is there, or a refusal that
  // names that user; nobody is linked by it, and nobody leaves the queue.
  for (const [i, [way, , , , again]] of WAYS.entries()) {
    const some = (people[i] ?? []).slice(0, 50)
    const done = await create(some.map((person) => person.user))
    const wrong = done.filter(({ status, location, response }, j) => {
      const id = idOf(some[j] as Person)
      return status !== again || !(status === '200' ? location : response?.detail)?.includes(id)
    })
    expect([way, wrong]).toEqual([way, []])
  }
  expect([await linksNow(), await waitingNow()]).toEqual([linked, waiting])
})
