import { type ChildProcess, spawn } from 'node:child_process'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'

/** A process of our own, and what it has said so far. */
export interface Child {
  readonly process: ChildProcess
  stdout(): string
  stderr(): string
  /** Waits until standard output holds `text`; rejects when the process ends first. */
  says(text: string): Promise<void>
  /** Exit code, or the signal that ended it. */
  ended(): Promise<number | NodeJS.Signals | null>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Runs a TypeScript file of `test/support/programs` as a process. */
export function runProgram(name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Child {
  const path = fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url))
  return runNode(name, ['--import', 'tsx', path, ...args], env)
}

/** Runs Node with these arguments as a process, which errors call `name`. */
export function runNode(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  running.add(child)
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const end = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child)
      resolve(code ?? signal)
    })
  })
  return {
    process: child,
    stdout: () => out,
    stderr: () => err,
    ended: () => end,
    says: async (text) => {
      let over = false
      void end.then(() => {
        over = true
      })
      while (!out.includes(text)) {
        if (over) throw new Error(`${name} ended without saying "${text}": ${out}${err}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
  }
}

/** The gateway's program, from its sources. */
export const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Runs the gateway as `npm start` does, from its sources and on a free port; gives the address at which it answers. */
export async function runMain(env: NodeJS.ProcessEnv): Promise<{ readonly gateway: Child; readonly origin: string }> {
  const port = await freePort()
  const gateway = runNode('gateway', ['--import', 'tsx', MAIN], { NODE_ENV: '', PORT: String(port), ...env })
  const origin = `http://127.0.0.1:${port}`
  await gateway.says('Create a user:')
  // Once it answers after that it listens for signals too; one that came before would end it without its last words.
  await fetch(`${origin}/livez`)
  return { gateway, origin }
}

/** A port that nobody has at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
