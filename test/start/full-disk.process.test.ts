import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runGateway } from '../support/children.ts'

/** A disk of 128 MB, where this account may mount one. */
const disk = mkdtempSync(join(tmpdir(), 'rollcall-disk-'))
const mounted = (() => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128m', 'tmpfs', disk], { stdio: 'ignore' })
    return true
  } catch {
    console.log('full disk SKIPPED: this account may not mount a small disk')
    return false
  }
})()
afterAll(() => {
  if (mounted) execFileSync('umount', ['-l', disk])
  rmdirSync(disk)
})

const filler = join(disk, 'filler')
/** Fills the disk until less room is left than the engine needs for its log. */
const fill = () => {
  const { bavail, bsize } = statfsSync(disk)
  writeFileSync(filler, Buffer.alloc(bavail * bsize - 20 * 1024 ** 2))
}

const adminKey = randomBytes(20).toString('hex')
const run = () =>
  runGateway({
    ...{ PORT: '0', HOST: '127.0.0.1', DATA_DIR: join(disk, 'data'), DATABASE_URL: '', LOG_LEVEL: 'silent' },
    ADMIN_KEY: adminKey,
  })

async function start() {
  const child = run()
  await child.says('Create a user')
  const origin = `http://127.0.0.1:${/http:\/\/localhost:(\d+)/.exec(child.stdout())?.[1]}`
  const ask = async (path: string, body?: object) => {
    const response = await fetch(origin + path, {
      headers: { Authorization: `Bearer ${adminKey}`, 'Content-Type': 'application/scim+json' },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    })
    return { status: response.status, retryAfter: response.headers.get('retry-after'), text: await response.text() }
  }
  const stop = async () => {
    child.process.kill('SIGTERM')
    expect(await child.ended()).toBe(0)
  }
  return { ask, stop }
}

const USERS = '/scim/v2/default/dev/Users'

test.skipIf(!mounted)(
  'a full disk loses nothing: changes get 503, reads go on, and it heals when there is room',
  async () => {
    const gateway = await start()
    const stored: string[] = []
    let names = 0
    const create = async () => {
      const answer = await gateway.ask(USERS, { userName: `user${names++}` })
      if (answer.status === 201) stored.push((JSON.parse(answer.text) as { id: string }).id)
      return answer
    }
    expect((await create()).status).toBe(201)

    fill()
    await expect.poll(async () => (await create()).status).toBe(503)
    const refused = await create()
    expect(refused).toMatchObject({ status: 503, retryAfter: expect.stringMatching(/^\d+$/) })
    expect(refused.text).toContain('its disk is full')
    expect(await gateway.ask('/readyz')).toMatchObject({
      status: 503,
      text: expect.stringContaining('its disk is full'),
    })
    expect((await gateway.ask('/livez')).status).toBe(200)
    for (const id of stored) expect((await gateway.ask(`${USERS}/${id}`)).status).toBe(200)

    rmSync(filler)
    await expect.poll(async () => (await create()).status).toBe(201)
    // What it says holds for a second.
    await expect.poll(async () => (await gateway.ask('/readyz')).status).toBe(200)
    await gateway.stop()

    fill()
    const refusing = run()
    expect(await refusing.ended()).toBe(1)
    expect(refusing.stderr()).toMatch(
      /^rollcall: the disk of the data folder .* is full: 20 MB are left.*make room, and start again\n$/,
    )

    rmSync(filler)
    const again = await start()
    for (const id of stored) expect((await again.ask(`${USERS}/${id}`)).status).toBe(200)
    await again.stop()
  },
)
