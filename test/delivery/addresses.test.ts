import type { lookup } from 'node:dns'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { setSender } from '../../src/delivery/sending/set-sender.ts'
import { webhookSender } from '../../src/delivery/sending/webhook-sender.ts'
import { addressProblem, mayConnect, type Networks } from '../../src/network/delivery-address.ts'
import { secretBox } from '../../src/signing/secret-box.ts'
import { openReceiver } from '../support/receiver.ts'

const { addresses } = JSON.parse(
  readFileSync(new URL('../fixtures/hostile/delivery-addresses.json', import.meta.url), 'utf8'),
) as { addresses: { url: string; verdict: string; why: string }[] }
const secrets = [`whsec_${Buffer.alloc(32).toString('base64')}`]
const message = { id: 'm', body: '{"type":"t","data":{}}', secrets }

/** What sends: messages to webhooks, and Security Event Tokens. */
const SENDERS = {
  message: (networks: Networks, resolve?: typeof lookup) => {
    const { send, close } = webhookSender(networks, resolve)
    return { send: (url: string) => send({ ...message, url }), close }
  },
  token: (networks: Networks, resolve?: typeof lookup) => {
    const { send, close } = setSender(networks, resolve)
    return { send: (url: string) => send(url, 'header.payload.signature', 'token'), close }
  },
}

describe('EV-16 where events may go', () => {
  test('the list of hostile addresses is whole', () => expect(addresses).toHaveLength(38))

  test.each(addresses)('$why: $url is refused when it is registered and when it is sent to', async ({ url }) => {
    expect(addressProblem(url, [])).toEqual(expect.any(String))
    for (const open of Object.values(SENDERS)) {
      const sender = open([])
      expect(await sender.send(url)).toMatchObject({
        ...{ ok: false, status: null, error: expect.stringContaining('the address') },
      })
      await sender.close()
    }
  })

  test.each([
    ['https://hooks.example.com/scim?x=1', []],
    ['https://hooks.example.com:443/', []],
    ['https://hooks.example.com./', []],
    [`https://${'a'.repeat(63)}.example.com/`, []],
    ['https://10.1.2.3:8443/', ['10.0.0.0/8']],
    ['https://203.0.114.9/', []],
    ['https://[2606:4700::1111]/', []],
    ['http://127.0.0.1:9999/', ['127.0.0.0/8']],
    ['http://localhost:9999/', ['127.0.0.1/32']],
    ['https://10.1.2.3/', ['10.0.0.0/8', 'fd00::/8']],
    ['https://[fd00::1]/', ['10.0.0.0/8', 'fd00::/8']],
  ])('%s is taken, with %j allowed', (url, networks) => expect(addressProblem(url, networks)).toBeUndefined())

  test.each([
    ['a name that only the hosting platform resolves', 'https://app.flycast/'],
    ['the same, longer', 'https://hooks.app.flycast/'],
    ['a service of the cluster', 'https://hooks.prod.svc/'],
    ['a port that a control plane listens on', 'https://hooks.example.com:6443/'],
    ['a port above the well-known ones', 'https://hooks.example.com:8443/'],
    ['an empty label inside', 'https://hooks..example.com/'],
    ['an empty label in front', 'https://.example.com/'],
    ['two dots behind', 'https://hooks.example.com../'],
    ['a label of 64 characters', `https://${'a'.repeat(64)}.example.com/`],
    ['a name of 254 characters', `https://${'abcdefghi.'.repeat(25)}abcd/`],
  ])('%s is refused when it is registered: %s', (_, url) => expect(addressProblem(url, [])).toEqual(expect.any(String)))

  test.each([
    ['8.8.8.8', true],
    ['127.0.0.1', false],
    ['::ffff:10.0.0.1', false],
    ['::127.0.0.1', false],
    ['64:ff9b::7f00:1', false],
    ['2002:7f00:1::', false],
    ['fe80::1', false],
    ['2606:4700::1111', true],
    ['nonsense', false],
  ])('%s may be connected to: %s', (address, allowed) => expect(mayConnect(address, [])).toBe(allowed))

  test.each(Object.entries(SENDERS))(
    'a name is judged by what it means when the connection is made, each time: %s',
    async (_, open) => {
      // Every address that the name has counts: one that is not public spoils it.
      const answers = [['127.0.0.1'], ['203.0.114.9', '127.0.0.1'], ['::1'], ['169.254.169.254'], ['10.0.0.8']]
      let asked = 0
      const resolve = ((_: string, __: object, done: (error: null, list: object[]) => void) => {
        const list = answers[asked++ % answers.length] ?? []
        done(
          null,
          list.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        )
      }) as unknown as typeof lookup
      const sender = open([], resolve)
      for (const _ of answers)
        expect(await sender.send('https://hooks.example.com/')).toEqual({
          ...{ ok: false, status: null, retryAfterMs: 0, error: 'the name leads to an address that is not public' },
        })
      expect(asked).toBe(answers.length)
      await sender.close()
    },
  )

  test('a redirect is not followed, wherever it leads', async () => {
    const receiver = await openReceiver()
    receiver.answer('/', () => 302)
    const sender = SENDERS.message(['127.0.0.0/8'])
    expect(await sender.send(`${receiver.origin}/`)).toMatchObject({ ok: false, status: 302 })
    expect(receiver.messages.map(({ path }) => path)).toEqual(['/'])
    await sender.close()
    await receiver.close()
  })
})

test('a sealed secret opens with the same key for the same owner, and is not in what is stored', async () => {
  const box = secretBox(async () => 'one key')
  const sealed = await box.seal('whsec_abc', 'owner')
  expect(sealed).not.toContain('abc')
  expect(await box.open(sealed, 'owner')).toBe('whsec_abc')
  expect(await box.open(sealed, 'other')).toBeUndefined()
  expect(await secretBox(async () => 'another key').open(sealed, 'owner')).toBeUndefined()
  expect(await box.open(`${sealed.slice(0, -4)}AAAA`, 'owner')).toBeUndefined()
})
