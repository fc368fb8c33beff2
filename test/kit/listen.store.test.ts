import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EXIT } from '../../src/cli/failure.ts'
import { rollcall, rollcallRunning } from '../support/cli.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'
import { idIn, userBody } from '../support/instances.ts'
import { openReceiver, type Receiver } from '../support/receiver.ts'

// `rollcall listen` and `rollcall events`, as a developer uses them against a gateway elsewhere.

const SECRET = 'whsec_c2VjcmV0IG9mIGEgdGVzdA=='

let gateway: Gateway
let env: Record<string, string>
let folder: string
let receiver: Receiver
let [acme, globex]: TestTenant[] = []
beforeAll(async () => {
  gateway = await openGateway()
  folder = mkdtempSync(join(tmpdir(), 'rollcall-listen-'))
})
afterAll(async () => {
  await gateway.close()
  rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  ;[receiver, acme, globex] = [await openReceiver(), await gateway.newTenant(), await gateway.newTenant()]
  env = {
    ...{ ROLLCALL_URL: gateway.origin, ROLLCALL_APP_KEY: await gateway.mintKey({ permissions: ['directory:read'] }) },
    ...{ ROLLCALL_PROJECT: gateway.project, ROLLCALL_ENVIRONMENT: gateway.environment },
    ROLLCALL_ADMIN_KEY: gateway.adminKey,
  }
})
afterEach(() => receiver.close())

const made = async (tenant: TestTenant | undefined, name: string): Promise<string> => {
  if (tenant === undefined) throw new Error('no tenant')
  return idIn(await tenant.scim('POST', '/Users', userBody(name)))
}
const until = <T>(what: () => T) => expect.poll(what, { interval: 20 })
/** Ids of the users of whom events came, which must be signed. */
const received = () =>
  receiver.messages.map(({ text, headers }) => {
    const { data } = new Webhook(SECRET).verify(text, headers as Record<string, string>) as {
      data: { resource: { id: string } }
    }
    return data.resource.id
  })
const listen = (...args: string[]) =>
  rollcallRunning(env, 'listen', `${receiver.origin}/webhooks`, '--secret', SECRET, '--events', 'user.*', ...args)

describe('rollcall listen', () => {
  test('forwards the events of all tenants of an environment over one feed, also of one that comes later', async () => {
    const before = await made(acme, 'before')
    const listening = listen()
    await until(() => listening.err()).toContain(`all tenants of ${gateway.project}/${gateway.environment}`)
    // It begins at the end of the feed, of which it says nothing: what comes is seen from some moment on.
    const seen: string[] = []
    await until(async () => {
      if (seen.length === 0 || received().length === 0) seen.push(await made(acme, `ada-${seen.length}`))
      return received().length
    }).toBeGreaterThan(0)
    const [later, bob] = [await gateway.newTenant(), await made(globex, 'bob')]
    const eve = await made(later, 'eve')
    await until(received).toEqual(expect.arrayContaining([bob, eve]))
    expect(received()).not.toContain(before)
    await until(() => listening.out()).toContain(`of tenant ${later.id}`)
    expect(await listening.stop()).toBe(0)
  })

  test('goes on where it was, by a file; --tenant and --after say less', async () => {
    const state = join(folder, 'state.json')
    const [ada, bob] = [await made(acme, 'ada'), await made(globex, 'bob')]
    const first = listen('--after', '0', '--state', state)
    await until(received).toEqual(expect.arrayContaining([ada, bob]))
    await until(() => first.out().match(/-> 200/g)?.length ?? 0).toBeGreaterThanOrEqual(receiver.messages.length)
    expect(await first.stop()).toBe(0)
    const place = `${gateway.project}/${gateway.environment}`
    expect(JSON.parse(readFileSync(state, 'utf8'))).toEqual({ [place]: expect.stringMatching(/^f[0-9a-f]{8}\./) })
    receiver.messages.length = 0

    const eve = await made(globex, 'eve')
    const second = listen('--state', state)
    await until(received).toEqual([eve])
    expect(await second.stop()).toBe(0)
    receiver.messages.length = 0

    const one = listen('--after', '0', '--tenant', acme?.name ?? '')
    await until(received).toEqual([ada])
    expect(await one.stop()).toBe(0)
    receiver.messages.length = 0

    // A position that an older version has kept.
    const old = join(folder, 'old.json')
    writeFileSync(old, JSON.stringify({ [`${place}/${globex?.name}`]: 1 }))
    const on = listen('--state', old, '--tenant', globex?.name ?? '')
    await until(received).toEqual([eve])
    expect(await on.stop()).toBe(0)
  })

  test('sends an event again by its id, and by its position in the log of a tenant', async () => {
    const ada = await made(acme, 'ada')
    const listed = await rollcall(env, 'events', '--types', 'user.*', '--tenants', acme?.name ?? '', '--json')
    const { id, position } = JSON.parse(listed.out) as { id: string; position: number }
    const resend = (which: string, ...args: string[]) =>
      rollcall(env, ...['listen', `${receiver.origin}/webhooks`, '--secret', SECRET, '--resend', which, ...args])
    expect(await resend(id)).toMatchObject({ exitCode: 0 })
    expect(await resend(String(position), '--tenant', acme?.name ?? '')).toMatchObject({ exitCode: 0 })
    expect(received()).toEqual([ada, ada])
    expect(await resend(String(position))).toMatchObject({
      ...{ exitCode: EXIT.usage, err: expect.stringContaining('give --tenant, or the id of the event') },
    })
  })

  test('says what is wrong: a key of one tenant for all of them, and a position that is none', async () => {
    const [narrow, tenant] = [
      await gateway.mintKey({ permissions: ['directory:read'], ...(acme && { tenant: acme }) }),
      acme?.name ?? '',
    ]
    const of = (key: string, ...args: string[]) =>
      rollcall({ ...env, ROLLCALL_APP_KEY: key }, 'listen', receiver.origin, ...args)
    expect(await of(narrow)).toMatchObject({ exitCode: EXIT.refused })
    for (const [after, args] of [
      ['12', []],
      ['f0', ['--tenant', tenant]],
    ] as const)
      expect(await of(narrow, '--after', after, ...args)).toMatchObject({
        ...{ exitCode: EXIT.usage, err: expect.stringContaining('--after takes') },
      })
  })
})

