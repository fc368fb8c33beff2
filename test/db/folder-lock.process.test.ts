import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { CannotOpen } from '../../src/db/errors.ts'
import { lockFolder } from '../../src/db/folder-lock.ts'
import { runProgram } from '../support/children.ts'

const quick = { heartbeat: 50, watch: 400, stale: 60_000 }
/** A process that watched a file would go on until the test is ended as hanging. */
const patient = { heartbeat: 2_000, watch: 3_600_000, stale: 30_000 }
const elsewhere = 'ffffffffffff'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const never = () => expect.unreachable('the lock was lost')

test('a second process is refused without a wait, with a line that says who has the folder', async () => {
  const lock = await lockFolder(folder, never)
  await expect(lockFolder(folder, never, patient)).rejects.toThrow(
    new RegExp(`^the data folder .* is in use by another process \\(pid ${process.pid} there\\)`),
  )
  await expect(lockFolder(folder, never)).rejects.toThrow(CannotOpen)
  await lock.release()
})

test('a process that is busy or stopped keeps its lock', async () => {
  const holder = runProgram('hold-lock', [folder])
  await holder.says('locked')
  holder.process.kill('SIGSTOP')
  await expect(lockFolder(folder, never)).rejects.toThrow(CannotOpen)
  holder.process.kill('SIGKILL')
  await holder.ended()
})

test('after kill -9 the next one has the lock without a wait', async () => {
  const holder = runProgram('hold-lock', [folder])
  await holder.says('locked')
  holder.process.kill('SIGKILL')
  await holder.ended()
  const lock = await lockFolder(folder, never, patient)
  await lock.release()
  expect(readdirSync(join(folder, 'lock'))).toEqual([])
})

test('what a killed process with our own pid left behind does not stop us', async () => {
  const lock = await lockFolder(folder, never)
  const [own = ''] = readdirSync(join(folder, 'lock'))
  await lock.release()
  writeFileSync(join(folder, 'lock', own), '')
  await (await lockFolder(folder, never)).release()
})

test('of many that start together exactly one has the lock', async () => {
  for (let round = 0; round < 5; round++) {
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => lockFolder(folder, never)))
    const held = outcomes.filter((outcome) => outcome.status === 'fulfilled')
    expect(held).toHaveLength(1)
    await held[0]?.value.release()
  }
})

test('of many processes that start together exactly one has the lock', async () => {
  const children = Array.from({ length: 4 }, () => runProgram('hold-lock', [folder]))
  await vi.waitFor(() => expect(children.filter((child) => child.stdout() !== '')).toHaveLength(4), { timeout: 60_000 })
  expect(children.filter((child) => child.stdout() === 'locked\n')).toHaveLength(1)
  for (const child of children) child.process.kill('SIGKILL')
  await Promise.all(children.map((child) => child.ended()))
})

test('a path too long for a socket is locked all the same', async () => {
  const deep = join(folder, 'x'.repeat(90), 'y'.repeat(90))
  mkdirSync(deep, { recursive: true })
  const lock = await lockFolder(deep, never)
  expect(readdirSync(join(deep, 'lock'))).toEqual([expect.stringMatching(/\.sock$/)])
  await expect(lockFolder(deep, never)).rejects.toThrow(CannotOpen)
  await lock.release()
})

test('a process on another machine keeps the lock while it renews its file, and loses it when it stops', async () => {
  const other = join(folder, 'lock', `${elsewhere}.1.aa.sock`)
  mkdirSync(join(folder, 'lock'))
  writeFileSync(other, '')
  const beat = setInterval(() => utimesSync(other, new Date(), new Date()), 50)
  await expect(lockFolder(folder, never, quick)).rejects.toThrow(CannotOpen)
  clearInterval(beat)
  await (await lockFolder(folder, never, quick)).release()
})

test('a file from before a reboot, long not renewed, costs no wait', async () => {
  const other = join(folder, 'lock', `${elsewhere}.1.aa.sock`)
  mkdirSync(join(folder, 'lock'))
  writeFileSync(other, '')
  utimesSync(other, new Date(0), new Date(0))
  const lock = await lockFolder(folder, never, patient)
  await lock.release()
})

test('who holds the lock is told when its file is taken away', async () => {
  const lost = vi.fn()
  const lock = await lockFolder(folder, lost, quick)
  rmSync(join(folder, 'lock'), { recursive: true })
  await vi.waitFor(() => expect(lost).toHaveBeenCalledOnce(), { timeout: 60_000 })
  await lock.release()
})
