import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { built } from './built.ts'

/** A process of our own, and what it has said so far. */
export interface Child {
  readonly process: ChildProcess
  stdout(): string
  stderr(): string
  /** Waits until standard output holds `text`; rejects when the process ends first. */
  says(text: string): Promise<void>
  /** The same of standard error. */
  logs(text: string): Promise<void>
  /** Exit code, or the signal that ended it. */
  ended(): Promise<number | NodeJS.Signals | null>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Runs a program of `test/support/programs` as a process. */
export function runProgram(name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Child {
  return runNode(name, [built.program(name), ...args], env)
}

/** Runs the gateway as a process. */
export function runGateway(env: NodeJS.ProcessEnv): Child {
  return runNode('gateway', ['--enable-source-maps', built.main()], env)
}

/** Runs Node with these arguments as a process, which errors call `name`. `node` is another Node than the one of this process. */
export function runNode(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  node = process.execPath,
): Child {
  return runCommand(name, node, args, { env: { ...process.env, ...env } })
}

/** Runs any program as a process, which errors call `name`. */
export function runCommand(name: string, program: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let out = ''
  let err = ''
  let over = false
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of listeners) listener()
  }
  child.stdout.on('data', (chunk) => {
    out += chunk
    tell()
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
    tell()
  })
  const holds = (output: () => string, text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        const found = output().includes(text)
        if (!found && !over) return
        listeners.delete(look)
        if (found) resolve()
        else reject(new Error(`${name} ended without saying "${text}": ${out}${err}`))
      }
      listeners.add(look)
      look()
    })
  const end = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child)
      over = true
      resolve(code ?? signal)
      tell()
    })
  })
  return {
    process: child,
    stdout: () => out,
    stderr: () => err,
    ended: () => end,
    says: (text) => holds(() => out, text),
    logs: (text) => holds(() => err, text),
  }
}

/** Runs the gateway as `npm start` does, on a free port; gives the address at which it answers. */
export async function runMain(env: NodeJS.ProcessEnv): Promise<{ readonly gateway: Child; readonly origin: string }> {
  const port = await freePort()
  const gateway = runGateway({ NODE_ENV: '', PORT: String(port), ...env })
  const origin = `http://127.0.0.1:${port}`
  // By then it listens for signals too; one that came before would end it without its last words.
  await gateway.says('Create a user:')
  return { gateway, origin }
}

/**
 * A port that is free at this moment. It is below those that systems give to outgoing connections, so that none of these takes it
 * before a server does.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}