describe('rollcall events', () => {
  const lines = (text: string) => text.split('\n').filter(Boolean)

  test('lists the events of a tenant or of all, page by page, by type and tenant', async () => {
    const [ada, bob] = [await made(acme, 'ada'), await made(globex, 'bob')]
    const [a, g] = [acme?.name ?? '', globex?.name ?? '']
    const one = await rollcall(env, 'events', a, '--types', 'user.*')
    expect(one).toMatchObject({ exitCode: 0, err: '' })
    expect(lines(one.out)).toEqual([expect.stringMatching(`^\\S+  ${acme?.id}  \\d+  user\\.created  User ${ada}$`)])
    const both = ['events', '--types', 'user.*', '--tenants', `${a},${globex?.id}`]
    const all = await rollcall(env, ...both, '--json')
    const ids = (text: string) =>
      lines(text).map((line) => (JSON.parse(line) as { resource: { id: string } }).resource.id)
    expect(ids(all.out)).toEqual([ada, bob])
    const first = await rollcall(env, ...both, '--json', '--limit', '1')
    expect(ids(first.out)).toEqual([ada])
    const [, after = ''] = /--after (\S+)/.exec(first.err) ?? []
    const second = await rollcall(env, ...both, '--json', '--after', after)
    expect([ids(second.out), second.err]).toEqual([[bob], ''])
    const position = lines(one.out)[0]?.split('  ')[2] ?? ''
    expect((await rollcall(env, 'events', a, '--after', position)).out).toBe('')
    for (const args of [
      ['events', a, '--tenants', g],
      ['events', '--limit', '501'],
    ])
      expect((await rollcall(env, ...args)).exitCode).toBe(EXIT.usage)
    expect((await rollcall(env, 'events', 'nobody')).exitCode).toBe(EXIT.refused)
  })

  test.each([true, false])('follows what comes until it is stopped (one tenant: %s)', async (alone) => {
    const ada = await made(acme, 'ada')
    const which = alone ? [acme?.name ?? ''] : ['--tenants', `${acme?.name},${globex?.name}`]
    const following = rollcallRunning(env, 'events', ...which, '--types', 'user.created', '--follow')
    await until(() => following.out()).toContain(ada)
    const eve = await made(alone ? acme : globex, 'eve')
    await until(() => following.out()).toContain(eve)
    expect(lines(following.out())).toHaveLength(2)
    expect(await following.stop()).toBe(0)
    const refused = await rollcall(env, 'events', 'nobody', '--follow')
    expect(refused).toMatchObject({ exitCode: EXIT.refused, err: expect.stringContaining('cannot be followed') })
  })
})
