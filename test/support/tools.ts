import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import postgres from 'postgres'

// Servers that are no part of the project, run as processes of a test.

/** A program on PATH, or where Debian puts it; undefined where there is none. */
export function findTool(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** A tool that runs. */
export interface RunningTool {
  readonly child: ChildProcess
  /** Ends it, and deletes its folder. */
  stop(): Promise<void>
}

/** Runs a tool that has a folder of its own. It ends with this process at the latest. */
export function runTool(
  program: string,
  args: readonly string[],
  folder: string,
  options: SpawnOptions = {},
): RunningTool {
  const child = spawn(program, args, { ...options, cwd: folder, stdio: 'ignore' })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  return {
    child,
    stop: async () => {
      process.off('exit', kill)
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((resolve) => child.once('exit', resolve))
        kill()
        await ended
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const ANSWERS_WITHIN_MS = 30_000

/**
 * Waits until statements are answered at `url`.
 *
 * @param name of the tool, for words
 * @param log what it has said so far
 * @throws where it ends or does not answer in time
 */
export async function untilAnswered(url: string, child: ChildProcess, name: string, log: () => string): Promise<void> {
  const deadline = Date.now() + ANSWERS_WITHIN_MS
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${name} ended while starting: ${log()}`)
    const client = postgres(url, { max: 1, connect_timeout: 2, fetch_types: false, onnotice: () => {} })
    try {
      await client.unsafe('select 1')
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    } finally {
      await client.end({ timeout: 1 })
    }
  }
  throw new Error(`${name} did not answer within ${ANSWERS_WITHIN_MS / 1_000} s: ${log()}`)
}
